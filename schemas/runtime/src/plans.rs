//! The packs of campaigns that have not ended: what a keeper needs to queue, cancel or give up those that its producer,
//! the queue or a trainer lost.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use schemas::envelope::{self, EnvelopeError};
use schemas::pack::{Block, PackBody, block_of};
use schemas::subjects;

use crate::broker::{Broker, BrokerError};
use crate::jobs::Message;
use crate::stored::{PUBLISHES_AT_ONCE, newest, publish_stored};

/// Packs rest together up to so many bytes; a larger message takes longer than it saves.
const BLOCK_BYTES_MAX: usize = 256 * 1024;

/// Stores every pack of a campaign; the campaign's record comes after, so that none is on record whose packs are lost. Small ones
/// that follow each other are stored together.
///
/// # Errors
/// [`BrokerError`] for the first pack that could not be stored.
pub fn store<'a>(
    broker: &'a Broker,
    campaign: &'a str,
    packs: &'a [Message],
) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let one = |(subject, payload): (String, Bytes)| async move {
            publish_stored(broker, &subject, &subject, payload).await
        };
        let stored =
            resting(campaign, packs).map_err(|e| BrokerError::new("write the packs of a campaign", e))?;
        stream::iter(stored).map(one).buffer_unordered(PUBLISHES_AT_ONCE).try_collect::<()>().await
    })
}

/// Subjects and payloads by which packs are stored. What waits for others stands alone, as trainers of earlier releases look
/// for it.
fn resting(campaign: &str, packs: &[Message]) -> Result<Vec<(String, Bytes)>, EnvelopeError> {
    let mut stored = Vec::new();
    for near in packs.chunk_by(|a, b| block_of(a.pack) == block_of(b.pack)) {
        let (alone, together): (Vec<&Message>, Vec<&Message>) = near.iter().partition(|pack| pack.waits);
        let bytes: usize = together.iter().map(|pack| pack.payload.len()).sum();
        let one = |pack: &&Message| (subjects::plan(campaign, pack.pack), pack.payload.clone());
        stored.extend(alone.iter().map(one));
        match together.as_slice() {
            [first, _, ..] if bytes <= BLOCK_BYTES_MAX => {
                let body = |pack: &&Message| PackBody { index: pack.pack, bytes: pack.payload.to_vec() };
                let block = envelope::encode(&Block { packs: together.iter().map(body).collect() })?;
                stored.push((subjects::plan_block(campaign, block_of(first.pack)), block.into()));
            }
            few_or_large => stored.extend(few_or_large.iter().map(one)),
        }
    }
    Ok(stored)
}

/// A pack's bytes; `None` when the campaign has ended.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn get<'a>(
    broker: &'a Broker,
    campaign: &'a str,
    pack: u32,
) -> BoxFuture<'a, Result<Option<Bytes>, BrokerError>> {
    Box::pin(async move { Ok(get_all(broker, campaign, &[pack]).await?.pop().map(|(_, payload)| payload)) })
}

/// The places and bytes of some packs, which all have one [`block_of`]; those of a campaign that has ended are missing.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer, or what it keeps cannot be read.
pub fn get_all<'a>(
    broker: &'a Broker,
    campaign: &'a str,
    packs: &'a [u32],
) -> BoxFuture<'a, Result<Vec<(u32, Bytes)>, BrokerError>> {
    Box::pin(async move {
        let Some(first) = packs.first() else { return Ok(Vec::new()) };
        let subject = subjects::plan_block(campaign, block_of(*first));
        let mut found = Vec::new();
        if let Some(block) = read(broker, &subject).await? {
            let unreadable = |error| BrokerError::new(format!("read {subject}"), error);
            let block: Block = envelope::decode(&block).map_err(unreadable)?;
            let wanted = block.packs.into_iter().filter(|body| packs.contains(&body.index));
            found.extend(wanted.map(|body| (body.index, Bytes::from(body.bytes))));
        }
        for pack in packs {
            if !found.iter().any(|(known, _)| known == pack)
                && let Some(payload) = read(broker, &subjects::plan(campaign, *pack)).await?
            {
                found.push((*pack, payload));
            }
        }
        Ok(found)
    })
}

