//! What trees may be grown of, and what may come of it.

use schemas::trees::Trees;

use crate::block::Block;
use crate::error::LearnError;
use crate::target::with_mean_one;
use crate::vector::{dot, sum};

/// Targets from here on: squares of their sums would be no numbers, and no cut better than another.
const TARGET_MAX: f64 = 1e140;

/// Whether trees can be grown of these rows.
///
/// # Errors
/// [`LearnError::NoRows`], [`LearnError::NotFinite`].
pub(super) fn check(block: &Block, y: &[f64]) -> Result<(), LearnError> {
    if y.is_empty() {
        return Err(LearnError::NoRows);
    }
    if !y.iter().all(|value| value.abs() < TARGET_MAX) || !is_usable(block) {
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

/// The trees, if their numbers are.
pub(super) fn finite(trees: Trees) -> Result<Trees, LearnError> {
    let whole = trees.base.is_finite() && trees.values.iter().all(|value| value.is_finite());
    if whole { Ok(trees) } else { Err(LearnError::NotFinite) }
}

/// The weighted mean; no weights count 1 each.
pub(super) fn mean(y: &[f64], weights: &[f64]) -> f64 {
    match weights {
        [] => y.iter().sum::<f64>() / y.len() as f64,
        _ => dot(y, weights) / sum(weights),
    }
}
