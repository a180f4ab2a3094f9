//! The work on one large scope, cut into jobs of their own.
//!
//! ```text
//! shard 0 ──▶ partial ┐
//! shard 1 ──▶ partial ├──▶ merge ──▶ the scope's one outcome
//! shard 2 ──▶ partial ┘
//! ```
//!
//! Shards and merge are packs like any other: planned, queued, leased, and landed once. A shard lands a partial result and
//! no outcome. The merge is queued when the last of its shards has landed, and its landing ends the scope.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::outcome::ScopeOutcome;

/// What a pack asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// To learn its scopes.
    #[default]
    Scopes,
    /// To do a part of the work on its one scope.
    Shard {
        /// Which part.
        part: Part,
        /// The packs that hold all parts.
        shards: Range<u32>,
    },
    /// To put the parts of its one scope together.
    Merge {
        /// The packs that hold them.
        shards: Range<u32>,
        /// Whether the parts are [`Part::Rows`].
        #[serde(default)]
        rows: bool,
    },
}

impl Work {
    /// Whether the pack's scopes end with its landing.
    pub fn ends_scopes(&self) -> bool {
        !matches!(self, Work::Shard { .. })
    }

    /// Whether there is nothing out of the ordinary.
    pub fn is_scopes(&self) -> bool {
        *self == Work::Scopes
    }

    /// The packs that must have landed before this one can start.
    pub fn waits_for(&self) -> Range<u32> {
        match self {
            Work::Merge { shards, .. } => shards.clone(),
            Work::Scopes | Work::Shard { .. } => 0..0,
        }
    }

    /// The pack that waits for this one: it comes right after the last of the shards.
    pub fn merge(&self) -> Option<u32> {
        match self {
            Work::Shard { shards, .. } => Some(shards.end),
            Work::Scopes | Work::Merge { .. } => None,
        }
    }
}

/// A part of the work on a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// To grow the trees of a forest from number `from` to before number `to`.
    Trees {
        /// The first.
        from: u32,
        /// Past the last.
        to: u32,
    },
    /// To make trials of a search from number `from` to before number `to`: candidate `c` on fold `f` is number
    /// `c` × `folds` + `f`, by the spec's order of candidates and its number of folds
    /// ([`LearnSpec::trial_folds`](crate::spec::LearnSpec::trial_folds)).
    Trials {
        /// The first.
        from: u32,
        /// Past the last.
        to: u32,
    },
    /// To add up rows: those of the scope in the pack's own window, which is a part of the scope's.
    Rows,
}

/// What a shard leaves for the merge: how its own work ended, with a fit where that is what it made, or what it tried. It counts
/// nowhere as the end of a scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial(pub ScopeOutcome);
