//! Sufficient statistics of many scopes from one pass over the rows.
//!
//! The rows of a pack fall into atoms: the finest groups that its scopes distinguish, cut wherever a scope's training
//! rows begin or end. Each atom is read once, and its moments are added to every scope it belongs to: all levels and
//! all windows come out of one pass.

use std::collections::HashMap;
use std::ops::Range;

use dataset::Groups;
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
/// Calls `progress` after each group.
pub(super) fn gather(
    prepared: &Prepared,
    dimensions: &[String],
    wanted: &[Wanted],
    progress: &mut dyn FnMut(),
) -> Vec<Moments> {
    let mut sums = Sums {
        prepared,
        wanted,
        moments: vec![Moments::empty(prepared.design.width()); wanted.len()],
        scratch: Scratch::default(),
    };
    let finest = wanted.iter().fold(0, |mask, one| mask | one.mask);
    let names = |mask: u32| -> Vec<&str> {
        let named = dimensions.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0);
        named.map(|(_, name)| name.as_str()).collect()
    };
    let groups = prepared.complete_groups(&names(finest));
    sums.add(&groups, &Owners::new(finest, wanted, |_| true), progress);
    if groups.nulls() > 0 {
        // Rows with a null in a finer dimension are in no finest group, and still belong to the levels above.
        let rest = prepared.complete_with_null(&names(finest));
        let mut masks: Vec<u32> = wanted.iter().map(|one| one.mask).filter(|mask| *mask != finest).collect();
        masks.sort_unstable();
        masks.dedup();
        for mask in masks {
            let groups = Groups::build(&prepared.data.table, &names(mask), Some(&rest));
            sums.add(&groups, &Owners::new(mask, wanted, |one| one.mask == mask), progress);
        }
    }
    sums.moments
}

/// The moments so far.
struct Sums<'a> {
    prepared: &'a Prepared,
    wanted: &'a [Wanted],
    moments: Vec<Moments>,
    scratch: Scratch,
}

impl Sums<'_> {
    /// Reads each group's rows once, for all its owners.
    fn add(&mut self, groups: &Groups, owners: &Owners, progress: &mut dyn FnMut()) {
        let Sums { prepared, wanted, moments, scratch } = self;
        for group in owners.groups(groups) {
            let owners = owners.of(groups.key(group));
            for (ids, owners) in segments(&owners, wanted) {
                let rows = groups.rows(group);
                let from = rows.partition_point(|row| *row < ids.start);
                let to = rows.partition_point(|row| *row < ids.end);
                if from == to {
                    continue;
                }
                let atom = Moments::over(&prepared.design, prepared.learned(), &rows[from..to], scratch);
                owners.into_iter().for_each(|owner| moments[owner].merge(&atom));
            }
            progress();
        }
    }
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
    /// Those of `wanted` that `take` takes; all fix only dimensions in `finest`.
    fn new(finest: u32, wanted: &[Wanted], take: impl Fn(&Wanted) -> bool) -> Owners {
        let place = |bit: u32| (finest & ((1 << bit) - 1)).count_ones() as usize;
        let mut levels: Vec<Level> = Vec::new();
        for (index, one) in wanted.iter().enumerate().filter(|(_, one)| take(one)) {
            let at = levels.iter().position(|level| level.mask == one.mask).unwrap_or_else(|| {
                let places = (0..u32::BITS).filter(|bit| one.mask & (1 << bit) != 0).map(place).collect();
                levels.push(Level { mask: one.mask, places, wanted: HashMap::new() });
                levels.len() - 1
            });
            levels[at].wanted.entry(one.codes.clone()).or_default().push(index);
        }
        Owners { levels }
    }

    /// The groups, ascending, that may belong to some of the wanted. A pack's scopes are few among a million: where they fix
    /// leading dimensions, their groups are looked up.
    fn groups(&self, groups: &Groups) -> Vec<usize> {
        if !self.levels.iter().all(|level| level.places.iter().copied().eq(0..level.places.len())) {
            return (0..groups.len()).collect();
        }
        let keys = self.levels.iter().flat_map(|level| level.wanted.keys());
        let mut found: Vec<usize> = keys.flat_map(|codes| groups.leading(codes)).collect();
        found.sort_unstable();
        found.dedup();
        found
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
