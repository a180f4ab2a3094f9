//! Every state of a pack, a scope and a campaign, and each way in and out.
//!
//! ```text
//! pack      planned ──publish──▶ queued ──deliver──▶ leased ──land──▶ landed ──confirm──▶ done
//!              │                   ▲ ▲                 │ │               ▲
//!              │                   │ └───hand back─────┘ │               │
//!              │                   └─────lease expires───┘               │
//!              └──────────────────────land (cancelled, given up)────────┘   (from any state before it)
//!
//! scope     open ──land──▶ ended (trained | unchanged | too_few_rows | rejected | failed | cancelled)
//!
//! campaign  running ──all packs landed──▶ complete
//!              └────cancel──▶ cancelling ──all packs landed──▶ cancelled
//! ```
//!
//! * **planned**: the pack stands in PLANS, which is written before the campaign's record: a campaign exists when it is
//!   known whole. A keeper queues what its producer did not live to queue. A merge of shards stays planned until the last
//!   of them has landed; then whoever sees it first queues it.
//! * **queued**: its message waits in JOBS. There is room for one message per pack, so queueing it again is refused.
//! * **leased**: a trainer has it. The lease ends by landing, by handing back, or by silence.
//! * **landed**: its outcomes stand in LEDGER, one message per pack, whoever is first; a later landing is refused. This is
//!   the only way in which scopes end, so they end together and once. A message of a landed pack may still be delivered;
//!   it is confirmed without work.
//! * **done**: its message is gone from JOBS.
//!
//! A campaign's record is replaced by compare-and-set, so of `cancel` and `complete` one wins.

use serde::{Deserialize, Serialize};

/// Where a pack stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackState {
    /// In PLANS only.
    Planned,
    /// In JOBS, waiting.
    Queued,
    /// With a trainer.
    Leased,
    /// In LEDGER; its message may still be in JOBS.
    Landed,
    /// In LEDGER, and out of JOBS.
    Done,
}

/// What can happen to a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackEvent {
    /// Its message is stored in JOBS.
    Publish,
    /// The message is handed to a trainer.
    Deliver,
    /// The trainer returns it undone.
    HandBack,
    /// The trainer was silent for too long.
    Expire,
    /// Its outcomes are stored in LEDGER.
    Land,
    /// The broker takes the message off JOBS.
    Confirm,
}

/// Where a scope of a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScopeState {
    /// Its pack has not landed.
    Open,
    /// Its outcome stands in LEDGER. Final.
    Ended,
}

/// Where a campaign stands, as its record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// Packs are being published, waiting or training.
    Running,
    /// An operator ended it; what has not landed is ending as `cancelled`.
    Cancelling,
    /// Every scope has its outcome. Final.
    Complete,
    /// Ended before its time, and every scope has its outcome. Final.
    Cancelled,
}

/// What can happen to a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CampaignEvent {
    /// An operator wants it to end.
    Cancel,
    /// Its last pack has landed.
    AllLanded,
}

/// An event that cannot happen in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to what is {state:?}")]
pub struct Illegal<S: std::fmt::Debug, E: std::fmt::Debug> {
    /// The state.
    pub state: S,
    /// The event.
    pub event: E,
}

impl PackState {
    /// The state after `event`.
    ///
    /// # Errors
    /// [`Illegal`] when the broker or the order of a trainer's steps excludes it.
    pub fn after(self, event: PackEvent) -> Result<PackState, Illegal<PackState, PackEvent>> {
        use PackEvent as E;
        use PackState as S;
        match (self, event) {
            (S::Planned | S::Queued, E::Publish) => Ok(S::Queued),
            (S::Queued, E::Deliver) => Ok(S::Leased),
            (S::Leased, E::HandBack | E::Expire) => Ok(S::Queued),
            // A cancelled pack lands wherever it is; so does one whose trainer's lease has run out unnoticed.
            (S::Planned | S::Queued | S::Leased, E::Land) => Ok(S::Landed),
            // What has landed may be queued and delivered once more, and changes nothing any more.
            (S::Landed, E::Publish | E::Deliver | E::HandBack | E::Expire) => Ok(S::Landed),
            (S::Landed, E::Confirm) => Ok(S::Done),
            (S::Done, E::Publish) => Ok(S::Landed),
            (state, event) => Err(Illegal { state, event }),
        }
    }

