//! Setting packs aside: payload and reason are stored before the message leaves the queue.

use bytes::Bytes;
use futures::future::BoxFuture;
use schemas::dead::DeadLetter;
use schemas::envelope;
use schemas::limits::DELIVERIES_MAX;
use schemas::outcome::clip_reason;
use schemas::subjects;

use crate::broker::{Broker, BrokerError};
use crate::clock::now_ms;
use crate::jobs::{Job, publish_stored};

/// Stores `job` with `reason` among the dead, then takes it off the queue.
///
/// # Errors
/// [`BrokerError`] when the broker fails; the pack then comes back and is set aside next time.
pub fn bury<'a>(
    broker: &'a Broker,
    job: &'a Job,
    reason: &'a str,
    worker: &'a str,
) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let letter = DeadLetter {
            subject: job.subject().to_owned(),
            stream_sequence: job.stream_sequence(),
            deliveries: job.deliveries().min(DELIVERIES_MAX),
            reason: clip_reason(reason),
            worker: worker.to_owned(),
            at_ms: now_ms(),
            payload: job.payload().to_vec(),
        };
        let payload =
            envelope::encode(&letter).map_err(|error| BrokerError::new("encode a dead letter", error))?;
        let priority = letter.subject.rsplit('.').next().unwrap_or("unknown");
        let id = format!("dead.{}", letter.stream_sequence);
        publish_stored(broker, &subjects::dead(priority), &id, Bytes::from(payload)).await?;
        job.set_aside().await
    })
}

/// The number of dead packs.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn count<'a>(broker: &'a Broker) -> BoxFuture<'a, Result<u64, BrokerError>> {
    Box::pin(async move {
        let failed = |error: async_nats::Error| BrokerError::new("count dead packs", error);
        let stream = broker.jetstream.get_stream_no_info(subjects::DEAD_STREAM).await;
        let stream = stream.map_err(|error| failed(error.into()))?;
        let info = stream.get_info().await.map_err(|error| failed(error.into()))?;
        Ok(info.state.messages)
    })
}
