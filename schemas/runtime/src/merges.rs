//! Merges of shards: queued when the last shard has landed, whoever sees it first.
//!
//! The trainer that lands a shard looks, and so does one to which a landed shard is delivered again; keepers look as well.
//! All of them ask the broker to queue the same message, which it admits once.

use bytes::Bytes;
use futures::future::BoxFuture;
use schemas::campaign::Campaign;
use schemas::envelope;
use schemas::outcome::Landing;
use schemas::pack::Pack;
use schemas::shard::Work;

use crate::broker::{Broker, BrokerError};
use crate::{jobs, ledger, plans};

/// Queues the merge that waits for the shard `pack`, which has landed, if it was the last; says whether it was.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer; trying again is safe.
pub fn queue_if_ready<'a>(
    broker: &'a Broker,
    campaign: &'a Campaign,
    pack: &'a Pack,
) -> BoxFuture<'a, Result<bool, BrokerError>> {
    Box::pin(async move {
        let (Work::Shard { shards, .. }, Some(merge)) = (&pack.work, pack.work.merge()) else {
            return Ok(false);
        };
        // The last ones tend to land last.
        for shard in shards.clone().rev().filter(|shard| *shard != pack.index) {
            if ledger::has_landed(broker, &pack.model, &pack.campaign, shard).await?.is_none() {
                return Ok(false);
            }
        }
        // Without its plan, the campaign has ended.
        let Some(payload) = plans::get(broker, &pack.campaign, merge).await? else { return Ok(false) };
        jobs::queue(broker, campaign.priority, &pack.campaign, merge, payload).await?;
        jobs::wake(broker).await;
        Ok(true)
    })
}

/// What the shards that `merge` waits for have landed, in their order; `None` while one has not.
///
/// # Errors
/// [`BrokerError`] when the broker does not answer.
pub fn landings<'a>(
    broker: &'a Broker,
    merge: &'a Pack,
) -> BoxFuture<'a, Result<Option<Vec<Landing>>, BrokerError>> {
    Box::pin(async move {
        let mut landings = Vec::new();
        for shard in merge.work.waits_for() {
            match ledger::landing(broker, &merge.model, &merge.campaign, shard).await? {
                Some(landing) => landings.push(landing),
                None => return Ok(None),
            }
        }
        Ok(Some(landings))
    })
}

/// Whether a planned pack may be queued, given which packs have landed.
pub(crate) fn may_start(payload: &Bytes, has_landed: impl Fn(u32) -> bool) -> bool {
    // What does not decode is dead wherever it is found.
    let waits_for = envelope::decode::<Pack>(payload).map(|pack| pack.work.waits_for());
    waits_for.unwrap_or_default().all(has_landed)
}
