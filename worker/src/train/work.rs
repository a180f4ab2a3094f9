//! The life of one pack, in an order that makes every crash harmless:
//! read and fit → write ONE blob → land the outcomes in the ledger → confirm.
//! A crash between any two steps repeats work, and never loses or doubles a result.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use runtime::broker::{Broker, BrokerError};
use runtime::bucket::Bucket;
use runtime::clock::now_ms;
use runtime::dead;
use runtime::job::Job;
use runtime::lease::Lease;
use runtime::ledger::{self, Landed};
use runtime::merges;
use runtime::mirror::Mirror;
use runtime::store::{Blobs, StoreError};
use schemas::campaign::{Campaign, CampaignState};
use schemas::outcome::{Landing, OutcomeKind, ScopeOutcome};
use schemas::pack::Pack;
use schemas::retry::{Trouble, Verdict, judge};
use schemas::shard::Work;
use schemas::spec::LimitsSpec;
use tokio::sync::Notify;

use super::assignment::{Assignment, Learning};
use super::landing::{LandingNow, land};
use super::pieces::pieces;
use super::rows::tail;
use super::sandbox::{Hosts, Learned, learn};
use super::warm::Before;
use crate::faults::{Step, at};

/// How often a pack under way looks whether its campaign is being cancelled.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What working on packs takes.
pub(super) struct Trainer {
    pub(super) worker: String,
    pub(super) broker: Broker,
    pub(super) blobs: Blobs,
    pub(super) campaigns: Mirror<Campaign>,
    pub(super) records: Bucket<Campaign>,
    pub(super) hosts: Hosts,
    /// Packs that it learns at once.
    pub(super) slots: u32,
    /// Packs under way.
    pub(super) running: AtomicUsize,
    /// Packs that have been learned and are landing: they keep no core busy.
    pub(super) landing: AtomicUsize,
    /// Told when a pack begins to land.
    pub(super) learned: Notify,
}

/// How an attempt ended that has not landed.
pub(super) enum Missed {
    /// For a reason to be judged.
    Trouble(Trouble),
    /// The campaign is being cancelled: a keeper ends its packs.
    Cancelled,
}

impl From<BrokerError> for Missed {
    fn from(error: BrokerError) -> Self {
        transient(error.into())
    }
}

pub(super) fn transient(error: anyhow::Error) -> Missed {
    Missed::Trouble(Trouble::Transient(format!("{error:#}")))
}

fn permanent(error: anyhow::Error) -> Missed {
    Missed::Trouble(Trouble::Permanent(format!("{error:#}")))
}

/// Takes a pack through its steps, renewing its lease meanwhile, and tells the queue how it went.
pub(super) async fn work(trainer: &Trainer, job: &Job) {
    let _lease = Lease::keep(job);
    let told = match attempt(trainer, job).await {
        Ok(landed) => {
            at(Step::BeforeConfirm);
            job.finish(landed).await
        }
        // Its message has been taken off the queue, or is about to be.
        Err(Missed::Cancelled) => return,
        Err(Missed::Trouble(trouble)) => {
            let attempts = attempts(trainer, job).await;
            match judge(trouble.clone(), job.deliveries(), attempts, job.stream_sequence()) {
                Verdict::Reject(reason) => reject(trainer, job, &reason).await,
                Verdict::RetryAfter(wait) => {
                    tracing::warn!(wait_ms = wait.as_millis(), "pack handed back: {}", trouble.text());
                    job.hand_back(wait).await
                }
            }
        }
    };
    at(Step::AfterConfirm);
    if let Err(error) = told {
        tracing::warn!("{:#}; the pack is delivered again", anyhow::Error::from(error));
    }
}

/// How often the pack may be tried: its spec says, where it can be read.
async fn attempts(trainer: &Trainer, job: &Job) -> u32 {
    let Ok(pack) = job.pack() else { return LimitsSpec::default().attempts };
    let spec = campaign(trainer, &pack).await.map(|campaign| campaign.spec.limits);
    spec.unwrap_or_default().attempts
}

