//! A channel: a named pointer (`live`, `next` …) to the campaigns whose fits answer.

use serde::{Deserialize, Serialize};

use crate::limits::CHANNEL_CAMPAIGNS_MAX;

/// The channel that predictions use when none is named.
pub const LIVE: &str = "live";

/// Moves of a channel that can be taken back.
const STEPS_MAX: usize = 100;

/// An ordered list of campaigns; for a scope the newest one with a fit wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Campaigns, oldest first.
    pub campaigns: Vec<String>,
    /// How many campaigns each of the last moves added, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<u32>,
}

impl Channel {
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

    /// The channel before its last move, and the campaigns which that added; `None` when there are none.
    #[must_use]
    pub fn rolled_back(&self) -> Option<(Channel, Vec<String>)> {
        let mut next = self.clone();
        // Channels that were moved by an older release remember no steps: their campaigns came one by one.
        let added = next.steps.pop().unwrap_or(1) as usize;
        let taken = next.campaigns.split_off(next.campaigns.len().saturating_sub(added));
        (!taken.is_empty()).then_some((next, taken))
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
    fn moves_are_taken_back_one_by_one() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let first = Channel::default().promoted(&names(&["a"])).unwrap();
        let both = first.promoted(&names(&["a", "b", "c"])).unwrap();
        assert_eq!(both.campaigns, ["a", "b", "c"]);
        assert_eq!(both.promoted(&names(&["c", "a"])), None);
        let (back, taken) = both.rolled_back().unwrap();
        assert_eq!((&back, taken), (&first, names(&["b", "c"])));
        let (empty, _) = back.rolled_back().unwrap();
        assert_eq!((empty.campaigns.len(), empty.rolled_back()), (0, None));
        let old = Channel { campaigns: names(&["a", "b"]), steps: Vec::new() };
        assert_eq!(old.rolled_back().unwrap().1, ["b"]);
    }
}
