//! A command's connection to the broker.

use std::time::Duration;

use anyhow::Context;
use runtime::broker::{Broker, ConnectError, ConnectRequest};
use runtime::bucket::{self, Bucket};
use runtime::rivals::Rivals;
use runtime::settings::Connection;
use runtime::store::{self, Blobs, FindError};
use runtime::topology;
use runtime::{channels, orders, patience};
use schemas::campaign::Campaign;
use schemas::channel::Channel;
use schemas::pack::Pack;
use schemas::spec::ModelSpec;
use schemas::subjects::channel_key;
use tokio_util::sync::CancellationToken;

use crate::usage::usage;

/// Seconds a command waits for an absent broker when not told otherwise.
const PATIENCE_SECONDS: u64 = 10;

/// Longest time that a command tries again what the broker cannot do just now: a cluster takes up to ten seconds to choose a
/// new leader.
const TRY_AGAIN_FOR: Duration = Duration::from_secs(30);

/// Tries again what the broker cannot do just now. `what` must be safe to repeat.
///
/// # Errors
/// The last error.
pub async fn patiently<T>(what: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    patience::patiently(what, Some(TRY_AGAIN_FOR), &CancellationToken::new()).await
}

/// A connected broker with its topology.
#[derive(Debug, Clone)]
pub struct Session {
    /// The broker.
    pub broker: Broker,
    /// Model specs.
    pub models: Bucket<ModelSpec>,
    connection: Connection,
}

impl Session {
    /// Connects as the command line says.
    ///
    /// # Errors
    /// When no broker answers in time, or it is not usable.
    pub async fn open(connection: &Connection) -> anyhow::Result<Session> {
        let patience = connection.patience(PATIENCE_SECONDS);
        let endless = CancellationToken::new();
        let request = ConnectRequest { url: connection.nats_url(), name: "enqueue".into(), patience };
        let broker = Broker::connect(&request, &endless).await.map_err(|error| match error {
            ConnectError::Refused { .. } => {
                let error = anyhow::Error::from(error);
                usage(format!("{error:#}"))
            }
            error => error.into(),
        })?;
        let models = match bucket::models(&broker).await {
            Ok(models) => models,
            // The first to come declares what the broker must hold.
            Err(_) => {
                let copies = connection.replicas();
                let patience = connection.connect_wait_seconds.map_or(Some(TRY_AGAIN_FOR), |_| patience);
                let declared = topology::declare_patiently(&broker, (copies, None), patience, &endless);
                declared.await.context("preparing the broker")?;
                patiently(async || Ok(bucket::models(&broker).await?)).await?
            }
        };
        Ok(Session { broker, models, connection: connection.clone() })
    }

    /// Orders a campaign.
    ///
    /// # Errors
    /// When a pack does not serialise, or the broker does not do as asked in time.
    pub async fn order(&self, campaign: &Campaign, packs: &[Pack]) -> anyhow::Result<()> {
        let messages = orders::store(&self.broker, campaign, packs).await?;
        patiently(async || Ok(orders::enter(&self.broker, campaign).await?)).await?;
        Ok(orders::queue(&self.broker, campaign, messages).await?)
    }

    /// The spec of a model.
    ///
    /// # Errors
    /// A usage error with the nearest right name when there is none so called.
    pub async fn model(&self, name: &str) -> anyhow::Result<ModelSpec> {
        schemas::name::check("model", name).map_err(usage)?;
        if let Some(found) = self.models.get(name).await? {
            return Ok(found.value);
        }
        let all = self.models.all().await?;
        let hint = match all.is_empty() {
            true => "; there are none yet, add one with `enqueue model add FILE`".to_owned(),
            false => schemas::suggest::hint(name, all.iter().map(|(known, _)| known.as_str())),
        };
        Err(usage(format!("no model `{name}`{hint}")))
    }

    /// A channel of a model as it is now: empty where nobody has moved it.
    ///
    /// # Errors
    /// When the broker fails.
    pub async fn channel_now(&self, model: &str, name: &str) -> anyhow::Result<Channel> {
        patiently(async || {
            let channels = bucket::channels(&self.broker).await?;
            Ok(channels::read(&channels, model, name).await?)
        })
        .await
    }

    /// A channel of a model with its campaigns.
    ///
    /// # Errors
    /// A usage error with the nearest right name where nothing was trained for it.
    pub async fn channel(&self, model: &str, name: &str) -> anyhow::Result<Channel> {
        schemas::name::check("channel", name).map_err(usage)?;
        let channel = self.channel_now(model, name).await?;
        if !channel.campaigns.is_empty() {
            return Ok(channel);
        }
        let all = patiently(async || Ok(bucket::channels(&self.broker).await?.all().await?)).await?;
        let key = channel_key(model, name);
        if all.iter().any(|(known, _)| *known == key) {
            return Err(usage(format!(
                "all moves of the channel `{name}` of `{model}` were taken back; `enqueue campaign list` names what `enqueue channel promote {model} CAMPAIGN --to {name}` brings back"
            )));
        }
        let trained = all.iter().filter(|(_, channel)| !channel.campaigns.is_empty());
        let own: Vec<&str> =
            trained.filter_map(|(key, _)| key.strip_prefix(model)?.strip_prefix('.')).collect();
        let hint = match own.is_empty() {
            true => format!("; train some of it with `enqueue train {model} --scope …`"),
            false => schemas::suggest::hint(name, own),
        };
        Err(usage(format!("nothing was trained for `{model}` on the channel `{name}`{hint}")))
    }

    /// What new fits of a model are compared with; nothing is read where nothing is needed.
    ///
    /// # Errors
    /// When the broker fails.
    pub async fn rivals(&self, spec: &ModelSpec, channel: &str, force: bool) -> anyhow::Result<Rivals> {
        if !Rivals::matter(spec, force) {
            return Ok(Rivals::default());
        }
        patiently(async || {
            // Without a store's name, the ledger alone tells.
            let blobs = self.blobs().await.ok();
            Ok(Rivals::read(&self.broker, blobs.as_ref(), &spec.name, channel).await?)
        })
        .await
    }

    /// How long to wait for others; `None` for ever.
    pub fn patience(&self) -> Option<Duration> {
        self.connection.patience(PATIENCE_SECONDS)
    }

    /// The store of fits.
    ///
    /// # Errors
    /// When none is named, or the address is none.
    pub async fn blobs(&self) -> anyhow::Result<Blobs> {
        store::find(&self.broker, self.connection.store_url()).await.map_err(|error| match error {
            FindError::Broker(error) => error.into(),
            error => usage(error),
        })
    }
}
