//! What is learned of each row, and how much the row counts.

use std::borrow::Cow;

/// Larger weights times squares of errors may have no sum.
const WEIGHT_LARGE: f64 = 1e100;

/// Weights times this have a sum, however many there are.
const SHRINK: f64 = 1e-20;

/// The targets of a table's rows.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// One per row of the table.
    pub y: &'a [f64],
    /// What each row of the table counts, 0 or more; 1 where there are none.
    pub weights: Option<&'a [f64]>,
}

impl<'a> From<&'a [f64]> for Target<'a> {
    fn from(y: &'a [f64]) -> Target<'a> {
        Target { y, weights: None }
    }
}

impl<'a> From<&'a Vec<f64>> for Target<'a> {
    fn from(y: &'a Vec<f64>) -> Target<'a> {
        Target { y, weights: None }
    }
}

impl<'a, const N: usize> From<&'a [f64; N]> for Target<'a> {
    fn from(y: &'a [f64; N]) -> Target<'a> {
        Target { y, weights: None }
    }
}

/// Weights with a mean of 1, so that what counts rows keeps its meaning; none stay none.
pub(crate) fn with_mean_one(weights: &[f64]) -> Vec<f64> {
    let sum = weights.iter().sum::<f64>();
    if sum == f64::INFINITY && weights.iter().all(|weight| weight.is_finite()) {
        // The largest of them have no sum.
        return with_mean_one(&weights.iter().map(|weight| weight * SHRINK).collect::<Vec<_>>());
    }
    let mean = sum / weights.len().max(1) as f64;
    weights.iter().map(|weight| weight / mean).collect()
}

/// The same weights, or, where sums of them over rows may be no numbers, as good ones with a mean of 1.
pub(crate) fn summable(weights: &[f64]) -> Cow<'_, [f64]> {
    match weights.iter().any(|weight| *weight > WEIGHT_LARGE) {
        true => with_mean_one(weights).into(),
        false => weights.into(),
    }
}

/// What row `row` counts: weights are one per row, or none.
pub(crate) fn weight_of(weights: &[f64], row: usize) -> f64 {
    weights.get(row).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_any_size_have_a_mean_of_one() {
        for size in [1e-300, 1.0, 1e308] {
            assert_eq!(with_mean_one(&[size, 0.5 * size, 0.0, 0.5 * size]), [2.0, 1.0, 0.0, 1.0]);
        }
        assert_eq!(
            (&*summable(&[3.0, 1.0]), &*summable(&[1e308, 1e308])),
            (&[3.0, 1.0][..], &[1.0, 1.0][..])
        );
        assert!(with_mean_one(&[f64::INFINITY, 1.0])[0].is_nan());
    }
}
