//! Snapshots of the catalog: they bound how much of the ledger a reader has to replay.
//!
//! The ledger stays the truth, and a snapshot can always be made again from it. It is made by whichever trainer first sees
//! that much has landed since the last one. One blob per model goes to the store, and a compare-and-set of the manifest
//! makes them the newest snapshot; a trainer that dies in between leaves blobs that nobody names.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, try_join_all};
use schemas::catalog::{Catalog, ModelSnapshot, SnapshotError};
use schemas::envelope::{self, EnvelopeError};
use schemas::subjects;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, BrokerError};
use crate::bucket::{self, Bucket, BucketError};
use crate::clock::now_ms;
use crate::ledger;
use crate::patience::chain;
use crate::shutdown::every;
use crate::store::{Blobs, StoreError};

/// What the names of snapshot blobs begin with.
pub(crate) const PREFIX: &str = "snapshot-";

/// How often it is looked whether a snapshot is due.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Bytes, and landings, of the ledger after the newest snapshot that make the next one due. Readers replay so much in
/// about a tenth of a second.
const DUE: Growth = Growth { bytes: 16 << 20, landings: 5_000 };

/// Time within which who began a snapshot is believed to be making it.
const CLAIM_MS: i64 = 120_000;

#[derive(Debug, Clone, Copy)]
struct Growth {
    bytes: u64,
    landings: u64,
}

/// Where the newest snapshot is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The first place in the ledger that is not in it.
    pub next: u64,
    /// Size of the ledger when it was made.
    pub ledger_bytes: u64,
    /// One part per model.
    pub parts: Vec<Part>,
    /// When a trainer began to make the next one, milliseconds since 1970.
    #[serde(default)]
    pub claimed_ms: i64,
}

schemas::message!(Manifest);

/// A model's part of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The model.
    pub model: String,
    /// Its blob in the store.
    pub blob: String,
    /// Its fits.
    pub fits: u64,
}

/// Why a snapshot could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest could not be read or moved.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] BrokerError),
    /// A part could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part is none.
    #[error("a part of the snapshot cannot be read")]
    Part(#[from] EnvelopeError),
    /// A part contradicts itself.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// The catalog of the newest snapshot (of one model, or of all), and the place in the ledger to go on from. Without a
/// snapshot: an empty one, from the first place.
///
/// # Errors
/// [`Error`] when there is one that cannot be read. The whole ledger is as good, only slower.
pub fn load<'a>(
    broker: &'a Broker,
    blobs: &'a Blobs,
    model: Option<&'a str>,
) -> BoxFuture<'a, Result<(Catalog, u64), Error>> {
    Box::pin(async move {
        let manifest = bucket::snapshots(broker).await.map_err(BucketError::from)?;
        let manifest = manifest.get(subjects::CATALOG_SNAPSHOT).await?.map(|found| found.value);
        let manifest = manifest.unwrap_or_default();
        let wanted = manifest.parts.iter().filter(|part| model.is_none_or(|model| part.model == model));
        let parts = try_join_all(wanted.map(|part| read(blobs, part))).await?;
        let mut catalog = Catalog::default();
        for part in parts {
            catalog.restore(part)?;
        }
        Ok((catalog, manifest.next))
    })
}

async fn read(blobs: &Blobs, part: &Part) -> Result<ModelSnapshot, Error> {
    let bytes = blobs.get_bytes(PREFIX, &part.blob).await?;
    // Tens of megabytes are no work for a thread that others wait for.
    let decoded = tokio::task::spawn_blocking(move || envelope::decode(&bytes)).await;
    Ok(decoded.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?)
}

/// Makes snapshots when they are due, until `shutdown`.
pub async fn keep(broker: Broker, blobs: Blobs, shutdown: CancellationToken) {
    every(LOOK_EVERY, &shutdown, || look(&broker, &blobs)).await;
}

async fn look(broker: &Broker, blobs: &Blobs) {
    match make_if_due(broker, blobs).await {
        Ok(Some(fits)) => tracing::info!(fits, "snapshot of the catalog made"),
        Ok(None) => {}
        Err(error) => tracing::warn!("no snapshot of the catalog: {}; trying again later", chain(&error)),
    }
}

/// Makes a snapshot if enough has landed since the last one and nobody else is making it; says how many fits it holds.
///
/// # Errors
/// [`Error`] when broker or store fail; trying again is safe.
pub fn make_if_due<'a>(broker: &'a Broker, blobs: &'a Blobs) -> BoxFuture<'a, Result<Option<u64>, Error>> {
    Box::pin(async move {
        let manifests = bucket::snapshots(broker).await.map_err(BucketError::from)?;
        let found = manifests.get(subjects::CATALOG_SNAPSHOT).await?;
        let revision = found.as_ref().map_or(0, |found| found.revision);
        let manifest = found.map(|found| found.value).unwrap_or_default();
        let (ledger_bytes, last) = ledger::size(broker).await?;
        let due = ledger_bytes.saturating_sub(manifest.ledger_bytes) >= DUE.bytes
            || (last + 1).saturating_sub(manifest.next.max(1)) >= DUE.landings;
        // A claim from the future comes from a clock that is wrong: it would hold for too long.
        let claimed = (0..CLAIM_MS).contains(&(now_ms() - manifest.claimed_ms));
        if !due || claimed {
            return Ok(None);
        }
        let claimed = Manifest { claimed_ms: now_ms(), ..manifest.clone() };
        match manifests.replace(subjects::CATALOG_SNAPSHOT, &claimed, revision).await {
            Err(BucketError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(revision) => make(broker, blobs, &manifests, (claimed, revision), ledger_bytes).await,
        }
    })
}

async fn make(
    broker: &Broker,
    blobs: &Blobs,
    manifests: &Bucket<Manifest>,
    (old, revision): (Manifest, u64),
    ledger_bytes: u64,
) -> Result<Option<u64>, Error> {
    let (mut catalog, from) = match load(broker, blobs, None).await {
        Ok(loaded) => loaded,
        Err(error) => {
            tracing::warn!("the last snapshot cannot be read ({error}); it is made anew from the ledger");
            (Catalog::default(), 0)
        }
    };
    let next = ledger::replay(broker, subjects::LEDGER, from, |landing| catalog.apply(landing)).await?;
    let mut parts = Vec::new();
    for snapshot in catalog.snapshots() {
        let bytes = Bytes::from(envelope::encode(&snapshot)?);
        let blob = blobs.put_bytes(PREFIX, bytes).await?;
        parts.push(Part { model: snapshot.model.clone(), blob, fits: snapshot.len() as u64 });
    }
    let fits = parts.iter().map(|part| part.fits).sum();
    let new = Manifest { next, ledger_bytes, parts, claimed_ms: 0 };
    match manifests.replace(subjects::CATALOG_SNAPSHOT, &new, revision).await {
        Err(BucketError::Conflict { .. }) => return Ok(None),
        done => done?,
    };
    // A reader that has just read the old manifest replays the ledger instead.
    for part in old.parts.iter().filter(|part| !new.parts.contains(part)) {
        blobs.delete(&part.blob).await?;
    }
    Ok(Some(fits))
}
