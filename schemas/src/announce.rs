//! What workers say of themselves, once a second and when asked.

use serde::{Deserialize, Serialize};

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Pulls packs and lands fits.
    Trainer,
    /// Answers predictions.
    Predictor,
}

impl Role {
    /// The name in subjects and messages.
    pub fn name(self) -> &'static str {
        match self {
            Role::Trainer => "trainer",
            Role::Predictor => "predictor",
        }
    }
}

/// A worker's word about itself. Silence for three seconds means it is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// Its name, unique among living workers.
    pub worker: String,
    /// What it does.
    pub role: Role,
    /// Its release.
    pub version: String,
    /// Packs or requests it can work on at once.
    pub slots: u32,
    /// Those it is working on.
    pub busy: u32,
    /// Whether it has caught up with the ledger and can answer.
    pub ready: bool,
    /// Whether it is leaving: send it nothing more.
    pub draining: bool,
    /// Fits in its catalog (predictors).
    pub fits: u64,
    /// The newest version of messages that it reads.
    #[serde(default = "named")]
    pub messages: u16,
    /// The digest of the bundle that it answers from, if it does (predictors): only gateways with the same one ask it.
    #[serde(default)]
    pub bundle: Option<String>,
    /// The share of the last seconds in which it was busy, 0 to 1 (predictors; older releases do not say).
    #[serde(default)]
    pub busy_share: Option<f64>,
}

crate::message!(Announcement);

/// What those read who do not say it.
fn named() -> u16 {
    crate::envelope::NAMED
}
