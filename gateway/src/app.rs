//! What the handlers share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatch::Lanes;
use runtime::broker::Broker;
use runtime::bundle::Fixed;
use runtime::lag::{self, Lag, Running};
use runtime::mirror::Mirror;
use runtime::presence::BEAT_AND_MORE;
use runtime::store::Blobs;
use schemas::announce::Role;
use schemas::campaign::Campaign;
use schemas::channel::{Channel, LIVE};
use schemas::spec::ModelSpec;
use schemas::subjects::channel_key;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::known::KnownModels;
use crate::metrics::Metrics;
use crate::misses::Misses;
use crate::problem::Problem;
use crate::room::Room;
use crate::shadow::Shadows;

/// How long a measured lag is good for: many scrapers cost the broker one look.
const LAG_GOOD_FOR: Duration = Duration::from_secs(1);

/// How long a gateway may take to read models and channels before it says so in its answers instead of waiting.
const INFORMED_WITHIN: Duration = Duration::from_secs(10);

/// The gateway's state; each thread has one, with its own connection and lanes.
#[derive(Debug, Clone)]
pub struct App {
    /// The broker; a gateway that answers from a bundle alone has none.
    pub broker: Option<Broker>,
    /// Where fits rest.
    pub blobs: Blobs,
    /// Model specs.
    pub models: Mirror<ModelSpec>,
    /// Channels.
    pub channels: Mirror<Channel>,
    /// Campaign records.
    pub campaigns: Mirror<Campaign>,
    /// Lanes to predictors.
    pub lanes: Lanes,
    /// Numbers for Prometheus.
    pub metrics: Metrics,
    /// Longest time from a request to its answer.
    pub deadline: Duration,
    /// Memory for large bodies.
    pub room: Room,
    /// The lag as it was measured last.
    pub lag: Arc<Mutex<Option<(Instant, Lag)>>>,
    /// What is worked out once for many requests.
    pub known: Arc<KnownModels>,
    /// Scopes that were asked for in vain; where they cannot be trained nobody notes them.
    pub misses: Option<Misses>,
    /// Comparisons of channels.
    pub shadows: Shadows,
    /// Where work runs that is no prediction and may take long.
    pub background: Handle,
    /// What is answered from, where it is not broker and store.
    pub bundle: Option<Fixed>,
}

/// The state as handlers get it.
pub type Shared = Arc<App>;

impl App {
    /// The same state for a thread with its own connection.
    #[must_use]
    pub fn on(&self, broker: Option<Broker>, waiting_max: usize) -> App {
        let lanes = self.lanes.on(broker.clone(), waiting_max);
        App { broker, lanes, known: Arc::default(), ..self.clone() }
    }

    /// Waits until all that was there at the start is known: models, channels, campaigns, and the workers that answer a roll
    /// call. A request that came before would be told that there is no such model, or nobody to ask.
    pub async fn wait_informed(&self) {
        let (called, models, channels, campaigns) = tokio::join!(
            async {
                match &self.broker {
                    Some(broker) => self.lanes.table().call(broker).await,
                    None => Ok(()),
                }
            },
            self.models.wait_ready(INFORMED_WITHIN),
            self.channels.wait_ready(INFORMED_WITHIN),
            self.campaigns.wait_ready(INFORMED_WITHIN),
        );
        if let Err(error) = called {
            tracing::warn!(
                "{:#}; workers are known once they announce themselves",
                anyhow::Error::from(error)
            );
        }
        // One that has much to do may be later than others for the roll call, but not for its announcement.
        if self.lanes.near().is_none() && self.broker.is_some() {
            self.lanes.table().wait_predictor(BEAT_AND_MORE).await;
        }
        if !(models && channels && campaigns) {
            tracing::warn!("models and channels are still being read after {INFORMED_WITHIN:?}");
        }
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

    /// A model's channel; nothing answers by `live` before anything was trained.
    ///
    /// # Errors
    /// A 400 for a name that no channel can have; a 404 for one that none of the model's has, with the nearest right one.
    pub fn channel(&self, model: &str, name: &str) -> Result<Arc<Channel>, Problem> {
        schemas::name::check("channel", name).map_err(|error| Problem::bad_request(error.to_string()))?;
        let found = self.channels.get(&channel_key(model, name));
        found.or_else(|| (name == LIVE).then(Arc::default)).ok_or_else(|| {
            let (all, prefix) = (self.channels.all(), channel_key(model, ""));
            let known = all.iter().filter_map(|(key, _)| key.strip_prefix(&prefix));
            let hint = schemas::suggest::hint(name, known);
            let how = format!("`enqueue train {model} --channel {name}` makes one");
            Problem::not_found(format!("no channel `{name}` of model `{model}`{hint}; {how}"))
        })
    }

    /// The broker with queue and ledger.
    ///
    /// # Errors
    /// A 501 where a bundle takes their place.
    pub fn ledger(&self) -> Result<&Broker, Problem> {
        match (&self.broker, &self.bundle) {
            (Some(broker), None) => Ok(broker),
            (_, bundle) => Err(Problem::not_implemented(bundle.as_ref().map(|bundle| bundle.file.as_path()))),
        }
    }

    /// The state of the queue, measured at most once a second.
    ///
    /// # Errors
    /// When the broker does not answer, or there is none.
    pub async fn lag(&self) -> Result<Lag, Problem> {
        let broker = self.ledger()?;
        let mut known = self.lag.lock().await;
        if let Some((at, lag)) = *known
            && at.elapsed() < LAG_GOOD_FOR
        {
            return Ok(lag);
        }
        let campaigns = self.campaigns.all();
        let running = Running::of(campaigns.iter().map(|(_, campaign)| &**campaign));
        // A worker that has much to do may be too late for a roll call, but not for its announcements.
        let workers = [Role::Trainer, Role::Predictor].map(|role| self.lanes.table().alive(role)).concat();
        let lag = lag::measure(broker, running, &workers).await.map_err(Problem::internal)?;
        *known = Some((Instant::now(), lag));
        Ok(lag)
    }
}
