//! A channel: a named pointer (`live`, `next` …) to the campaigns whose fits answer.

use serde::{Deserialize, Serialize};

use crate::limits::CHANNEL_CAMPAIGNS_MAX;

/// The channel that predictions use when none is named.
pub const LIVE: &str = "live";

/// An ordered list of campaigns; for a scope the newest one with a fit wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Campaigns, oldest first.
    pub campaigns: Vec<String>,
}

impl Channel {
    /// The channel with `campaign` as its newest; `None` when it is there already.
    #[must_use]
    pub fn promoted(&self, campaign: &str) -> Option<Channel> {
        if self.campaigns.iter().any(|c| c == campaign) {
            return None;
        }
        let mut campaigns = self.campaigns.clone();
        campaigns.push(campaign.to_owned());
        let surplus = campaigns.len().saturating_sub(CHANNEL_CAMPAIGNS_MAX);
        campaigns.drain(..surplus);
        Some(Channel { campaigns })
    }

    /// The rank of `campaign`: higher answers first.
    pub fn rank(&self, campaign: &str) -> Option<usize> {
        self.campaigns.iter().rposition(|c| c == campaign)
    }
}
