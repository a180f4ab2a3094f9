//! A pack: the scopes that one queue message carries.

use serde::{Deserialize, Serialize};

use crate::fit::{FitRef, Metrics};
use crate::limits::PACK_BYTES_MAX;
use crate::scope::Scope;
use crate::shard::Work;
use crate::window::Window;

/// Scopes of a pack whose work nobody has estimated, so that several trainers can share a campaign.
const GROUP_SCOPES_MAX: usize = 100;

/// Bytes that a scope takes beside its text.
const SCOPE_BYTES: usize = 400;

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

crate::message!(Pack);

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

/// Packs of a campaign that rest in one message, until the campaign has ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// The packs, ascending by their place in the campaign.
    pub packs: Vec<PackBody>,
}

crate::message!(Block);

/// A pack as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackBody {
    /// Its place in the campaign.
    pub index: u32,
    /// The envelope with the [`Pack`].
    #[serde(with = "crate::raw")]
    pub bytes: Vec<u8>,
}

/// Places of packs that may rest together.
const BLOCK_PACKS: u32 = 64;

/// The block in which the pack at a place rests, if it rests in one.
pub fn block_of(pack: u32) -> u32 {
    pack / BLOCK_PACKS
}

/// Scopes whose work nobody has estimated, pack by pack, in their order.
pub fn grouped(scopes: Vec<PackScope>) -> Vec<Vec<PackScope>> {
    let mut groups: Vec<Vec<PackScope>> = Vec::new();
    let mut bytes = 0;
    for scope in scopes {
        let own = SCOPE_BYTES + scope.scope.as_str().len();
        bytes += own;
        match groups.last_mut().filter(|group| group.len() < GROUP_SCOPES_MAX && bytes <= PACK_BYTES_MAX) {
            Some(group) => group.push(scope),
            None => {
                bytes = own;
                groups.push(vec![scope]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope(number: usize, length: usize) -> PackScope {
        let value = format!("{number}{}", "x".repeat(length));
        let scope = Scope::new([("shop", value.as_str())]);
        PackScope { scope, window: Window::ALL, incumbent: None, parent: None }
    }

    proptest! {
        #[test]
        fn packs_hold_every_scope_once_and_keep_their_bounds(lengths in prop::collection::vec(0usize..20_000, 0..300)) {
            let scopes: Vec<PackScope> =
                lengths.iter().enumerate().map(|(number, length)| scope(number, *length)).collect();
            let groups = grouped(scopes.clone());
            prop_assert_eq!(groups.concat(), scopes);
            for group in groups {
                let bytes: usize = group.iter().map(|scope| SCOPE_BYTES + scope.scope.as_str().len()).sum();
                prop_assert!(!group.is_empty() && group.len() <= GROUP_SCOPES_MAX);
                prop_assert!(bytes <= PACK_BYTES_MAX || group.len() == 1);
            }
        }
    }
}
