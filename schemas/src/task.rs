//! What is learned: a number, a class, or what is in the features alone.

use serde::{Deserialize, Serialize};

/// What is learned of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A number.
    Regression,
    /// One of a few values, with the probability of each.
    Classification,
    /// Without a target: which of a few groups a row belongs to.
    Clusters,
    /// Without a target: a row in few numbers, along the directions of most variance.
    Components,
    /// Without a target: how much a row is an outlier.
    Anomalies,
}

impl Task {
    /// The name in specs and messages.
    pub fn name(self) -> &'static str {
        match self {
            Task::Regression => "regression",
            Task::Classification => "classification",
            Task::Clusters => "clusters",
            Task::Components => "components",
            Task::Anomalies => "anomalies",
        }
    }

    /// Whether there is a target to learn.
    pub fn has_target(self) -> bool {
        matches!(self, Task::Regression | Task::Classification)
    }
}
