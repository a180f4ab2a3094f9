//! Grouping scopes into packs: about a second's work each, scopes that share data together, the largest first.

use std::collections::BTreeMap;

use schemas::limits::{PACK_BYTES_MAX, PACK_SCOPES_MAX};
use schemas::shard::Work;

use super::expand::Planned;
use super::shards::Cutting;

/// The most work of one pack, unless one scope alone is more.
const PACK_SECONDS_MAX: f64 = 1.0;

/// The least work that is worth a message of its own.
const PACK_SECONDS_MIN: f64 = 0.004;

/// Packs that even a small campaign is cut into, so that several trainers can share it.
const PACKS_WANTED: f64 = 8.0;

/// Bytes that a scope adds to a pack besides its text: the places of its incumbent and of the fit above.
const SCOPE_BYTES: usize = 350;

/// The scopes of one queue message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlannedPack {
    /// The scopes.
    pub scopes: Vec<Planned>,
    /// Their estimated work, in seconds of one core.
    pub seconds: f64,
    /// What is done with them.
    pub work: Work,
    bytes: usize,
}

impl PlannedPack {
    /// A pack of one scope.
    pub(super) fn of_one(scope: Planned, seconds: f64, work: Work) -> PlannedPack {
        let mut pack = PlannedPack { work, ..PlannedPack::default() };
        pack.add(scope, seconds);
        pack
    }

    fn takes(&self, other_bytes: usize, other_scopes: usize) -> bool {
        self.scopes.len() + other_scopes <= PACK_SCOPES_MAX && self.bytes + other_bytes <= PACK_BYTES_MAX
    }

    fn add(&mut self, scope: Planned, seconds: f64) {
        self.bytes += bytes_of(&scope);
        self.seconds += seconds;
        self.scopes.push(scope);
    }

    fn absorb(&mut self, other: PlannedPack) {
        self.bytes += other.bytes;
        self.seconds += other.seconds;
        self.scopes.extend(other.scopes);
    }
}

fn bytes_of(scope: &Planned) -> usize {
    scope.scope.as_str().len() + SCOPE_BYTES
}

/// Groups `scopes`, each with `cost` seconds of work, into packs, the largest first. Those that are too large for one are
/// cut as `cutting` says; their shards come before all other packs, each followed by its merge.
pub fn pack(
    scopes: Vec<Planned>,
    cutting: Option<&Cutting>,
    cost: impl Fn(&Planned) -> f64,
) -> Vec<PlannedPack> {
    let is_large = |scope: &Planned| cutting.is_some_and(|cutting| cutting.is_large(scope, cost(scope)));
    let (mut large, others): (Vec<Planned>, Vec<Planned>) = scopes.into_iter().partition(is_large);
    large.sort_by(|a, b| cost(b).total_cmp(&cost(a)));
    let mut packs = Vec::new();
    for (scope, cutting) in large.iter().filter_map(|scope| Some((scope, cutting?))) {
        packs.extend(cutting.packs(scope, cost(scope), packs.len() as u32));
    }
    packs.extend(group(others, cost));
    packs
}

fn group(scopes: Vec<Planned>, cost: impl Fn(&Planned) -> f64) -> Vec<PlannedPack> {
    let total: f64 = scopes.iter().map(&cost).sum();
    let target = (total / PACKS_WANTED).clamp(PACK_SECONDS_MIN, PACK_SECONDS_MAX);
    let mut families: BTreeMap<Option<u32>, Vec<Planned>> = BTreeMap::new();
    for scope in scopes {
        families.entry(scope.family).or_default().push(scope);
    }
    let mut pieces: Vec<PlannedPack> =
        families.into_values().flat_map(|family| cut(family, target, &cost)).collect();
    by_size(&mut pieces);
    let mut packs = join(pieces, target);
    by_size(&mut packs);
    packs
}

/// Cuts a family into pieces of at most `target` seconds, in canonical order.
fn cut(mut family: Vec<Planned>, target: f64, cost: &impl Fn(&Planned) -> f64) -> Vec<PlannedPack> {
    family.sort_by(|a, b| (&a.scope, a.window).cmp(&(&b.scope, b.window)));
    let mut pieces = vec![PlannedPack::default()];
    for scope in family {
        let seconds = cost(&scope);
        let last = pieces.last().is_some_and(|piece| {
            piece.scopes.is_empty() || (piece.seconds + seconds <= target && piece.takes(bytes_of(&scope), 1))
        });
        if !last {
            pieces.push(PlannedPack::default());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.add(scope, seconds);
        }
    }
    pieces.retain(|piece| !piece.scopes.is_empty());
    pieces
}

/// Joins small pieces, largest first, into the first pack with room. Looking at the newest few packs only keeps this
/// linear: older ones are nearly full.
fn join(pieces: Vec<PlannedPack>, target: f64) -> Vec<PlannedPack> {
    const OPEN_MAX: usize = 32;
    let mut packs: Vec<PlannedPack> = Vec::new();
    for piece in pieces {
        let from = packs.len().saturating_sub(OPEN_MAX);
        let room = packs[from..].iter_mut().find(|pack| {
            pack.seconds + piece.seconds <= target && pack.takes(piece.bytes, piece.scopes.len())
        });
        match room {
            Some(pack) => pack.absorb(piece),
            None => packs.push(piece),
        }
    }
    packs
}

fn by_size(packs: &mut [PlannedPack]) {
    packs.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::scope::Scope;
    use schemas::window::Window;

    fn planned(family: u32, index: usize, rows: u64) -> Planned {
        Planned {
            scope: Scope::new([("a", family.to_string().as_str()), ("b", index.to_string().as_str())]),
            window: Window::ALL,
            mask: 3,
            family: Some(family),
            rows,
        }
    }

    proptest! {
        #[test]
        fn every_scope_is_in_exactly_one_pack_within_all_bounds(
            sizes in proptest::collection::vec((0u32..6, 1u64..200_000), 1..300)
        ) {
            let scopes: Vec<Planned> =
                sizes.iter().enumerate().map(|(i, (family, rows))| planned(*family, i, *rows)).collect();
            let cost = |scope: &Planned| scope.rows as f64 * 1e-6;
            let packs = pack(scopes.clone(), None, cost);
            let mut packed: Vec<&Scope> = packs.iter().flat_map(|p| &p.scopes).map(|s| &s.scope).collect();
            packed.sort();
            let mut wanted: Vec<&Scope> = scopes.iter().map(|s| &s.scope).collect();
            wanted.sort();
            prop_assert_eq!(packed, wanted);
            for pack in &packs {
                prop_assert!(pack.scopes.len() == 1 || pack.seconds <= PACK_SECONDS_MAX + 1e-9);
                prop_assert!(pack.scopes.len() <= PACK_SCOPES_MAX && pack.bytes <= PACK_BYTES_MAX);
            }
            prop_assert!(packs.windows(2).all(|pair| pair[0].seconds >= pair[1].seconds));
        }
    }

    #[test]
    fn a_small_campaign_is_still_shared_and_a_tiny_one_is_one_message() {
        let scopes = |n, rows| (0..n).map(|i| planned(0, i, rows)).collect::<Vec<_>>();
        let cost = |scope: &Planned| scope.rows as f64 * 1e-6;
        assert!(pack(scopes(100, 1_000), None, cost).len() >= 8);
        assert_eq!(pack(scopes(3, 1), None, cost).len(), 1);
        assert!(pack(scopes(5_000, 1), None, cost).iter().all(|p| p.scopes.len() <= PACK_SCOPES_MAX));
    }
}
