//! HTTP connections, each served by one thread from its first byte to its last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::front::Front;
use crate::straight;

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// After the last connection was accepted, time for the next request of each that is open: its client may have sent it
/// already, and is told with the answer that the connection ends.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// An accepted connection.
#[derive(Debug)]
pub struct Accepted {
    /// Not yet known to any runtime.
    pub stream: std::net::TcpStream,
    /// Its place among those that may be open.
    pub place: Place,
}

/// The place of an open connection, free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    of_thread: Arc<AtomicUsize>,
    _among_all: OwnedSemaphorePermit,
}

impl Place {
    /// One more connection of a thread.
    pub fn new(of_thread: Arc<AtomicUsize>, among_all: OwnedSemaphorePermit) -> Place {
        of_thread.fetch_add(1, Ordering::Relaxed);
        Place { of_thread, _among_all: among_all }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of_thread.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves what comes until nothing can come any more, then what open connections still ask, within `grace`.
pub async fn serve(mut incoming: mpsc::Receiver<Accepted>, front: Front, grace: Duration) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(front.idle).max_buf_size(HEAD_BYTES_MAX);
    let (graceful, closing, mut connections) =
        (GracefulShutdown::new(), CancellationToken::new(), JoinSet::new());
    loop {
        let accepted = tokio::select! {
            accepted = incoming.recv() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Some(Accepted { stream, place }) = accepted else { break };
        let Ok(stream) = TcpStream::from_std(stream) else { continue };
        let (http, front) = (http.clone(), front.clone());
        let (watcher, closing) = (graceful.watcher(), closing.clone());
        connections.spawn(async move {
            if let Some(stream) = straight::serve(stream, &front, &closing).await
                && let Err(error) = watcher.watch(http.serve_connection(TokioIo::new(stream), front)).await
            {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    front.leave();
    let leaving = async {
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_REQUESTS, all).await.is_err() {
            closing.cancel();
            graceful.shutdown().await;
        }
    };
    if tokio::time::timeout(grace, leaving).await.is_err() {
        tracing::warn!("requests were still open after {} s", grace.as_secs());
    }
    // A stream that goes on and on would keep what it uses alive.
    connections.shutdown().await;
}
