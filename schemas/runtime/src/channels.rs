//! Moving channels by compare-and-set.

use futures::future::BoxFuture;
use schemas::channel::Channel;
use schemas::subjects::channel_key;

use crate::bucket::{Bucket, BucketError};

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

/// Makes `campaign` the newest of a channel; does nothing when it is in there already.
///
/// # Errors
/// [`BucketError`] when the broker fails; conflicts with other processes are tried again.
pub fn promote<'a>(
    channels: &'a Bucket<Channel>,
    model: &'a str,
    channel: &'a str,
    campaign: &'a str,
) -> BoxFuture<'a, Result<(), BucketError>> {
    Box::pin(async move {
        let key = channel_key(model, channel);
        loop {
            let found = channels.get(&key).await?;
            let revision = found.as_ref().map_or(0, |found| found.revision);
            let Some(next) = found.map(|found| found.value).unwrap_or_default().promoted(campaign) else {
                return Ok(());
            };
            match channels.replace(&key, &next, revision).await {
                // Each conflict means that another process moved the channel: one of us makes progress.
                Err(BucketError::Conflict { .. }) => {}
                done => return done.map(|_| ()),
            }
        }
    })
}
