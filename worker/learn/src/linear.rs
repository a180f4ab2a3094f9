//! The mean and least squares, out of sufficient statistics.

use schemas::fit::Parameters;
use schemas::limits::DESIGN_WIDTH_MAX;

use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::moments::{Moments, Scratch};
use crate::semidefinite::least_norm;
use crate::standard::Standard;

/// The algorithm [`mean`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean;

/// The algorithm [`ridge`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ridge {
    /// Strength of the penalty.
    pub alpha: f64,
}

/// The mean of the target: no coefficients.
///
/// # Errors
/// [`LearnError::NoRows`], [`LearnError::NotFinite`].
pub fn mean(moments: &Moments) -> Result<Parameters, LearnError> {
    let intercept = moments.mean(moments.width());
    match (moments.weight() > 0.0, intercept.is_finite()) {
        (false, _) => Err(LearnError::NoRows),
        (_, false) => Err(LearnError::NotFinite),
        _ => Ok(Parameters::Linear { intercept, coefficients: Vec::new() }),
    }
}

/// Minimises ‖y − Zw − b‖² + `alpha`·‖w‖² over standardised columns Z (population standard deviation); columns that do not
/// vary get weight 0. With `alpha` 0 this is least squares: of least ‖w‖ where columns depend on each other.
///
/// With weights, squares are weighted, and so are means and deviations. Divided by the weight n, the normal equations are (R + α/n · I) w = r, with R the columns' correlations and r their
/// covariances with the target. The same as scikit-learn's `make_pipeline(StandardScaler(), Ridge(alpha))`.
///
/// # Errors
/// [`LearnError::NoRows`], [`LearnError::NotFinite`]; [`LearnError::TooWide`] for more columns that vary than a design may have.
pub fn ridge(moments: &Moments, alpha: f64) -> Result<Parameters, LearnError> {
    let standard = Standard::of(moments, DESIGN_WIDTH_MAX)?;
    let mut matrix = standard.correlations();
    let penalty = alpha / moments.weight();
    matrix.iter_mut().step_by(standard.columns().len() + 1).for_each(|diagonal| *diagonal += penalty);
    standard.parameters(&least_norm(&matrix, &standard.covariances()))
}

impl Learner for Mean {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        mean(&rows.moments(scratch))
    }

    fn solve(&self, moments: &Moments) -> Option<Result<Parameters, LearnError>> {
        Some(mean(moments))
    }

    fn takes_weights(&self) -> bool {
        true
    }
}

impl Learner for Ridge {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        ridge(&rows.moments(scratch), self.alpha)
    }

    fn solve(&self, moments: &Moments) -> Option<Result<Parameters, LearnError>> {
        Some(ridge(moments, self.alpha))
    }

    fn takes_weights(&self) -> bool {
        true
    }
}
