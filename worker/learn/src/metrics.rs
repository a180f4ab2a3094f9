//! How good predictions are.

use schemas::fit::Metrics;

/// RMSE, MAE and R² of predictions, as [`Metrics`] defines them; `None` for no rows.
///
/// # Panics
/// When there is not one prediction per truth.
pub fn score(truth: &[f64], predicted: &[f64]) -> Option<Metrics> {
    assert_eq!(truth.len(), predicted.len(), "one prediction for each truth");
    let origin = *truth.first()?;
    let count = truth.len() as f64;
    let errors = || truth.iter().zip(predicted).map(|(truth, predicted)| truth - predicted);
    let squares: f64 = errors().map(|error| error * error).sum();
    // Measured from the first truth, a truth that does not vary has a total of exactly 0.
    let offset = truth.iter().map(|truth| truth - origin).sum::<f64>() / count;
    let total: f64 = truth.iter().map(|truth| (truth - origin - offset).powi(2)).sum();
    Some(Metrics {
        rmse: (squares / count).sqrt(),
        mae: errors().map(f64::abs).sum::<f64>() / count,
        r2: if total > 0.0 { 1.0 - squares / total } else { f64::NAN },
    })
}
