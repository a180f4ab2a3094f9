//! Training scopes that were asked for and have no fit of their own.

use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use schemas::campaign::Campaign;
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::subjects::Priority;
use schemas::window::Window;

use crate::broker::{Broker, BrokerError};
use crate::bucket::{self, Bucket, BucketError};
use crate::clock::now_ms;
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

/// What became of an order.
#[derive(Debug)]
pub enum Outcome {
    /// All scopes have been ordered lately.
    Known,
    /// A campaign.
    Ordered(Box<Campaign>),
    /// It is too soon after the model's last order, whoever gave that; not before so long from now.
    TooSoon(Duration),
}

/// Orders one campaign of low priority for those of `scopes` that nobody has ordered lately for this revision of the model
/// and channel. Two orders of a model, also by different processes and for different channels, are `pause` apart.
///
/// # Errors
/// [`MissError`]; then none of the scopes counts as ordered.
pub fn order<'a>(
    broker: &'a Broker,
    blobs: &'a Blobs,
    (spec, channel): (&'a ModelSpec, &'a str),
    scopes: &'a [Scope],
    pause: Duration,
) -> BoxFuture<'a, Result<Outcome, MissError>> {
    Box::pin(async move {
        let claims = bucket::misses(broker).await?;
        if let Some(left) = too_soon(&claims, &spec.name, pause).await? {
            return Ok(Outcome::TooSoon(left));
        }
        let campaign = Exact { spec, channel, priority: Priority::Low, force: false }.campaign();
        let claimed = claim(&claims, &campaign, scopes).await?;
        if claimed.is_empty() {
            return Ok(Outcome::Known);
        }
        let patterns = claimed.iter().map(ToString::to_string).collect();
        let ordered = Campaign { patterns, on_miss: true, ..campaign.clone() };
        let scopes = claimed.iter().map(|scope| (scope.clone(), Window::ALL)).collect();
        match exact::order(broker, blobs, ordered, scopes, true).await {
            Ok(campaign) => Ok(Outcome::Ordered(Box::new(campaign))),
            Err(error) => {
                release(&claims, &campaign, &claimed).await;
                Err(error.into())
            }
        }
    })
}

/// How long the model's next order has to wait; none where this is it, which others then wait for. No claim's key is a model's name.
async fn too_soon(
    claims: &Bucket<String>,
    model: &str,
    pause: Duration,
) -> Result<Option<Duration>, BucketError> {
    let (now, last) = (now_ms(), claims.get(model).await?);
    let last_ms = last.as_ref().and_then(|last| last.value.parse().ok());
    if let Some(left) = last_ms.and_then(|last_ms| left(last_ms, now, pause)) {
        return Ok(Some(left));
    }
    match claims.replace(model, &now.to_string(), last.map_or(0, |last| last.revision)).await {
        Ok(_) => Ok(None),
        Err(BucketError::Conflict { .. }) => Ok(Some(pause)),
        Err(error) => Err(error),
    }
}

/// What is left of a pause. A time far ahead is that of a wrong clock, and not waited for.
fn left(last_ms: i64, now_ms: i64, pause: Duration) -> Option<Duration> {
    let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    let left_ms = last_ms.saturating_add(pause_ms).saturating_sub(now_ms);
    (1..=pause_ms).contains(&left_ms).then(|| Duration::from_millis(left_ms.unsigned_abs()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_waited_for_unless_a_clock_is_wrong() {
        let pause = Duration::from_secs(5);
        assert_eq!(left(10_000, 10_000, pause), Some(pause));
        assert_eq!(left(10_000, 14_999, pause), Some(Duration::from_millis(1)));
        assert_eq!(left(10_000, 15_000, pause), None);
        assert_eq!(left(i64::MAX, 15_000, pause), None);
        assert_eq!(left(15_001, 15_000, pause), None);
    }
}
