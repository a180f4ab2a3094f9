//! What is learned of each row, and how much the row counts.

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
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    weights.iter().map(|weight| weight / mean).collect()
}

/// What row `row` counts: weights are one per row, or none.
pub(crate) fn weight_of(weights: &[f64], row: usize) -> f64 {
    weights.get(row).copied().unwrap_or(1.0)
}
