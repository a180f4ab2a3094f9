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

/// A shared catalog, as of a moment ago.
#[derive(Debug, Clone)]
pub struct LiveCatalog {
    catalog: Arc<RwLock<Catalog>>,
    ready: watch::Receiver<bool>,
}

impl LiveCatalog {
    /// A catalog, and the task that keeps it fresh until `shutdown`; the caller owns the task.
    pub fn follow(
        broker: Broker,
        shutdown: CancellationToken,
    ) -> (LiveCatalog, impl Future<Output = ()> + Send + 'static) {
        let (ready_tx, ready) = watch::channel(false);
        let live = LiveCatalog { catalog: Arc::default(), ready };
        let catalog = live.catalog.clone();
        let task = async move {
            let mut backoff = Backoff::new(50, 2_000, 11);
            loop {
                let reason = tokio::select! {
                    ended = follow_once(&broker, &catalog, &ready_tx) => ended,
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
    catalog: &RwLock<Catalog>,
    ready: &watch::Sender<bool>,
) -> Result<std::convert::Infallible, BrokerError> {
    let mut reader = Reader::open(broker, subjects::LEDGER, 0).await?;
    loop {
        match reader.next().await? {
            Entry::Landing(_, landing) => {
                catalog.write().unwrap_or_else(std::sync::PoisonError::into_inner).apply(*landing);
            }
            Entry::CaughtUp => {
                ready.send_replace(true);
            }
        }
    }
}

/// The catalog of one model as it is now.
///
/// # Errors
/// [`BrokerError`] when the ledger cannot be read.
pub fn of_model<'a>(broker: &'a Broker, model: &'a str) -> BoxFuture<'a, Result<Catalog, BrokerError>> {
    Box::pin(async move {
        let mut catalog = Catalog::default();
        replay(broker, &subjects::model_landings(model), 0, |landing| catalog.apply(landing)).await?;
        Ok(catalog)
    })
}
