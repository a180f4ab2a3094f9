//! The trainer's loop: take no more packs than can start now, finish what was taken.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runtime::bucket;
use runtime::ids;
use runtime::job::{Job, JobSource};
use runtime::keeper::Keeper;
use runtime::mirror::Mirror;
use runtime::presence::Announcer;
use runtime::settings::{Connection, cores};
use runtime::status::Status;
use runtime::{snapshots, sweep};
use schemas::announce::Role;
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::sandbox::Hosts;
use super::work::{Trainer, work};
use crate::args::TrainArgs;
use crate::{health, memory, start};

/// Between the last landing and a look whether campaigns can be closed: an `enqueue` that waits for one closes it itself.
const SETTLE: Duration = Duration::from_millis(100);

/// Packs that may be landing for each one that can be learned at once, besides those that are.
const LANDING_PER_SLOT: usize = 3;

/// Pulls and trains packs until `shutdown`.
///
/// # Errors
/// When broker or store cannot be reached at the start.
pub async fn run(connection: Connection, args: TrainArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let worker = ids::worker(Role::Trainer.name());
    let lease = args.lease_seconds.map(Duration::from_secs);
    let (broker, blobs) = start::connect(&connection, &worker, lease, &shutdown).await?;
    let slots = args.threads.unwrap_or_else(cores);
    let data_mib = args.data_cache_mib.unwrap_or_else(memory::data_mib);
    let services = CancellationToken::new();
    let tasks = TaskTracker::new();
    let opened = start::patiently(&connection, &shutdown, async || {
        Ok((
            bucket::campaigns(&broker).await?,
            Keeper::open(&broker, &worker).await?,
            JobSource::open(&broker).await?,
        ))
    });
    let (records, keeper, mut source) = opened.await?;
    let (campaigns, following) = Mirror::follow(records.clone(), services.clone());
    tasks.spawn(following);
    tasks.spawn(keeper.clone().run(campaigns.clone(), services.clone()));
    tasks.spawn(sweep::keep(broker.clone(), blobs.clone(), services.clone()));
    tasks.spawn(snapshots::keep(broker.clone(), blobs.clone(), services.clone()));
    let status = Arc::new(Status::new(&worker, Role::Trainer, slots));
    let says = status.clone();
    let announcer = Announcer::open(&broker, None, move || says.announcement(true, 0)).await?;
    tasks.spawn(announcer.run(services.clone()));
    let says = status.clone();
    tasks.spawn(health::keep(args.health.file, move || says.announcement(true, 0), services.clone()));
    let trainer = Arc::new(Trainer {
        worker: worker.clone(),
        broker: broker.clone(),
        blobs,
        campaigns,
        records,
        hosts: Hosts::new(data_mib << 20, slots),
        slots,
        running: AtomicUsize::new(0),
        landing: AtomicUsize::new(0),
        learned: Notify::new(),
    });
    tracing::info!(worker, slots, data_mib, broker = broker.address(), "training");

    let mut running = Running::default();
    let mut sweep_at = None;
    while !shutdown.is_cancelled() {
        let free = running.free(slots as usize, &trainer);
        let landed = running.start(&mut source, free, &trainer).await;
        status.busy.store(running.len() as u32, Ordering::Relaxed);
        if landed && running.is_empty() {
            sweep_at = Some(Instant::now() + SETTLE);
        }
        let full = running.free(slots as usize, &trainer) == 0;
        tokio::select! {
            () = running.one_ends() => {}
            () = trainer.learned.notified() => {}
            () = tokio::time::sleep_until(sweep_at.unwrap_or_else(Instant::now)), if sweep_at.is_some() => {
                sweep_at = None;
                keeper.sweep(&trainer.campaigns).await;
            }
            () = source.wait(), if !full => {}
            () = shutdown.cancelled() => {}
        }
    }
    status.draining.store(true, Ordering::Relaxed);
    tracing::info!(worker, packs = running.len(), "ending: what is under way is finished or handed back");
    running.drain(Duration::from_secs(args.grace_seconds)).await;
    services.cancel();
    tasks.close();
    tasks.wait().await;
    broker.close().await;
    tracing::info!(worker, "ended");
    Ok(())
}

/// The packs being trained.
#[derive(Default)]
struct Running {
    tasks: JoinSet<()>,
    jobs: HashMap<Id, Job>,
    landed: bool,
}

impl Running {
    fn len(&self) -> usize {
        self.tasks.len()
    }

    /// How many packs can start: as many as there are idle cores. Packs that are landing only wait for servers; so many of them
    /// keep their results in memory.
    fn free(&self, slots: usize, trainer: &Trainer) -> usize {
        let learning = self.len().saturating_sub(trainer.landing.load(Ordering::Relaxed));
        slots.saturating_sub(learning).min(((1 + LANDING_PER_SLOT) * slots).saturating_sub(self.len()))
    }

    fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Starts up to `free` packs; says whether some ended since there last was nothing to start.
    async fn start(&mut self, source: &mut JobSource, free: usize, trainer: &Arc<Trainer>) -> bool {
        let jobs = match source.take(free).await {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::warn!("{:#}; pulling again", anyhow::Error::from(error));
                return false;
            }
        };
        if jobs.is_empty() && free > 0 {
            return std::mem::take(&mut self.landed);
        }
        trainer.running.store(self.len() + jobs.len(), Ordering::Relaxed);
        for job in jobs {
            let (trainer, own) = (trainer.clone(), job.clone());
            let task = self.tasks.spawn(async move { work(&trainer, &own).await });
            self.jobs.insert(task.id(), job);
        }
        false
    }

    /// Returns when a pack ends; never while there is none.
    async fn one_ends(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => {
                tracing::error!(%error, "a pack's task ended badly; the pack is delivered again");
                error.id()
            }
            None => return std::future::pending().await,
        };
        self.jobs.remove(&id);
        self.landed = true;
    }

    /// Waits for the running packs, at most `grace`; hands back what is not done by then.
    async fn drain(mut self, grace: Duration) {
        let until = tokio::time::Instant::now() + grace;
        while !self.is_empty() && tokio::time::timeout_at(until, self.one_ends()).await.is_ok() {}
        self.tasks.abort_all();
        for job in self.jobs.into_values() {
            if let Err(error) = job.hand_back(Duration::ZERO).await {
                tracing::warn!("{error}; its lease runs out by itself");
            }
        }
    }
}
