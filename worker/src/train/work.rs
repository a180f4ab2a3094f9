//! The life of one pack, in an order that makes every crash harmless:
//! read → fit → write ONE blob → land the outcomes in the ledger → confirm.
//! A crash between any two steps repeats work, and never loses or doubles a result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use runtime::broker::{Broker, BrokerError};
use runtime::bucket::Bucket;
use runtime::clock::now_ms;
use runtime::dead;
use runtime::jobs::Job;
use runtime::lease::Lease;
use runtime::ledger::{self, LandError};
use runtime::mirror::Mirror;
use runtime::retry::redelivery_wait;
use runtime::store::Blobs;
use schemas::algorithm::Algorithm;
use schemas::campaign::{Campaign, CampaignState};
use schemas::fit::{Counts, FitRef};
use schemas::outcome::{Landing, OutcomeKind, ScopeOutcome, clip_reason};
use schemas::pack::Pack;

use super::fitting::{FitOrder, Fitted, fit_pack};
use super::prepared::{PrepareError, PreparedCache};

/// What working on packs takes.
pub(super) struct Trainer {
    pub(super) worker: String,
    pub(super) broker: Broker,
    pub(super) blobs: Blobs,
    pub(super) campaigns: Mirror<Campaign>,
    pub(super) records: Bucket<Campaign>,
    pub(super) prepared: PreparedCache,
}

/// How a pack ended that has not simply landed.
enum Trouble {
    /// It may go better later: a server is down.
    Later(anyhow::Error),
    /// It never will: the message itself is of no use.
    Never(anyhow::Error),
    /// There is nothing left to do.
    Done,
}

impl From<BrokerError> for Trouble {
    fn from(error: BrokerError) -> Self {
        Trouble::Later(error.into())
    }
}

/// Takes a pack through its steps, renewing its lease meanwhile, and tells the queue how it went.
pub(super) async fn work(trainer: &Trainer, job: &Job) {
    let _lease = Lease::keep(job);
    let told = match attempt(trainer, job).await {
        Ok(()) | Err(Trouble::Done) => job.finish().await,
        Err(Trouble::Never(error)) => {
            tracing::error!(subject = job.subject(), "pack set aside as dead: {error:#}");
            dead::bury(&trainer.broker, job, &format!("{error:#}"), &trainer.worker).await
        }
        Err(Trouble::Later(error)) if job.is_last_delivery() => last_resort(trainer, job, &error).await,
        Err(Trouble::Later(error)) => {
            let wait = redelivery_wait(job.deliveries(), job.stream_sequence());
            tracing::warn!(wait_ms = wait.as_millis(), "pack handed back: {error:#}");
            job.hand_back(wait).await
        }
    };
    if let Err(error) = told {
        tracing::warn!("{:#}; the pack is delivered again", anyhow::Error::from(error));
    }
}

async fn attempt(trainer: &Trainer, job: &Job) -> Result<(), Trouble> {
    let pack = job.pack().map_err(|error| Trouble::Never(error.into()))?;
    let campaign = campaign(trainer, &pack).await?;
    if job.deliveries() > 1
        && ledger::has_landed(&trainer.broker, &pack.model, &pack.campaign, pack.index).await?
    {
        return Err(Trouble::Done);
    }
    let began = Instant::now();
    let fitted = match fit(trainer, &campaign, &pack).await {
        Ok(fitted) => fitted,
        Err(FitTrouble::Later(error)) => return Err(Trouble::Later(error)),
        Err(FitTrouble::Scopes(error)) => Fitted::all_failed(&campaign.spec, &pack, &format!("{error:#}")),
    };
    land(trainer, &pack, fitted, began).await
}

async fn campaign(trainer: &Trainer, pack: &Pack) -> Result<Arc<Campaign>, Trouble> {
    let campaign = match trainer.campaigns.get(&pack.campaign) {
        Some(campaign) => campaign,
        None => {
            let found = trainer.records.get(&pack.campaign).await;
            let found = found.map_err(|error| Trouble::Later(error.into()))?;
            let unknown = || Trouble::Never(anyhow::anyhow!("no campaign {} is on record", pack.campaign));
            Arc::new(found.ok_or_else(unknown)?.value)
        }
    };
    match campaign.state {
        CampaignState::Running => Ok(campaign),
        CampaignState::Complete | CampaignState::Cancelled => Err(Trouble::Done),
    }
}

