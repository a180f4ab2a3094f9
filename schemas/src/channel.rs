//! A channel: a named pointer (`live`, `next` …) to the campaigns whose fits answer.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::CHANNEL_CAMPAIGNS_MAX;

/// The channel that predictions use when none is named.
pub const LIVE: &str = "live";

/// Moves of a channel that can be taken back.
const STEPS_MAX: usize = 100;

/// An ordered list of campaigns; for a scope the newest one with a fit wins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    /// Campaigns, oldest first.
    pub campaigns: Vec<String>,
    /// How many campaigns each of the last moves added, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<u32>,
    /// How far the ledger went when campaigns were added last: who answers has to have read as much, else some scopes would
    /// still be answered by older fits.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ledger_place: u64,
    /// Another channel that answers for some scopes in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Share>,
    /// Another channel that also predicts for some scopes, to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Share>,
}

crate::message!(Channel);

/// A share of all scopes, given to a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The channel.
    pub channel: String,
    /// How many in a hundred scopes.
    pub percent: f64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Share {
    /// Whether the scope with this hash is in the share: always or never for one percentage, and for every larger one if for a
    /// smaller one.
    pub fn has(&self, scope_hash: u64) -> bool {
        // Routing ranks by the same hash; what it prefers must not decide who is a canary (SplitMix64's finaliser).
        let mut mixed = scope_hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64 * 100.0 < self.percent
    }
}

/// A channel as it was before a move.
#[derive(Debug, Clone, PartialEq)]
pub struct RolledBack {
    /// The channel.
    pub channel: Channel,
    /// The campaigns that the move had added, oldest first.
    pub taken: Vec<String>,
    /// Those that later moves had added, which did not matter, oldest first.
    pub idle: Vec<String>,
}

/// A state of a channel. Campaigns come and go at its newer end, so that their number and the newest tell it from those just
/// before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelState {
    /// Campaigns.
    pub campaigns: u32,
    /// The newest; empty where there is none.
    pub newest: String,
}

impl Channel {
    /// The state that it is in.
    pub fn state(&self) -> ChannelState {
        let newest = self.campaigns.last().cloned().unwrap_or_default();
        ChannelState { campaigns: self.campaigns.len() as u32, newest }
    }

    /// The channel as it was, or is, in a state; `None` where it has not come there yet.
    pub fn in_state(self: &Arc<Channel>, state: &ChannelState) -> Option<Arc<Channel>> {
        let count = state.campaigns as usize;
        let last = count.checked_sub(1).map(|last| self.campaigns.get(last));
        let is_there = last.is_none_or(|last| last == Some(&state.newest));
        match (is_there, count == self.campaigns.len()) {
            (false, _) => None,
            (true, true) => Some(self.clone()),
            (true, false) => {
                let (campaigns, ledger_place) = (self.campaigns[..count].to_vec(), self.ledger_place);
                Some(Arc::new(Channel { campaigns, ledger_place, ..Channel::default() }))
            }
        }
    }

    /// The channel with `campaigns`, oldest first, as its newest, by one move; `None` when all are there already.
    #[must_use]
    pub fn promoted(&self, campaigns: &[String]) -> Option<Channel> {
        let new: Vec<&String> = campaigns.iter().filter(|new| !self.campaigns.contains(new)).collect();
        if new.is_empty() {
            return None;
        }
        let mut next = self.clone();
        next.steps.push(new.len() as u32);
        next.campaigns.extend(new.into_iter().cloned());
        let surplus = next.campaigns.len().saturating_sub(CHANNEL_CAMPAIGNS_MAX);
        next.campaigns.drain(..surplus);
        let surplus = next.steps.len().saturating_sub(STEPS_MAX);
        next.steps.drain(..surplus);
        Some(next)
    }

    /// The channel with `campaign` as its newest, as a part of its last move, with which it is taken back; `None` when it is
    /// there already.
    #[must_use]
    pub fn joined(&self, campaign: &str) -> Option<Channel> {
        let mut next = self.promoted(&[campaign.to_owned()])?;
        let own = next.steps.pop().unwrap_or(1);
        // Channels that were moved by an older release remember no steps: their campaigns came one by one.
        let last = next.steps.pop().unwrap_or(u32::from(!self.campaigns.is_empty()));
        next.steps.push(last + own);
        Some(next)
    }

