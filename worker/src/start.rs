//! What both workers do first: reach the broker and the store.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use runtime::broker::{Broker, ConnectRequest};
use runtime::patience;
use runtime::settings::Connection;
use runtime::store::{self, Blobs};
use runtime::topology;
use schemas::retry::Backoff;
use tokio_util::sync::CancellationToken;

/// Seconds a worker waits for absent servers when not told otherwise: for ever, as an orchestrator expects.
const PATIENCE_SECONDS: u64 = 0;

/// Connects to the broker, and asks nothing of it.
///
/// # Errors
/// When it refuses, stays away longer than asked, or `shutdown` comes first.
pub async fn broker(
    connection: &Connection,
    name: &str,
    shutdown: &CancellationToken,
) -> anyhow::Result<Broker> {
    let patience = connection.patience(PATIENCE_SECONDS);
    let request = ConnectRequest { url: connection.nats_url(), name: name.to_owned(), patience };
    Ok(Broker::connect(&request, shutdown).await?)
}

/// Connects to the broker, declares what it must hold, and waits for the store.
///
/// # Errors
/// When a server refuses, stays away longer than asked, or `shutdown` comes first.
pub async fn connect(
    connection: &Connection,
    name: &str,
    lease: Option<Duration>,
    shutdown: &CancellationToken,
) -> anyhow::Result<(Broker, Blobs)> {
    let patience = connection.patience(PATIENCE_SECONDS);
    let broker = broker(connection, name, shutdown).await?;
    let copies = connection.replicas();
    let declared = topology::declare_patiently(&broker, (copies, lease), patience, shutdown).await;
    declared.context("preparing the broker")?;
    let given = connection.store_url();
    let blobs = patiently(connection, shutdown, async || {
        if let Some(url) = &given {
            store::open(url)?;
            store::tell(&broker, url).await?;
        }
        Ok(store::find(&broker, given.clone()).await?)
    });
    let blobs = blobs.await?;
    let began = Instant::now();
    let mut backoff = Backoff::new(100, 5_000, u64::from(std::process::id()));
    while let Err(error) = blobs.check().await {
        let wait = backoff.next_wait();
        if patience.is_some_and(|patience| began.elapsed() + wait > patience) {
            return Err(error).context(format!("no store answers at {}", blobs.address()));
        }
        tracing::warn!(store = blobs.address(), "{:#}; trying again", anyhow::Error::from(error));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.cancelled() => bail!("ended while waiting for the store at {}", blobs.address()),
        }
    }
    Ok((broker, blobs))
}

/// Tries again what the broker cannot do just now, as long as `connection` says.
///
/// # Errors
/// The last error.
pub async fn patiently<T>(
    connection: &Connection,
    shutdown: &CancellationToken,
    what: impl AsyncFn() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    patience::patiently(what, connection.patience(PATIENCE_SECONDS), shutdown).await
}
