//! Whatever a spec may choose for a series: a method, or a regression on the series before.

use schemas::spec::{Candidate, ModelSpec};

use super::error::ForecastError;
use super::outlook::Outlook;
use super::regression::Regression;
use super::run::ForecastMethod;

/// A method, or a regression on the series before.
#[derive(Debug, Clone, PartialEq)]
pub enum Forecaster {
    /// A method made for series.
    Method(ForecastMethod),
    /// Any regression.
    Regression(Regression),
}

impl Forecaster {
    /// What a candidate of a checked spec names; `None` for a regression without a series.
    pub fn from_spec(candidate: &Candidate, spec: &ModelSpec) -> Option<Forecaster> {
        match ForecastMethod::from_spec(candidate.algorithm, &candidate.params) {
            Some(method) => Some(Forecaster::Method(method)),
            None => Regression::from_spec(candidate, spec).map(Forecaster::Regression),
        }
    }

    /// The `horizon` points after `y`, whose first point has the number `first`, with intervals of `levels` percent.
    ///
    /// # Errors
    /// [`ForecastError`] for a series that is too short, that the algorithm cannot learn, or whose forecast is not finite.
    pub fn forecast(
        &self,
        first: i64,
        y: &[f64],
        horizon: usize,
        levels: &[f64],
    ) -> Result<Outlook, ForecastError> {
        match self {
            Forecaster::Method(method) => method.forecast(y, horizon, levels),
            Forecaster::Regression(regression) => regression.forecast(first, y, horizon, levels),
        }
    }
}