async fn read(broker: &Broker, subject: &str) -> Result<Option<Bytes>, BrokerError> {
    newest(broker, subjects::PLANS_STREAM, subject, &format!("read {subject}")).await
}

/// Forgets the packs of a campaign that has ended.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn forget<'a>(broker: &'a Broker, campaign: &'a str) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let failed = |error: async_nats::Error| BrokerError::new("forget the packs of a campaign", error);
        let stream = broker.stream(subjects::PLANS_STREAM).await?;
        let purged = stream.purge().filter(subjects::campaign_plan(campaign)).await;
        purged.map(|_| ()).map_err(|error| failed(error.into()))
    })
}

/// The campaigns that packs are stored of.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn campaigns<'a>(broker: &'a Broker) -> BoxFuture<'a, Result<BTreeSet<String>, BrokerError>> {
    Box::pin(async move {
        let failed = |error: async_nats::Error| BrokerError::new("list the stored packs", error);
        let stream = broker.stream(subjects::PLANS_STREAM).await?;
        let mut listed =
            stream.info_with_subjects(subjects::PLANS).await.map_err(|error| failed(error.into()))?;
        let mut campaigns = BTreeSet::new();
        while let Some((subject, _)) = listed.try_next().await.map_err(|error| failed(error.into()))? {
            campaigns.extend(subject.split('.').nth(1).map(str::to_owned));
        }
        Ok(campaigns)
    })
}

/// When a campaign's first pack was stored, in milliseconds since 1970.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn stored_ms<'a>(
    broker: &'a Broker,
    campaign: &'a str,
) -> BoxFuture<'a, Result<Option<i64>, BrokerError>> {
    Box::pin(async move {
        use async_nats::jetstream::stream::LastRawMessageErrorKind as Kind;
        let failed = |error: async_nats::Error| BrokerError::new("look at the stored packs", error);
        let stream = broker.stream(subjects::PLANS_STREAM).await?;
        match stream.get_first_raw_message_by_subject(&subjects::campaign_plan(campaign), 1).await {
            Ok(message) => Ok(Some(message.time.unix_timestamp().saturating_mul(1_000))),
            Err(error) if error.kind() == Kind::NoMessageFound => Ok(None),
            Err(error) => Err(failed(error.into())),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every pack is stored once, under the subject by which it is looked for, and no block is larger than it may be.
        #[test]
        fn packs_rest_once_where_they_are_looked_for(sizes in prop::collection::vec((0..40_000usize, 0..9u8), 0..300)) {
            let message = |(pack, (size, kind)): (u32, &(usize, u8))| Message {
                pack,
                payload: vec![*kind; *size].into(),
                waits: *kind == 0,
            };
            let packs: Vec<Message> = (0..).zip(&sizes).map(message).collect();
            let mut found = Vec::new();
            for (subject, payload) in resting("c", &packs).expect("they are written") {
                match subject.strip_prefix("plan.c.b") {
                    Some(block) => {
                        let own: Block = envelope::decode(&payload).expect("a block");
                        prop_assert!(payload.len() < BLOCK_BYTES_MAX + 4_096 && own.packs.len() > 1);
                        for body in own.packs {
                            prop_assert_eq!(block.parse(), Ok(block_of(body.index)));
                            prop_assert!(!packs[body.index as usize].waits);
                            found.push((body.index, body.bytes));
                        }
                    }
                    None => found.push((subjects::pack_of(&subject).expect("a pack"), payload.to_vec())),
                }
            }
            found.sort();
            let expected: Vec<(u32, Vec<u8>)> =
                packs.iter().map(|message| (message.pack, message.payload.to_vec())).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
