//! The life of the gateway's process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dispatch::{Lanes, Near};
use futures::future::{BoxFuture, join_all, try_join_all};
use predictor::{Service, Setup};
use runtime::broker::Broker;
use runtime::ids;
use runtime::settings::cores;
use schemas::announce::Role;
use schemas::predict::{PredictReply, PredictRequest};
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::args::Cli;
use crate::check;
use crate::metrics::Metrics;
use crate::misses::Misses;
use crate::room::Room;
use crate::shadow::Shadows;
use crate::sources::{Following, Sources};
use crate::threads::{Serving, Thread, accept};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Serves HTTP until a signal, then finishes open requests.
///
/// # Errors
/// When the address is taken, the broker cannot be used, or the bundle is not whole.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(probe) = cli.check {
        return check::ask(cli.listen, probe);
    }
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    threads.block_on(async {
        runtime::telemetry::init(&cli.log)?;
        serve(cli, runtime::shutdown::on_signals()?).await
    })
}

async fn serve(cli: Cli, shutdown: CancellationToken) -> anyhow::Result<()> {
    let taken = take(cli.listen).with_context(|| format!("listening on {}", cli.listen))?;
    let following = Following::default();
    let sources = Sources::open(&cli, &following, &shutdown).await?;
    let (leaving, predicting) = (CancellationToken::new(), TaskTracker::new());
    let near: Option<Arc<dyn Near>> = match cli.predict_here {
        true => Some(Arc::new(Here(predict_here(&cli, &sources, (&leaving, &predicting)).await?))),
        false => None,
    };
    let (broker, request) = sources.broker.clone().unzip();
    let waiting_max = cli.waiting_max as usize;
    let app = app(&cli, sources, near, &following)?;
    let [idle, grace] = [cli.idle_seconds, cli.grace_seconds].map(Duration::from_secs);
    let serving = Serving { request, waiting_max, idle, grace };
    let starting = (0..cli.threads.unwrap_or_else(|| threads(cli.predict_here)))
        .map(|_| Thread::start(&app, &serving, &shutdown));
    let threads = try_join_all(starting).await?;
    shutdown.run_until_cancelled(app.wait_informed()).await;
    let listener = taken.listen(BACKLOG).with_context(|| format!("listening on {}", cli.listen))?;
    let address = listener.local_addr().context("listening")?;
    let at = broker.as_ref().map_or("none", Broker::address);
    tracing::info!(%address, broker = at, threads = threads.len(), "serving");
    accept(listener, &threads, cli.connections_max as usize, &shutdown).await;
    let ended = join_all(threads.into_iter().map(Thread::join)).await;
    app.lanes.close().await;
    // Its own requests are answered; what other gateways have sent it is finished.
    leaving.cancel();
    predicting.close();
    predicting.wait().await;
    following.end().await;
    if let Some(broker) = &broker {
        broker.close().await;
    }
    tracing::info!("ended");
    ended.into_iter().collect()
}

/// What the threads begin with.
fn app(
    cli: &Cli,
    sources: Sources,
    near: Option<Arc<dyn Near>>,
    following: &Following,
) -> anyhow::Result<App> {
    let Sources { broker, table, models, channels, campaigns, blobs, bundle } = sources;
    let broker = broker.map(|(broker, _)| broker);
    // A bundle stays as it is, whatever is asked for.
    let misses = broker.clone().filter(|_| bundle.is_none()).map(|broker| {
        let misses = Misses::default();
        following.tasks.spawn(misses.clone().run(broker, blobs.clone(), following.until.clone()));
        misses
    });
    Ok(App {
        lanes: Lanes::new(broker.clone(), table, near, cli.waiting_max as usize),
        known: Arc::default(),
        metrics: Metrics::new().context("declaring metrics")?,
        deadline: Duration::from_millis(cli.deadline_ms),
        room: Room::of_mib(cli.bodies_mib),
        lag: Arc::default(),
        misses,
        shadows: Shadows::default(),
        background: tokio::runtime::Handle::current(),
        broker,
        blobs,
        models,
        channels,
        campaigns,
        bundle,
    })
}

/// Takes an address, and refuses connections to it: who comes before the gateway knows models and predictors is told at once,
/// and goes to another one.
fn take(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// How many threads serve HTTP. The fewer they are, the more requests travel together: where the broker has to be given a
/// core anyhow, taking it from it makes all slower.
fn threads(predict_here: bool) -> u32 {
    if predict_here { cores() } else { cores().saturating_sub(1).max(1) }
}

/// The predictor of this process, as lanes ask it.
#[derive(Debug)]
struct Here(predictor::Handle);

impl Near for Here {
    fn worker(&self) -> &str {
        self.0.worker()
    }

    fn for_thread(&self) -> Arc<dyn Near> {
        Arc::new(Here(self.0.for_thread()))
    }

    fn has_room(&self) -> bool {
        self.0.has_room()
    }

    fn answer<'a>(&'a self, request: &'a PredictRequest) -> BoxFuture<'a, PredictReply> {
        Box::pin(self.0.answer(request))
    }
}

/// The predictor of this process; where there is a broker, other gateways may ask it, too, until it is `leaving`.
async fn predict_here(
    cli: &Cli,
    sources: &Sources,
    (leaving, predicting): (&CancellationToken, &TaskTracker),
) -> anyhow::Result<predictor::Handle> {
    let setup = Setup {
        name: ids::worker(Role::Predictor.name()),
        slots: cores(),
        fit_cache_mib: cli.fit_cache_mib,
        grace: Duration::from_secs(cli.grace_seconds),
        models: sources.models.clone(),
        channels: sources.channels.clone(),
        blobs: sources.blobs.clone(),
        pool: tokio::runtime::Handle::current(),
    };
    let name = setup.name.clone();
    let handle = match (&sources.broker, sources.bundle.clone()) {
        (None, Some(fixed)) => predictor::Handle::alone(setup, fixed),
        (Some((broker, _)), fixed) => {
            let service = Service::open(broker, setup, fixed).await;
            let service = service.context("starting the predictor of this process")?;
            let handle = service.handle();
            predicting.spawn(service.run(leaving.clone()));
            handle
        }
        (None, None) => anyhow::bail!("there is neither broker nor bundle to predict from"),
    };
    tracing::info!(worker = name, "predicting here");
    Ok(handle)
}
