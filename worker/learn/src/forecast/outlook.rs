//! The points after a series.

use std::collections::BTreeMap;

use schemas::forecast::Band;

use super::normal::quantile;

/// The points after a series, with intervals.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// What was fitted, as the field writes it.
    pub model: String,
    /// Its parameters by name.
    pub settings: BTreeMap<String, f64>,
    /// Those of them that are in the target's unit.
    pub(super) sized: Vec<String>,
    /// The forecast of each step.
    pub values: Vec<f64>,
    /// Intervals around them.
    pub bands: Vec<Band>,
}

impl Outlook {
    /// Forecasts whose errors are normal with these standard deviations, one for each value.
    pub(super) fn normal(
        model: impl Into<String>,
        values: Vec<f64>,
        deviations: &[f64],
        levels: &[f64],
    ) -> Outlook {
        let band = |level: &f64| {
            let z = quantile(0.5 + level / 200.0);
            let end = |z: f64| values.iter().zip(deviations).map(|(value, sd)| value + z * sd).collect();
            Band { level: *level, lower: end(-z), upper: end(z) }
        };
        let bands = levels.iter().map(band).collect();
        Outlook { model: model.into(), settings: BTreeMap::new(), sized: Vec::new(), values, bands }
    }

    /// The same with a parameter that is worth showing.
    pub(super) fn with(mut self, name: &str, value: f64) -> Outlook {
        self.settings.insert(name.into(), value);
        self
    }

    /// The same with a parameter in the target's unit.
    pub(super) fn with_sized(mut self, name: &str, value: f64) -> Outlook {
        self.sized.push(name.into());
        self.with(name, value)
    }

    /// The same for a target of which all values are so many times as large.
    pub(super) fn times(&mut self, scale: f64) {
        self.change(|_, value| value * scale);
        for name in &self.sized {
            self.settings.entry(name.clone()).and_modify(|value| *value *= scale);
        }
    }

    /// Changes each forecast and the ends of its intervals; `change` is told the step's place and must not fall.
    pub(super) fn change(&mut self, change: impl Fn(usize, f64) -> f64) {
        let ends = self.bands.iter_mut().flat_map(|band| [&mut band.lower, &mut band.upper]);
        for values in ends.chain([&mut self.values]) {
            values.iter_mut().enumerate().for_each(|(place, value)| *value = change(place, *value));
        }
    }

    /// Whether every number is finite.
    pub(super) fn is_finite(&self) -> bool {
        let ends = self.bands.iter().flat_map(|band| band.lower.iter().chain(&band.upper));
        ends.chain(&self.values).all(|value| value.is_finite())
    }
}

/// Intervals out of drawn futures, step by step.
pub(super) struct Drawn(Vec<Band>);

impl Drawn {
    /// Without steps.
    pub(super) fn new(levels: &[f64]) -> Drawn {
        let band = |level: &f64| Band { level: *level, lower: Vec::new(), upper: Vec::new() };
        Drawn(levels.iter().map(band).collect())
    }

    /// Adds a step, given its point in every future: one at least.
    pub(super) fn step(&mut self, mut points: Vec<f64>) {
        points.sort_unstable_by(f64::total_cmp);
        let share = |share: f64| points[((points.len() - 1) as f64 * share).round() as usize];
        for band in &mut self.0 {
            band.lower.push(share(0.5 - band.level / 200.0));
            band.upper.push(share(0.5 + band.level / 200.0));
        }
    }

    /// The intervals of all steps.
    pub(super) fn bands(self) -> Vec<Band> {
        self.0
    }
}
