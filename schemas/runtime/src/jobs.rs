//! The work queue, from outside: packs go in, wait, and are taken off.

use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use schemas::envelope::{self, EnvelopeError};
use schemas::pack::Pack;
use schemas::subjects::{self, Priority};

use crate::broker::{Broker, BrokerError};
use crate::stored::{PUBLISHES_AT_ONCE, is_taken, publish_until_stored};

/// Why a pack could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The pack does not serialise.
    #[error("pack {index} cannot be encoded")]
    Encode {
        /// Its place in the campaign.
        index: u32,
        /// Why.
        #[source]
        source: EnvelopeError,
    },
}

/// A pack as it travels.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its place in the campaign.
    pub pack: u32,
    /// Its bytes.
    pub payload: Bytes,
    /// Whether others have to land before it is queued.
    pub waits: bool,
}

/// The messages of `packs`.
///
/// # Errors
/// [`PublishError::Encode`] for the first pack that does not serialise.
pub fn messages(packs: &[Pack]) -> Result<Vec<Message>, PublishError> {
    let message = |pack: &Pack| {
        let encoded = envelope::encode(pack);
        let payload = encoded.map_err(|source| PublishError::Encode { index: pack.index, source })?;
        let waits = !pack.work.waits_for().is_empty();
        Ok(Message { pack: pack.index, payload: Bytes::from(payload), waits })
    };
    packs.iter().map(message).collect()
}

/// Queues a campaign's packs, many at once, each tried again until the broker has it. A pack that waits already, or is
/// out with a trainer, is not queued a second time.
///
/// # Errors
/// [`BrokerError`] for the first pack that could not be stored.
pub fn publish<'a>(
    broker: &'a Broker,
    priority: Priority,
    campaign: &'a str,
    packs: Vec<Message>,
) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let one = |message: Message| async move {
            queue(broker, priority, campaign, message.pack, message.payload).await?;
            if message.pack == 0 {
                wake(broker).await;
            }
            Ok(())
        };
        stream::iter(packs).map(one).buffer_unordered(PUBLISHES_AT_ONCE).try_collect::<()>().await
    })
}

/// Stores a pack's message in JOBS, unless it is there: the broker admits one message per pack.
pub(crate) fn queue<'a>(
    broker: &'a Broker,
    priority: Priority,
    campaign: &'a str,
    pack: u32,
    payload: Bytes,
) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let subject = priority.job(campaign, pack);
        let message = || {
            let message = PublishMessage::build().payload(payload.clone());
            message.expected_last_subject_sequence(0)
        };
        match publish_until_stored(broker, &subject, message).await {
            Err(error) if is_taken(&error) => Ok(()),
            Err(error) => Err(BrokerError::new(format!("store a message on {subject}"), error)),
            Ok(()) => Ok(()),
        }
    })
}

/// Queues a message that was set aside, as it was.
///
/// # Errors
/// [`BrokerError`] when the broker does not store it.
pub fn queue_again<'a>(
    broker: &'a Broker,
    subject: &'a str,
    payload: Vec<u8>,
) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let payload = Bytes::from(payload);
        let message = || PublishMessage::build().payload(payload.clone());
        let done = publish_until_stored(broker, subject, message).await;
        done.map_err(|error| BrokerError::new(format!("store a message on {subject}"), error))?;
        wake(broker).await;
        Ok(())
    })
}

/// The packs of a campaign that wait or are out.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn waiting<'a>(broker: &'a Broker, campaign: &'a str) -> BoxFuture<'a, Result<Vec<u32>, BrokerError>> {
    Box::pin(async move {
        let failed = |error: async_nats::Error| BrokerError::new("look for a campaign's packs", error);
        let jobs = broker.stream(subjects::JOBS_STREAM).await?;
        let listed = jobs.info_with_subjects(subjects::campaign_jobs(campaign)).await;
        let listed = listed.map_err(|error| failed(error.into()))?;
        let listed: Vec<(String, usize)> =
            listed.try_collect().await.map_err(|error| failed(error.into()))?;
        Ok(listed.iter().filter_map(|(subject, _)| subjects::pack_of(subject)).collect())
    })
}

/// Takes all packs of a campaign off the queue, also those that are out.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub(crate) async fn purge(broker: &Broker, campaign: &str) -> Result<(), BrokerError> {
    let failed = |error: async_nats::Error| BrokerError::new("take a campaign's packs off the queue", error);
    let jobs = broker.stream(subjects::JOBS_STREAM).await?;
    let purged = jobs.purge().filter(subjects::campaign_jobs(campaign)).await;
    purged.map(|_| ()).map_err(|error| failed(error.into()))
}

/// Tells idle trainers that there is work. They also look by themselves, so a lost call costs only time.
pub(crate) async fn wake(broker: &Broker) {
    if let Err(error) = broker.client.publish(subjects::WAKE, Bytes::new()).await {
        tracing::debug!(%error, "no wake-up call");
    }
}
