//! What is learned: a number or a class.

use serde::{Deserialize, Serialize};

/// What is learned of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A number.
    Regression,
    /// One of a few values, with the probability of each.
    Classification,
}

impl Task {
    /// The name in specs and messages.
    pub fn name(self) -> &'static str {
        match self {
            Task::Regression => "regression",
            Task::Classification => "classification",
        }
    }
}