async fn attempt(trainer: &Trainer, job: &Job) -> Result<Landed, Missed> {
    let pack = job.pack().map_err(|error| permanent(error.into()))?;
    let campaign = campaign(trainer, &pack).await?;
    if let Some(landed) = Landed::by_record(&campaign) {
        return Ok(landed);
    }
    let again = job.deliveries() > 1;
    if again {
        tracing::info!(
            campaign = pack.campaign,
            pack = pack.index,
            deliveries = job.deliveries(),
            "redelivered; its scopes go one by one"
        );
    }
    if again
        && let Some(landed) =
            ledger::has_landed(&trainer.broker, &pack.model, &pack.campaign, pack.index).await?
    {
        // The trainer before may have died before it looked.
        merges::queue_if_ready(&trainer.broker, &campaign, &pack).await?;
        return Ok(landed);
    }
    let began = Instant::now();
    let pack = without_lost_incumbents(trainer, pack).await?;
    let (work, shard_seconds) = learning(trainer, &campaign, &pack).await?;
    let before = fits_before(trainer, &campaign, &pack).await?;
    let assignment = Assignment { work, force: campaign.force, before, threads: threads(trainer, &pack) };
    at(Step::BeforeFit);
    let learned = tokio::select! {
        learned = fit(trainer, &campaign, &pack, (&assignment, again)) => learned?,
        () = cancelled(trainer, &pack.campaign) => return Err(Missed::Cancelled),
    };
    at(Step::AfterFit);
    let _landing = LandingNow::enter(trainer);
    let attempt = format!("{}/{}/{}/{}", pack.campaign, pack.index, trainer.worker, job.deliveries());
    let learned = Learned { shard_seconds, ..learned };
    let landed = land(trainer, &pack, learned, (began, &attempt)).await?;
    merges::queue_if_ready(&trainer.broker, &campaign, &pack).await?;
    Ok(landed)
}

/// What the pack asks for, with what its shards left and took, in seconds of one core.
async fn learning(
    trainer: &Trainer,
    campaign: &Campaign,
    pack: &Pack,
) -> Result<(Learning, Option<f64>), Missed> {
    match &pack.work {
        Work::Scopes => Ok((Learning::Whole, None)),
        Work::Shard { part, .. } => Ok((Learning::Part(part.clone()), None)),
        Work::Merge { rows, .. } => {
            let (pieces, seconds) = pieces(trainer, pack).await?;
            let whole = pack.scopes.first().map(|scope| scope.window).filter(|_| *rows);
            let tail = whole.and_then(|whole| Some((whole, tail(&campaign.spec, whole, &pieces)?)));
            Ok(match tail {
                Some((whole, tail)) => (Learning::MergeRows { pieces, whole, tail }, Some(seconds)),
                None => (Learning::Merge(pieces), Some(seconds)),
            })
        }
    }
}

/// The fits that answer for the pack's scopes, where learning may go on from them, or a gate compares with them. One that cannot
/// be read is none.
async fn fits_before(trainer: &Trainer, campaign: &Campaign, pack: &Pack) -> Result<Before, Missed> {
    let mut before = Before::new();
    let goes_on = campaign.spec.learn.warm_start && pack.work.is_scopes();
    let is_judged = !campaign.spec.release.gate.is_none() && pack.work.ends_scopes();
    if !goes_on && !is_judged {
        return Ok(before);
    }
    let incumbents = pack.scopes.iter().filter_map(|scope| Some(&scope.incumbent.as_ref()?.fit));
    let parents = pack.scopes.iter().filter_map(|scope| scope.parent.as_ref());
    for place in incumbents.chain(parents) {
        if before.contains_key(&place.fingerprint) {
            continue;
        }
        match trainer.blobs.fit(place).await {
            Ok(fit) => drop(before.insert(fit.fingerprint.clone(), fit)),
            Err(error @ StoreError::Failed { .. }) => {
                return Err(error).context("reading the fits that exist").map_err(transient);
            }
            Err(error) => tracing::warn!("{:#}; its scope goes on without", anyhow::Error::from(error)),
        }
    }
    Ok(before)
}

/// Threads for a pack: work on one scope takes the idle cores, too. Packs that come meanwhile share them.
fn threads(trainer: &Trainer, pack: &Pack) -> u32 {
    let running = trainer.running.load(Ordering::Relaxed);
    let learning = running.saturating_sub(trainer.landing.load(Ordering::Relaxed));
    match pack.scopes.len() {
        1 => 1 + trainer.slots.saturating_sub(learning as u32),
        _ => 1,
    }
}

