//! Which method a spec asks for, and running it.

use schemas::algorithm::{Algorithm, Params};

use super::error::ForecastError;
use super::ets::ets;
use super::mstl::mstl;
use super::naive::{drift, naive, seasonal};
use super::outlook::Outlook;
use super::theta::theta;

/// A method with its parameters; a season is a number of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForecastMethod {
    /// The last value.
    Naive,
    /// The value one season before.
    SeasonalNaive {
        /// 1 or more.
        season: usize,
    },
    /// The last value and the mean change.
    Drift,
    /// The theta method.
    Theta {
        /// 1: no season.
        season: usize,
    },
    /// Exponential smoothing.
    Ets {
        /// 1: no season.
        season: usize,
    },
    /// Seasons by loess, the rest by exponential smoothing.
    Mstl {
        /// 2 or more.
        season: usize,
        /// 2 or more, if there is another.
        second: Option<usize>,
    },
}

impl ForecastMethod {
    /// The method that an algorithm names, if it is one of forecasting. `params` have passed [`Algorithm::check`].
    pub fn from_spec(algorithm: Algorithm, params: &Params) -> Option<ForecastMethod> {
        let param = |name| algorithm.param(params, name) as usize;
        let season = param("season").max(1);
        Some(match algorithm {
            Algorithm::Naive => ForecastMethod::Naive,
            Algorithm::SeasonalNaive => ForecastMethod::SeasonalNaive { season },
            Algorithm::Drift => ForecastMethod::Drift,
            Algorithm::Theta => ForecastMethod::Theta { season },
            Algorithm::Ets => ForecastMethod::Ets { season },
            Algorithm::Mstl => {
                let second = param("second_season");
                ForecastMethod::Mstl { season, second: (second > 1).then_some(second) }
            }
            _ => return None,
        })
    }

    /// The `horizon` points after `y`, with intervals of `levels` percent. A series that does not vary goes on for ever.
    ///
    /// # Errors
    /// [`ForecastError`] for a series that is too short, or whose forecast is not finite.
    pub fn forecast(&self, y: &[f64], horizon: usize, levels: &[f64]) -> Result<Outlook, ForecastError> {
        let first = *y.first().ok_or(ForecastError::NoPoints)?;
        if y.iter().any(|y| !y.is_finite()) {
            return Err(ForecastError::NotFinite);
        }
        if y.iter().all(|y| *y == first) {
            return Ok(constant(first, horizon, levels));
        }
        // A power of two rounds nothing, and keeps squares from overflowing.
        let scale = magnitude(y);
        let scaled: Vec<f64> = y.iter().map(|y| y / scale).collect();
        let mut outlook = self.run(&scaled, horizon, levels)?;
        outlook.times(scale);
        if outlook.is_finite() { Ok(outlook) } else { Err(ForecastError::NotFinite) }
    }

    fn run(&self, y: &[f64], horizon: usize, levels: &[f64]) -> Result<Outlook, ForecastError> {
        match *self {
            ForecastMethod::Naive => naive(y, horizon, levels),
            ForecastMethod::SeasonalNaive { season } => seasonal(y, season, horizon, levels),
            ForecastMethod::Drift => drift(y, horizon, levels),
            ForecastMethod::Theta { season } => theta(y, season, horizon, levels),
            ForecastMethod::Ets { season } => ets(y, season, horizon, levels),
            ForecastMethod::Mstl { season, second } => {
                let seasons: Vec<usize> = [Some(season), second].into_iter().flatten().collect();
                mstl(y, &seasons, horizon, levels)
            }
        }
    }
}

fn constant(value: f64, horizon: usize, levels: &[f64]) -> Outlook {
    let values = vec![value; horizon];
    Outlook::normal("constant", values, &vec![0.0; horizon], levels)
}

/// The power of two at or below the largest magnitude; 2^-1000 at least.
fn magnitude(y: &[f64]) -> f64 {
    let largest = y.iter().fold(0.0, |largest: f64, y| largest.max(y.abs()));
    f64::exp2(largest.log2().floor().max(-1000.0))
}
