//! The life of the gateway's process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dispatch::{Lanes, Near};
use futures::future::{BoxFuture, join_all, try_join_all};
use predictor::{Service, Setup};
use runtime::broker::{Broker, ConnectRequest};
use runtime::bucket::{self, Bucket};
use runtime::mirror::Mirror;
use runtime::patience::patiently;
use runtime::presence::Table;
use runtime::settings::cores;
use runtime::store::{self, Blobs};
use runtime::{channels, ids, topology};
use schemas::announce::Role;
use schemas::channel::Channel;
use schemas::predict::{PredictReply, PredictRequest};
use schemas::spec::ModelSpec;
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::args::Cli;
use crate::check;
use crate::metrics::Metrics;
use crate::misses::Misses;
use crate::shadow::Shadows;
use crate::threads::{Serving, Thread, accept};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Serves HTTP until a signal, then finishes open requests.
///
/// # Errors
/// When the address is taken, or the broker cannot be used.
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
    let patience = cli.connection.patience(0);
    let request = ConnectRequest { url: cli.connection.nats_url(), name: ids::worker("gateway"), patience };
    let broker = Broker::connect(&request, &shutdown).await?;
    let declared =
        topology::declare_patiently(&broker, (cli.connection.replicas(), None), patience, &shutdown).await;
    declared.context("preparing the broker")?;
    let opened = patiently(
        async || {
            Ok::<_, anyhow::Error>((
                store::find(&broker, cli.connection.store_url()).await?,
                bucket::models(&broker).await?,
                bucket::channels(&broker).await?,
                bucket::campaigns(&broker).await?,
            ))
        },
        patience,
        &shutdown,
    );
    let (blobs, models, channels, campaigns) = opened.await?;

    let services = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (table, following) = Table::follow(&broker, services.clone()).await?;
    tasks.spawn(following);
    let models = follow(models, &services, &tasks);
    let (channels, following) = channels::follow(channels, services.clone());
    tasks.spawn(following);
    let leaving = CancellationToken::new();
    let predicting = TaskTracker::new();
    let near = match cli.predict_here {
        true => {
            let service = predict_here(&broker, &cli, (&models, &channels), &blobs).await?;
            let handle: Arc<dyn Near> = Arc::new(Here(service.handle()));
            predicting.spawn(service.run(leaving.clone()));
            Some(handle)
        }
        false => None,
    };
    let waiting_max = cli.waiting_max as usize;
    let misses = Misses::default();
    tasks.spawn(misses.clone().run(broker.clone(), blobs.clone(), services.clone()));
    let app = App {
        models,
        channels,
        campaigns: follow(campaigns, &services, &tasks),
        lanes: Lanes::new(broker.clone(), table.clone(), near.clone(), waiting_max),
        near,
        known: Arc::default(),
        metrics: Metrics::new().context("declaring metrics")?,
        deadline: Duration::from_millis(cli.deadline_ms),
        lag: Arc::default(),
        misses,
        shadows: Shadows::default(),
        background: tokio::runtime::Handle::current(),
        broker: broker.clone(),
        blobs,
        table,
    };
    let serving = Serving { request, waiting_max, grace: Duration::from_secs(cli.grace_seconds) };
    let starting = (0..cli.threads.unwrap_or_else(|| threads(cli.predict_here)))
        .map(|_| Thread::start(&app, &serving, &shutdown));
    let threads = try_join_all(starting).await?;
    shutdown.run_until_cancelled(app.wait_informed()).await;
    let listener = taken.listen(BACKLOG).context("listening")?;
    let address = listener.local_addr().context("listening")?;
    tracing::info!(%address, broker = broker.address(), threads = threads.len(), "serving");
    accept(listener, &threads, cli.connections_max as usize, &shutdown).await;
    let ended = join_all(threads.into_iter().map(Thread::join)).await;
    app.lanes.close().await;
    // Its own requests are answered; what other gateways have sent it is finished.
    leaving.cancel();
    predicting.close();
    predicting.wait().await;
    services.cancel();
    tasks.close();
    tasks.wait().await;
    broker.close().await;
    tracing::info!("ended");
    ended.into_iter().collect()
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

    fn has_room(&self) -> bool {
        self.0.has_room()
    }

    fn answer<'a>(&'a self, request: &'a PredictRequest) -> BoxFuture<'a, PredictReply> {
        Box::pin(self.0.answer(request))
    }
}

/// The predictor of this process.
async fn predict_here(
    broker: &Broker,
    cli: &Cli,
    (models, channels): (&Mirror<ModelSpec>, &Mirror<Channel>),
    blobs: &Blobs,
) -> anyhow::Result<Service> {
    let setup = Setup {
        name: ids::worker(Role::Predictor.name()),
        slots: cores(),
        fit_cache_mib: cli.fit_cache_mib,
        grace: Duration::from_secs(cli.grace_seconds),
        models: models.clone(),
        channels: channels.clone(),
        blobs: blobs.clone(),
        pool: tokio::runtime::Handle::current(),
    };
    let name = setup.name.clone();
    let service = Service::open(broker, setup).await.context("starting the predictor of this process")?;
    tracing::info!(worker = name, "predicting here");
    Ok(service)
}

fn follow<T>(bucket: Bucket<T>, services: &CancellationToken, tasks: &TaskTracker) -> Mirror<T>
where
    T: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let (mirror, following) = Mirror::follow(bucket, services.clone());
    tasks.spawn(following);
    mirror
}
