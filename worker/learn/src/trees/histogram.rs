//! Sums over bins, and the best cut they show.

use super::bin::Bin;
use super::binned::{Binned, Kind};
use super::codes::Codes;
use super::random::Random;

/// A node's question: which column, and how its bins are divided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    pub(super) column: usize,
    pub(super) cut: Cut,
    pub(super) gain: f64,
}

/// Which bins go left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cut {
    /// Those up to `bin`, and that of missing values where `missing_left`.
    UpTo {
        /// The last bin that goes left.
        bin: u8,
        /// Where missing values go.
        missing_left: bool,
    },
    /// Those in the set.
    In(Codes),
}

/// What a split must keep to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Least weight of a child.
    pub(super) leaf_weight_min: f64,
    /// Penalty on leaf values.
    pub(super) l2: f64,
    /// Columns that are looked at, or more until there is a cut.
    pub(super) columns: usize,
    /// One random cut for each column instead of the best one.
    pub(super) random_cuts: bool,
    /// Rows that a category needs in a node to be set apart.
    pub(super) category_rows_min: f64,
}

/// Less gain, as a share of the score, is what sums were rounded by: rows that are all alike would be cut for it.
const GAIN_MIN: f64 = 1e-12;

/// Adds rows to the bins of all columns.
pub(super) fn count<B: Bin>(bins: &mut [B], binned: &Binned, rows: &[u32], ones: &[B::One]) {
    match binned.joint(rows.len()) {
        Some(joint) => joint.fill(bins, rows, ones),
        None => fill(bins, binned, rows, ones),
    }
}

/// As [`count`], column by column.
pub(super) fn fill<B: Bin>(bins: &mut [B], binned: &Binned, rows: &[u32], ones: &[B::One]) {
    let starts = binned.starts();
    for row in rows {
        let one = ones[*row as usize];
        for (start, code) in starts.iter().zip(binned.row(*row)) {
            bins[*start + usize::from(*code)].put(one);
        }
    }
}

/// What lies in the bins that go left.
pub(super) fn left_of<B: Bin>(bins: &[B], cut: Cut, missing: Option<u8>) -> B {
    let mut left = B::default();
    let mut add = |code: u8| left.add(&bins[usize::from(code)]);
    match cut {
        Cut::UpTo { bin, missing_left } => {
            (0..=bin).for_each(&mut add);
            missing.filter(|_| missing_left).into_iter().for_each(add);
        }
        Cut::In(set) => set.iter().for_each(add),
    }
    left
}

/// The bins of a node whose other child is known.
pub(super) fn subtract<B: Bin>(of: &mut [B], other: &[B]) {
    of.iter_mut().zip(other).for_each(|(bin, other)| bin.subtract(other));
}

/// The search for the best cut of one node.
pub(super) struct Search<'a, B> {
    rules: &'a Rules,
    total: B,
    total_score: f64,
    /// The gain that a cut must exceed: that of the best so far.
    gain: f64,
    pub(super) best: Option<Split>,
}

