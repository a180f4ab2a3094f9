//! The mean of trees: one of them is a decision tree, each on a sample a random forest, with random cuts extremely randomised trees.

use std::ops::Range;

use schemas::fit::Parameters;
use schemas::trees::Trees;

use super::bin::{Bin, Sum};
use super::binned::Binned;
use super::check::{check, finite, mean, positive};
use super::grow::{Grower, Grown, Size};
use super::histogram::Rules;
use super::join::{in_stretches, join};
use super::random::Random;
use crate::block::Block;
use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::moments::Scratch;
use crate::target::weight_of;

/// How many columns a cut chooses from; at least one, and more until one of them can be cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxFeatures {
    /// A share of all columns.
    Share(f64),
    /// As many as the square root of all.
    SquareRoot,
}

impl MaxFeatures {
    fn of(self, width: usize) -> usize {
        let columns = match self {
            MaxFeatures::Share(share) => (share * width as f64).round(),
            MaxFeatures::SquareRoot => (width as f64).sqrt(),
        };
        columns.max(1.0) as usize
    }
}

/// How a forest grows. A forest of one tree that sees every row is a decision tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForestParams {
    /// Number of trees.
    pub trees: u32,
    /// Cuts on the longest path.
    pub max_depth: u32,
    /// Least rows of a leaf.
    pub min_leaf: u32,
    /// The columns that each cut chooses from.
    pub max_features: MaxFeatures,
    /// Whether each tree sees a bootstrap sample instead of every row.
    pub bootstrap: bool,
    /// Whether each cut is the best of one random cut per column (extremely randomised trees).
    pub random_cuts: bool,
    /// Decides all that is random.
    pub seed: u64,
    /// Only the trees from one number to before another, of a forest that others grow the rest of.
    pub part: Option<(u32, u32)>,
    /// Threads that grow trees; the trees are the same however many.
    pub threads: u32,
}

impl ForestParams {
    /// The numbers of the trees to grow.
    pub(super) fn numbers(&self) -> Range<u32> {
        let (from, to) = self.part.unwrap_or((0, self.trees));
        from.min(self.trees)..to.min(self.trees)
    }
}

/// The mean of trees: Breiman, "Random Forests" (2001).
///
/// # Errors
/// [`LearnError::NoRows`]; [`LearnError::NotFinite`] when a sum overflows.
pub fn forest(block: &Block, y: &[f64], params: &ForestParams) -> Result<Trees, LearnError> {
    weighted_forest(block, y, &[], params)
}

impl Learner for ForestParams {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        let Scratch { block, target, weights, .. } = rows.gathered(scratch);
        weighted_forest(block, target, weights, self).map(Parameters::Trees)
    }

    fn takes_weights(&self) -> bool {
        true
    }
}

/// As [`forest`], with what each row counts; none count 1 each.
fn weighted_forest(
    block: &Block,
    y: &[f64],
    weights: &[f64],
    params: &ForestParams,
) -> Result<Trees, LearnError> {
    check(block, y)?;
    let weights = positive(weights)?;
    let binned = Binned::new(block);
    // From about the mean, a cut's gain is large against what the sums are rounded by; from a short number, differences of short
    // numbers are exact.
    let origin = f64::from_bits(mean(y, &weights).to_bits() & !u64::from(u32::MAX));
    let one = |row: usize, weight: f64| {
        let weight = weight * weight_of(&weights, row);
        Sum { sum: weight * (y[row] - origin), weight }
    };
    let parts = in_stretches((params, y.len()), |numbers| {
        let mut trees = mean_of(params);
        grow_forest(&binned, (params, numbers), (one, &weights), |grown| {
            grown.lay_out(&binned, &mut trees, |leaf: Sum| origin + leaf.sum / leaf.weight);
        });
        Parameters::Trees(trees)
    });
    match join(parts) {
        Some(Parameters::Trees(trees)) => finite(trees),
        _ => unreachable!("stretches of trees make trees"),
    }
}

/// No trees yet, to become the mean of as many as `params` says.
pub(super) fn mean_of(params: &ForestParams) -> Trees {
    Trees { base: 0.0, scale: 1.0 / f64::from(params.trees), ..Trees::default() }
}

/// Grows the trees of a forest that have these numbers; `one` says what a row of some weight adds, `add` takes each grown tree.
pub(super) fn grow_forest<B: Bin>(
    binned: &Binned,
    (params, numbers): (&ForestParams, Range<u32>),
    (one, counts): (impl Fn(usize, f64) -> B::One, &[f64]),
    mut add: impl FnMut(Grown<B>),
) {
    let rules = Rules {
        leaf_weight_min: f64::from(params.min_leaf.max(1)),
        l2: 0.0,
        columns: params.max_features.of(binned.width()),
        random_cuts: params.random_cuts,
        category_rows_min: 1.0,
    };
    let size = Size { depth_max: params.max_depth, leaves_max: usize::MAX };
    let mut grower = Grower::new(binned, rules, size);
    // Rows that count nothing are not drawn: a tree of nothing else would have nothing to say.
    let counting: Vec<u32> =
        (0..binned.rows() as u32).filter(|row| weight_of(counts, *row as usize) > 0.0).collect();
    let mut weights = vec![1.0; binned.rows()];
    for number in numbers {
        let mut random = Random::new(params.seed, u64::from(number));
        if params.bootstrap {
            weights.fill(0.0);
            counting.iter().for_each(|_| weights[counting[random.below(counting.len())] as usize] += 1.0);
        }
        let ones: Vec<B::One> = weights.iter().enumerate().map(|(row, weight)| one(row, *weight)).collect();
        let mut rows: Vec<u32> =
            counting.iter().copied().filter(|row| weights[*row as usize] > 0.0).collect();
        add(grower.grow(&mut rows, &ones, &mut random));
    }
}
