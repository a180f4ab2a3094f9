//! Many trees: their mean, or their sum.

use std::ops::Range;

use schemas::fit::Parameters;
use schemas::trees::Trees;

use super::bin::{Bin, EvenSum, Residual, Sum};
use super::binned::Binned;
use super::grow::{Grower, Grown, Size};
use super::histogram::Rules;
use super::join::{in_stretches, join};
use super::random::Random;
use super::stopping::{Watch, older, squared};
use super::team::with_team;
use crate::block::Block;
use crate::error::LearnError;
use crate::predict::by_trees;
use crate::target::{weight_of, with_mean_one};
use crate::vector::{dot, sum};

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

/// Rows of a category that boosting learns from, as in scikit-learn.
const CATEGORY_ROWS_MIN: f64 = 10.0;

/// How boosting goes; trees grow leaf by leaf.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoostingParams {
    /// Number of trees.
    pub iterations: u32,
    /// What each tree counts.
    pub learning_rate: f64,
    /// Leaves of a tree.
    pub max_leaves: u32,
    /// Cuts on the longest path.
    pub max_depth: u32,
    /// Least rows of a leaf.
    pub min_leaf: u32,
    /// Penalty on leaf values.
    pub l2: f64,
    /// Iterations without progress on the newest rows after which no more pays; 0 to make all iterations.
    pub early_stopping_rounds: u32,
    /// Share of the rows, the newest, on which progress is measured. In the end all rows are learned from.
    pub validation: f64,
    /// Threads that grow each tree; it is the same however many.
    pub threads: u32,
}

/// The mean of trees: Breiman, "Random Forests" (2001).
///
/// # Errors
/// [`LearnError::NoRows`]; [`LearnError::NotFinite`] when a sum overflows.
pub fn forest(block: &Block, y: &[f64], params: &ForestParams) -> Result<Trees, LearnError> {
    weighted_forest(block, y, &[], params)
}

/// As [`forest`], with what each row counts; none count 1 each.
pub(crate) fn weighted_forest(
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
    let mut weights = vec![1.0; binned.rows()];
    for number in numbers {
        let mut random = Random::new(params.seed, u64::from(number));
        if params.bootstrap {
            weights.fill(0.0);
            (0..binned.rows()).for_each(|_| weights[random.below(binned.rows())] += 1.0);
        }
        let ones: Vec<B::One> = weights.iter().enumerate().map(|(row, weight)| one(row, *weight)).collect();
        let all = 0..binned.rows() as u32;
        let mut rows: Vec<u32> = all
            .filter(|row| weights[*row as usize] > 0.0 && weight_of(counts, *row as usize) > 0.0)
            .collect();
        add(grower.grow(&mut rows, &ones, &mut random));
    }
}

/// The sum of trees, each grown on what those before it left over: Friedman, "Greedy Function Approximation" (2001). Rows
/// are in the order of time where early stopping is to look at the newest.
///
/// # Errors
/// [`LearnError::NoRows`]; [`LearnError::NotFinite`] when a sum overflows.
pub fn boosting(block: &Block, y: &[f64], params: &BoostingParams) -> Result<Trees, LearnError> {
    weighted_boosting(block, y, &[], params)
}

/// As [`boosting`], with what each row counts; none count 1 each.
pub(crate) fn weighted_boosting(
    block: &Block,
    y: &[f64],
    weights: &[f64],
    params: &BoostingParams,
) -> Result<Trees, LearnError> {
    with_team((params.threads, y.len()), || boosting_stopped(block, y, weights, params))
}

/// As [`weighted_boosting`], by whatever threads there are.
fn boosting_stopped(
    block: &Block,
    y: &[f64],
    weights: &[f64],
    params: &BoostingParams,
) -> Result<Trees, LearnError> {
    check(block, y)?;
    let weights = positive(weights)?;
    let mut iterations = params.iterations;
    if let Some(older) = older(params, y.len()) {
        let newer = weights.get(older..).unwrap_or_default();
        let loss = |values: &[Vec<f64>]| squared(&y[older..], newer, values);
        let mut watch = Watch::new(block, older, params.early_stopping_rounds, &loss);
        let own = weights.get(..older).unwrap_or_default();
        boost(&block.part(0..older), (&y[..older], own), params, |trees| watch.after(std::iter::once(trees)));
        iterations = watch.best();
    }
    finite(boost(block, (y, &weights), &BoostingParams { iterations, ..*params }, |_| true))
}

/// Boosting that goes on from `trees`, grown on the first rows of the block: as many more as the newer rows' share of all rows
/// asks for, at least one. `None` where there would be more than twice the iterations: then it is time to start anew.
///
/// # Errors
/// [`LearnError`] as for [`boosting`]; a fit of other columns is none to go on from.
pub(crate) fn boosting_on(
    block: &Block,
    y: &[f64],
    weights: &[f64],
    (params, trees, older): (&BoostingParams, &Trees, usize),
) -> Result<Option<Trees>, LearnError> {
    check(block, y)?;
    let newer = y.len().saturating_sub(older) as f64 / y.len() as f64;
    let more = (f64::from(params.iterations) * newer).ceil().max(1.0) as u32;
    let mut residuals = Vec::new();
    if trees.roots.len() as u32 + more > 2 * params.iterations
        || by_trees(trees, block, &mut residuals).is_err()
    {
        return Ok(None);
    }
    residuals.iter_mut().zip(y).for_each(|(value, y)| *value = y - *value);
    let weights = positive(weights)?;
    let params = BoostingParams { iterations: more, ..*params };
    let trees = trees.clone();
    let add = || add_trees(block, (&residuals, &weights), &params, trees, |_| true);
    finite(with_team((params.threads, y.len()), add)).map(Some)
}

