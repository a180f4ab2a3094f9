//! The catalog in memory, following the ledger.

use futures::future::BoxFuture;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use schemas::catalog::Catalog;
use schemas::retry::Backoff;
use schemas::subjects;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, BrokerError};
use crate::ledger::{self, Entry, Reader, replay};
use crate::patience::chain;
use crate::snapshots;
use crate::store::Blobs;

/// After so long a wait for a place of the ledger, it is not there: the ledger is a copy that ends before.
const NEVER_AFTER: Duration = Duration::from_secs(30);

/// A shared catalog, as of a moment ago.
#[derive(Debug, Clone)]
pub struct LiveCatalog {
    catalog: Arc<RwLock<Catalog>>,
    read: Arc<Read>,
    ready: watch::Receiver<bool>,
}

/// How far the ledger has been read.
#[derive(Debug, Default)]
struct Read {
    /// The last place that has been folded in, for who asks with every prediction, and for who waits for the next one.
    place: AtomicU64,
    changed: watch::Sender<u64>,
    /// Since when a later one is waited for.
    waiting: Mutex<Option<Instant>>,
}

impl Read {
    fn up_to(&self, place: u64) {
        self.place.fetch_max(place, Ordering::Release);
        self.changed.send_if_modified(|known| {
            let is_later = place > *known;
            *known = place.max(*known);
            is_later
        });
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl LiveCatalog {
    /// A catalog that follows no ledger.
    pub fn fixed(catalog: Catalog) -> LiveCatalog {
        LiveCatalog {
            catalog: Arc::new(RwLock::new(catalog)),
            read: Arc::default(),
            ready: watch::channel(true).1,
        }
    }

    /// A catalog, and the task that keeps it fresh until `shutdown`; the caller owns the task.
    pub fn follow(
        broker: Broker,
        blobs: Blobs,
        shutdown: CancellationToken,
    ) -> (LiveCatalog, impl Future<Output = ()> + Send + 'static) {
        let (ready_tx, ready) = watch::channel(false);
        let live = LiveCatalog { catalog: Arc::default(), read: Arc::default(), ready };
        let LiveCatalog { catalog, read, .. } = live.clone();
        let task = async move {
            let mut backoff = Backoff::new(50, 2_000, 11);
            let mut next = match tokio::select! {
                loaded = snapshots::load(&broker, &blobs, None) => loaded,
                () = shutdown.cancelled() => return,
            } {
                Ok((loaded, next)) => {
                    *catalog.write().unwrap_or_else(PoisonError::into_inner) = loaded;
                    next
                }
                Err(error) => {
                    tracing::warn!("{}; reading the whole ledger instead", chain(&error));
                    0
                }
            };
            loop {
                let reason = tokio::select! {
                    ended = follow_once(&broker, (&catalog, &read), &ready_tx, &mut next) => ended,
                    () = shutdown.cancelled() => return,
                };
                let Err(error) = reason;
                tracing::warn!("{}; reading the ledger again", chain(&error));
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
        read(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last place in the ledger that has been folded in.
    pub fn place(&self) -> u64 {
        self.read.place.load(Ordering::Acquire)
    }

    /// Whether everything up to `place` in the ledger has been folded in.
    pub fn has(&self, place: u64) -> bool {
        if self.place() >= place {
            return true;
        }
        let mut waiting = self.read.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get_or_insert_with(Instant::now).elapsed() > NEVER_AFTER
    }

    /// Tells when more of the ledger has been folded in.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.read.changed.subscribe()
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
    (catalog, read): (&RwLock<Catalog>, &Read),
    ready: &watch::Sender<bool>,
    next: &mut u64,
) -> Result<std::convert::Infallible, BrokerError> {
    // Asked for before the reading begins: what stands there now has been read when it has caught up.
    let (_, last) = ledger::size(broker).await?;
    let mut reader = Reader::open(broker, subjects::LEDGER, *next).await?;
    loop {
        let place = match reader.next().await? {
            Entry::Landing(place, landing) => {
                catalog.write().unwrap_or_else(PoisonError::into_inner).apply(*landing);
                place
            }
            Entry::PassedOver(place) => place,
            Entry::CaughtUp => {
                read.up_to(last);
                ready.send_replace(true);
                continue;
            }
        };
        *next = place + 1;
        read.up_to(place);
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
