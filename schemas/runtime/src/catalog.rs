//! The catalog in memory, following the ledger.

use futures::future::BoxFuture;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use schemas::catalog::Catalog;
use schemas::retry::Backoff;
use schemas::subjects;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, BrokerError};
use crate::ledger::{Entry, Reader, replay};
use crate::snapshots;
use crate::store::Blobs;

/// A shared catalog, as of a moment ago.
#[derive(Debug, Clone)]
pub struct LiveCatalog {
    catalog: Arc<RwLock<Catalog>>,
    /// How many landings have been folded in.
    folded: watch::Sender<u64>,
    ready: watch::Receiver<bool>,
}

impl LiveCatalog {
    /// A catalog, and the task that keeps it fresh until `shutdown`; the caller owns the task.
    pub fn follow(
        broker: Broker,
        blobs: Blobs,
        shutdown: CancellationToken,
    ) -> (LiveCatalog, impl Future<Output = ()> + Send + 'static) {
        let (ready_tx, ready) = watch::channel(false);
        let live = LiveCatalog { catalog: Arc::default(), folded: watch::Sender::new(0), ready };
        let LiveCatalog { catalog, folded, .. } = live.clone();
        let task = async move {
            let mut backoff = Backoff::new(50, 2_000, 11);
            let mut next = match tokio::select! {
                loaded = snapshots::load(&broker, &blobs, None) => loaded,
                () = shutdown.cancelled() => return,
            } {
                Ok((loaded, next)) => {
                    *catalog.write().unwrap_or_else(std::sync::PoisonError::into_inner) = loaded;
                    next
                }
                Err(error) => {
                    tracing::warn!("{error}; reading the whole ledger instead");
                    0
                }
            };
            loop {
                let reason = tokio::select! {
                    ended = follow_once(&broker, (&catalog, &folded), &ready_tx, &mut next) => ended,
                    () = shutdown.cancelled() => return,
                };
                let Err(error) = reason;
                tracing::warn!("{error}; reading the ledger again");
                tokio::select! {
                    () = tokio::time::sleep(backoff.next_wait()) => {}
                    () = shutdown.cancelled() => return,
                }
            }
        };
        (live, task)
    }

    /// Reads the catalog. Keep `read` short: the follower waits for it.
    pub fn with<R>(&self, read: impl FnOnce(&Catalog) -> R) -> R {
        read(&self.catalog.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Tells when something has landed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.folded.subscribe()
    }

    /// Whether everything that had landed at the start has been folded in.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until [`LiveCatalog::is_ready`], at most `limit`; says whether it came to be.
    pub async fn wait_ready(&self, limit: Duration) -> bool {
        let mut ready = self.ready.clone();
        matches!(tokio::time::timeout(limit, ready.wait_for(|ready| *ready)).await, Ok(Ok(_)))
    }
}

async fn follow_once(
    broker: &Broker,
    (catalog, folded): (&RwLock<Catalog>, &watch::Sender<u64>),
    ready: &watch::Sender<bool>,
    next: &mut u64,
) -> Result<std::convert::Infallible, BrokerError> {
    let mut reader = Reader::open(broker, subjects::LEDGER, *next).await?;
    loop {
        match reader.next().await? {
            Entry::Landing(place, landing) => {
                *next = place + 1;
                catalog.write().unwrap_or_else(std::sync::PoisonError::into_inner).apply(*landing);
                folded.send_modify(|folded| *folded += 1);
            }
            Entry::CaughtUp => {
                ready.send_replace(true);
            }
        }
    }
}

/// The catalog of one model as it is now; `blobs`, where they can be had, shorten the reading.
///
/// # Errors
/// [`BrokerError`] when the ledger cannot be read.
pub fn of_model<'a>(
    broker: &'a Broker,
    blobs: Option<&'a Blobs>,
    model: &'a str,
) -> BoxFuture<'a, Result<Catalog, BrokerError>> {
    Box::pin(async move {
        let (mut catalog, from) = match blobs {
            Some(blobs) => snapshots::load(broker, blobs, Some(model)).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "reading the whole ledger instead of a snapshot");
                (Catalog::default(), 0)
            }),
            None => (Catalog::default(), 0),
        };
        replay(broker, &subjects::model_landings(model), from, |landing| catalog.apply(landing)).await?;
        Ok(catalog)
    })
}
