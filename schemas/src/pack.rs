//! A pack: the scopes that one queue message carries.

use serde::{Deserialize, Serialize};

use crate::fit::{FitRef, Metrics};
use crate::scope::Scope;
use crate::shard::Work;
use crate::window::Window;

/// One job on the queue. What to do with the scopes stands in the campaign's record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pack {
    /// The campaign.
    pub campaign: String,
    /// The model, for subjects and messages.
    pub model: String,
    /// Place in the campaign, from 0.
    pub index: u32,
    /// What learning it is planned to take, in seconds of one core.
    #[serde(default)]
    pub planned_seconds: f64,
    /// What to do with the scopes: as a rule, to learn them.
    #[serde(default, skip_serializing_if = "Work::is_scopes")]
    pub work: Work,
    /// What to train.
    pub scopes: Vec<PackScope>,
}

/// One scope of a pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackScope {
    /// The scope.
    pub scope: Scope,
    /// The window.
    pub window: Window,
    /// The fit it has now, if any: the same fingerprint again means nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incumbent: Option<Incumbent>,
    /// The fit that answers its rows if it has none, where a gate asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<FitRef>,
}

/// The fit that a scope has before a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incumbent {
    /// Where it is.
    pub fit: FitRef,
    /// Its scores.
    pub metrics: Option<Metrics>,
}
