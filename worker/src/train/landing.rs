//! The last steps of a pack: its fits into the store, its outcomes into the ledger.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use runtime::clock::now_ms;
use runtime::ledger::{self, Landed};
use runtime::store::Blobs;
use schemas::blob::FitBody;
use schemas::fit::FitRef;
use schemas::outcome::Landing;
use schemas::pack::Pack;
use schemas::retry::Backoff;
use schemas::shard::Partial;

use super::sandbox::Learned;
use super::work::{Missed, Trainer, transient};
use crate::faults::{Step, at};

/// How long results wait for an absent store before the pack is handed back and learned again.
const STORE_PATIENCE: Duration = Duration::from_secs(60);

/// Counts a pack as landing while it lives.
pub(super) struct LandingNow<'a>(&'a Trainer);

impl LandingNow<'_> {
    pub(super) fn enter(trainer: &Trainer) -> LandingNow<'_> {
        trainer.landing.fetch_add(1, Ordering::Relaxed);
        trainer.learned.notify_one();
        LandingNow(trainer)
    }
}

impl Drop for LandingNow<'_> {
    fn drop(&mut self) {
        self.0.landing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Writes one blob and one landing. `attempt` names this try at this pack.
pub(super) async fn land(
    trainer: &Trainer,
    pack: &Pack,
    learned: Learned,
    (began, attempt): (Instant, &str),
) -> Result<Landed, Missed> {
    let at_ms = now_ms();
    let mut fits = Vec::new();
    let mut outcomes = Vec::with_capacity(learned.results.len());
    let mut places = Vec::new();
    for (outcome, fit) in learned.results {
        places.extend(fit.as_ref().map(|fit| (outcomes.len(), fit.fingerprint.clone())));
        fits.extend(fit);
        outcomes.push(outcome);
    }
    if !fits.is_empty() {
        let blob = put(&trainer.blobs, &fits, attempt).await.context("landing fits").map_err(transient)?;
        for (index, (place, fingerprint)) in (0u32..).zip(places) {
            let blob = blob.clone();
            outcomes[place].fit = Some(FitRef { fingerprint, blob, index, trained_at_ms: at_ms });
        }
    }
    at(Step::AfterBlob);
    let partial = if pack.work.ends_scopes() { None } else { outcomes.pop().map(Partial) };
    let landing = Landing {
        campaign: pack.campaign.clone(),
        model: pack.model.clone(),
        pack: pack.index,
        worker: trainer.worker.clone(),
        at_ms,
        took_ms: began.elapsed().as_secs_f64() * 1_000.0,
        planned_seconds: pack.planned_seconds,
        learn_seconds: learned.seconds,
        shard_seconds: learned.shard_seconds,
        outcomes,
        partial,
    };
    let landed = ledger::land(&trainer.broker, &landing).await.map_err(|error| transient(error.into()))?;
    at(Step::AfterLand);
    tracing::info!(
        campaign = landing.campaign,
        pack = landing.pack,
        scopes = landing.outcomes.len(),
        took_ms = landing.took_ms.round(),
        learn_ms = in_ms(landing.learn_seconds),
        planned_ms = in_ms(landing.planned_seconds),
        first = landed.first,
        "landed"
    );
    Ok(landed)
}

/// Thousandths of seconds, to three places.
fn in_ms(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

/// Writes one blob, waiting for an absent store for a while: what has been learned is worth it.
async fn put(blobs: &Blobs, fits: &[FitBody], attempt: &str) -> anyhow::Result<String> {
    let began = Instant::now();
    let mut backoff = Backoff::new(200, 5_000, now_ms().unsigned_abs());
    loop {
        let error = match blobs.put_bodies(fits, attempt).await {
            Ok(name) => return Ok(name),
            Err(error) => error,
        };
        let wait = backoff.next_wait();
        if began.elapsed() + wait > STORE_PATIENCE {
            return Err(error.into());
        }
        tracing::warn!("{:#}; trying again", anyhow::Error::from(error));
        tokio::time::sleep(wait).await;
    }
}