impl<'a, B: Bin> Search<'a, B> {
    pub(super) fn new(rules: &'a Rules, total: B) -> Search<'a, B> {
        let total_score = total.score(rules.l2);
        Search { rules, total, total_score, gain: GAIN_MIN * total_score, best: None }
    }

    /// Looks at one column's bins, in ascending order; empty ones may be left out. Says whether the column varies, as far as
    /// was seen.
    pub(super) fn look(
        &mut self,
        (column, kind): (usize, Kind),
        bins: impl Iterator<Item = (u8, B)>,
        random: &mut Random,
    ) -> bool {
        if kind == Kind::Numbers && !self.rules.random_cuts {
            return self.look_at_all(column, bins);
        }
        let mut filled: Vec<(u8, B)> = bins.filter(|(_, bin)| bin.weight() > 0.0).collect();
        if filled.len() < 2 {
            return false;
        }
        if let Kind::Categories(missing) = kind {
            self.look_at_sets((column, missing), filled, random);
        } else {
            let missing = filled.pop_if(|(code, _)| Some(*code) == kind.missing()).map(|(_, bin)| bin);
            self.look_beside((column, kind), (&filled, missing), random);
        }
        true
    }

    /// Every cut between two bins.
    fn look_at_all(&mut self, column: usize, bins: impl Iterator<Item = (u8, B)>) -> bool {
        let mut filled = 0u32;
        let (mut left, mut last) = (B::default(), None);
        for (code, bin) in bins.filter(|(_, bin)| bin.weight() > 0.0) {
            if let Some(last) = last {
                // In the middle of the empty bins between the two sides.
                self.consider(column, left, |missing_left| Cut::UpTo {
                    bin: last + (code - last - 1) / 2,
                    missing_left,
                });
            }
            left.add(&bin);
            filled += 1;
            last = Some(code);
            if self.total.weight() - left.weight() < self.rules.leaf_weight_min {
                break;
            }
        }
        // The walk may have ended before the last bin, which had no room for a cut.
        let rest = self.total.weight() - left.weight();
        filled != 1 || rest > 0.0
    }

    /// Cuts between filled bins, with the missing values on either side or on their own; one random cut for extremely
    /// randomised trees (Geurts, Ernst and Wehenkel, 2006).
    fn look_beside(
        &mut self,
        (column, kind): (usize, Kind),
        (filled, missing): (&[(u8, B)], Option<B>),
        random: &mut Random,
    ) {
        let between = |place: usize| match (filled.get(place - 1), filled.get(place)) {
            (Some((last, _)), Some((next, _))) => last + (next - last - 1) / 2,
            // All values on one side, the missing ones on the other.
            _ => kind.missing().map_or(u8::MAX, |code| code - 1),
        };
        let (mut places, mut drawn) = (1..filled.len(), None);
        if let (true, [(first, _), .., (last, _)]) = (self.rules.random_cuts, filled) {
            let bin = *drawn.insert(first + random.below((last - first) as usize) as u8);
            let place = filled.partition_point(|(code, _)| *code <= bin);
            places = place..place + 1;
        }
        let (mut left, mut at) = (B::default(), 0);
        for place in places.chain(missing.map(|_| filled.len())) {
            filled[at..place].iter().for_each(|(_, bin)| left.add(bin));
            at = place;
            let bin = drawn.filter(|_| place < filled.len()).unwrap_or_else(|| between(place));
            if place < filled.len()
                && let Some(missing) = missing
            {
                let mut with = left;
                with.add(&missing);
                self.consider(column, with, |_| Cut::UpTo { bin, missing_left: true });
            }
            let none_missing = missing.is_none();
            self.consider(column, left, |heavier| Cut::UpTo { bin, missing_left: none_missing && heavier });
        }
    }

    /// Cuts of categories into those at one end of their order and all others: the best of two sets, of numbers or of two
    /// classes, stands in this order (Breiman et al., 1984, 4.2). Missing values are a category.
    fn look_at_sets(
        &mut self,
        (column, missing): (usize, u8),
        mut filled: Vec<(u8, B)>,
        random: &mut Random,
    ) {
        let (total, least) = (self.total, self.rules.category_rows_min);
        let lacks = filled.last().is_some_and(|(code, _)| *code == missing);
        filled.retain(|(_, bin)| bin.support(&total) >= least);
        filled.sort_by(|a, b| a.1.rank(&total, least).total_cmp(&b.1.rank(&total, least)));
        let mut longest = filled.len().div_ceil(2);
        let mut shortest = 1;
        if self.rules.random_cuts && longest > 0 {
            longest = 1 + random.below(longest);
            shortest = longest;
        }
        for from_below in [true, false] {
            let (mut set, mut left) = (Codes::default(), B::default());
            for place in 0..longest {
                let (code, bin) = &filled[if from_below { place } else { filled.len() - 1 - place }];
                set.insert(*code);
                left.add(bin);
                if place + 1 >= shortest {
                    // What is in no set goes right, so that the side of the missing values, or else of more rows, is not the set.
                    self.consider(column, left, |heavier| {
                        let swap = if lacks { set.contains(missing) } else { heavier };
                        Cut::In(if swap { set.others(missing) } else { set })
                    });
                }
            }
        }
    }

    /// Takes a cut if it is the best so far; `cut` is told whether the left side has more rows.
    fn consider(&mut self, column: usize, left: B, cut: impl FnOnce(bool) -> Cut) {
        let right = self.right_of(&left);
        if !self.may_part(&left, &right) {
            return;
        }
        let gain = self.gain_of(&left, &right);
        // Ties go to the first column and the lowest cut.
        if gain > self.gain {
            self.gain = gain;
            self.best = Some(Split { column, cut: cut(left.weight() > right.weight()), gain });
        }
    }

    /// The gain that a cut must exceed: that of the best so far.
    pub(super) fn gain(&self) -> f64 {
        self.gain
    }

    /// What is right of `left`.
    pub(super) fn right_of(&self, left: &B) -> B {
        let mut right = self.total;
        right.subtract(left);
        right
    }

    /// What is gained by parting the two sides.
    pub(super) fn gain_of(&self, left: &B, right: &B) -> f64 {
        B::scores(left, right, self.rules.l2) - self.total_score
    }

    /// Whether both sides may be leaves.
    pub(super) fn may_part(&self, left: &B, right: &B) -> bool {
        let least = self.rules.leaf_weight_min;
        left.may_be_leaf(least) && right.may_be_leaf(least)
    }
}
