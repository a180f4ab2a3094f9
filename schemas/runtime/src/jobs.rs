//! The work queue: packs out, packs in.

use futures::future::BoxFuture;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::context::{PublishError as PublishFailure, PublishErrorKind};
use async_nats::jetstream::{self, AckKind, message::PublishMessage};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use schemas::envelope::{self, EnvelopeError};
use schemas::pack::Pack;
use schemas::retry::Backoff;
use schemas::subjects::{self, Priority};

use crate::broker::{Broker, BrokerError};
use crate::clock::now_ms;
use crate::ledger::Landed;

/// Publishes under way at once.
pub(crate) const PUBLISHES_AT_ONCE: usize = 256;

/// Tries of one publish: about 20 seconds, longer than the broker takes to choose a new leader.
const PUBLISH_TRIES: u32 = 12;

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
}

/// The messages of `packs`.
///
/// # Errors
/// [`PublishError::Encode`] for the first pack that does not serialise.
pub fn messages(packs: &[Pack]) -> Result<Vec<Message>, PublishError> {
    let message = |pack: &Pack| {
        let encoded = envelope::encode(pack);
        let payload = encoded.map_err(|source| PublishError::Encode { index: pack.index, source })?;
        Ok(Message { pack: pack.index, payload: Bytes::from(payload) })
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
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(()),
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
        let jobs = broker.jetstream.get_stream_no_info(subjects::JOBS_STREAM).await;
        let jobs = jobs.map_err(|error| failed(error.into()))?;
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
    let jobs = broker.jetstream.get_stream_no_info(subjects::JOBS_STREAM).await;
    let jobs = jobs.map_err(|error| failed(error.into()))?;
    let purged = jobs.purge().filter(subjects::campaign_jobs(campaign)).await;
    purged.map(|_| ()).map_err(|error| failed(error.into()))
}

/// Tells idle trainers that there is work. They also look by themselves, so a lost call costs only time.
pub(crate) async fn wake(broker: &Broker) {
    if let Err(error) = broker.client.publish(subjects::WAKE, Bytes::new()).await {
        tracing::debug!(%error, "no wake-up call");
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
    use jetstream::context::PublishErrorKind as Kind;
    matches!(error.kind(), Kind::StreamNotFound | Kind::TimedOut | Kind::BrokenPipe | Kind::MaxAckPending)
}

/// Where a trainer gets its packs.
#[derive(Debug)]
pub struct JobSource {
    consumers: Vec<PullConsumer>,
    wake: async_nats::Subscriber,
    broker: Broker,
}

/// The longest an idle trainer goes without looking: bounds the delay of a redelivered pack.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl JobSource {
    /// Opens the queue of a declared topology.
    ///
    /// # Errors
    /// [`BrokerError`] when the topology is not there.
    pub fn open<'a>(broker: &'a Broker) -> BoxFuture<'a, Result<JobSource, BrokerError>> {
        Box::pin(async move {
            let mut consumers = Vec::new();
            for priority in Priority::ALL {
                consumers.push(crate::topology::open_consumer(broker, priority).await?);
            }
            let wake = broker.client.subscribe(subjects::WAKE).await;
            let wake = wake.map_err(|error| BrokerError::new("subscribe to wake-up calls", error))?;
            Ok(JobSource { consumers, wake, broker: broker.clone() })
        })
    }

    /// Up to `free_slots` packs, most urgent first: what waits now, or nothing.
    ///
    /// Only as many as can start at once are taken: the lease of a pack that lies in a buffer runs out.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker does not answer.
    pub fn take<'a>(&'a mut self, free_slots: usize) -> BoxFuture<'a, Result<Vec<Job>, BrokerError>> {
        Box::pin(async move {
            let mut jobs = Vec::new();
            for consumer in &self.consumers {
                let wanted = free_slots - jobs.len();
                if wanted == 0 {
                    break;
                }
                let failed = |error: async_nats::Error| BrokerError::new("hand out packs", error);
                let lease = consumer.cached_info().config.ack_wait;
                let mut batch =
                    consumer.fetch().max_messages(wanted).messages().await.map_err(|e| failed(e.into()))?;
                while let Some(message) = batch.next().await {
                    jobs.push(Job { message: message.map_err(failed)?, broker: self.broker.clone(), lease });
                }
            }
            Ok(jobs)
        })
    }

    /// Returns when it is worth looking again: at a wake-up call, or after two seconds.
    pub fn wait<'a>(&'a mut self) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            match tokio::time::timeout(LOOK_AGAIN, self.wake.next()).await {
                // One look answers all calls that came meanwhile.
                Ok(Some(_)) => while let Some(Some(_)) = self.wake.next().now_or_never() {},
                Ok(None) => tokio::time::sleep(LOOK_AGAIN).await,
                Err(_) => {}
            }
        })
    }
}

/// A pack in the hands of a trainer, leased until it is finished, handed back or set aside.
#[derive(Debug, Clone)]
pub struct Job {
    message: jetstream::Message,
    broker: Broker,
    lease: Duration,
}

impl Job {
    /// The pack.
    ///
    /// # Errors
    /// [`EnvelopeError`] when the message is none that this release can read.
    pub fn pack(&self) -> Result<Pack, EnvelopeError> {
        envelope::decode(&self.message.payload)
    }

    /// Silence after which it goes to another trainer.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// The message's bytes.
    pub fn payload(&self) -> &[u8] {
        &self.message.payload
    }

    /// Where it was published.
    pub fn subject(&self) -> &str {
        self.message.subject.as_str()
    }

    /// How often it has been delivered, this time included.
    pub fn deliveries(&self) -> u32 {
        self.message.info().map_or(1, |info| u32::try_from(info.delivered).unwrap_or(u32::MAX))
    }

    /// Its place in the JOBS stream.
    pub fn stream_sequence(&self) -> u64 {
        self.message.info().map_or(0, |info| info.stream_sequence)
    }

    /// Takes the pack off the queue, confirmed by the broker: its outcomes stand in the ledger.
    ///
    /// # Errors
    /// [`BrokerError`] when the confirmation does not come: the pack may be delivered again.
    pub async fn finish(&self, _: Landed) -> Result<(), BrokerError> {
        self.confirmed(AckKind::Ack, "take a finished pack off the queue").await
    }

    /// Takes the pack off the queue for good although it is not done, confirmed by the broker.
    ///
    /// # Errors
    /// [`BrokerError`] when the confirmation does not come.
    pub(crate) async fn set_aside(&self) -> Result<(), BrokerError> {
        self.confirmed(AckKind::Term, "take a dead pack off the queue").await
    }

    /// Hands the pack back, to be delivered again after `wait`.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker cannot be told: the lease then runs out by itself.
    pub async fn hand_back(&self, wait: Duration) -> Result<(), BrokerError> {
        self.confirmed(AckKind::Nak(Some(wait)), "take a pack back").await
    }

    /// Renews the lease.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker cannot be told.
    pub fn renew<'a>(&'a self) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let sent = self.message.ack_with(AckKind::Progress).await;
            sent.map_err(|error| BrokerError::new("renew a lease", error))
        })
    }

    /// An acknowledgement as a request: unlike the client's `double_ack`, it does not take "nobody there" for a yes.
    async fn confirmed(&self, kind: AckKind, action: &str) -> Result<(), BrokerError> {
        let Some(reply) = self.message.reply.clone() else {
            return Err(BrokerError::new(action, "the message has no reply subject".to_owned()));
        };
        let done = self.broker.client.request(reply, kind.into()).await;
        done.map(|_| ()).map_err(|error| BrokerError::new(action, error))
    }
}
