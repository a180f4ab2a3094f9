//! Removing what nothing names from the store: the blobs of trainers that died between writing and landing, and old
//! snapshots.
//!
//! What the ledger names is never removed. What it does not name is removed when it is old: a blob's name is that of one
//! attempt at one pack, which lands within minutes or never.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::BoxFuture;
use schemas::subjects;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::bucket::{self, BucketError};
use crate::clock::now_ms;
use crate::ledger;
use crate::shutdown::every;
use crate::snapshots::{self, Error};
use crate::store::Blobs;

/// Age from which a blob that nothing names is removed without being asked.
pub const OLD_SECONDS: u64 = 6 * 3_600;

/// How often one of the trainers sweeps.
const EVERY_MS: i64 = 3_600 * 1_000;

/// How often each of them looks whether it is time.
const LOOK_EVERY: Duration = Duration::from_secs(300);

/// The setting that says when somebody last swept, in milliseconds since 1970.
const SWEPT_SETTING: &str = "swept";

/// What a sweep found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Blobs in the store that the ledger or the snapshot names.
    pub named: u64,
    /// Blobs that nothing names.
    pub orphans: u64,
    /// Those of them that were old enough, and removed.
    pub removed: u64,
    /// Blobs that the ledger names and the store does not have, by name.
    pub missing: Vec<String>,
}

/// Compares store and ledger, and removes what nothing names and is at least `old_seconds` old.
///
/// # Errors
/// [`Error`] when broker or store fail; sweeping again is safe.
pub fn sweep<'a>(
    broker: &'a Broker,
    blobs: &'a Blobs,
    old_seconds: u64,
) -> BoxFuture<'a, Result<Swept, Error>> {
    Box::pin(async move {
        // The store first: what lands after this look is not in it.
        let stored = blobs.list().await?;
        let campaigns = bucket::campaigns(broker).await?.all().await?.into_iter();
        let running = campaigns.filter(|(_, campaign)| !campaign.state.is_final());
        let running: HashSet<String> = running.map(|(id, _)| id).collect();
        let mut named: HashSet<String> = HashSet::new();
        ledger::replay(broker, subjects::LEDGER, 0, |landing| {
            // What a shard left is of use until its campaign has ended.
            let partial = landing.partial.filter(|_| running.contains(&landing.campaign));
            named.extend(partial.and_then(|partial| Some(partial.0.fit?.blob)));
            named.extend(landing.outcomes.into_iter().filter_map(|outcome| Some(outcome.fit?.blob)));
        })
        .await?;
        let manifest = bucket::snapshots(broker).await.map_err(BucketError::from)?;
        let manifest = manifest.get(subjects::CATALOG_SNAPSHOT).await?.map(|found| found.value);
        let parts = manifest.into_iter().flat_map(|manifest| manifest.parts).map(|part| part.blob);
        let parts: HashSet<String> = parts.collect();
        let there: HashSet<&str> = stored.iter().map(|blob| blob.name.as_str()).collect();
        let missing = named.iter().filter(|name| !there.contains(name.as_str())).cloned();
        let mut swept = Swept { missing: missing.collect(), ..Swept::default() };
        swept.missing.sort();
        for blob in &stored {
            if named.contains(&blob.name) || parts.contains(&blob.name) {
                swept.named += 1;
                continue;
            }
            swept.orphans += 1;
            if blob.age_seconds >= old_seconds && is_ours(&blob.name) {
                blobs.delete(&blob.name).await?;
                swept.removed += 1;
            }
        }
        Ok(swept)
    })
}

/// Whether a name is one that we give: others in the same folder are left alone.
fn is_ours(name: &str) -> bool {
    let hash = name.strip_prefix(snapshots::PREFIX).unwrap_or(name);
    hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Sweeps once an hour, by one of the trainers, until `shutdown`.
pub async fn keep(broker: Broker, blobs: Blobs, shutdown: CancellationToken) {
    every(LOOK_EVERY, &shutdown, || look(&broker, &blobs)).await;
}

async fn look(broker: &Broker, blobs: &Blobs) {
    match sweep_if_time(broker, blobs).await {
        Ok(Some(swept)) => {
            tracing::info!(swept.named, swept.orphans, swept.removed, "store swept");
            for blob in &swept.missing {
                tracing::error!(blob, "the store lacks a blob of fits; train its scopes again");
            }
        }
        Ok(None) => {}
        Err(error) => tracing::warn!("the store was not swept: {error}; trying again later"),
    }
}

async fn sweep_if_time(broker: &Broker, blobs: &Blobs) -> Result<Option<Swept>, Error> {
    let settings = bucket::settings(broker).await.map_err(BucketError::from)?;
    let found = settings.get(SWEPT_SETTING).await?;
    let last_ms = found.as_ref().and_then(|found| found.value.parse::<i64>().ok()).unwrap_or_default();
    // A sweep in the future was one by a clock that is wrong.
    if (0..EVERY_MS).contains(&(now_ms() - last_ms)) {
        return Ok(None);
    }
    let revision = found.map_or(0, |found| found.revision);
    match settings.replace(SWEPT_SETTING, &now_ms().to_string(), revision).await {
        // Another trainer sweeps.
        Err(BucketError::Conflict { .. }) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(_) => sweep(broker, blobs, OLD_SECONDS).await.map(Some),
    }
}
