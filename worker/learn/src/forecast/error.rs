//! Why a series gave no forecast.

use schemas::limits::POINTS_MAX;

use crate::design::DesignError;
use crate::error::LearnError;
use crate::predict::PredictError;

/// Why a series gave no forecast.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ForecastError {
    /// Nothing to learn from.
    #[error("the series has no points; widen the scope or its window")]
    NoPoints,
    /// A step without rows, where none may be missing.
    #[error("no row in the step of {at}; choose `gaps` = \"zero\" or \"hold\", or a longer `step`")]
    Gap {
        /// The step's first moment.
        at: String,
    },
    /// The step is too short for the time that the rows span.
    #[error(
        "the rows span {points} steps of {step}, at most {POINTS_MAX} are allowed; choose a longer `step`"
    )]
    TooLong {
        /// Steps from the first row to the last.
        points: u64,
        /// The step.
        step: String,
    },
    /// The method needs a longer series.
    #[error(
        "{method} needs {needed} points, here are {found}; widen the scope or its window, or shorten `step`"
    )]
    TooShort {
        /// The method.
        method: &'static str,
        /// Points it needs.
        needed: usize,
        /// Points there are.
        found: usize,
    },
    /// A sum or a forecast overflowed, or a target was no number.
    #[error("the forecast is not finite; rescale the target (magnitudes below 1e150 are safe)")]
    NotFinite,
    /// A regression found no fit.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// A regression could not be asked.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The series made no columns.
    #[error(transparent)]
    Columns(#[from] DesignError),
}

impl ForecastError {
    /// Whether a longer series would have helped.
    pub fn is_too_short(&self) -> bool {
        matches!(self, ForecastError::NoPoints | ForecastError::TooShort { .. })
    }
}
