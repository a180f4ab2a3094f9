//! A campaign: one training order, from publishing to the last outcome.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::cost::{CostModel, Lessons};
use crate::limits::FAILED_NAMED_MAX;
use crate::outcome::{Landing, OutcomeKind};
use crate::spec::ModelSpec;
pub use crate::states::CampaignState;
use crate::states::{CampaignEvent, Illegal};
use crate::subjects::Priority;

/// When the campaign's fits begin to answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publish {
    /// Each as it lands.
    #[default]
    Each,
    /// All at once when the campaign is complete.
    Together,
}

/// The record of a campaign, kept in a key-value bucket under its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its name; sorts by time.
    pub id: String,
    /// The spec it trains by, with overrides applied.
    pub spec: ModelSpec,
    /// The spec's revision.
    pub revision: String,
    /// The patterns it was given.
    pub patterns: Vec<String>,
    /// Whether it also trains the fallback levels above.
    pub levels: bool,
    /// The channel its fits go to.
    pub channel: String,
    /// When they begin to answer.
    pub publish: Publish,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether it trains scopes whose fingerprint exists.
    pub force: bool,
    /// Scopes it will give an outcome to.
    pub planned: u64,
    /// Packs they travel in.
    pub packs: u32,
    /// Estimated work, in seconds of one core.
    pub estimated_seconds: f64,
    /// When it was ordered, milliseconds since 1970.
    pub created_at_ms: i64,
    /// The campaign whose failed scopes it trains again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// Whether nobody ordered it but callers who asked for scopes without a fit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_miss: bool,
    /// Where it stands.
    pub state: CampaignState,
    /// How it ended, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
}

crate::message!(Campaign);

/// How a campaign ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// When the last pack landed, milliseconds since 1970.
    pub at_ms: i64,
    /// The sum.
    pub tally: Tally,
}

/// The sum of a campaign's landings so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Scopes by how they ended.
    pub outcomes: BTreeMap<OutcomeKind, u64>,
    /// The first failed scopes and why; [`FAILED_NAMED_MAX`] at most.
    pub failed: Vec<FailedScope>,
    /// The first rejected scopes and what the gate compared; as many at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<FailedScope>,
    /// The last landing, milliseconds since 1970.
    pub newest_ms: i64,
    /// What learning has taken, in seconds of one core.
    #[serde(default)]
    pub learn_seconds: f64,
    /// What the packs teach about the work of the next ones.
    #[serde(default)]
    pub lessons: Lessons,
    /// Packs counted already.
    #[serde(skip)]
    pub landed: HashSet<u32>,
}

/// A scope that got no fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedScope {
    /// The scope.
    pub scope: String,
    /// Why.
    pub reason: String,
}

impl Tally {
    /// Adds a landing of a campaign whose scopes' work `cost` estimates; a pack that was added before changes nothing. Says
    /// whether it was new.
    pub fn add(&mut self, cost: &CostModel, landing: &Landing) -> bool {
        if !self.landed.insert(landing.pack) {
            return false;
        }
        self.newest_ms = self.newest_ms.max(landing.at_ms);
        self.learn_seconds += landing.learn_seconds;
        self.lessons.add(cost, landing);
        for outcome in &landing.outcomes {
            *self.outcomes.entry(outcome.outcome).or_default() += 1;
            let named = match outcome.outcome {
                OutcomeKind::Failed => &mut self.failed,
                OutcomeKind::Rejected => &mut self.rejected,
                _ => continue,
            };
            if named.len() < FAILED_NAMED_MAX {
                let reason = outcome.reason.clone().unwrap_or_default();
                named.push(FailedScope { scope: outcome.scope.to_string(), reason });
            }
        }
        true
    }

    /// Packs added so far.
    pub fn packs(&self) -> u32 {
        self.landed.len() as u32
    }

    /// Scopes with an outcome so far.
    pub fn scopes(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Scopes that ended so.
    pub fn count(&self, kind: OutcomeKind) -> u64 {
        self.outcomes.get(&kind).copied().unwrap_or_default()
    }
}

impl Campaign {
    /// The record as it is once every pack is in `tally`; `None` while one is missing, or when it has ended already.
    #[must_use]
    pub fn close(&self, tally: &Tally) -> Option<Campaign> {
        let state = self.state.after(CampaignEvent::AllLanded).ok()?;
        (tally.packs() == self.packs).then(|| Campaign {
            state,
            closed: Some(Closed { at_ms: tally.newest_ms, tally: tally.clone() }),
            ..self.clone()
        })
    }

    /// The record as it is once an operator wants it to end.
    ///
    /// # Errors
    /// [`Illegal`] when it has ended, or is being cancelled already.
    pub fn cancel(&self) -> Result<Campaign, Illegal<CampaignState, CampaignEvent>> {
        Ok(Campaign { state: self.state.after(CampaignEvent::Cancel)?, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;
    use crate::fit::Counts;
    use crate::outcome::ScopeOutcome;
    use crate::scope::Scope;
    use crate::window::Window;
    use proptest::prelude::*;

    fn landing(pack: u32, kinds: &[OutcomeKind]) -> Landing {
        let outcome = |kind: &OutcomeKind| ScopeOutcome {
            scope: Scope::all(),
            window: Window::ALL,
            level: None,
            outcome: *kind,
            reason: Some("because".into()),
            counts: Counts::default(),
            algorithm: Algorithm::Mean,
            gate: None,
            candidates: Vec::new(),
            tried: Vec::new(),
            metrics: None,
            fit: None,
        };
        Landing {
            campaign: "c".into(),
            model: "m".into(),
            pack,
            worker: "w".into(),
            at_ms: i64::from(pack),
            outcomes: kinds.iter().map(outcome).collect(),
            ..Landing::default()
        }
    }

    proptest! {
        #[test]
        fn a_tally_does_not_depend_on_order_or_redelivery(order in proptest::collection::vec(0u32..5, 0..30)) {
            let kinds = [OutcomeKind::Trained, OutcomeKind::Failed];
            let spec = crate::spec::ModelSpec::parse(
                "name = \"m\"\n[data]\nsource = \"x.csv\"\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]",
            );
            let (cost, mut tally) = (CostModel::new(&spec.unwrap()), Tally::default());
            for pack in &order {
                tally.add(&cost, &landing(*pack, &kinds));
            }
            let distinct = order.iter().collect::<HashSet<_>>().len() as u64;
            prop_assert_eq!(u64::from(tally.packs()), distinct);
            prop_assert_eq!(tally.scopes(), 2 * distinct);
            prop_assert_eq!(tally.failed.len() as u64, distinct);
        }
    }
}
