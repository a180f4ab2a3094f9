//! How the scopes of a campaign end.

use serde::{Deserialize, Serialize};

use crate::algorithm::{Algorithm, Params};
use crate::fit::{Counts, FitRef, Metrics};
use crate::gate::Judgement;
use crate::limits::REASON_CHARS_MAX;
use crate::pack::{Pack, PackScope};
use crate::scope::Scope;
use crate::shard::Partial;
use crate::spec::ModelSpec;
use crate::window::Window;

/// The end of one scope in one campaign: exactly one of these, whatever crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// A new fit landed.
    Trained,
    /// The fit that exists has the same fingerprint; nothing was trained.
    Unchanged,
    /// Fewer complete rows than the spec's `min_rows`, or too short a series.
    TooFewRows,
    /// A new fit did not beat what it would replace.
    Rejected,
    /// Training was impossible, for a stated reason.
    Failed,
    /// The campaign was cancelled first.
    Cancelled,
}

impl OutcomeKind {
    /// The name in JSON and in messages.
    pub fn name(self) -> &'static str {
        match self {
            OutcomeKind::Trained => "trained",
            OutcomeKind::Unchanged => "unchanged",
            OutcomeKind::TooFewRows => "too_few_rows",
            OutcomeKind::Rejected => "rejected",
            OutcomeKind::Failed => "failed",
            OutcomeKind::Cancelled => "cancelled",
        }
    }
}

/// A candidate with its score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// The parameters it was given.
    pub params: Params,
    /// Its error in cross-validation, in the target's unit; `None` where it could not be fitted.
    pub error: Option<f64>,
    /// Why it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a shard of a search found out about one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Its place in the spec.
    pub candidate: u32,
    /// The first fold that it was tried on.
    pub fold: u32,
    /// Per fold, from that one on: what the metric adds up over the fold's rows, and what these count.
    pub errors: Vec<(f64, f64)>,
    /// Why it could not be tried on the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One scope's end, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScopeOutcome {
    /// The scope.
    pub scope: Scope,
    /// Its window.
    pub window: Window,
    /// Its fallback level, if it is one.
    pub level: Option<u8>,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Why, for `failed`, `rejected` and series that are too short; and why a fit that answers was not compared by a gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its rows.
    pub counts: Counts,
    /// What trained it.
    pub algorithm: Algorithm,
    /// What the scope chose from, in the spec's order; empty without a search.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Scored>,
    /// What a shard tried of a search; none of what ends a scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// Scores of the fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// What the spec's gate compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Judgement>,
    /// The fit that answers for the scope from now on, for `trained` and `unchanged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<FitRef>,
}

impl ScopeOutcome {
    /// The end of a scope that nothing was learned from: `failed` or `cancelled`, and why.
    pub fn without_fit(
        spec: &ModelSpec,
        scope: &PackScope,
        outcome: OutcomeKind,
        reason: &str,
    ) -> ScopeOutcome {
        ScopeOutcome {
            scope: scope.scope.clone(),
            window: scope.window,
            level: spec.mask_of(&scope.scope).and_then(|mask| spec.level_of(mask)),
            outcome,
            reason: (!reason.is_empty()).then(|| clip_reason(reason)),
            counts: Counts::default(),
            algorithm: spec.algorithm().unwrap_or(Algorithm::Mean),
            candidates: Vec::new(),
            tried: Vec::new(),
            metrics: None,
            gate: None,
            fit: None,
        }
    }
}

/// The outcomes of one pack, published as one ledger message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Landing {
    /// The campaign.
    pub campaign: String,
    /// Its model.
    pub model: String,
    /// Which pack of the campaign.
    pub pack: u32,
    /// The worker that landed it.
    pub worker: String,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Time from first row read to landing, in milliseconds.
    pub took_ms: f64,
    /// What learning the pack was planned to take, in seconds of one core; 0 where nobody planned.
    #[serde(default)]
    pub planned_seconds: f64,
    /// What it did take; 0 where nothing was learned.
    #[serde(default)]
    pub learn_seconds: f64,
    /// What shards of the scope took before, in seconds of one core, where the pack merged some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_seconds: Option<f64>,
    /// One for each scope of the pack; none of a shard.
    pub outcomes: Vec<ScopeOutcome>,
    /// What a shard leaves for its merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<Partial>,
}

crate::message!(Landing);

impl Landing {
    /// All scopes of a pack, or its part of one, ending alike, without a fit.
    pub fn without_fits(
        spec: &ModelSpec,
        pack: &Pack,
        (outcome, reason): (OutcomeKind, &str),
        worker: &str,
        at_ms: i64,
    ) -> Landing {
        let end = |scope| ScopeOutcome::without_fit(spec, scope, outcome, reason);
        let ends = pack.work.ends_scopes();
        Landing {
            campaign: pack.campaign.clone(),
            model: pack.model.clone(),
            pack: pack.index,
            worker: worker.to_owned(),
            at_ms,
            took_ms: 0.0,
            planned_seconds: pack.planned_seconds,
            learn_seconds: 0.0,
            shard_seconds: None,
            outcomes: pack.scopes.iter().filter(|_| ends).map(end).collect(),
            partial: pack.scopes.first().filter(|_| !ends).map(end).map(Partial),
        }
    }
}

/// A reason short enough for the ledger.
pub fn clip_reason(reason: &str) -> String {
    match reason.char_indices().nth(REASON_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &reason[..at]),
        None => reason.to_owned(),
    }
}
