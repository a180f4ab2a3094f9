//! Columns as small numbers.

use super::codes::Codes;
use super::joint::Joint;
use super::random::Random;
use crate::block::Block;

/// Bins of a column: their numbers fit a byte.
const BINS_MAX: usize = 255;

/// Values from which the cuts of a long column are chosen.
const SAMPLE_MAX: usize = 200_000;

/// What the bins of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers, ascending.
    Numbers,
    /// Numbers, ascending, and the missing ones in the bin of this code, the last.
    NumbersAndMissing(u8),
    /// A category each, and the missing and rarest ones in the bin of this code, the last.
    Categories(u8),
}

impl Kind {
    /// The bin of missing values.
    pub(super) fn missing(self) -> Option<u8> {
        match self {
            Kind::Numbers => None,
            Kind::NumbersAndMissing(code) | Kind::Categories(code) => Some(code),
        }
    }
}

/// A block with each value replaced by the number of its bin, row by row.
#[derive(Debug)]
pub(super) struct Binned {
    rows: usize,
    width: usize,
    codes: Vec<u8>,
    /// The same codes column by column, for looking at one of them.
    by_column: Vec<u8>,
    /// Per column the values between bins: bin `b` holds what is above cut `b − 1` and not above cut `b`. Of categories, those
    /// with a bin of their own.
    cuts: Vec<Vec<f64>>,
    kinds: Vec<Kind>,
    /// Whether the block's rows may lack values, also where none does.
    keeps_missing: bool,
    /// Where each column's bins begin in a histogram over all columns; one more entry than columns.
    starts: Vec<usize>,
    joint: Option<Joint>,
}

