//! The life of the gateway's process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use predictor::{Service, Setup};
use runtime::broker::{Broker, ConnectRequest};
use runtime::bucket::{self, Bucket};
use runtime::mirror::Mirror;
use runtime::patience::patiently;
use runtime::presence::Table;
use runtime::settings::cores;
use runtime::store::{self, Blobs};
use runtime::{ids, topology};
use schemas::announce::Role;
use schemas::channel::Channel;
use schemas::spec::ModelSpec;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::args::Cli;
use crate::lanes::Lanes;
use crate::metrics::Metrics;
use crate::routes::router;

/// Serves HTTP until `shutdown`, then finishes open requests.
///
/// # Errors
/// When the address is taken, or the broker cannot be used.
pub async fn run(cli: Cli, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(cli.listen).await.with_context(|| format!("listening on {}", cli.listen))?;
    let address = listener.local_addr().context("listening")?;
    let patience = cli.connection.patience(0);
    let request = ConnectRequest { url: cli.connection.nats_url(), name: ids::worker("gateway"), patience };
    let broker = Broker::connect(&request, &shutdown).await?;
    let declared =
        topology::declare_patiently(&broker, (usize::from(cli.replicas), None), patience, &shutdown).await;
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
    let channels = follow(channels, &services, &tasks);
    let leaving = CancellationToken::new();
    let predicting = TaskTracker::new();
    let local = match cli.predict_here {
        true => {
            let service = predict_here(&broker, &cli, (&models, &channels), &blobs).await?;
            let handle = service.handle();
            predicting.spawn(service.run(leaving.clone()));
            Some(handle)
        }
        false => None,
    };
    let app = Arc::new(App {
        models,
        channels,
        campaigns: follow(campaigns, &services, &tasks),
        lanes: Lanes::new(broker.clone(), local, cli.waiting_max as usize),
        metrics: Metrics::new().context("declaring metrics")?,
        deadline: Duration::from_millis(cli.deadline_ms),
        lag: tokio::sync::Mutex::default(),
        broker: broker.clone(),
        blobs,
        table,
    });
    tracing::info!(%address, broker = broker.address(), "serving");
    let serving =
        axum::serve(listener, router(app.clone())).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let grace = async {
        shutdown.cancelled().await;
        tokio::time::sleep(Duration::from_secs(cli.grace_seconds)).await;
    };
    tokio::select! {
        served = serving => served.context("serving HTTP")?,
        () = grace => tracing::warn!("requests were still open after {} s", cli.grace_seconds),
    }
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
    Ok(())
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