    /// Where its scopes stand.
    pub fn scopes(self) -> ScopeState {
        match self {
            PackState::Planned | PackState::Queued | PackState::Leased => ScopeState::Open,
            PackState::Landed | PackState::Done => ScopeState::Ended,
        }
    }
}

impl CampaignState {
    /// The state after `event`.
    ///
    /// # Errors
    /// [`Illegal`] when the campaign has ended, or is being cancelled already.
    pub fn after(self, event: CampaignEvent) -> Result<CampaignState, Illegal<CampaignState, CampaignEvent>> {
        use CampaignEvent as E;
        use CampaignState as S;
        match (self, event) {
            (S::Running, E::Cancel) => Ok(S::Cancelling),
            (S::Running, E::AllLanded) => Ok(S::Complete),
            (S::Cancelling, E::AllLanded) => Ok(S::Cancelled),
            (state, event) => Err(Illegal { state, event }),
        }
    }

    /// Whether every scope has its outcome.
    pub fn is_final(self) -> bool {
        matches!(self, CampaignState::Complete | CampaignState::Cancelled)
    }

    /// The name that programs and people see. A campaign that is being cancelled is `cancelled` to them.
    pub fn name(self) -> &'static str {
        match self {
            CampaignState::Running => "running",
            CampaignState::Complete => "complete",
            CampaignState::Cancelling | CampaignState::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVENTS: [PackEvent; 6] = [
        PackEvent::Publish,
        PackEvent::Deliver,
        PackEvent::HandBack,
        PackEvent::Expire,
        PackEvent::Land,
        PackEvent::Confirm,
    ];

    proptest! {
        /// Whatever happens in whatever order: scopes end once, never reopen, and nothing is confirmed before it landed.
        #[test]
        fn scopes_end_once_and_never_reopen(happened in proptest::collection::vec(0usize..6, 0..40)) {
            let mut state = PackState::Planned;
            let mut landed = 0;
            for event in happened.into_iter().map(|place| EVENTS[place]) {
                let before = state.scopes();
                let Ok(next) = state.after(event) else { continue };
                landed += u32::from(event == PackEvent::Land);
                prop_assert!(event != PackEvent::Confirm || landed == 1);
                prop_assert!(before == ScopeState::Open || next.scopes() == ScopeState::Ended);
                prop_assert_eq!(next.scopes() == ScopeState::Ended, landed == 1);
                state = next;
            }
        }

        /// From wherever a pack has got to, it can still be brought to its end.
        #[test]
        fn no_state_is_a_dead_end(happened in proptest::collection::vec(0usize..6, 0..40)) {
            let events = happened.into_iter().map(|place| EVENTS[place]);
            let state = events.fold(PackState::Planned, |state, event| state.after(event).unwrap_or(state));
            let landed = state.after(PackEvent::Land).unwrap_or(state);
            prop_assert_eq!(landed.scopes(), ScopeState::Ended);
            prop_assert!(landed == PackState::Done || landed.after(PackEvent::Confirm) == Ok(PackState::Done));
        }

        #[test]
        fn a_campaign_ends_once(cancels in proptest::collection::vec(any::<bool>(), 0..10)) {
            let mut state = CampaignState::Running;
            for cancel in cancels {
                let event = if cancel { CampaignEvent::Cancel } else { CampaignEvent::AllLanded };
                match state.after(event) {
                    Ok(next) => {
                        prop_assert!(!state.is_final());
                        state = next;
                    }
                    Err(_) => prop_assert!(state.is_final() || state == CampaignState::Cancelling),
                }
            }
        }
    }
}
