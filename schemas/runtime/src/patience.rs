//! Trying again what a broker cannot do just now: a cluster takes up to ten seconds to choose a new leader.

use std::error::Error;
use std::time::{Duration, Instant};

use schemas::retry::Backoff;
use tokio_util::sync::CancellationToken;

use crate::broker::BrokerError;
use crate::bucket::BucketError;

/// Tries `what`, which must be safe to repeat, until it is done or fails for good; at most for `patience` (`None`: for ever).
///
/// # Errors
/// The last error, also when `shutdown` comes first.
pub async fn patiently<T, E>(
    what: impl AsyncFn() -> Result<T, E>,
    patience: Option<Duration>,
    shutdown: &CancellationToken,
) -> Result<T, E>
where
    E: AsRef<dyn Error + Send + Sync>,
{
    let began = Instant::now();
    let mut backoff = Backoff::new(200, 5_000, u64::from(std::process::id()));
    loop {
        let error = match what().await {
            Err(error) if may_pass(error.as_ref()) => error,
            done => return done,
        };
        let wait = backoff.next_within(began.elapsed(), patience).filter(|_| !shutdown.is_cancelled());
        let Some(wait) = wait else { return Err(error) };
        tracing::warn!("{}; trying again", chain(error.as_ref()));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.cancelled() => return Err(error),
        }
    }
}

/// Whether a broker may do later what it did not do now.
fn may_pass(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let of_broker = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<BrokerError>().is_some_and(BrokerError::is_transient)
            || cause.downcast_ref::<BucketError>().is_some_and(BucketError::is_transient)
    };
    causes(error).any(of_broker)
}

/// An error and what is behind it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// An error with its causes, as one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
