//! What the handlers share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime::broker::{Broker, BrokerError};
use runtime::lag::{self, Lag};
use runtime::mirror::Mirror;
use runtime::presence::Table;
use runtime::store::Blobs;
use schemas::campaign::Campaign;
use schemas::channel::Channel;
use schemas::spec::ModelSpec;
use tokio::sync::Mutex;

use crate::lanes::Lanes;
use crate::metrics::Metrics;
use crate::problem::Problem;

/// How long a measured lag is good for: many scrapers cost the broker one look.
const LAG_GOOD_FOR: Duration = Duration::from_secs(1);

/// The gateway's state.
#[derive(Debug)]
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
    pub lag: Mutex<Option<(Instant, Lag)>>,
}

/// The state as handlers get it.
pub type Shared = Arc<App>;

impl App {
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
        let pack_seconds = lag::mean_pack_seconds(campaigns.iter().map(|(_, campaign)| &**campaign));
        let lag = lag::measure(&self.broker, pack_seconds).await?;
        *known = Some((Instant::now(), lag));
        Ok(lag)
    }
}
