//! Gaussian naive Bayes.

use schemas::classifier::Classifier;

use crate::block::Block;
use crate::classes::Classes;
use crate::error::LearnError;
use crate::scaled::Scaled;
use crate::target::weight_of;

/// Mean and variance of each column within each class, the variances of standardised columns raised by `smoothing`. The
/// same as scikit-learn's `make_pipeline(StandardScaler(), GaussianNB(var_smoothing=smoothing))`. Rows without weights count 1 each.
///
/// # Errors
/// [`LearnError::NotFinite`] when a sum overflows.
///
/// # Panics
/// When `classes` are not those of the block's rows.
pub(crate) fn naive_bayes(
    block: &Block,
    classes: &Classes,
    weights: &[f64],
    smoothing: f64,
) -> Result<Classifier, LearnError> {
    let scaled = Scaled::weighted(block, weights)?;
    let scaling = &scaled.scaling;
    let (count, width) = (classes.count(), block.width());
    // What a column that does not vary says of all classes alike.
    let mut means = scaling.means.repeat(count);
    let mut variances = vec![1.0; count * width];
    // What the rows of each class count, together; of a class whose rows count nothing, next to nothing.
    let mut rows = vec![f64::MIN_POSITIVE; count];
    let of_row =
        || classes.of_row().iter().enumerate().map(|(row, class)| (*class as usize, weight_of(weights, row)));
    of_row().for_each(|(class, weight)| rows[class] += weight);
    let varying = (0..width).filter(|i| scaling.deviations[*i] > 0.0);
    for (i, column) in varying.zip(scaled.columns()) {
        let (mean, deviation) = (scaling.means[i], scaling.deviations[i]);
        let z = || column.iter().zip(of_row());
        let mut own = vec![0.0; count];
        z().for_each(|(z, (class, weight))| own[class] += weight * z / rows[class]);
        let mut squares = vec![0.0; count];
        z().for_each(|(z, (class, weight))| squares[class] += weight * (z - own[class]).powi(2));
        for class in 0..count {
            means[class * width + i] = mean + deviation * own[class];
            let variance = squares[class] / rows[class] + smoothing;
            variances[class * width + i] = (deviation * deviation * variance).max(f64::MIN_POSITIVE);
        }
    }
    let all: f64 = rows.iter().sum();
    let log_priors = rows.iter().map(|own| (own / all).max(f64::MIN_POSITIVE).ln()).collect();
    let is_whole = means.iter().chain(&variances).all(|value| value.is_finite());
    if is_whole {
        Ok(Classifier::GaussianBayes { log_priors, means, variances })
    } else {
        Err(LearnError::NotFinite)
    }
}
