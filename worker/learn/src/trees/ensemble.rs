//! Many trees: their mean, or their sum.

use schemas::trees::Trees;

use super::binned::Binned;
use super::grow::{Grower, Size};
use super::histogram::Rules;
use super::random::Random;
use crate::block::Block;
use crate::error::LearnError;

/// How a forest grows. A forest of one tree that sees every row is a decision tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForestParams {
    /// Number of trees.
    pub trees: u32,
    /// Cuts on the longest path.
    pub max_depth: u32,
    /// Least rows of a leaf.
    pub min_leaf: u32,
    /// Share of the columns that each cut chooses from.
    pub max_features: f64,
    /// Whether each tree sees a bootstrap sample instead of every row.
    pub bootstrap: bool,
    /// Whether each cut is the best of one random cut per column (extremely randomised trees).
    pub random_cuts: bool,
    /// Decides all that is random.
    pub seed: u64,
}

/// How boosting goes: squared loss, trees grown leaf by leaf.
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
}

/// The mean of trees: Breiman, "Random Forests" (2001).
///
/// # Errors
/// [`LearnError::NoRows`]; [`LearnError::NotFinite`] when a sum overflows.
pub fn forest(block: &Block, y: &[f64], params: &ForestParams) -> Result<Trees, LearnError> {
    check(block, y)?;
    let binned = Binned::new(block);
    let columns = (params.max_features * binned.width() as f64).round().max(1.0) as usize;
    let rules = Rules {
        leaf_weight_min: f64::from(params.min_leaf.max(1)),
        l2: 0.0,
        columns,
        random_cuts: params.random_cuts,
    };
    let size = Size { depth_max: params.max_depth, leaves_max: usize::MAX };
    let mut grower = Grower::new(&binned, rules, size);
    let mut trees = Trees { base: 0.0, scale: 1.0 / f64::from(params.trees), ..Trees::default() };
    let mut weights = vec![1.0; binned.rows()];
    for number in 0..params.trees {
        let mut random = Random::new(params.seed, u64::from(number));
        if params.bootstrap {
            weights.fill(0.0);
            (0..binned.rows()).for_each(|_| weights[random.below(binned.rows())] += 1.0);
        }
        let all = 0..binned.rows() as u32;
        let mut rows: Vec<u32> = all.filter(|row| weights[*row as usize] > 0.0).collect();
        let grown = grower.grow(&mut rows, y, &weights, &mut random);
        grown.lay_out(&binned, &mut trees, 0.0, 1.0);
    }
    finite(trees)
}

/// The sum of trees, each grown on what those before it left over: Friedman, "Greedy Function Approximation" (2001).
///
/// # Errors
/// [`LearnError::NoRows`]; [`LearnError::NotFinite`] when a sum overflows.
pub fn boosting(block: &Block, y: &[f64], params: &BoostingParams) -> Result<Trees, LearnError> {
    check(block, y)?;
    let binned = Binned::new(block);
    let rules = Rules {
        leaf_weight_min: f64::from(params.min_leaf.max(1)),
        l2: params.l2,
        columns: binned.width(),
        random_cuts: false,
    };
    let size = Size { depth_max: params.max_depth, leaves_max: params.max_leaves.max(1) as usize };
    let mut grower = Grower::new(&binned, rules, size);
    let base = y.iter().sum::<f64>() / y.len() as f64;
    let mut left_over: Vec<f64> = y.iter().map(|y| y - base).collect();
    let weights = vec![1.0; binned.rows()];
    let mut trees = Trees { base, scale: 1.0, ..Trees::default() };
    let mut random = Random::new(0, 0);
    let mut rows: Vec<u32> = (0..binned.rows() as u32).collect();
    for _ in 0..params.iterations {
        let grown = grower.grow(&mut rows, &left_over, &weights, &mut random);
        for (leaf, span) in &grown.leaves {
            let value = grown.value(*leaf, params.l2, params.learning_rate);
            rows[span.clone()].iter().for_each(|row| left_over[*row as usize] -= value);
        }
        grown.lay_out(&binned, &mut trees, params.l2, params.learning_rate);
    }
    finite(trees)
}

fn check(block: &Block, y: &[f64]) -> Result<(), LearnError> {
    let whole = |values: &[f64]| values.iter().all(|value| value.is_finite());
    if y.is_empty() {
        return Err(LearnError::NoRows);
    }
    if !whole(y) || !(0..block.width()).all(|column| whole(block.column(column))) {
        return Err(LearnError::NotFinite);
    }
    Ok(())
}

fn finite(trees: Trees) -> Result<Trees, LearnError> {
    let whole = trees.base.is_finite() && trees.values.iter().all(|value| value.is_finite());
    if whole { Ok(trees) } else { Err(LearnError::NotFinite) }
}
