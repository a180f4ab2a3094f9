//! Sums over bins, and the best cut they show.

use super::binned::Binned;
use super::random::Random;

/// What lies in one bin.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bin {
    pub(super) sum: f64,
    pub(super) weight: f64,
}

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
    /// Columns that are looked at.
    pub(super) columns: usize,
    /// One random cut for each column instead of the best one.
    pub(super) random_cuts: bool,
}

/// The sums over the bins of all columns.
pub(super) fn fill(bins: &mut [Bin], binned: &Binned, rows: &[u32], y: &[f64], weights: &[f64]) {
    bins.fill(Bin::default());
    let starts = binned.starts();
    for row in rows {
        let weight = weights[*row as usize];
        let sum = weight * y[*row as usize];
        for (start, code) in starts.iter().zip(binned.row(*row)) {
            let bin = &mut bins[*start as usize + *code as usize];
            bin.sum += sum;
            bin.weight += weight;
        }
    }
}

/// The bins of a node whose other child is known.
pub(super) fn subtract(of: &mut [Bin], other: &[Bin]) {
    for (bin, other) in of.iter_mut().zip(other) {
        bin.sum -= other.sum;
        bin.weight -= other.weight;
    }
}

/// The search for the best cut of one node.
pub(super) struct Search<'a> {
    pub(super) rules: &'a Rules,
    pub(super) total: Bin,
    pub(super) best: Option<Split>,
}

impl Search<'_> {
    /// Looks at one column's bins, in ascending order; empty ones may be left out.
    pub(super) fn look(&mut self, column: usize, bins: impl Iterator<Item = (u8, Bin)>, random: &mut Random) {
        if self.rules.random_cuts {
            return self.look_at_one(column, bins, random);
        }
        let mut left = Bin::default();
        for (code, bin) in bins {
            left.sum += bin.sum;
            left.weight += bin.weight;
            if self.total.weight - left.weight < self.rules.leaf_weight_min {
                break;
            }
            self.consider(column, code, left);
        }
    }

    /// Extremely randomised trees: Geurts, Ernst and Wehenkel (2006).
    fn look_at_one(&mut self, column: usize, bins: impl Iterator<Item = (u8, Bin)>, random: &mut Random) {
        let filled: Vec<(u8, Bin)> = bins.filter(|(_, bin)| bin.weight > 0.0).collect();
        let (Some((first, _)), Some((last, _))) = (filled.first(), filled.last()) else { return };
        if first == last {
            return;
        }
        let cut = *first + random.below((last - first) as usize) as u8;
        let below = filled.iter().take_while(|(code, _)| *code <= cut);
        let left = below.fold(Bin::default(), |left, (_, bin)| Bin {
            sum: left.sum + bin.sum,
            weight: left.weight + bin.weight,
        });
        self.consider(column, cut, left);
    }

    fn consider(&mut self, column: usize, bin: u8, left: Bin) {
        let right = Bin { sum: self.total.sum - left.sum, weight: self.total.weight - left.weight };
        let least = self.rules.leaf_weight_min;
        if left.weight < least || right.weight < least {
            return;
        }
        let gain = self.score(left) + self.score(right) - self.score(self.total);
        // Ties go to the first column and the lowest cut.
        if gain > self.best.map_or(0.0, |best| best.gain) {
            self.best = Some(Split { column, bin, gain });
        }
    }

    /// How much a leaf of these rows lowers Σ(y − ŷ)².
    fn score(&self, bin: Bin) -> f64 {
        bin.sum * bin.sum / (bin.weight + self.rules.l2)
    }
}
