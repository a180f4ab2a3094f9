//! Training scopes that were asked for and have no fit of their own.

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use schemas::campaign::{Campaign, CampaignState, Publish};
use schemas::pack::{Pack, PackScope};
use schemas::scope::Scope;
use schemas::shard::Work;
use schemas::spec::ModelSpec;
use schemas::subjects::Priority;
use schemas::window::Window;

use crate::broker::{Broker, BrokerError};
use crate::bucket::{self, Bucket, BucketError};
use crate::clock::now_ms;
use crate::ids;
use crate::orders::{self, OrderError};

/// Claims under way at once.
const CLAIMS_AT_ONCE: usize = 64;

/// What learning a scope takes, in seconds of one core, as long as nobody has measured it.
const PLANNED_SECONDS: f64 = 0.01;

/// Why scopes could not be ordered.
#[derive(Debug, thiserror::Error)]
pub enum MissError {
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A bucket did not do as asked.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The campaign could not be ordered.
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// Orders one campaign of low priority for those of `scopes` that nobody has ordered lately for this revision of the model
/// and channel; gives it, or `None` where all have been. At most [`schemas::limits::PACK_SCOPES_MAX`] at once.
///
/// # Errors
/// [`MissError`]; then none of the scopes counts as ordered.
pub fn order<'a>(
    broker: &'a Broker,
    spec: &'a ModelSpec,
    channel: &'a str,
    scopes: &'a [Scope],
) -> BoxFuture<'a, Result<Option<Campaign>, MissError>> {
    Box::pin(async move {
        let claims = bucket::misses(broker).await?;
        let campaign = campaign(spec, channel);
        let claimed = claim(&claims, &campaign, scopes).await?;
        if claimed.is_empty() {
            return Ok(None);
        }
        let campaign = Campaign {
            patterns: claimed.iter().map(ToString::to_string).collect(),
            planned: claimed.len() as u64,
            estimated_seconds: PLANNED_SECONDS * claimed.len() as f64,
            ..campaign
        };
        match place(broker, &campaign, &claimed).await {
            Ok(()) => Ok(Some(campaign)),
            Err(error) => {
                release(&claims, &campaign, &claimed).await;
                Err(error.into())
            }
        }
    })
}

fn campaign(spec: &ModelSpec, channel: &str) -> Campaign {
    let created_at_ms = now_ms();
    Campaign {
        id: ids::campaign(created_at_ms),
        revision: spec.revision(),
        spec: spec.clone(),
        patterns: Vec::new(),
        levels: false,
        channel: channel.to_owned(),
        publish: Publish::Each,
        priority: Priority::Low,
        force: false,
        planned: 0,
        packs: 1,
        estimated_seconds: 0.0,
        created_at_ms,
        retry_of: None,
        state: CampaignState::Running,
        closed: None,
    }
}

fn key(campaign: &Campaign, scope: &Scope) -> String {
    let (model, revision, channel) = (&campaign.spec.name, &campaign.revision, &campaign.channel);
    format!("{model}.{channel}.{revision}.{:016x}", scope.stable_hash())
}

/// The scopes that are this campaign's alone.
async fn claim(
    claims: &Bucket<String>,
    campaign: &Campaign,
    scopes: &[Scope],
) -> Result<Vec<Scope>, BucketError> {
    let one = async |scope: &Scope| match claims.replace(&key(campaign, scope), &campaign.id, 0).await {
        Ok(_) => Ok(Some(scope.clone())),
        Err(BucketError::Conflict { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    let claimed: Vec<Option<Scope>> =
        stream::iter(scopes).map(one).buffered(CLAIMS_AT_ONCE).try_collect().await?;
    Ok(claimed.into_iter().flatten().collect())
}

/// As far as it can be told to a broker that has just failed.
async fn release(claims: &Bucket<String>, campaign: &Campaign, scopes: &[Scope]) {
    for scope in scopes {
        if let Err(error) = claims.erase(&key(campaign, scope)).await {
            tracing::debug!(%scope, "a claim stays until it is too old: {error}");
            return;
        }
    }
}

async fn place(broker: &Broker, campaign: &Campaign, scopes: &[Scope]) -> Result<(), OrderError> {
    let packs = [pack(campaign, scopes)];
    let messages = orders::store(broker, campaign, &packs).await?;
    orders::enter(broker, campaign).await?;
    orders::queue(broker, campaign, &packs, messages).await
}

fn pack(campaign: &Campaign, scopes: &[Scope]) -> Pack {
    let scope = |scope: &Scope| PackScope {
        scope: scope.clone(),
        window: Window::ALL,
        incumbent: None,
        parent: None,
    };
    Pack {
        campaign: campaign.id.clone(),
        model: campaign.spec.name.clone(),
        index: 0,
        planned_seconds: campaign.estimated_seconds,
        work: Work::default(),
        scopes: scopes.iter().map(scope).collect(),
    }
}
