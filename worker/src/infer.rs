//! `worker infer`: a predictor in a process of its own.

use std::time::Duration;

use predictor::{Service, Setup};
use runtime::mirror::Mirror;
use runtime::settings::Connection;
use runtime::{bucket, channels, ids};
use schemas::announce::Role;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::InferArgs;
use crate::{health, memory, start};

/// Answers requests until `shutdown`, `slots` at once, and what takes longer on the threads of `pool`; then announces that it
/// leaves, finishes what is on its way, and goes.
///
/// # Errors
/// When broker or store cannot be reached at the start.
pub async fn run(
    connection: Connection,
    args: InferArgs,
    (slots, pool): (u32, Handle),
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let worker = ids::worker(Role::Predictor.name());
    let (broker, blobs) = start::connect(&connection, &worker, None, &shutdown).await?;
    let (services, tasks) = (CancellationToken::new(), TaskTracker::new());
    let opened = start::patiently(&connection, &shutdown, async || {
        Ok((bucket::models(&broker).await?, bucket::channels(&broker).await?))
    });
    let (models, channels) = opened.await?;
    let (models, following) = Mirror::follow(models, services.clone());
    tasks.spawn_on(following, &pool);
    let (channels, following) = channels::follow(channels, services.clone());
    tasks.spawn_on(following, &pool);
    let setup = Setup {
        name: worker.clone(),
        slots,
        fit_cache_mib: args.fit_cache_mib.unwrap_or_else(memory::fits_mib),
        grace: Duration::from_secs(args.grace_seconds),
        models,
        channels,
        blobs,
        pool,
    };
    let service = Service::open(&broker, setup).await?;
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
