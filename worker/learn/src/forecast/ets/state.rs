//! Level, slope and seasons, moved on by each point.

use super::super::seasons::Kind;
use super::form::Form;

/// How fast level, slope and seasons follow the points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weights {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) gamma: f64,
    /// What is left of the slope after each step: 1 where it is not damped.
    pub(super) phi: f64,
}

/// What the model knows after some points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) level: f64,
    pub(super) slope: f64,
    /// Point `at` has the season `at % seasons.len()`; one neutral season where the form has none.
    pub(super) seasons: Vec<f64>,
}

/// What is expected of the next point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// Without its season.
    pub(super) base: f64,
    /// With it.
    pub(super) value: f64,
}

impl State {
    /// What is expected of point `at`, the next one.
    #[inline]
    pub(super) fn expect(&self, form: &Form, weights: &Weights, season: usize) -> Expected {
        let base = self.level + weights.phi * self.slope;
        let value = match form.seasons {
            None => base,
            Some(Kind::Additive) => base + self.seasons[season],
            Some(Kind::Multiplicative) => base * self.seasons[season],
        };
        Expected { base, value }
    }

    /// Moves on by the point `y`, of which `expected` was expected. The error-correction form of all models: the
    /// error without its season moves level and slope, the one without its level the season.
    #[inline]
    pub(super) fn learn(
        &mut self,
        form: &Form,
        weights: &Weights,
        (season, y): (usize, f64),
        expected: Expected,
    ) {
        let error = y - expected.value;
        let of_level = match form.seasons {
            Some(Kind::Multiplicative) => error / self.seasons[season],
            _ => error,
        };
        self.level = expected.base + weights.alpha * of_level;
        self.slope = weights.phi * self.slope + weights.beta * of_level;
        match form.seasons {
            None => {}
            Some(Kind::Additive) => self.seasons[season] += weights.gamma * error,
            Some(Kind::Multiplicative) => self.seasons[season] += weights.gamma * error / expected.base,
        }
    }
}
