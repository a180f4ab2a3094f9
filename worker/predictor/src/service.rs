//! A predictor's life.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use runtime::broker::{Broker, BrokerError};
use runtime::bundle::Fixed;
use runtime::busyness::Busyness;
use runtime::catalog::LiveCatalog;
use runtime::discovery::Endpoint;
use runtime::mirror::Mirror;
use runtime::presence::Announcer;
use runtime::rpc::{Request, Requests};
use runtime::status::Status;
use runtime::store::Blobs;
use schemas::announce::{Announcement, Role};
use schemas::channel::Channel;
use schemas::limits::MESSAGE_BYTES_MAX;
use schemas::predict::{PredictReply, PredictRequest, Refusal};
use schemas::spec::ModelSpec;
use schemas::{envelope, subjects};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answer::Predictor;
use crate::cache::FitCache;
use crate::route::Last;
use crate::targets::Targets;

/// Requests held for each one that can run: more are refused at once, so that the gateway asks another predictor.
const HELD_PER_SLOT: usize = 32;

/// Messages of up to so many bytes are answered where they come in: some hundred rows.
const SMALL_BYTES: usize = 64 * 1024;

/// From saying "draining" until every gateway has heard it.
const HEARD_AFTER: Duration = Duration::from_millis(200);

/// What a predictor needs.
#[derive(Debug)]
pub struct Setup {
    /// Its name, unique among living workers.
    pub name: String,
    /// Requests that it works on at once.
    pub slots: u32,
    /// Memory for loaded fits, in MiB.
    pub fit_cache_mib: u64,
    /// Time to finish requests when it leaves.
    pub grace: Duration,
    /// Model specs.
    pub models: Mirror<ModelSpec>,
    /// Channels.
    pub channels: Mirror<Channel>,
    /// Where fits rest.
    pub blobs: Blobs,
    /// The threads for what takes longer than a few rows.
    pub pool: tokio::runtime::Handle,
}

/// A predictor that announces itself and answers over the broker, until it is told to leave.
pub struct Service {
    handle: Handle,
    broker: Broker,
    requests: Requests,
    endpoint: Arc<Endpoint>,
    grace: Duration,
    services: CancellationToken,
    tasks: TaskTracker,
    pool: tokio::runtime::Handle,
}

/// A predictor as one asks it in its own process.
#[derive(Debug, Clone)]
pub struct Handle {
    predictor: Arc<Predictor>,
    status: Arc<Status>,
    busyness: Arc<Busyness>,
    last: Arc<Last>,
}

/// A request under way: one less when it is dropped, answered or not.
struct Busy<'a>(&'a Status);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Handle {
    /// A predictor that only this process asks: no broker knows of it. What it answers from must not change. The runtime that
    /// calls this is the one that asks it.
    pub fn alone(setup: Setup, fixed: Fixed) -> Handle {
        Handle::new(setup, fixed.catalog, Some(fixed.digest))
    }

    fn new(setup: Setup, catalog: LiveCatalog, bundle: Option<Arc<String>>) -> Handle {
        let Setup { name, slots, fit_cache_mib, models, channels, blobs, pool, .. } = setup;
        let cache_bytes = usize::try_from(fit_cache_mib).unwrap_or(usize::MAX).saturating_mul(1024 * 1024);
        let fits = FitCache::new(blobs, cache_bytes);
        let targets = Targets::default();
        let predictor = Arc::new(Predictor {
            models,
            channels,
            catalog,
            fits,
            targets,
            bundle,
            was_ready: AtomicBool::new(false),
        });
        let status = Arc::new(Status::new(&name, Role::Predictor, slots));
        let busyness = Arc::new(Busyness::of([tokio::runtime::Handle::current(), pool]));
        Handle { predictor, status, busyness, last: Arc::default() }
    }

    /// The same predictor for another thread, whose requests need not wait for those of this one.
    #[must_use]
    pub fn for_thread(&self) -> Handle {
        Handle { last: Arc::default(), ..self.clone() }
    }

    /// Its name.
    pub fn worker(&self) -> &str {
        &self.status.worker
    }

    /// Whether it has caught up, is not leaving, and holds no more requests than it can soon answer.
    pub fn has_room(&self) -> bool {
        let busy = self.status.busy.load(Ordering::Relaxed) as usize;
        let draining = self.status.draining.load(Ordering::Relaxed);
        !draining && busy < self.status.slots as usize * HELD_PER_SLOT && self.predictor.is_ready()
    }

    /// The answer to one request. A panic is its own: others that came with it are answered, and nobody waits in vain.
    pub async fn answer(&self, request: &PredictRequest) -> PredictReply {
        self.status.busy.fetch_add(1, Ordering::Relaxed);
        let _busy = Busy(&self.status);
        // What answering shares is whole between any two statements that could panic.
        let answered = AssertUnwindSafe(self.predictor.answer(request, &self.last)).catch_unwind().await;
        answered.unwrap_or(PredictReply::Refused(Refusal::Failed))
    }

