//! What a learner does with the scopes it is given.

use schemas::fit::Fit;
use schemas::outcome::ScopeOutcome;
use schemas::shard::Part;
use schemas::window::Window;
use serde::{Deserialize, Serialize};

use super::warm::Before;

/// What a shard left: how its work ended, and the fit that it made.
pub(super) type Piece = (ScopeOutcome, Option<Fit>);

/// Work on scopes, and how it is done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Assignment {
    /// What to do.
    pub(super) work: Learning,
    /// Whether to train what has not changed.
    pub(super) force: bool,
    /// The fits that scopes had, where learning may go on from them.
    pub(super) before: Before,
    /// Threads that learning one scope may take.
    pub(super) threads: u32,
}

/// What to do with scopes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Learning {
    /// To learn them.
    Whole,
    /// To do a part of the work on the one scope.
    Part(Part),
    /// To put the pieces of the one scope together.
    Merge(Vec<Piece>),
    /// To make the fit of the one scope out of the sums of its rows.
    MergeRows {
        /// What its shards left, oldest first.
        pieces: Vec<Piece>,
        /// The scope's window.
        whole: Window,
        /// The part of it that is read.
        tail: Window,
    },
}
