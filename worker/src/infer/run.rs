//! The predictor's loop.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use runtime::catalog::LiveCatalog;
use runtime::mirror::Mirror;
use runtime::presence::Announcer;
use runtime::rpc::{Request, Requests};
use runtime::settings::Connection;
use runtime::{bucket, ids};
use schemas::announce::{Announcement, Role};
use schemas::limits::MESSAGE_BYTES_MAX;
use schemas::predict::{PredictReply, PredictRequest, Refusal};
use schemas::{envelope, subjects};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::Predictor;
use super::cache::FitCache;
use crate::args::{InferArgs, cores};
use crate::start;
use crate::status::Status;

/// Requests held for each one that can run: more are refused at once, so that the gateway asks another predictor.
const HELD_PER_SLOT: usize = 32;

/// From saying "draining" until every gateway has heard it.
const HEARD_AFTER: Duration = Duration::from_millis(200);

/// Answers requests until `shutdown`; then announces that it leaves, finishes what is on its way, and goes.
///
/// # Errors
/// When broker or store cannot be reached at the start.
pub async fn run(connection: Connection, args: InferArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let worker = ids::worker(Role::Predictor.name());
    let (broker, blobs) = start::connect(&connection, &worker, (args.replicas, None), &shutdown).await?;
    let slots = args.threads.unwrap_or_else(cores);
    let services = CancellationToken::new();
    let tasks = TaskTracker::new();
    let opened = start::patiently(&connection, &shutdown, async || {
        Ok((bucket::models(&broker).await?, bucket::channels(&broker).await?))
    });
    let (models, channels) = opened.await?;
    let (models, following) = Mirror::follow(models, services.clone());
    tasks.spawn(following);
    let (channels, following) = Mirror::follow(channels, services.clone());
    tasks.spawn(following);
    let (catalog, following) = LiveCatalog::follow(broker.clone(), blobs.clone(), services.clone());
    tasks.spawn(following);
    let cache_bytes = usize::try_from(args.fit_cache_mib).unwrap_or(usize::MAX).saturating_mul(1024 * 1024);
    let fits = FitCache::new(blobs, cache_bytes);
    let predictor = Arc::new(Predictor { models, channels, catalog, fits });
    let status = Arc::new(Status::new(&worker, Role::Predictor, slots));
    let (says, of) = (status.clone(), predictor.clone());
    let announcer = Announcer::open(&broker, move || announcement(&says, &of)).await?;
    tasks.spawn(announcer.run(services.clone()));
    let mut requests = Requests::listen(&broker, &subjects::infer(&worker)).await?;
    tracing::info!(worker, slots, broker = broker.address(), "predicting");

    let mut running = JoinSet::new();
    serve(&mut requests, &mut running, &predictor, &status, &shutdown).await;
    status.draining.store(true, Ordering::Relaxed);
    broker.announce(&announcement(&status, &predictor)).await;
    let leaving = async {
        let hearing = CancellationToken::new();
        let soon = hearing.clone();
        let waiting = async move {
            tokio::time::sleep(HEARD_AFTER).await;
            soon.cancel();
        };
        tokio::join!(waiting, serve(&mut requests, &mut running, &predictor, &status, &hearing));
        requests.leave().await;
        serve(&mut requests, &mut running, &predictor, &status, &CancellationToken::new()).await;
        while running.join_next().await.is_some() {}
    };
    if tokio::time::timeout(Duration::from_secs(args.grace_seconds), leaving).await.is_err() {
        tracing::warn!("requests were still running after {} s", args.grace_seconds);
    }
    services.cancel();
    tasks.close();
    tasks.wait().await;
    broker.close().await;
    tracing::info!(worker, "ended");
    Ok(())
}

/// Answers requests until `until`, or until none is left on its way.
async fn serve(
    requests: &mut Requests,
    running: &mut JoinSet<()>,
    predictor: &Arc<Predictor>,
    status: &Arc<Status>,
    until: &CancellationToken,
) {
    loop {
        let request = tokio::select! {
            request = requests.next() => request,
            Some(_) = running.join_next() => continue,
            () = until.cancelled() => return,
        };
        let Some(request) = request else { return };
        if running.len() >= status.slots as usize * HELD_PER_SLOT {
            request.answer(encode(&[PredictReply::Refused(Refusal::Overloaded)])).await;
            continue;
        }
        let (predictor, status) = (predictor.clone(), status.clone());
        running.spawn(async move {
            status.busy.fetch_add(1, Ordering::Relaxed);
            answer(&predictor, request).await;
            status.busy.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn answer(predictor: &Predictor, request: Request) {
    let replies = match envelope::decode::<Vec<PredictRequest>>(&request.payload) {
        Ok(asked) => join_all(asked.into_iter().map(|one| one_answer(predictor, one))).await,
        Err(error) => vec![PredictReply::Refused(Refusal::BadRequest { problem: error.to_string() })],
    };
    let mut payload = encode(&replies);
    if payload.len() > MESSAGE_BYTES_MAX {
        payload = encode(&[PredictReply::Refused(Refusal::AnswerTooLarge)]);
    }
    request.answer(payload).await;
}

/// The answer to one request. A panic is its own: others that came with it are answered, and nobody waits in vain.
async fn one_answer(predictor: &Predictor, request: PredictRequest) -> PredictReply {
    // What answering shares is whole between any two statements that could panic.
    let answered = AssertUnwindSafe(predictor.answer(request)).catch_unwind().await;
    answered.unwrap_or(PredictReply::Refused(Refusal::Failed))
}

fn encode(replies: &[PredictReply]) -> Bytes {
    // Plain data always serialises; an empty message would be refused by the gateway's decoder.
    Bytes::from(envelope::encode(&replies).unwrap_or_default())
}

/// What the predictor says of itself.
fn announcement(status: &Status, predictor: &Predictor) -> Announcement {
    status.announcement(predictor.is_ready(), predictor.catalog.with(schemas::catalog::Catalog::len) as u64)
}
