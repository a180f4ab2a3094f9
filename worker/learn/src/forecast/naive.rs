//! The methods that every other one has to beat.

use super::error::ForecastError;
use super::outlook::Outlook;

/// The last value, again and again. A random walk: the variance grows with each step.
pub(super) fn naive(y: &[f64], horizon: usize, levels: &[f64]) -> Result<Outlook, ForecastError> {
    seasonal(y, 1, horizon, levels).map(|outlook| Outlook { model: "naive".into(), ..outlook })
}

/// The value one season before, again and again.
pub(super) fn seasonal(
    y: &[f64],
    season: usize,
    horizon: usize,
    levels: &[f64],
) -> Result<Outlook, ForecastError> {
    let known = y.len();
    if known <= season {
        let method = if season == 1 { "naive" } else { "seasonal_naive" };
        return Err(ForecastError::TooShort { method, needed: season + 1, found: known });
    }
    let sigma = root_mean_square((season..known).map(|at| y[at] - y[at - season]));
    let values = (0..horizon).map(|ahead| y[known - season + ahead % season]).collect();
    let deviations: Vec<f64> =
        (0..horizon).map(|ahead| sigma * ((ahead / season + 1) as f64).sqrt()).collect();
    Ok(Outlook::normal("seasonal naive", values, &deviations, levels).with_sized("sigma", sigma))
}

/// The last value, moved on by the mean change of the series: a random walk with drift.
pub(super) fn drift(y: &[f64], horizon: usize, levels: &[f64]) -> Result<Outlook, ForecastError> {
    let (&[first, _, .., last], known) = (y, y.len()) else {
        return Err(ForecastError::TooShort { method: "drift", needed: 3, found: y.len() });
    };
    let changes = (known - 1) as f64;
    let slope = (last - first) / changes;
    let sigma = root_mean_square(y.windows(2).map(|pair| pair[1] - pair[0] - slope));
    let steps = || (1..=horizon).map(|step| step as f64);
    let values = steps().map(|step| last + step * slope).collect();
    let deviations: Vec<f64> = steps().map(|step| sigma * (step * (1.0 + step / changes)).sqrt()).collect();
    Ok(Outlook::normal("random walk with drift", values, &deviations, levels)
        .with_sized("sigma", sigma)
        .with_sized("slope", slope))
}

fn root_mean_square(residuals: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = residuals.len() as f64;
    (residuals.map(|residual| residual * residual).sum::<f64>() / count).sqrt()
}
