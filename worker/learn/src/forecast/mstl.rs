//! MSTL: one or two seasons taken off by loess, the rest by exponential smoothing.

use stlrs::{Mstl, Stl};

use super::error::ForecastError;
use super::ets::ets;
use super::outlook::Outlook;

/// Rounds of the inner loop: more change nothing that matters (Cleveland and others, 1990, section 3.2).
const INNER_LOOPS: usize = 5;

/// Takes off `seasons`, and adds what they were in the last one to a forecast of the rest by ETS without seasons.
/// Source: Bandara, Hyndman and Bergmeir, "MSTL: a seasonal-trend decomposition algorithm for time series with multiple
/// seasonal patterns" (2021).
pub(super) fn mstl(
    y: &[f64],
    seasons: &[usize],
    horizon: usize,
    levels: &[f64],
) -> Result<Outlook, ForecastError> {
    let needed = 2 * seasons.iter().max().copied().unwrap_or(1);
    let too_short = ForecastError::TooShort { method: "mstl", needed, found: y.len() };
    let mut loess = Stl::params();
    loess.seasonal_jump(1).trend_jump(1).low_pass_jump(1).inner_loops(INNER_LOOPS);
    // All that its library refuses is a series without two whole seasons.
    let parts = Mstl::params().stl_params(loess).fit(y, seasons).map_err(|_| too_short)?;
    let seasonal = |at: usize| parts.seasonal().iter().map(|season| season[at]).sum::<f64>();
    let rest: Vec<f64> = y.iter().enumerate().map(|(at, y)| y - seasonal(at)).collect();
    let mut outlook = ets(&rest, 1, horizon, levels)?;
    let known = y.len();
    let again = |ahead: usize| {
        let last = seasons.iter().map(|season| known - season + ahead % season);
        parts.seasonal().iter().zip(last).map(|(season, at)| season[at]).sum::<f64>()
    };
    outlook.change(|ahead, value| value + again(ahead));
    Ok(Outlook { model: format!("MSTL + {}", outlook.model), ..outlook })
}
