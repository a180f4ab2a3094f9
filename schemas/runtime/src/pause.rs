//! Holding the queue: packs stay, trainers get none.

use futures::future::BoxFuture;
use schemas::subjects::{self, Priority};
use time::OffsetDateTime;

use crate::broker::{Broker, BrokerError};
use crate::jobs;

/// A moment that nobody waits for: the year 2100.
const FOR_EVER_SECONDS: i64 = 4_102_444_800;

/// Holds the queue until [`resume`], or until `until_ms`. What trainers have already is finished.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn pause<'a>(broker: &'a Broker, until_ms: Option<i64>) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let queue = broker.stream(subjects::JOBS_STREAM).await?;
        let until = OffsetDateTime::from_unix_timestamp(until_ms.map_or(FOR_EVER_SECONDS, |ms| ms / 1_000));
        let until = until.map_err(|error| BrokerError::new("hold the queue until then", error))?;
        for priority in Priority::ALL {
            let held = queue.pause_consumer(&priority.consumer(), until).await;
            held.map_err(|error| BrokerError::new("hold the queue", error))?;
        }
        Ok(())
    })
}

/// Lets trainers have packs again.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn resume<'a>(broker: &'a Broker) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let queue = broker.stream(subjects::JOBS_STREAM).await?;
        for priority in Priority::ALL {
            let released = queue.resume_consumer(&priority.consumer()).await;
            released.map_err(|error| BrokerError::new("release the queue", error))?;
        }
        jobs::wake(broker).await;
        Ok(())
    })
}