impl Binned {
    /// Bins every column of `block`, whose values are finite or NaN where they are missing: each distinct value apart where
    /// there are few, else at quantiles.
    pub(super) fn new(block: &Block) -> Binned {
        let (rows, width) = (block.rows(), block.width());
        let mut codes = vec![0; rows * width];
        let mut by_column = Vec::with_capacity(rows * width);
        let (mut cuts, mut kinds) = (Vec::with_capacity(width), Vec::with_capacity(width));
        let mut starts = vec![0];
        for column in 0..width {
            let values = block.column(column);
            let (own, kind) = match block.is_category(column) {
                true => self::categories(values),
                false => self::numbers(values),
            };
            let missing = kind.missing().unwrap_or_default();
            for (row, value) in values.iter().enumerate() {
                let below = own.partition_point(|cut| cut < value);
                let code = match kind {
                    Kind::Categories(_) if own.get(below) != Some(value) => missing,
                    Kind::NumbersAndMissing(_) if value.is_nan() => missing,
                    _ => below as u8,
                };
                codes[row * width + column] = code;
                by_column.push(code);
            }
            let bins = kind.missing().map_or(own.len(), usize::from) + 1;
            starts.push(starts[column] + bins);
            cuts.push(own);
            kinds.push(kind);
        }
        let joint = Joint::new(&by_column, &starts, rows);
        let keeps_missing = block.keeps_missing();
        Binned { rows, width, codes, by_column, cuts, kinds, keeps_missing, starts, joint }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The bins of a row, column by column.
    pub(super) fn row(&self, row: u32) -> &[u8] {
        &self.codes[row as usize * self.width..][..self.width]
    }

    /// The columns in groups, where that makes so many rows faster to count.
    pub(super) fn joint(&self, rows: usize) -> Option<&Joint> {
        self.joint.as_ref().filter(|joint| joint.pays(rows))
    }

    /// The bins of all rows in a column.
    pub(super) fn column(&self, column: usize) -> &[u8] {
        &self.by_column[column * self.rows..][..self.rows]
    }

    /// The value between bin `bin` and the next one; none is above the last.
    pub(super) fn cut(&self, column: usize, bin: u8) -> f64 {
        self.cuts[column].get(usize::from(bin)).copied().unwrap_or(f64::MAX)
    }

    /// The categories in some bins.
    pub(super) fn categories(&self, column: usize, codes: Codes) -> impl Iterator<Item = u32> {
        codes.iter().filter_map(move |code| Some(*self.cuts[column].get(usize::from(code))? as u32))
    }

    /// What the bins of a column hold.
    pub(super) fn kind(&self, column: usize) -> Kind {
        self.kinds[column]
    }

    /// Whether rows may lack values, also where none does.
    pub(super) fn keeps_missing(&self) -> bool {
        self.keeps_missing
    }

    /// The places of a column's bins in a histogram over all columns.
    pub(super) fn span(&self, column: usize) -> std::ops::Range<usize> {
        self.starts[column]..self.starts[column + 1]
    }

    /// Where each column's bins begin in a histogram over all columns.
    pub(super) fn starts(&self) -> &[usize] {
        &self.starts[..self.width]
    }

    /// Bins of all columns.
    pub(super) fn bins(&self) -> usize {
        self.starts[self.width]
    }
}

/// The cuts of a column of numbers.
fn numbers(values: &[f64]) -> (Vec<f64>, Kind) {
    let cuts = cuts(values);
    let kind = match values.iter().any(|value| value.is_nan()) {
        true => Kind::NumbersAndMissing(cuts.len() as u8 + 1),
        false => Kind::Numbers,
    };
    (cuts, kind)
}

/// The categories of a column, ascending; of too many, the most frequent.
fn categories(values: &[f64]) -> (Vec<f64>, Kind) {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut runs: Vec<&[f64]> = sorted.chunk_by(|a, b| a == b).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
    runs.truncate(BINS_MAX - 1);
    let mut own: Vec<f64> = runs.into_iter().map(|run| run[0]).collect();
    own.sort_unstable_by(f64::total_cmp);
    let missing = own.len() as u8;
    (own, Kind::Categories(missing))
}

/// The values between the bins of a column, ascending.
fn cuts(values: &[f64]) -> Vec<f64> {
    let step = values.len().div_ceil(SAMPLE_MAX).max(1);
    // Of neighbouring values one by chance, but always the same: a fixed one of each would be blind to what repeats itself
    // along the rows, as hours or shops do.
    let mut random = Random::new(0, 0);
    let chosen = values.chunks(step).map(|some| some[random.below(some.len())]);
    let mut sorted: Vec<f64> = chosen.filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let between = |pair: &[f64]| -> Option<f64> {
        // −0 and 0 are one value.
        (pair[0] < pair[1]).then(|| {
            let middle = pair[0] / 2.0 + pair[1] / 2.0;
            // Neighbouring floats have no value between them: the lower one separates them as well.
            if middle < pair[1] && middle >= pair[0] { middle } else { pair[0] }
        })
    };
    let all: Vec<f64> = sorted.windows(2).filter_map(between).collect();
    if all.len() < BINS_MAX {
        return all;
    }
    let quantile = |bin: usize| sorted[bin * sorted.len() / BINS_MAX - 1];
    // A quantile in the midst of equal values separates nothing; the end of that run does.
    let end = |value: f64| sorted.partition_point(|other| *other <= value);
    let after = |end: usize| sorted.get(end - 1..=end).and_then(between);
    let mut cuts: Vec<f64> = (1..BINS_MAX).filter_map(|bin| after(end(quantile(bin)))).collect();
    cuts.dedup();
    // Where a few values are most of the rows, the others share too few bins.
    if cuts.len() < BINS_MAX / 2 {
        let wanted = BINS_MAX - 1;
        cuts = (0..wanted).map(|at| all[at * all.len() / wanted]).collect();
    }
    cuts.dedup();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn bins_keep_the_order_of_values(values in proptest::collection::vec(-50i32..50, 1..400), scale in 1e-3f64..1e3) {
            let values: Vec<f64> = values.iter().map(|v| f64::from(*v) * scale).collect();
            let binned = Binned::new(&Block::from_columns(values.len(), &[&values]));
            for (a, x) in values.iter().enumerate() {
                for (b, y) in values.iter().enumerate() {
                    let (code_x, code_y) = (binned.column(0)[a], binned.column(0)[b]);
                    prop_assert_eq!(x.partial_cmp(y), code_x.partial_cmp(&code_y));
                }
            }
        }

        #[test]
        fn values_that_take_turns_along_many_rows_are_all_seen(
            extra in 1usize..50_000, times in 1usize..8, turns in 2usize..30,
        ) {
            let rows = times * SAMPLE_MAX + extra;
            let values: Vec<f64> = (0..rows).map(|row| (row % turns) as f64).collect();
            let cuts = cuts(&values);
            prop_assert_eq!(cuts.len(), turns - 1, "{:?}", cuts);
        }

        #[test]
        fn many_values_fill_many_bins(values in proptest::collection::vec(-1e9f64..1e9, 2_000..3_000)) {
            let binned = Binned::new(&Block::from_columns(values.len(), &[&values]));
            prop_assert!(binned.bins() > 200 && binned.bins() <= BINS_MAX);
        }
    }
}
