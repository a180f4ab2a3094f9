//! Sums over bins, and the best cut they show.

use super::bin::Bin;
use super::binned::Binned;
use super::random::Random;

/// A cut: rows of bins up to `bin` go left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    pub(super) column: usize,
    pub(super) bin: u8,
    pub(super) gain: f64,
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
}

/// The sums over the bins of all columns.
pub(super) fn fill<B: Bin>(bins: &mut [B], binned: &Binned, rows: &[u32], ones: &[B::One]) {
    bins.fill(B::default());
    let starts = binned.starts();
    for row in rows {
        let one = ones[*row as usize];
        for (start, code) in starts.iter().zip(binned.row(*row)) {
            bins[*start as usize + *code as usize].put(one);
        }
    }
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
    pub(super) best: Option<Split>,
}

impl<'a, B: Bin> Search<'a, B> {
    pub(super) fn new(rules: &'a Rules, total: B) -> Search<'a, B> {
        Search { rules, total, total_score: total.score(rules.l2), best: None }
    }

    /// Looks at one column's bins, in ascending order; empty ones may be left out. Says whether the column varies, as far as
    /// was seen.
    pub(super) fn look(
        &mut self,
        column: usize,
        bins: impl Iterator<Item = (u8, B)>,
        random: &mut Random,
    ) -> bool {
        if self.rules.random_cuts {
            return self.look_at_one(column, bins, random);
        }
        let mut filled = 0u32;
        let (mut left, mut last) = (B::default(), None);
        for (code, bin) in bins.filter(|(_, bin)| bin.weight() > 0.0) {
            if let Some(last) = last {
                // In the middle of the empty bins between the two sides.
                self.consider(column, last + (code - last - 1) / 2, left);
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

    /// Extremely randomised trees: Geurts, Ernst and Wehenkel (2006).
    fn look_at_one(
        &mut self,
        column: usize,
        bins: impl Iterator<Item = (u8, B)>,
        random: &mut Random,
    ) -> bool {
        let filled: Vec<(u8, B)> = bins.filter(|(_, bin)| bin.weight() > 0.0).collect();
        let (Some((first, _)), Some((last, _))) = (filled.first(), filled.last()) else { return false };
        if first == last {
            return false;
        }
        let cut = *first + random.below((last - first) as usize) as u8;
        let mut left = B::default();
        filled.iter().take_while(|(code, _)| *code <= cut).for_each(|(_, bin)| left.add(bin));
        self.consider(column, cut, left);
        true
    }

    fn consider(&mut self, column: usize, bin: u8, left: B) {
        let mut right = self.total;
        right.subtract(&left);
        let least = self.rules.leaf_weight_min;
        if !left.may_be_leaf(least) || !right.may_be_leaf(least) {
            return;
        }
        let gain = B::scores(&left, &right, self.rules.l2) - self.total_score;
        // Ties go to the first column and the lowest cut.
        if gain > self.best.map_or(0.0, |best| best.gain) {
            self.best = Some(Split { column, bin, gain });
        }
    }
}
