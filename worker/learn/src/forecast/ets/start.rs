//! Where the search for parameters begins.

use super::super::seasons;
use super::form::{Form, Trend};
use super::state::State;

/// The state before the first point: seasons by classical decomposition, level and slope by a line through the first
/// points without them. `None` where the series is too short for seasons.
pub(super) fn state(y: &[f64], season: usize, form: &Form) -> Option<State> {
    let indices = match form.seasons {
        None => vec![0.0],
        Some(_) if season < 2 || y.len() < 2 * season => return None,
        Some(kind) => seasons::indices(y, season, kind),
    };
    let first = y.len().min((2 * indices.len()).max(10));
    let adjusted = y[..first].iter().enumerate().map(|(at, y)| match form.seasons {
        None => *y,
        Some(kind) => kind.without(*y, indices[at % season]),
    });
    let adjusted: Vec<f64> = adjusted.collect();
    let count = first as f64;
    let mean = adjusted.iter().sum::<f64>() / count;
    let middle = (count + 1.0) / 2.0;
    let product: f64 = adjusted.iter().zip(1..).map(|(y, at)| (f64::from(at) - middle) * (y - mean)).sum();
    let slope = 12.0 * product / (count * (count * count - 1.0));
    Some(match form.trend {
        Trend::None => State { level: mean, slope: 0.0, seasons: indices },
        Trend::Additive | Trend::Damped => State { level: mean - slope * middle, slope, seasons: indices },
    })
}
