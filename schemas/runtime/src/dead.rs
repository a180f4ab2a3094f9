//! Setting packs aside: payload and reason are stored before the message leaves the queue.

use std::collections::BTreeSet;

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};
use schemas::dead::DeadLetter;
use schemas::envelope;
use schemas::outcome::clip_reason;
use schemas::subjects::{self, Priority};
use serde::Deserialize;

use crate::broker::{Broker, BrokerError};
use crate::clock::now_ms;
use crate::job::Job;
use crate::stored::{is_taken, publish_until_stored};
use crate::topology;

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
            deliveries: i64::from(job.deliveries()),
            reason: clip_reason(reason),
            worker: worker.to_owned(),
            at_ms: now_ms(),
            payload: job.payload().to_vec(),
        };
        store(broker, &letter).await?;
        job.set_aside().await
    })
}

/// Stores a letter, unless there is one of the same message.
async fn store(broker: &Broker, letter: &DeadLetter) -> Result<(), BrokerError> {
    let encoded = envelope::encode(letter);
    let payload = Bytes::from(encoded.map_err(|error| BrokerError::new("encode a dead letter", error))?);
    let message = || PublishMessage::build().payload(payload.clone()).expected_last_subject_sequence(0);
    match publish_until_stored(broker, &subjects::dead(letter.stream_sequence), message).await {
        Err(error) if !is_taken(&error) => Err(BrokerError::new("store a dead letter", error)),
        _ => Ok(()),
    }
}

/// A message of JOBS that the broker will not deliver any more, although nobody has answered for it.
#[derive(Debug, Clone)]
pub struct Exhausted {
    /// Its place in JOBS.
    pub stream_sequence: u64,
    /// Where it was published.
    pub subject: String,
    /// Its bytes.
    pub payload: Bytes,
}

/// The broker's word that a message was delivered too often.
#[derive(Deserialize)]
struct Advisory {
    stream_seq: u64,
}

/// The exhausted messages of JOBS: those that advisories name, and those that a consumer has passed over (advisories can
/// be lost).
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn exhausted<'a>(broker: &'a Broker) -> BoxFuture<'a, Result<Vec<Exhausted>, BrokerError>> {
    Box::pin(async move {
        let jobs = broker.stream(subjects::JOBS_STREAM).await?;
        let mut places = advised(broker).await?;
        places.extend(passed_over(broker, &jobs).await?);
        let mut found = Vec::new();
        for stream_sequence in places {
            match jobs.get_raw_message(stream_sequence).await {
                Ok(message) => found.push(Exhausted {
                    stream_sequence,
                    subject: message.subject.to_string(),
                    payload: message.payload,
                }),
                // Somebody has answered for it after all.
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {}
                Err(error) => return Err(BrokerError::new("read an exhausted pack", error)),
            }
        }
        if found.is_empty() {
            forget_advisories(broker).await?;
        }
        Ok(found)
    })
}

async fn advised(broker: &Broker) -> Result<BTreeSet<u64>, BrokerError> {
    let dead = broker.stream(subjects::DEAD_STREAM).await?;
    let mut places = BTreeSet::new();
    let mut from = 1;
    while let Ok(message) = dead.get_first_raw_message_by_subject(subjects::MAX_DELIVERIES, from).await {
        from = message.sequence + 1;
        places
            .extend(serde_json::from_slice::<Advisory>(&message.payload).map(|advisory| advisory.stream_seq));
    }
    Ok(places)
}

async fn forget_advisories(broker: &Broker) -> Result<(), BrokerError> {
    let dead = broker.stream(subjects::DEAD_STREAM).await?;
    let purged = dead.purge().filter(subjects::MAX_DELIVERIES).await;
    purged.map(|_| ()).map_err(|error| BrokerError::new("forget folded advisories", error))
}

/// Messages below the floor up to which their consumer has dealt with everything.
async fn passed_over(broker: &Broker, jobs: &Stream<()>) -> Result<BTreeSet<u64>, BrokerError> {
    let mut places = BTreeSet::new();
    for priority in Priority::ALL {
        let consumer = topology::open_consumer(broker, priority).await?;
        let floor = consumer.cached_info().ack_floor.stream_sequence;
        let mut from = 1;
        while let Ok(message) = jobs.get_first_raw_message_by_subject(priority.subjects(), from).await {
            if message.sequence > floor {
                break;
            }
            places.insert(message.sequence);
            from = message.sequence + 1;
        }
    }
    Ok(places)
}