/// The pack's campaign, which every keeper knows: one without a record is nobody's.
async fn campaign(trainer: &Trainer, pack: &Pack) -> Result<Arc<Campaign>, Missed> {
    let campaign = match trainer.campaigns.get(&pack.campaign) {
        Some(campaign) => campaign,
        None => {
            let found = trainer.records.get(&pack.campaign).await;
            let found = found.map_err(|error| transient(error.into()))?;
            let unknown = || permanent(anyhow::anyhow!("no campaign {} is on record", pack.campaign));
            Arc::new(found.ok_or_else(unknown)?.value)
        }
    };
    match campaign.state {
        CampaignState::Cancelling => Err(Missed::Cancelled),
        _ => Ok(campaign),
    }
}

/// Forgets incumbents whose blobs the store does not have (it was emptied, or is another one): a scope with such a fit
/// must not end `unchanged`.
async fn without_lost_incumbents(trainer: &Trainer, mut pack: Pack) -> Result<Pack, Missed> {
    let blobs: HashSet<&str> =
        pack.scopes.iter().filter_map(|scope| Some(scope.incumbent.as_ref()?.fit.blob.as_str())).collect();
    let mut lost: HashSet<String> = HashSet::new();
    for blob in blobs {
        let there = trainer.blobs.has(blob).await.context("looking for the fits that exist");
        if !there.map_err(transient)? {
            tracing::warn!(blob, "the store lacks a blob of fits; its scopes are trained again");
            lost.insert(blob.to_owned());
        }
    }
    for scope in &mut pack.scopes {
        scope.incumbent = scope.incumbent.take().filter(|incumbent| !lost.contains(&incumbent.fit.blob));
    }
    Ok(pack)
}

/// Returns when the campaign is being cancelled.
async fn cancelled(trainer: &Trainer, campaign: &str) {
    let running = || trainer.campaigns.get(campaign).is_none_or(|c| c.state == CampaignState::Running);
    while running() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Learns the pack's scopes. Where that is impossible for all of them, each of them ends `failed`.
async fn fit(
    trainer: &Trainer,
    campaign: &Campaign,
    pack: &Pack,
    how: (&Assignment, bool),
) -> Result<Learned, Missed> {
    let began = Instant::now();
    let mut scopes = Cow::Borrowed(pack.scopes.as_slice());
    if let Learning::MergeRows { tail, .. } = how.0.work {
        scopes.to_mut().iter_mut().for_each(|scope| scope.window = tail);
    }
    let learned = learn(&trainer.hosts, &campaign.spec, &scopes, how).await;
    tracing::debug!(
        campaign = campaign.id,
        pack = pack.index,
        ms = began.elapsed().as_secs_f64() * 1e3,
        "fitted"
    );
    match learned {
        Ok(mut learned) => {
            // Where only a part of a scope was read, it ends for the whole of it.
            let ends = learned.results.iter_mut().zip(&pack.scopes);
            ends.for_each(|((outcome, _), scope)| outcome.window = scope.window);
            Ok(learned)
        }
        Err(error) if error.is_transient() => Err(transient(error.into())),
        Err(error) => {
            let reason = format!("{:#}", anyhow::Error::from(error));
            let failed =
                |scope| ScopeOutcome::without_fit(&campaign.spec, scope, OutcomeKind::Failed, &reason);
            let results = pack.scopes.iter().map(|scope| (failed(scope), None)).collect();
            Ok(Learned { results, ..Learned::default() })
        }
    }
}

/// Sets the pack aside: its scopes end `failed`, and its message is kept among the dead.
async fn reject(trainer: &Trainer, job: &Job, reason: &str) -> Result<(), BrokerError> {
    tracing::error!(subject = job.subject(), "pack set aside as dead: {reason}");
    if let Ok(pack) = job.pack()
        && let Ok(campaign) = campaign(trainer, &pack).await
        && !campaign.state.is_final()
    {
        let how = (OutcomeKind::Failed, reason);
        let landing = Landing::without_fits(&campaign.spec, &pack, how, &trainer.worker, now_ms());
        if let Err(error) = ledger::land(&trainer.broker, &landing).await {
            tracing::error!("the failed outcomes could not be written: {:#}", anyhow::Error::from(error));
            return job.hand_back(Duration::from_secs(5)).await;
        }
        if let Err(error) = merges::queue_if_ready(&trainer.broker, &campaign, &pack).await {
            tracing::warn!("{:#}; a keeper queues the merge", anyhow::Error::from(error));
        }
    }
    dead::bury(&trainer.broker, job, reason, &trainer.worker).await
}
