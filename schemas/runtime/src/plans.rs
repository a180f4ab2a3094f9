//! The packs of campaigns that have not ended: what a keeper needs to queue, cancel or give up those that its producer,
//! the queue or a trainer lost.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use schemas::subjects;

use crate::broker::{Broker, BrokerError};
use crate::jobs::Message;
use crate::stored::{PUBLISHES_AT_ONCE, newest, publish_stored};

/// Stores every pack of a campaign; the campaign's record comes after, so that none is on record whose packs are lost.
///
/// # Errors
/// [`BrokerError`] for the first pack that could not be stored.
pub fn store<'a>(
    broker: &'a Broker,
    campaign: &'a str,
    packs: &'a [Message],
) -> BoxFuture<'a, Result<(), BrokerError>> {
    Box::pin(async move {
        let one = |message: Message| async move {
            let subject = subjects::plan(campaign, message.pack);
            publish_stored(broker, &subject, &subject, message.payload).await
        };
        stream::iter(packs.to_vec()).map(one).buffer_unordered(PUBLISHES_AT_ONCE).try_collect::<()>().await
    })
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
    Box::pin(async move {
        let subject = subjects::plan(campaign, pack);
        newest(broker, subjects::PLANS_STREAM, &subject, &format!("read {subject}")).await
    })
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
