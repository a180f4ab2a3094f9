//! Columns out of the series itself: lags, rolling means and the calendar.

use std::sync::Arc;

use schemas::column::Column;
use schemas::feature::Feature;
use schemas::fit::Input;
use schemas::spec::ModelSpec;
use schemas::step::Step;
use schemas::time::DatePart;

use crate::design::{Design, DesignError};

/// The columns of a point, made from the points before it and from its time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lagged {
    lags: Vec<usize>,
    means: Vec<usize>,
    parts: Vec<DatePart>,
    step: Step,
}

impl Lagged {
    /// Those of a checked spec; `None` without a series.
    pub(super) fn of(spec: &ModelSpec) -> Option<Lagged> {
        let series = spec.learn.series.as_ref()?;
        let part = |feature: &Feature| match feature {
            Feature::DatePart(part, _) => Some(*part),
            Feature::Column(_) => None,
        };
        let counts = |counts: &[u32]| counts.iter().map(|count| *count as usize).collect();
        Some(Lagged {
            lags: counts(&series.lags),
            means: counts(&series.rolling_means),
            parts: spec.learn.features.iter().filter_map(part).collect(),
            step: series.step,
        })
    }

    /// How many points before a point its columns need.
    pub(super) fn reach(&self) -> usize {
        self.lags.iter().chain(&self.means).copied().max().unwrap_or(0)
    }

    /// The columns' names: `lag 7`, `rolling mean 28`, `weekday`.
    pub(super) fn names(&self) -> Vec<String> {
        let lags = self.lags.iter().map(|lag| format!("lag {lag}"));
        let means = self.means.iter().map(|count| format!("rolling mean {count}"));
        lags.chain(means).chain(self.parts.iter().map(|part| part.name().to_owned())).collect()
    }

    /// The columns of the point with this number, after `past`, which has as many points as they reach at least.
    pub(super) fn row<'a>(&'a self, past: &'a [f64], number: i64) -> impl Iterator<Item = f64> + 'a {
        let known = past.len();
        let lags = self.lags.iter().map(move |lag| past[known - lag]);
        let mean = move |count: &usize| past[known - count..].iter().sum::<f64>() / *count as f64;
        let start = self.step.start_ms(number);
        lags.chain(self.means.iter().map(mean)).chain(self.parts.iter().map(move |part| part.of(start)))
    }

    /// The columns of some points, one for each past; the points have these numbers.
    pub(super) fn columns<'a>(&self, points: impl Iterator<Item = (&'a [f64], i64)>) -> Vec<Vec<f64>> {
        let mut columns = vec![Vec::new(); self.lags.len() + self.means.len() + self.parts.len()];
        for (past, number) in points {
            columns.iter_mut().zip(self.row(past, number)).for_each(|(column, value)| column.push(value));
        }
        columns
    }

    /// The columns of all points of `y`, numbered from `first`, that have enough points before them.
    ///
    /// # Errors
    /// None that can happen: every column is one of numbers, and as long as the others.
    pub(super) fn design(&self, first: i64, y: &[f64]) -> Result<Design, DesignError> {
        let points = (self.reach()..y.len()).map(|at| (&y[..at], first + at as i64));
        let columns = self.columns(points).into_iter().map(|column| Arc::new(Column::Number(column)));
        let columns: Vec<Arc<Column>> = columns.collect();
        let names = self.names();
        let inputs: Vec<Input> =
            names.iter().map(|name| Input::Number(Feature::Column(name.clone()))).collect();
        Design::new(&inputs, y.len() - self.reach(), |input| {
            let place = names.iter().position(|name| name == input.column())?;
            columns.get(place).cloned()
        })
    }
}