/// Sets an exhausted message aside, from outside: nobody holds it.
///
/// # Errors
/// [`BrokerError`] when the broker fails; trying again is safe.
pub fn bury_exhausted<'a>(
    broker: &'a Broker,
    message: &'a Exhausted,
    (reason, deliveries): (&'a str, u32),
    worker: &'a str,
) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let letter = DeadLetter {
            subject: message.subject.clone(),
            stream_sequence: message.stream_sequence,
            deliveries: i64::from(deliveries),
            reason: clip_reason(reason),
            worker: worker.to_owned(),
            at_ms: now_ms(),
            payload: message.payload.to_vec(),
        };
        store(broker, &letter).await?;
        take_off(broker, message.stream_sequence).await
    })
}

/// Takes a message that nobody holds off the queue.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub(crate) async fn take_off(broker: &Broker, stream_sequence: u64) -> Result<(), BrokerError> {
    let jobs = broker.stream(subjects::JOBS_STREAM).await?;
    match jobs.delete_message(stream_sequence).await {
        Ok(_) => Ok(()),
        // Another keeper was faster.
        Err(_) if jobs.get_raw_message(stream_sequence).await.is_err() => Ok(()),
        Err(error) => Err(BrokerError::new("take an exhausted pack off the queue", error)),
    }
}

/// The number of dead packs.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn count<'a>(broker: &'a Broker) -> BoxFuture<'a, Result<u64, BrokerError>> {
    Box::pin(async move {
        let dead = broker.stream(subjects::DEAD_STREAM).await?;
        let info = dead.get_info().await.map_err(|error| BrokerError::new("count dead packs", error))?;
        if info.state.messages == 0 {
            return Ok(0);
        }
        Ok(places(&dead).await?.len() as u64)
    })
}

/// The places in JOBS that dead packs had.
async fn places(dead: &Stream<()>) -> Result<Vec<u64>, BrokerError> {
    let failed = |error: async_nats::Error| BrokerError::new("list dead packs", error);
    let listed = dead.info_with_subjects(subjects::DEAD).await.map_err(|error| failed(error.into()))?;
    let listed: Vec<(String, usize)> = listed.try_collect().await.map_err(|error| failed(error.into()))?;
    let mut places: Vec<u64> =
        listed.iter().filter_map(|(subject, _)| subject.rsplit('.').next()?.parse().ok()).collect();
    places.sort_unstable();
    Ok(places)
}

/// All dead packs, oldest first.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn list<'a>(broker: &'a Broker) -> BoxFuture<'a, Result<Vec<DeadLetter>, BrokerError>> {
    Box::pin(async move {
        let dead = broker.stream(subjects::DEAD_STREAM).await?;
        let reads = places(&dead).await?.into_iter().map(|place| get(broker, place));
        let letters: Vec<Option<DeadLetter>> =
            futures::stream::iter(reads).buffered(LISTED_AT_ONCE).try_collect().await?;
        Ok(letters.into_iter().flatten().collect())
    })
}

/// Letters read at once when all are listed.
const LISTED_AT_ONCE: usize = 64;

/// The dead pack that had this place in JOBS.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer, or the letter cannot be read.
pub fn get<'a>(broker: &'a Broker, place: u64) -> BoxFuture<'a, Result<Option<DeadLetter>, BrokerError>> {
    Box::pin(async move {
        use async_nats::jetstream::stream::LastRawMessageErrorKind as Kind;
        let dead = broker.stream(subjects::DEAD_STREAM).await?;
        match dead.get_last_raw_message_by_subject(&subjects::dead(place)).await {
            Ok(message) => envelope::decode(&message.payload)
                .map(Some)
                .map_err(|error| BrokerError::new("read a dead letter", error)),
            Err(error) if error.kind() == Kind::NoMessageFound => Ok(None),
            Err(error) => Err(BrokerError::new("read a dead letter", error)),
        }
    })
}

/// Forgets the dead pack that had this place in JOBS.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn forget<'a>(broker: &'a Broker, place: u64) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let dead = broker.stream(subjects::DEAD_STREAM).await?;
        let purged = dead.purge().filter(subjects::dead(place)).await;
        purged.map(|_| ()).map_err(|error| BrokerError::new("forget a dead pack", error))
    })
}
