//! `worker infer`: a predictor in a process of its own.

use std::path::Path;
use std::time::Duration;

use predictor::{Service, Setup};
use runtime::broker::Broker;
use runtime::bundle::{self, Fixed, Held};
use runtime::mirror::Mirror;
use runtime::settings::Connection;
use runtime::store::Blobs;
use runtime::{bucket, channels, ids};
use schemas::announce::Role;
use schemas::channel::Channel;
use schemas::spec::ModelSpec;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::InferArgs;
use crate::{health, memory, start};

/// Answers requests until `shutdown`, `slots` at once, and what takes longer on the threads of `pool`; then announces that it
/// leaves, finishes what is on its way, and goes.
///
/// # Errors
/// When broker or store cannot be reached at the start, or the bundle is not whole.
pub async fn run(
    connection: Connection,
    args: InferArgs,
    (slots, pool): (u32, Handle),
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let worker = ids::worker(Role::Predictor.name());
    let (services, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (fit_cache_mib, grace) =
        (args.fit_cache_mib.unwrap_or_else(memory::fits_mib), Duration::from_secs(args.grace_seconds));
    let sources = Sources { connection, worker: worker.clone(), shutdown: shutdown.clone() };
    let (broker, known) = match &args.fits {
        Some(file) => sources.bundle(file).await?,
        None => sources.live((&services, &tasks), &pool).await?,
    };
    let Known { models, channels, fixed, blobs } = known;
    let name = worker.clone();
    let setup = Setup { name, slots, fit_cache_mib, grace, models, channels, blobs, pool };
    let service = Service::open(&broker, setup, fixed).await?;
    let says = service.handle();
    tasks.spawn(health::keep(args.health.file, move || says.announcement(), services.clone()));
    tracing::info!(worker, slots, broker = broker.address(), "predicting");
    service.run(shutdown).await;
    services.cancel();
    tasks.close();
    tasks.wait().await;
    broker.close().await;
    tracing::info!(worker, "ended");
    Ok(())
}

/// What is answered from.
struct Known {
    models: Mirror<ModelSpec>,
    channels: Mirror<Channel>,
    /// The fits, where they never change; else the ledger tells.
    fixed: Option<Fixed>,
    blobs: Blobs,
}

/// Where it comes from.
struct Sources {
    connection: Connection,
    worker: String,
    shutdown: CancellationToken,
}

impl Sources {
    /// All of it from a file: a broker that carries messages is enough.
    async fn bundle(&self, file: &Path) -> anyhow::Result<(Broker, Known)> {
        let Held { models, channels, fixed, blobs, fits, .. } = bundle::open(file).await?;
        tracing::info!(file = %file.display(), fits, "answering from a bundle");
        let broker = start::broker(&self.connection, &self.worker, &self.shutdown).await?;
        Ok((broker, Known { models, channels, fixed: Some(fixed), blobs }))
    }

    /// From broker and store, and kept fresh until `services` ends.
    async fn live(
        &self,
        (services, tasks): (&CancellationToken, &TaskTracker),
        pool: &Handle,
    ) -> anyhow::Result<(Broker, Known)> {
        let Sources { connection, worker, shutdown } = self;
        let (broker, blobs) = start::connect(connection, worker, None, shutdown).await?;
        let opened = start::patiently(connection, shutdown, async || {
            Ok((bucket::models(&broker).await?, bucket::channels(&broker).await?))
        });
        let (models, channels) = opened.await?;
        let (models, following) = Mirror::follow(models, services.clone());
        tasks.spawn_on(following, pool);
        let (channels, following) = channels::follow(channels, services.clone());
        tasks.spawn_on(following, pool);
        Ok((broker, Known { models, channels, fixed: None, blobs }))
    }
}
