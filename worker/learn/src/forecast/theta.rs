//! The theta method: simple exponential smoothing of the series' curvature, on half of its slope.

use super::error::ForecastError;
use super::outlook::Outlook;
use super::seasons::{self, Kind};

/// The residuals before this place depend mostly on the first level.
const FIRST_SCORED: usize = 3;

const POINTS_MIN: usize = 5;

/// Bounds of the smoothing parameter.
const ALPHA: (f64, f64) = (0.1, 0.99);

/// Multiplicative indices below this would blow values up.
const INDEX_MIN: f64 = 0.01;

/// The standard theta method with its parameters by least squares. The series is seasonally adjusted first, where it
/// has a season of 4 points or more that is not chance.
/// Source: Fiorucci et al., "Models for optimising the theta method and their relationship to state space models" (2016).
pub(super) fn theta(
    y: &[f64],
    season: usize,
    horizon: usize,
    levels: &[f64],
) -> Result<Outlook, ForecastError> {
    if y.len() < POINTS_MIN {
        return Err(ForecastError::TooShort { method: "theta", needed: POINTS_MIN, found: y.len() });
    }
    if season < 4 || y.len() < 2 * season || !seasons::is_seasonal(y, season) {
        return Ok(plain(y, horizon, levels));
    }
    let (kind, indices) = decompose(y, season);
    let adjusted: Vec<f64> =
        y.iter().enumerate().map(|(at, y)| kind.without(*y, indices[at % season])).collect();
    let mut outlook = plain(&adjusted, horizon, levels);
    outlook.change(|ahead, value| match (kind, indices[(y.len() + ahead) % season]) {
        (Kind::Additive, index) => value + index,
        (Kind::Multiplicative, index) => value * index,
    });
    Ok(outlook)
}

fn decompose(y: &[f64], season: usize) -> (Kind, Vec<f64>) {
    if y.iter().all(|y| *y > 0.0) {
        let indices = seasons::indices(y, season, Kind::Multiplicative);
        if indices.iter().all(|index| *index >= INDEX_MIN) {
            return (Kind::Multiplicative, indices);
        }
    }
    (Kind::Additive, seasons::indices(y, season, Kind::Additive))
}

/// A series without season.
fn plain(y: &[f64], horizon: usize, levels: &[f64]) -> Outlook {
    let line = Line::through(y);
    let alpha = least(|alpha| smooth(y, &line, alpha).mean_square);
    let fit = smooth(y, &line, alpha);
    let mut level = fit.level;
    let next = |at: usize| {
        let value = level + line.half(alpha, (1.0 - alpha).powf(at as f64));
        level += alpha * (value - level);
        value
    };
    let values = (y.len()..y.len() + horizon).map(next).collect();
    let deviations: Vec<f64> =
        (0..horizon).map(|ahead| fit.sigma * (1.0 + ahead as f64 * alpha * alpha).sqrt()).collect();
    Outlook::normal("theta", values, &deviations, levels).with("alpha", alpha).with_sized("slope", line.slope)
}

/// The least-squares line through the points 1, 2, 3 …
struct Line {
    intercept: f64,
    slope: f64,
}

impl Line {
    fn through(y: &[f64]) -> Line {
        let count = y.len() as f64;
        let middle = (count + 1.0) / 2.0;
        let mean = y.iter().sum::<f64>() / count;
        let product: f64 = y.iter().zip(1..).map(|(y, at)| (f64::from(at) - middle) * (y - mean)).sum();
        let slope = 12.0 * product / (count * (count * count - 1.0));
        Line { intercept: mean - slope * middle, slope }
    }

    /// What half of the line adds to the level before a point, where a share `kept` of the first level is left in it.
    fn half(&self, alpha: f64, kept: f64) -> f64 {
        0.5 * (self.intercept * kept + self.slope * (1.0 - kept * (1.0 - alpha)) / alpha)
    }
}

struct Smoothed {
    /// The level after the last point.
    level: f64,
    /// Mean square of the scored residuals.
    mean_square: f64,
    /// Standard deviation of the scored residuals.
    sigma: f64,
}

/// Smooths with the first level that makes the residuals least: they are linear in it.
fn smooth(y: &[f64], line: &Line, alpha: f64) -> Smoothed {
    let (mut level, mut kept) = (0.0, 1.0);
    let (mut cross, mut square) = (0.0, 0.0);
    let mut residuals = Vec::with_capacity(y.len());
    for (at, y) in y.iter().enumerate() {
        let residual = y - level - line.half(alpha, kept);
        if at >= FIRST_SCORED {
            cross += residual * kept;
            square += kept * kept;
            residuals.push((residual, kept));
        }
        level += alpha * (y - level);
        kept *= 1.0 - alpha;
    }
    let first = if square > 0.0 { cross / square } else { 0.0 };
    let residuals: Vec<f64> = residuals.iter().map(|(residual, kept)| residual - kept * first).collect();
    let count = residuals.len() as f64;
    let mean = residuals.iter().sum::<f64>() / count;
    let variance = residuals.iter().map(|residual| (residual - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let mean_square = residuals.iter().map(|residual| residual * residual).sum::<f64>() / count;
    Smoothed { level: level + kept * first, mean_square, sigma: variance.sqrt() }
}

/// Where `loss` is least in the bounds of alpha: a grid, then golden sections around its best place.
fn least(loss: impl Fn(f64) -> f64) -> f64 {
    const CELLS: u32 = 20;
    let (from, to) = ALPHA;
    let width = (to - from) / f64::from(CELLS);
    let grid = (0..=CELLS).map(|cell| from + f64::from(cell) * width);
    let best = grid.min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap_or(from);
    let (mut low, mut high) = ((best - width).max(from), (best + width).min(to));
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    while high - low > 1e-8 {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if loss(a) <= loss(b) { high = b } else { low = a }
    }
    (low + high) / 2.0
}