    /// What the predictor says of itself.
    pub fn announcement(&self) -> Announcement {
        let fits = self.predictor.catalog.with(schemas::catalog::Catalog::len);
        let word = self.status.announcement(self.predictor.is_ready(), fits as u64);
        let bundle = self.predictor.bundle.as_deref().cloned();
        Announcement { bundle, busy_share: Some(self.busyness.share()), ..word }
    }
}

impl Service {
    /// A predictor that is announced and listens; the runtime that calls this is the one that it talks on. Which fits there
    /// are is read from the broker's ledger, unless that is `fixed`.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker refuses.
    pub async fn open(broker: &Broker, setup: Setup, fixed: Option<Fixed>) -> Result<Service, BrokerError> {
        let (services, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (grace, pool) = (setup.grace, setup.pool.clone());
        let handle = match fixed {
            Some(fixed) => Handle::alone(setup, fixed),
            None => {
                let blobs = setup.blobs.clone();
                let (catalog, following) = LiveCatalog::follow(broker.clone(), blobs, services.clone());
                tasks.spawn_on(following, &pool);
                Handle::new(setup, catalog, None)
            }
        };
        let (ahead, until) = (handle.predictor.clone(), services.clone());
        tasks.spawn_on(async move { ahead.keep_ahead(until).await }, &pool);
        let says = handle.clone();
        // It listens before anybody hears of it.
        let subject = subjects::infer(handle.worker());
        let requests = Requests::listen(broker, &subject).await?;
        let endpoint = Arc::new(Endpoint::new(subject));
        let announcer = Announcer::open(broker, Some(endpoint.clone()), move || says.announcement()).await?;
        tasks.spawn(announcer.run(services.clone()));
        Ok(Service { handle, broker: broker.clone(), requests, endpoint, grace, services, tasks, pool })
    }

    /// The predictor, for this process.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Answers requests until `shutdown`; then announces that it leaves, finishes what is on its way, and goes.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut running = JoinSet::new();
        self.serve(&mut running, &shutdown).await;
        self.handle.status.draining.store(true, Ordering::Relaxed);
        self.broker.announce(&self.handle.announcement()).await;
        let grace = self.grace;
        if tokio::time::timeout(grace, self.leave(&mut running)).await.is_err() {
            tracing::warn!("requests were still running after {} s", grace.as_secs());
        }
        self.services.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn leave(&mut self, running: &mut JoinSet<()>) {
        let hearing = CancellationToken::new();
        let soon = hearing.clone();
        let waiting = async move {
            tokio::time::sleep(HEARD_AFTER).await;
            soon.cancel();
        };
        tokio::join!(waiting, self.serve(running, &hearing));
        self.requests.leave().await;
        self.serve(running, &CancellationToken::new()).await;
        while running.join_next().await.is_some() {}
    }

    /// Answers requests until `until`, or until none is left on its way.
    async fn serve(&mut self, running: &mut JoinSet<()>, until: &CancellationToken) {
        loop {
            let request = tokio::select! {
                request = self.requests.next() => request,
                Some(_) = running.join_next() => continue,
                () = until.cancelled() => return,
            };
            let Some(request) = request else { return };
            if running.len() >= self.handle.status.slots as usize * HELD_PER_SLOT {
                self.endpoint.note(Duration::ZERO, Some(Refusal::Overloaded.to_string()));
                request.answer(encode(envelope::NAMED, &[PredictReply::Refused(Refusal::Overloaded)])).await;
                continue;
            }
            let (handle, endpoint) = (self.handle.clone(), self.endpoint.clone());
            let is_small = request.payload.len() <= SMALL_BYTES;
            let mut answering = Box::pin(async move { answer(&handle, &endpoint, request).await });
            // A few rows of fits in memory are answered without waiting: to wake a thread would cost more.
            if !is_small || answering.as_mut().now_or_never().is_none() {
                running.spawn_on(answering, &self.pool);
            }
        }
    }
}

async fn answer(handle: &Handle, endpoint: &Endpoint, request: Request) {
    let began = Instant::now();
    let (version, mut replies) = match envelope::decode_versioned::<Vec<PredictRequest>>(&request.payload) {
        Ok((version, asked)) => (version, join_all(asked.iter().map(|one| handle.answer(one))).await),
        Err(error) => {
            let refusal = Refusal::BadRequest { problem: error.to_string() };
            (envelope::NAMED, vec![PredictReply::Refused(refusal)])
        }
    };
    let mut payload = encode(version, &replies);
    if payload.len() > MESSAGE_BYTES_MAX {
        replies = vec![PredictReply::Refused(Refusal::AnswerTooLarge)];
        payload = encode(version, &replies);
    }
    let refusal = replies.iter().find_map(|reply| match reply {
        PredictReply::Done(_) => None,
        PredictReply::Refused(refusal) => Some(refusal.to_string()),
    });
    endpoint.note(began.elapsed(), refusal);
    request.answer(payload).await;
}

/// Replies in the version of the message that asked.
fn encode(version: u16, replies: &[PredictReply]) -> Bytes {
    // Plain data always serialises; an empty message would be refused by the gateway's decoder.
    Bytes::from(envelope::encode_as(version, replies).unwrap_or_default())
}
