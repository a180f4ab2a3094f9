//! The ledger: one message per landed pack, for ever.

use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use schemas::campaign::Campaign;
use schemas::envelope::{self, EnvelopeError};
use schemas::outcome::Landing;
use schemas::retry::Backoff;
use schemas::subjects;

use crate::broker::{Broker, BrokerError};
use crate::stored::{is_taken, is_transient, newest, try_publish};

/// Tries of one landing: about 20 seconds.
const LAND_TRIES: u32 = 12;

/// Proof that a pack's outcomes stand in the ledger: only with it can the pack be taken off the queue as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landed {
    /// Whether this landing was the one that counts; otherwise another one was there first.
    pub first: bool,
}

impl Landed {
    /// The proof that a campaign's record gives: all packs of one that has ended have landed.
    pub fn by_record(campaign: &Campaign) -> Option<Landed> {
        campaign.state.is_final().then_some(Landed { first: false })
    }
}

/// Why a landing was not written.
#[derive(Debug, thiserror::Error)]
pub enum LandError {
    /// The broker failed; the landing may or may not have been written.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The landing does not serialise.
    #[error("a landing cannot be encoded")]
    Encode(#[from] EnvelopeError),
}

/// Writes a landing, unless its pack has landed before: the broker admits one message per pack.
///
/// # Errors
/// [`LandError`] when it is not known whether the pack has landed.
pub fn land<'a>(broker: &'a Broker, landing: &'a Landing) -> BoxFuture<'a, Result<Landed, LandError>> {
    Box::pin(async move {
        let subject = subjects::landing(&landing.model, &landing.campaign, landing.pack);
        let payload = Bytes::from(envelope::encode(landing)?);
        let mut backoff = Backoff::new(100, 3_000, landing.at_ms.unsigned_abs());
        for tries in 1.. {
            let message = PublishMessage::build()
                .payload(payload.clone())
                .message_id(format!("{}.{}.{}", landing.campaign, landing.pack, landing.worker))
                .expected_last_subject_sequence(0);
            let error = match try_publish(broker, &subject, message).await {
                Ok(_) => return Ok(Landed { first: true }),
                Err(error) => error,
            };
            if is_taken(&error) {
                return Ok(Landed { first: false });
            }
            if tries >= LAND_TRIES || !is_transient(&error) {
                return Err(BrokerError::new(
                    format!("write {subject} to the ledger ({tries} tries)"),
                    error,
                )
                .into());
            }
            tracing::warn!(subject, tries, %error, "landing failed; trying again");
            tokio::time::sleep(backoff.next_wait()).await;
        }
        unreachable!("the loop above ends only by returning")
    })
}

/// The proof that the pack has landed; `None` while it has not.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn has_landed<'a>(
    broker: &'a Broker,
    model: &'a str,
    campaign: &'a str,
    pack: u32,
) -> BoxFuture<'a, Result<Option<Landed>, BrokerError>> {
    Box::pin(async move {
        let subject = subjects::landing(model, campaign, pack);
        let what = format!("look up {subject} in the ledger");
        let found = newest(broker, subjects::LEDGER_STREAM, &subject, &what).await?;
        Ok(found.map(|_| Landed { first: false }))
    })
}

/// What a pack landed; `None` while it has not.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer, or what stands there cannot be read.
pub fn landing<'a>(
    broker: &'a Broker,
    model: &'a str,
    campaign: &'a str,
    pack: u32,
) -> BoxFuture<'a, Result<Option<Landing>, BrokerError>> {
    Box::pin(async move {
        let subject = subjects::landing(model, campaign, pack);
        let what = format!("read {subject} in the ledger");
        let found = newest(broker, subjects::LEDGER_STREAM, &subject, &what).await?;
        let decode =
            |payload: Bytes| envelope::decode(&payload).map_err(|error| BrokerError::new(what, error));
        found.map(decode).transpose()
    })
}

/// The longest that the broker may be silent while landings are left to read.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);

/// Landings asked for at once: at 1 MiB each, the broker keeps less for us than the 64 MiB at which it cuts a client off.
const BATCH_MAX: i64 = 32;

/// What a reader of the ledger sees.
#[derive(Debug)]
pub enum Entry {
    /// A landing and its place in the ledger.
    Landing(u64, Box<Landing>),
    /// The place of something that cannot be read; the log tells what.
    PassedOver(u64),
    /// Everything that was there when the reader began has been seen. Comes once.
    CaughtUp,
}