/// Adds trees while `go_on` says so after each.
fn boost(
    block: &Block,
    (y, weights): (&[f64], &[f64]),
    params: &BoostingParams,
    go_on: impl FnMut(&Trees) -> bool,
) -> Trees {
    let base = mean(y, weights);
    let residuals: Vec<f64> = y.iter().map(|y| y - base).collect();
    add_trees(block, (&residuals, weights), params, Trees { base, scale: 1.0, ..Trees::default() }, go_on)
}

/// The weighted mean; no weights count 1 each.
fn mean(y: &[f64], weights: &[f64]) -> f64 {
    match weights {
        [] => y.iter().sum::<f64>() / y.len() as f64,
        _ => dot(y, weights) / sum(weights),
    }
}

/// Adds trees to `trees`, which leave `residuals` over.
fn add_trees(
    block: &Block,
    (residuals, weights): (&[f64], &[f64]),
    params: &BoostingParams,
    trees: Trees,
    go_on: impl FnMut(&Trees) -> bool,
) -> Trees {
    let binned = Binned::new(block);
    match weights {
        [] => explain::<EvenSum>(&binned, (residuals, weights), params, trees, go_on),
        _ => explain::<Sum>(&binned, (residuals, weights), params, trees, go_on),
    }
}

/// Adds trees that explain the residuals, each what those before it leave over.
fn explain<B: Residual>(
    binned: &Binned,
    (residuals, weights): (&[f64], &[f64]),
    params: &BoostingParams,
    mut trees: Trees,
    mut go_on: impl FnMut(&Trees) -> bool,
) -> Trees {
    let of_row = |row: usize| weight_of(weights, row);
    let one = |(row, residual): (usize, &f64)| B::one(*residual, of_row(row));
    let mut ones: Vec<B::One> = residuals.iter().enumerate().map(one).collect();
    let mut grower = boosting_grower(binned, params);
    let mut random = Random::new(0, 0);
    let all = 0..binned.rows() as u32;
    let all: Vec<u32> = all.filter(|row| of_row(*row as usize) > 0.0).collect();
    let mut rows = all.clone();
    let value = |leaf: B| params.learning_rate * leaf.sum().sum / (leaf.weight() + params.l2);
    for _ in 0..params.iterations {
        // In the order in which they lie in memory.
        rows.copy_from_slice(&all);
        let grown = grower.grow(&mut rows, &ones, &mut random);
        for (leaf, span) in &grown.leaves {
            let value = value(grown.total(*leaf));
            rows[span.clone()].iter().for_each(|row| B::explain(&mut ones[*row as usize], value));
        }
        grown.lay_out(binned, &mut trees, value);
        if !go_on(&trees) {
            break;
        }
    }
    trees
}

pub(super) fn boosting_grower<'a, B: Bin>(binned: &'a Binned, params: &BoostingParams) -> Grower<'a, B> {
    let rules = Rules {
        leaf_weight_min: f64::from(params.min_leaf.max(1)),
        l2: params.l2,
        columns: binned.width(),
        random_cuts: false,
        category_rows_min: CATEGORY_ROWS_MIN,
    };
    let size = Size { depth_max: params.max_depth, leaves_max: params.max_leaves.max(1) as usize };
    Grower::new(binned, rules, size)
}

pub(super) fn check(block: &Block, y: &[f64]) -> Result<(), LearnError> {
    if y.is_empty() {
        return Err(LearnError::NoRows);
    }
    if !y.iter().all(|value| value.is_finite()) || !is_usable(block) {
        return Err(LearnError::NotFinite);
    }
    Ok(())
}

/// Whether all values are finite, or NaN where they may be missing.
fn is_usable(block: &Block) -> bool {
    let values = |column: usize| block.column(column).iter();
    let may_miss = |column: usize| block.keeps_missing() || block.is_category(column);
    (0..block.width())
        .all(|column| values(column).all(|value| value.is_finite() || (value.is_nan() && may_miss(column))))
}

/// Weights with a mean of 1, of which one counts; none stay none.
pub(super) fn positive(weights: &[f64]) -> Result<Vec<f64>, LearnError> {
    let whole = weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite());
    match (weights.is_empty(), whole, weights.iter().any(|weight| *weight > 0.0)) {
        (true, ..) => Ok(Vec::new()),
        (_, false, _) => Err(LearnError::NotFinite),
        (_, _, false) => Err(LearnError::NoRows),
        _ => Ok(with_mean_one(weights)),
    }
}

pub(super) fn finite(trees: Trees) -> Result<Trees, LearnError> {
    let whole = trees.base.is_finite() && trees.values.iter().all(|value| value.is_finite());
    if whole { Ok(trees) } else { Err(LearnError::NotFinite) }
}
