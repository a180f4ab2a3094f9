//! Training scopes that were asked for and have no fit of their own.

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use schemas::campaign::Campaign;
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::subjects::Priority;
use schemas::window::Window;

use crate::broker::{Broker, BrokerError};
use crate::bucket::{self, Bucket, BucketError};
use crate::exact::{self, Exact, ExactError};
use crate::store::Blobs;

/// Claims under way at once.
const CLAIMS_AT_ONCE: usize = 64;

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
    Order(#[from] ExactError),
}

/// Orders one campaign of low priority for those of `scopes` that nobody has ordered lately for this revision of the model
/// and channel; gives it, or `None` where all have been.
///
/// # Errors
/// [`MissError`]; then none of the scopes counts as ordered.
pub fn order<'a>(
    broker: &'a Broker,
    blobs: &'a Blobs,
    spec: &'a ModelSpec,
    channel: &'a str,
    scopes: &'a [Scope],
) -> BoxFuture<'a, Result<Option<Campaign>, MissError>> {
    Box::pin(async move {
        let claims = bucket::misses(broker).await?;
        let campaign = Exact { spec, channel, priority: Priority::Low, force: false }.campaign();
        let claimed = claim(&claims, &campaign, scopes).await?;
        if claimed.is_empty() {
            return Ok(None);
        }
        let patterns = claimed.iter().map(ToString::to_string).collect();
        let ordered = Campaign { patterns, on_miss: true, ..campaign.clone() };
        let scopes = claimed.iter().map(|scope| (scope.clone(), Window::ALL)).collect();
        match exact::order(broker, blobs, ordered, scopes, true).await {
            Ok(campaign) => Ok(Some(campaign)),
            Err(error) => {
                release(&claims, &campaign, &claimed).await;
                Err(error.into())
            }
        }
    })
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
