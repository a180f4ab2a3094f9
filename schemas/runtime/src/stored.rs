//! Publishing to a stream until it is stored.

use async_nats::jetstream::context::PublishError as PublishFailure;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use bytes::Bytes;
use futures::future::BoxFuture;
use schemas::retry::Backoff;

use crate::broker::{Broker, BrokerError};
use crate::clock::now_ms;

/// Publishes under way at once.
pub(crate) const PUBLISHES_AT_ONCE: usize = 256;

/// Tries of one publish: about 20 seconds, longer than the broker takes to choose a new leader.
const PUBLISH_TRIES: u32 = 12;

/// The newest message on a subject of a stream; `None` when there is none.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer; it says what was to be done.
pub(crate) async fn newest(
    broker: &Broker,
    stream: &str,
    subject: &str,
    what: &str,
) -> Result<Option<Bytes>, BrokerError> {
    use async_nats::jetstream::stream::LastRawMessageErrorKind as Kind;
    let stream = broker.stream(stream).await?;
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(message.payload)),
        Err(error) if error.kind() == Kind::NoMessageFound => Ok(None),
        Err(error) => Err(BrokerError::new(what.to_owned(), error)),
    }
}

/// Publishes `payload` to a stream until it is stored, trying again with the same message id.
///
/// # Errors
/// [`BrokerError`] after [`PUBLISH_TRIES`] tries, or at once when trying again cannot help.
pub(crate) fn publish_stored<'a>(
    broker: &'a Broker,
    subject: &'a str,
    message_id: &'a str,
    payload: Bytes,
) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let message = || PublishMessage::build().payload(payload.clone()).message_id(message_id);
        let done = publish_until_stored(broker, subject, message).await;
        done.map_err(|error| BrokerError::new(format!("store a message on {subject}"), error))
    })
}

/// Publishes what `message` builds until it is stored, or refused for good, or [`PUBLISH_TRIES`] tries have failed.
pub(crate) async fn publish_until_stored(
    broker: &Broker,
    subject: &str,
    message: impl Fn() -> PublishMessage,
) -> Result<(), PublishFailure> {
    let mut backoff = Backoff::new(100, 3_000, now_ms().unsigned_abs());
    let mut tries = 0;
    loop {
        let error = match try_publish(broker, subject, message()).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        tries += 1;
        if tries >= PUBLISH_TRIES || !is_transient(&error) {
            return Err(error);
        }
        tracing::warn!(subject, tries, %error, "publish failed; trying again");
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

/// One publish, confirmed by the stream.
pub(crate) fn try_publish<'a>(
    broker: &'a Broker,
    subject: &'a str,
    message: PublishMessage,
) -> BoxFuture<'a, Result<u64, PublishFailure>> {
    Box::pin(async move {
        let ack = broker.jetstream.send_publish(subject.to_owned(), message).await?.await?;
        Ok(ack.sequence)
    })
}

/// Whether a leader election or reconnection explains the failure.
pub(crate) fn is_transient(error: &PublishFailure) -> bool {
    use async_nats::jetstream::context::PublishErrorKind as Kind;
    matches!(error.kind(), Kind::StreamNotFound | Kind::TimedOut | Kind::BrokenPipe | Kind::MaxAckPending)
}

/// Whether a message was refused because of what stands on its subject already. A cluster has an error code of its own for
/// it, which the client does not know.
pub(crate) fn is_taken(error: &(dyn std::error::Error + 'static)) -> bool {
    const WRONG_LAST_SEQUENCE_OF_A_CLUSTER: u64 = 10164;
    let mut cause = Some(error);
    while let Some(one) = cause {
        let codes = [ErrorCode::STREAM_WRONG_LAST_SEQUENCE, ErrorCode(WRONG_LAST_SEQUENCE_OF_A_CLUSTER)];
        if one.downcast_ref::<jetstream::Error>().is_some_and(|error| codes.contains(&error.error_code())) {
            return true;
        }
        cause = one.source();
    }
    false
}
