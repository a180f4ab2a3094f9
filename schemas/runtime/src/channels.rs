//! Moving channels by compare-and-set.

use futures::future::BoxFuture;
use schemas::campaign::Campaign;
use schemas::channel::{Channel, RolledBack, Share};
use schemas::subjects::channel_key;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::bucket::{Bucket, BucketError};
use crate::ledger;
use crate::mirror::Mirror;

/// States that a channel had before which are remembered: requests that name one of them are under way.
const PAST_MAX: usize = 16;

/// A mirror of all channels that remembers their last states, and the task that keeps it fresh until `shutdown`; the caller
/// owns the task.
pub fn follow(
    channels: Bucket<Channel>,
    shutdown: CancellationToken,
) -> (Mirror<Channel>, impl Future<Output = ()> + Send + 'static) {
    Mirror::follow_with_past(channels, PAST_MAX, shutdown)
}

/// The channel as it is now; a channel that nobody has moved yet is empty.
///
/// # Errors
/// [`BucketError`] when the broker fails.
pub fn read<'a>(
    channels: &'a Bucket<Channel>,
    model: &'a str,
    channel: &'a str,
) -> BoxFuture<'a, Result<Channel, BucketError>> {
    Box::pin(async move {
        let found = channels.get(&channel_key(model, channel)).await?;
        Ok(found.map(|found| found.value).unwrap_or_default())
    })
}

/// Makes a campaign the newest of its channel; does nothing when it is in there already. One that was ordered for what callers
/// asked for is no move of its own: nobody decided on it.
///
/// # Errors
/// [`BucketError`] when the broker fails; conflicts with other processes are tried again.
pub fn promote<'a>(
    broker: &'a Broker,
    channels: &'a Bucket<Channel>,
    campaign: &'a Campaign,
) -> BoxFuture<'a, Result<(), BucketError>> {
    Box::pin(async move {
        let (_, ledger_place) = ledger::size(broker).await?;
        let next = |now: &Channel| {
            let next = match campaign.on_miss {
                true => now.joined(&campaign.id)?,
                false => now.promoted(std::slice::from_ref(&campaign.id))?,
            };
            Some(Channel { ledger_place, ..next })
        };
        change(channels, &campaign.spec.name, &campaign.channel, next).await.map(drop)
    })
}

/// Makes `campaigns`, oldest first, the newest of a model's channel, in one move; gives the channel, or `None` where all are
/// there.
///
/// # Errors
/// As [`promote`].
pub fn promote_all<'a>(
    broker: &'a Broker,
    channels: &'a Bucket<Channel>,
    (model, channel): (&'a str, &'a str),
    campaigns: &'a [String],
) -> BoxFuture<'a, Result<Option<Channel>, BucketError>> {
    Box::pin(async move {
        let (_, ledger_place) = ledger::size(broker).await?;
        let next = |now: &Channel| Some(Channel { ledger_place, ..now.promoted(campaigns)? });
        change(channels, model, channel, next).await
    })
}

/// What another channel does beside one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// It answers for its share of the scopes.
    Canary,
    /// It is compared for its share of the scopes.
    Shadow,
}

/// Gives a share of a channel's scopes to another one, or takes it back; says whether that changed anything.
///
/// # Errors
/// As [`promote`].
pub fn share<'a>(
    channels: &'a Bucket<Channel>,
    (model, channel): (&'a str, &'a str),
    beside: Beside,
    share: &'a Option<Share>,
) -> BoxFuture<'a, Result<bool, BucketError>> {
    Box::pin(async move {
        let changed = change(channels, model, channel, |now| {
            let mut next = now.clone();
            match beside {
                Beside::Canary => next.canary.clone_from(share),
                Beside::Shadow => next.shadow.clone_from(share),
            }
            (next != *now).then_some(next)
        });
        Ok(changed.await?.is_some())
    })
}

/// Takes back the last move of a channel that matters, by the channel as it is and as it was before; `None` where none does.
///
/// # Errors
/// As [`promote`].
pub async fn roll_back(
    channels: &Bucket<Channel>,
    (model, channel): (&str, &str),
    mut matters: impl FnMut(&Channel, &Channel) -> bool + Send,
) -> Result<Option<RolledBack>, BucketError> {
    let mut last = None;
    let moved = change(channels, model, channel, |now| {
        let back = now.rolled_back(|before| matters(now, before))?;
        Some(last.insert(back).channel.clone())
    });
    Ok(moved.await?.and(last))
}

/// Replaces a channel by what `next` makes of it, as it is at that moment; does nothing where that is `None`.
async fn change(
    channels: &Bucket<Channel>,
    model: &str,
    channel: &str,
    mut next: impl FnMut(&Channel) -> Option<Channel> + Send,
) -> Result<Option<Channel>, BucketError> {
    let key = channel_key(model, channel);
    loop {
        let found = channels.get(&key).await?;
        let revision = found.as_ref().map_or(0, |found| found.revision);
        let Some(next) = next(&found.map(|found| found.value).unwrap_or_default()) else { return Ok(None) };
        match channels.replace(&key, &next, revision).await {
            // Each conflict means that another process moved the channel: one of us makes progress.
            Err(BucketError::Conflict { .. }) => {}
            done => return done.map(|_| Some(next)),
        }
    }
}
