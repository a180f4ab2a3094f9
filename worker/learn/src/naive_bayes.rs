//! Gaussian naive Bayes.

use schemas::classifier::Classifier;

use crate::block::Block;
use crate::classes::Classes;
use crate::error::LearnError;
use crate::scaled::Scaled;

/// Mean and variance of each column within each class, the variances of standardised columns raised by `smoothing`. The
/// same as scikit-learn's `make_pipeline(StandardScaler(), GaussianNB(var_smoothing=smoothing))`.
///
/// # Errors
/// [`LearnError::NotFinite`] when a sum overflows.
///
/// # Panics
/// When `classes` are not those of the block's rows.
pub(crate) fn naive_bayes(
    block: &Block,
    classes: &Classes,
    smoothing: f64,
) -> Result<Classifier, LearnError> {
    let scaled = Scaled::of(block)?;
    let scaling = &scaled.scaling;
    let (count, width) = (classes.count(), block.width());
    // What a column that does not vary says of all classes alike.
    let mut means = scaling.means.repeat(count);
    let mut variances = vec![1.0; count * width];
    let rows = classes.rows();
    let varying = (0..width).filter(|i| scaling.deviations[*i] > 0.0);
    for (i, column) in varying.zip(scaled.columns()) {
        let (mean, deviation) = (scaling.means[i], scaling.deviations[i]);
        let z = || column.iter().zip(classes.of_row());
        let mut own = vec![0.0; count];
        z().for_each(|(z, class)| own[*class as usize] += z / rows[*class as usize] as f64);
        let mut squares = vec![0.0; count];
        z().for_each(|(z, class)| squares[*class as usize] += (z - own[*class as usize]).powi(2));
        for class in 0..count {
            means[class * width + i] = mean + deviation * own[class];
            let variance = squares[class] / rows[class] as f64 + smoothing;
            variances[class * width + i] = (deviation * deviation * variance).max(f64::MIN_POSITIVE);
        }
    }
    let log_priors = classes.shares().iter().map(|share| share.ln()).collect();
    let is_whole = means.iter().chain(&variances).all(|value| value.is_finite());
    if is_whole {
        Ok(Classifier::GaussianBayes { log_priors, means, variances })
    } else {
        Err(LearnError::NotFinite)
    }
}