    /// The channel before its last move, and the campaigns which that added; `None` when there are none.
    #[must_use]
    fn before_last(&self) -> Option<(Channel, Vec<String>)> {
        let mut next = self.clone();
        // As for `joined`.
        let added = next.steps.pop().unwrap_or(1) as usize;
        let taken = next.campaigns.split_off(next.campaigns.len().saturating_sub(added));
        (!taken.is_empty()).then_some((next, taken))
    }

    /// The channel before the last move that matters: whether one does is told by the channel as it was before that and before
    /// all later ones. `None` when none of them does.
    #[must_use]
    pub fn rolled_back(&self, mut matters: impl FnMut(&Channel) -> bool) -> Option<RolledBack> {
        let (mut channel, mut taken) = self.before_last()?;
        let mut idle = Vec::new();
        while !matters(&channel) {
            taken.append(&mut idle);
            idle = taken;
            (channel, taken) = channel.before_last()?;
        }
        Some(RolledBack { channel, taken, idle })
    }

    /// The rank of `campaign`: higher answers first.
    pub fn rank(&self, campaign: &str) -> Option<usize> {
        self.campaigns.iter().rposition(|c| c == campaign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_stable_and_grows() {
        let share = |percent| Share { channel: "next".into(), percent };
        let hashes: Vec<u64> = (0..20_000u64)
            .map(|n| crate::scope::Scope::new([("a", &*n.to_string())]).stable_hash())
            .collect();
        let count = |percent| hashes.iter().filter(|hash| share(percent).has(**hash)).count();
        assert_eq!((count(0.0), count(100.0)), (0, 20_000));
        assert!((900..1_100).contains(&count(5.0)), "{}", count(5.0));
        assert!(hashes.iter().all(|hash| !share(5.0).has(*hash) || share(6.0).has(*hash)));
    }

    #[test]
    fn moves_are_taken_back_one_by_one() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let first = Channel::default().promoted(&names(&["a"])).unwrap();
        let both = first.promoted(&names(&["a", "b", "c"])).unwrap();
        assert_eq!(both.campaigns, ["a", "b", "c"]);
        assert_eq!(both.promoted(&names(&["c", "a"])), None);
        let back = both.rolled_back(|_| true).unwrap();
        assert_eq!((&back.channel, back.taken), (&first, names(&["b", "c"])));
        let empty = back.channel.rolled_back(|_| true).unwrap().channel;
        assert_eq!((empty.campaigns.len(), empty.rolled_back(|_| true)), (0, None));
        let newer = Arc::new(both.clone());
        assert_eq!(newer.in_state(&both.state()), Some(newer.clone()));
        assert_eq!(newer.in_state(&first.state()).unwrap().campaigns, first.campaigns);
        assert_eq!(newer.in_state(&Channel::default().state()).unwrap().campaigns.len(), 0);
        assert_eq!(Arc::new(first).in_state(&both.state()), None);
        let old = Channel { campaigns: names(&["a", "b"]), ..Channel::default() };
        assert_eq!(old.rolled_back(|_| true).unwrap().taken, ["b"]);
    }

    #[test]
    fn moves_without_effect_go_with_the_one_before_and_what_joined_a_move_goes_with_it() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let moves = [&["a"][..], &["b"], &["c", "d"], &["e"]];
        let all =
            moves.iter().fold(Channel::default(), |channel, new| channel.promoted(&names(new)).unwrap());
        let back = all.rolled_back(|before| before.campaigns.len() < 2).unwrap();
        assert_eq!((back.channel.campaigns, back.taken), (names(&["a"]), names(&["b"])));
        assert_eq!(back.idle, ["c", "d", "e"]);
        assert_eq!(all.rolled_back(|_| false), None);

        let joined = all.joined("f").unwrap().joined("g").unwrap();
        assert_eq!(joined.joined("a"), None);
        let back = joined.rolled_back(|_| true).unwrap();
        assert_eq!((back.channel.campaigns.len(), back.taken), (4, names(&["e", "f", "g"])));
        let first = Channel::default().joined("a").unwrap();
        assert_eq!(first, Channel::default().promoted(&names(&["a"])).unwrap());
        let old = Channel { campaigns: names(&["a", "b"]), ..Channel::default() };
        assert_eq!(old.joined("c").unwrap().rolled_back(|_| true).unwrap().taken, ["b", "c"]);
    }
}
