//! Exponential smoothing with errors, trend and seasons (ETS): the form with the least corrected AIC.
//!
//! | module | job |
//! |---|---|
//! | [`form`] | the forms that are tried |
//! | [`state`] | level, slope and seasons, moved on by each point |
//! | [`start`] | where the search for parameters begins |
//! | [`fit`] | the parameters that make the likelihood largest |
//! | [`ahead`] | the points after the series |
//!
//! Source of the models: Hyndman, Koehler, Ord and Snyder, "Forecasting with exponential smoothing" (2008). Forms with
//! an additive error and multiplicative seasons are left out, and so are multiplicative trends: both run away.

mod ahead;
mod fit;
mod form;
mod start;
mod state;

pub use fit::fit_form;
pub use form::Form;

use self::fit::Search;
use super::error::ForecastError;
use super::outlook::Outlook;

/// Points that the simplest form needs.
const POINTS_MIN: usize = 5;

/// Points that parameters are found from: what is older has been forgotten, and would only take time.
const POINTS_MAX: usize = 10_000;

/// How far a form may lie behind the best one after the first steps to be searched to the end.
const BEHIND_MAX: f64 = 25.0;

/// The form with the least corrected AIC, of all that the series allows; without seasons where `season` is 1 or the
/// series has not two of them. Of a long series the newest 10,000 points count.
pub(super) fn ets(
    y: &[f64],
    season: usize,
    horizon: usize,
    levels: &[f64],
) -> Result<Outlook, ForecastError> {
    if y.len() < POINTS_MIN {
        return Err(ForecastError::TooShort { method: "ets", needed: POINTS_MIN, found: y.len() });
    }
    let y = &y[y.len().saturating_sub(POINTS_MAX)..];
    let begun: Vec<Search> = Form::all().filter_map(|form| Search::begin(y, season, form)).collect();
    let least = begun.iter().map(|search| search.aicc).fold(f64::INFINITY, f64::min);
    let fits =
        begun.into_iter().filter(|search| search.aicc <= least + BEHIND_MAX).filter_map(Search::finish);
    let best = fits.min_by(|a, b| a.aicc.total_cmp(&b.aicc)).ok_or(ForecastError::NotFinite)?;
    Ok(best.outlook(horizon, levels))
}