/// A reader of the ledger, oldest first, going on with what lands later.
pub struct Reader {
    broker: Broker,
    consumer: String,
    messages: pull::Ordered,
    caught_up: bool,
    said: bool,
}

impl Reader {
    /// Reads the landings whose subjects match `filter`, see [`subjects::campaign_landings`], from the place `from` on
    /// (0: from the first).
    ///
    /// # Errors
    /// [`BrokerError`] when the ledger cannot be read.
    pub fn open<'a>(
        broker: &'a Broker,
        filter: &'a str,
        from: u64,
    ) -> BoxFuture<'a, Result<Reader, BrokerError>> {
        Box::pin(async move {
            let failed = |error: async_nats::Error| BrokerError::new("read the ledger", error);
            let config = pull::OrderedConfig {
                filter_subject: filter.to_owned(),
                deliver_policy: match from {
                    0 => DeliverPolicy::All,
                    start_sequence => DeliverPolicy::ByStartSequence { start_sequence },
                },
                max_batch: BATCH_MAX,
                ..pull::OrderedConfig::default()
            };
            let made = broker.jetstream.create_consumer_on_stream(config, subjects::LEDGER_STREAM).await;
            let consumer = made.map_err(|error| failed(error.into()))?;
            let pending = consumer.cached_info().num_pending;
            let name = consumer.cached_info().name.clone();
            let messages = consumer.messages().await.map_err(|error| failed(error.into()))?;
            Ok(Reader {
                broker: broker.clone(),
                consumer: name,
                messages,
                caught_up: pending == 0,
                said: false,
            })
        })
    }

    /// The next entry; waits for one. An unreadable message is logged and passed over.
    ///
    /// # Errors
    /// [`BrokerError`] when the ledger cannot be read any further.
    pub fn next<'a>(&'a mut self) -> BoxFuture<'a, Result<Entry, BrokerError>> {
        Box::pin(async move {
            if self.caught_up && !self.said {
                self.said = true;
                return Ok(Entry::CaughtUp);
            }
            let Some(message) = self.messages.next().await else {
                return Err(BrokerError::new("read the ledger", "the subscription ended".to_owned()));
            };
            let message = message.map_err(|error| BrokerError::new("read the ledger", error))?;
            let place = message.info().map_or(0, |info| info.stream_sequence);
            self.caught_up |= message.info().is_ok_and(|info| info.pending == 0);
            match envelope::decode::<Landing>(&message.payload) {
                Ok(landing) => Ok(Entry::Landing(place, Box::new(landing))),
                Err(error) => {
                    tracing::error!(subject = %message.subject, "ledger entry passed over: {error}");
                    Ok(Entry::PassedOver(place))
                }
            }
        })
    }

    /// Ends the reading. The broker would notice by itself only after a while, and bounds the number of readers.
    pub fn close(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let Reader { broker, consumer, messages, .. } = self;
            drop(messages);
            let ended = broker.jetstream.delete_consumer_from_stream(consumer, subjects::LEDGER_STREAM).await;
            if let Err(error) = ended {
                tracing::debug!(%error, "a reader of the ledger ends by itself");
            }
        })
    }
}

/// All landings that match `filter`, stand at `from` or later (0: all) and were written before this call, oldest first,
/// given to `each`. Returns the place after the last one.
///
/// # Errors
/// [`BrokerError`] when the ledger cannot be read.
pub async fn replay(
    broker: &Broker,
    filter: &str,
    from: u64,
    mut each: impl FnMut(Landing),
) -> Result<u64, BrokerError> {
    let mut reader = Reader::open(broker, filter, from).await?;
    let mut next = from;
    let late = |late| BrokerError::new("go on sending the ledger", late);
    loop {
        let place = match tokio::time::timeout(SILENCE_LIMIT, reader.next()).await.map_err(late)?? {
            Entry::CaughtUp => break,
            Entry::PassedOver(place) => place,
            Entry::Landing(place, landing) => {
                each(*landing);
                place
            }
        };
        next = place + 1;
    }
    reader.close().await;
    Ok(next)
}

/// The ledger's size in bytes, and its last place.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub(crate) async fn size(broker: &Broker) -> Result<(u64, u64), BrokerError> {
    let failed = |error: async_nats::Error| BrokerError::new("look at the ledger", error);
    let ledger = broker.jetstream.get_stream(subjects::LEDGER_STREAM).await;
    let ledger = ledger.map_err(|error| failed(error.into()))?;
    let state = &ledger.cached_info().state;
    Ok((state.bytes, state.last_sequence))
}
