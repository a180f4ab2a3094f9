//! What the handlers share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatch::{Lanes, Near};
use runtime::broker::{Broker, BrokerError};
use runtime::lag::{self, Lag, Running};
use runtime::mirror::Mirror;
use runtime::presence::Table;
use runtime::store::Blobs;
use schemas::announce::Role;
use schemas::campaign::Campaign;
use schemas::channel::Channel;
use schemas::spec::ModelSpec;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::known::KnownModels;
use crate::metrics::Metrics;
use crate::misses::Misses;
use crate::problem::Problem;
use crate::shadow::Shadows;

/// How long a measured lag is good for: many scrapers cost the broker one look.
const LAG_GOOD_FOR: Duration = Duration::from_secs(1);

/// The gateway's state; each thread has one, with its own connection and lanes.
#[derive(Debug, Clone)]
pub struct App {
    /// The broker.
    pub broker: Broker,
    /// Where fits rest.
    pub blobs: Blobs,
    /// Model specs.
    pub models: Mirror<ModelSpec>,
    /// Channels.
    pub channels: Mirror<Channel>,
    /// Campaign records.
    pub campaigns: Mirror<Campaign>,
    /// Living workers.
    pub table: Table,
    /// Lanes to predictors.
    pub lanes: Lanes,
    /// Numbers for Prometheus.
    pub metrics: Metrics,
    /// Longest time from a request to its answer.
    pub deadline: Duration,
    /// The lag as it was measured last.
    pub lag: Arc<Mutex<Option<(Instant, Lag)>>>,
    /// The predictor of this process.
    pub near: Option<Arc<dyn Near>>,
    /// What is worked out once for many requests.
    pub known: Arc<KnownModels>,
    /// Scopes that were asked for in vain.
    pub misses: Misses,
    /// Comparisons of channels.
    pub shadows: Shadows,
    /// Where work runs that is no prediction and may take long.
    pub background: Handle,
}

/// The state as handlers get it.
pub type Shared = Arc<App>;

impl App {
    /// The same state for a thread with its own connection.
    #[must_use]
    pub fn on(&self, broker: Broker, waiting_max: usize) -> App {
        let lanes = Lanes::new(broker.clone(), self.near.clone(), waiting_max);
        App { broker, lanes, known: Arc::default(), ..self.clone() }
    }

    /// The model called `name`.
    ///
    /// # Errors
    /// A 404 with the nearest right name.
    pub fn model(&self, name: &str) -> Result<Arc<ModelSpec>, Problem> {
        self.models.get(name).ok_or_else(|| {
            let all = self.models.all();
            let hint = schemas::suggest::hint(name, all.iter().map(|(known, _)| known.as_str()));
            Problem::not_found(format!("no model `{name}`{hint}"))
        })
    }

    /// The state of the queue, measured at most once a second.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn lag(&self) -> Result<Lag, BrokerError> {
        let mut known = self.lag.lock().await;
        if let Some((at, lag)) = *known
            && at.elapsed() < LAG_GOOD_FOR
        {
            return Ok(lag);
        }
        let campaigns = self.campaigns.all();
        let running = Running::of(campaigns.iter().map(|(_, campaign)| &**campaign));
        // A worker that has much to do may be too late for a roll call, but not for its announcements.
        let workers = [Role::Trainer, Role::Predictor].map(|role| self.table.alive(role)).concat();
        let lag = lag::measure(&self.broker, running, &workers).await?;
        *known = Some((Instant::now(), lag));
        Ok(lag)
    }
}
