//! Sufficient statistics of many scopes from one pass over the rows.
//!
//! The rows of a pack fall into atoms: the finest groups that its scopes distinguish, cut wherever a scope's training
//! rows begin or end. Each atom is read once, and its moments are added to every scope it belongs to: all levels and
//! all windows come out of one pass.

use std::collections::HashMap;
use std::ops::Range;

use learn::{Moments, Scratch};

use super::prepared::Prepared;

/// The rows that one scope wants the moments of: those complete rows of a group whose ids lie in `ids`.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The dimensions it fixes, bit `i` for the spec's dimension `i`.
    pub(super) mask: u32,
    /// The codes of its values, in the spec's order.
    pub(super) codes: Vec<u32>,
    /// First row id to past the last one.
    pub(super) ids: Range<u32>,
}

/// The moments of each of `wanted`, in their order. `dimensions` are the spec's.
pub(super) fn gather(prepared: &Prepared, dimensions: &[String], wanted: &[Wanted]) -> Vec<Moments> {
    let mut sums = vec![Moments::empty(prepared.design.width()); wanted.len()];
    let mut scratch = Scratch::default();
    let finest = wanted.iter().fold(0, |mask, one| mask | one.mask);
    let names = |mask: u32| -> Vec<&str> {
        let named = dimensions.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0);
        named.map(|(_, name)| name.as_str()).collect()
    };
    let groups = prepared.complete_groups(&names(finest));
    let owners = Owners::new(finest, wanted);
    for group in 0..groups.len() {
        let owners = owners.of(groups.key(group));
        for (ids, owners) in segments(&owners, wanted) {
            let rows = groups.rows(group);
            let from = rows.partition_point(|row| *row < ids.start);
            let to = rows.partition_point(|row| *row < ids.end);
            if from == to {
                continue;
            }
            let atom = Moments::over(&prepared.design, prepared.target(), &rows[from..to], &mut scratch);
            owners.into_iter().for_each(|owner| sums[owner].merge(&atom));
        }
    }
    sums
}

/// Which of the wanted a finest group belongs to.
struct Owners {
    levels: Vec<Level>,
}

/// The wanted that fix the same dimensions.
struct Level {
    mask: u32,
    /// Where these dimensions stand in a finest key.
    places: Vec<usize>,
    wanted: HashMap<Vec<u32>, Vec<usize>>,
}

impl Owners {
    fn new(finest: u32, wanted: &[Wanted]) -> Owners {
        let place = |bit: u32| (finest & ((1 << bit) - 1)).count_ones() as usize;
        let mut levels: Vec<Level> = Vec::new();
        for (index, one) in wanted.iter().enumerate() {
            let at = levels.iter().position(|level| level.mask == one.mask).unwrap_or_else(|| {
                let places = (0..u32::BITS).filter(|bit| one.mask & (1 << bit) != 0).map(place).collect();
                levels.push(Level { mask: one.mask, places, wanted: HashMap::new() });
                levels.len() - 1
            });
            levels[at].wanted.entry(one.codes.clone()).or_default().push(index);
        }
        Owners { levels }
    }

    fn of(&self, key: &[u32]) -> Vec<usize> {
        let mut owners = Vec::new();
        for level in &self.levels {
            let codes: Vec<u32> = level.places.iter().map(|place| key[*place]).collect();
            owners.extend(level.wanted.get(&codes).into_iter().flatten());
        }
        owners
    }
}

/// The stretches between neighbouring ends of the owners' id ranges, each with the owners that cover it.
fn segments(owners: &[usize], wanted: &[Wanted]) -> Vec<(Range<u32>, Vec<usize>)> {
    let mut cuts: Vec<u32> =
        owners.iter().flat_map(|owner| [wanted[*owner].ids.start, wanted[*owner].ids.end]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let covering = |ids: &Range<u32>| -> Vec<usize> {
        let covers =
            |owner: &&usize| wanted[**owner].ids.start <= ids.start && ids.end <= wanted[**owner].ids.end;
        owners.iter().filter(covers).copied().collect()
    };
    let stretches = cuts.windows(2).map(|pair| pair[0]..pair[1]);
    stretches.map(|ids| (ids.clone(), covering(&ids))).filter(|(_, owners)| !owners.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn segments_cut_every_range_into_whole_pieces(ends in proptest::collection::vec((0u32..30, 0u32..30), 1..6)) {
            let wanted: Vec<Wanted> = ends
                .iter()
                .map(|(a, b)| Wanted { mask: 0, codes: Vec::new(), ids: *a.min(b)..*a.max(b) })
                .collect();
            let owners: Vec<usize> = (0..wanted.len()).collect();
            let pieces = segments(&owners, &wanted);
            for id in 0..30u32 {
                let covering: Vec<usize> =
                    owners.iter().copied().filter(|o| wanted[*o].ids.contains(&id)).collect();
                let found: Vec<&Vec<usize>> =
                    pieces.iter().filter(|(ids, _)| ids.contains(&id)).map(|(_, owners)| owners).collect();
                prop_assert!(found.len() <= 1);
                prop_assert_eq!(found.first().map_or(&[][..], |owners| owners), &covering[..]);
            }
        }
    }
}