enum FitTrouble {
    /// The source may be back later.
    Later(anyhow::Error),
    /// All scopes of the pack fail for the same reason.
    Scopes(anyhow::Error),
}

async fn fit(trainer: &Trainer, campaign: &Arc<Campaign>, pack: &Pack) -> Result<Fitted, FitTrouble> {
    let began = Instant::now();
    let prepared = trainer.prepared.get(&campaign.spec).await.map_err(|error| match error {
        PrepareError::Read(error) if error.is_transient() => FitTrouble::Later(error.into()),
        error => FitTrouble::Scopes(error.into()),
    })?;
    let read = began.elapsed();
    let order = FitOrder { campaign: campaign.clone(), pack: pack.clone(), prepared };
    // A panic in a learner must not take the worker down.
    let fitting = tokio::task::spawn_blocking(move || fit_pack(&order)).await;
    tracing::debug!(
        campaign = campaign.id,
        pack = pack.index,
        read_ms = read.as_secs_f64() * 1e3,
        fit_ms = (began.elapsed() - read).as_secs_f64() * 1e3,
        "fitted"
    );
    fitting.context("training panicked").map_err(FitTrouble::Scopes)
}

async fn land(trainer: &Trainer, pack: &Pack, fitted: Fitted, began: Instant) -> Result<(), Trouble> {
    let Fitted { mut outcomes, fits } = fitted;
    let at_ms = now_ms();
    if !fits.is_empty() {
        let written = trainer.blobs.put(&fits).await;
        let blob = written.context("landing fits").map_err(Trouble::Later)?;
        let mut places = fits.iter().enumerate().map(|(index, fit)| FitRef {
            fingerprint: fit.fingerprint.clone(),
            blob: blob.clone(),
            index: index as u32,
            trained_at_ms: at_ms,
        });
        let trained = outcomes.iter_mut().filter(|o| o.outcome == OutcomeKind::Trained);
        trained.for_each(|outcome| outcome.fit = places.next());
    }
    let landing = Landing {
        campaign: pack.campaign.clone(),
        model: pack.model.clone(),
        pack: pack.index,
        worker: trainer.worker.clone(),
        at_ms,
        took_ms: began.elapsed().as_secs_f64() * 1_000.0,
        outcomes,
    };
    match ledger::land(&trainer.broker, &landing).await {
        Ok(()) => {
            tracing::info!(
                campaign = landing.campaign,
                pack = landing.pack,
                scopes = landing.outcomes.len(),
                took_ms = landing.took_ms.round(),
                "landed"
            );
            Ok(())
        }
        Err(LandError::LandedBefore { .. }) => Err(Trouble::Done),
        Err(error) => Err(Trouble::Later(error.into())),
    }
}

/// The pack will not be delivered again: its scopes end `failed`, and it is kept among the dead.
async fn last_resort(trainer: &Trainer, job: &Job, error: &anyhow::Error) -> Result<(), BrokerError> {
    let reason = format!("gave up after {} deliveries: {error:#}", job.deliveries());
    tracing::error!("pack set aside as dead: {reason}");
    if let (Ok(pack), began) = (job.pack(), Instant::now())
        && let Ok(campaign) = campaign(trainer, &pack).await
    {
        let failed = Fitted::all_failed(&campaign.spec, &pack, &reason);
        if let Err(Trouble::Later(error)) = land(trainer, &pack, failed, began).await {
            tracing::error!("the failed outcomes could not be written: {error:#}");
            return job.hand_back(Duration::from_secs(5)).await;
        }
    }
    dead::bury(&trainer.broker, job, &reason, &trainer.worker).await
}

impl Fitted {
    /// Every scope of the pack fails for one reason.
    pub(super) fn all_failed(spec: &schemas::spec::ModelSpec, pack: &Pack, reason: &str) -> Fitted {
        let algorithm = spec.algorithm().unwrap_or(Algorithm::Mean);
        let failed = |scope: &schemas::pack::PackScope| ScopeOutcome {
            scope: scope.scope.clone(),
            window: scope.window,
            level: spec.mask_of(&scope.scope).and_then(|mask| spec.level_of(mask)),
            outcome: OutcomeKind::Failed,
            reason: Some(clip_reason(reason)),
            counts: Counts::default(),
            algorithm,
            metrics: None,
            fit: None,
        };
        Fitted { outcomes: pack.scopes.iter().map(failed).collect(), fits: Vec::new() }
    }
}
