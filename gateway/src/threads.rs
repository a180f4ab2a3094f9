//! The threads that serve HTTP: each has a runtime, a connection to the broker and lanes of its own, so that a request stays
//! on one core from its first byte to its last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use runtime::broker::{Broker, ConnectRequest};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::connections::{Accepted, Place, serve};
use crate::front::Front;

/// Connections handed to a thread that it has not taken up yet.
const HANDED_MAX: usize = 1_024;

/// Time until the next try when a connection could not be accepted.
const NOT_ACCEPTED_WAIT: Duration = Duration::from_millis(50);

/// How a thread is to serve.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The broker to connect to, if there is one.
    pub request: Option<ConnectRequest>,
    /// Requests that may wait in a lane of the thread.
    pub waiting_max: usize,
    /// Time that a connection may be silent.
    pub idle: Duration,
    /// Time to finish open requests.
    pub grace: Duration,
}

/// A thread that serves connections.
#[derive(Debug)]
pub struct Thread {
    connections: mpsc::Sender<Accepted>,
    open: Arc<AtomicUsize>,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Thread {
    /// Starts a thread that serves until [`Thread::join`], and waits until it can; `shutdown` only ends the waiting.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn start(app: &App, serving: &Serving, shutdown: &CancellationToken) -> anyhow::Result<Thread> {
        let (connections, incoming) = mpsc::channel(HANDED_MAX);
        let (tell, told) = oneshot::channel();
        let (app, serving, shutdown) = (app.clone(), serving.clone(), shutdown.clone());
        let life = move || {
            let own = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            own.block_on(live(app, serving, incoming, tell, shutdown))
        };
        let ended =
            std::thread::Builder::new().name("http".into()).spawn(life).context("starting a thread")?;
        let thread = Thread { connections, open: Arc::default(), ended };
        match told.await {
            Ok(()) => Ok(thread),
            Err(_) => {
                Err(thread.join().await.err().unwrap_or_else(|| anyhow::anyhow!("a thread ended early")))
            }
        }
    }

    /// Hands it no more connections, and waits for its end.
    ///
    /// # Errors
    /// When it could not serve, or panicked.
    pub async fn join(self) -> anyhow::Result<()> {
        drop(self.connections);
        let joined =
            tokio::task::spawn_blocking(move || self.ended.join()).await.context("waiting for a thread")?;
        joined.unwrap_or_else(|_| Err(anyhow::anyhow!("a thread that serves HTTP panicked")))
    }
}

async fn live(
    app: App,
    serving: Serving,
    incoming: mpsc::Receiver<Accepted>,
    ready: oneshot::Sender<()>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let broker = match &serving.request {
        Some(request) => Some(Broker::connect(request, &shutdown).await?),
        None => None,
    };
    let app = Arc::new(app.on(broker.clone(), serving.waiting_max));
    // Nobody waits any more only when the gateway ends.
    let _ = ready.send(());
    serve(incoming, Front::new(app.clone(), serving.idle), serving.grace).await;
    app.shadows.close().await;
    app.lanes.close().await;
    if let Some(broker) = &broker {
        broker.close().await;
    }
    Ok(())
}

/// Accepts connections until `shutdown`, each for the thread that has the fewest. At most `open_max` are open at once; the
/// others wait to be accepted. The address is free when it returns, and who had connected before is accepted: who comes
/// then is told so, and goes elsewhere.
pub async fn accept(
    listener: TcpListener,
    threads: &[Thread],
    open_max: usize,
    shutdown: &CancellationToken,
) {
    let among_all = Arc::new(Semaphore::new(open_max));
    let next = async || {
        let place = among_all.clone().acquire_owned().await?;
        let (stream, _) = listener.accept().await?;
        anyhow::Ok((stream.into_std()?, place))
    };
    loop {
        let accepted = tokio::select! {
            accepted = next() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, place)) => hand(stream, place, threads).await,
            Err(error) => {
                // Too many open files, mostly: they become fewer when connections end.
                tracing::warn!("a connection could not be accepted: {error:#}");
                tokio::time::sleep(NOT_ACCEPTED_WAIT).await;
            }
        }
    }
    // The operating system has connected some that have not been accepted yet.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok(place) = among_all.clone().try_acquire_owned()
        && let Ok((stream, _)) = listener.accept()
        && stream.set_nonblocking(true).is_ok()
    {
        hand(stream, place, threads).await;
    }
}

/// Gives a connection to the thread that has the fewest.
async fn hand(stream: std::net::TcpStream, among_all: OwnedSemaphorePermit, threads: &[Thread]) {
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(%error, "a connection ended before it was served");
    }
    if let Some(thread) = threads.iter().min_by_key(|thread| thread.open.load(Ordering::Relaxed)) {
        let place = Place::new(thread.open.clone(), among_all);
        // A thread that has ended early takes none: the client sees a closed connection.
        let _ = thread.connections.send(Accepted { stream, place }).await;
    }
}
