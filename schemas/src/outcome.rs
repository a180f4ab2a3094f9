//! How the scopes of a campaign end.

use serde::{Deserialize, Serialize};

use crate::algorithm::Algorithm;
use crate::fit::{Counts, FitRef, Metrics};
use crate::limits::REASON_CHARS_MAX;
use crate::scope::Scope;
use crate::window::Window;

/// The end of one scope in one campaign: exactly one of these, whatever crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// A new fit landed.
    Trained,
    /// The fit that exists has the same fingerprint; nothing was trained.
    Unchanged,
    /// Fewer complete rows than the spec's `min_rows`.
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
    /// Why, for `failed` and `rejected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its rows.
    pub counts: Counts,
    /// What trained it.
    pub algorithm: Algorithm,
    /// Scores of the fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// The fit that answers for the scope from now on, for `trained` and `unchanged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<FitRef>,
}

/// The outcomes of one pack, published as one ledger message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// One for each scope of the pack.
    pub outcomes: Vec<ScopeOutcome>,
}

/// A reason short enough for the ledger.
pub fn clip_reason(reason: &str) -> String {
    match reason.char_indices().nth(REASON_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &reason[..at]),
        None => reason.to_owned(),
    }
}
