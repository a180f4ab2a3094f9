//! Gradient boosting: the sum of trees.

use schemas::fit::Parameters;
use schemas::trees::Trees;

use super::bin::{Bin, EvenSum, Residual, Sum};
use super::binned::Binned;
use super::check::{check, finite, mean, positive};
use super::grow::{Grower, Size};
use super::histogram::Rules;
use super::random::Random;
use super::stopping::{Watch, older, squared};
use super::team::with_team;
use crate::block::Block;
use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::moments::Scratch;
use crate::predict::by_trees;
use crate::target::weight_of;

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

/// The sum of trees, each grown on what those before it left over: Friedman, "Greedy Function Approximation" (2001). Rows
/// are in the order of time where early stopping is to look at the newest.
///
/// # Errors
/// [`LearnError::NoRows`]; [`LearnError::NotFinite`] when a sum overflows.
pub fn boosting(block: &Block, y: &[f64], params: &BoostingParams) -> Result<Trees, LearnError> {
    weighted_boosting(block, y, &[], params)
}

impl Learner for BoostingParams {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        let Scratch { block, target, weights, .. } = rows.gathered(scratch);
        weighted_boosting(block, target, weights, self).map(Parameters::Trees)
    }

    fn go_on(
        &self,
        rows: Rows<'_>,
        (older, before): (usize, &Parameters),
        scratch: &mut Scratch,
    ) -> Result<Option<Parameters>, LearnError> {
        let Parameters::Trees(trees) = before else { return Ok(None) };
        let Scratch { block, target, weights, .. } = rows.gathered(scratch);
        Ok(boosting_on(block, target, weights, (self, trees, older))?.map(Parameters::Trees))
    }

    fn takes_weights(&self) -> bool {
        true
    }
}

/// As [`boosting`], with what each row counts; none count 1 each.
fn weighted_boosting(
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
fn boosting_on(
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
