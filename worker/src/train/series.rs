//! From slices to forecasts of their time series: by the one candidate, or by the best of several.
//!
//! Points take the place of rows: the newest share of them is held out, and folds are stretches of them. The forecast
//! that lands is made from all points, since one from an older end would be of no use.

use learn::forecast::{ForecastError, Forecaster, Points, points};
use learn::{folds, score};
use schemas::fit::{Metrics, Parameters};
use schemas::forecast::Forecast;
use schemas::outcome::Scored;
use schemas::spec::{Candidate, ModelSpec, SearchMetric, SeriesSpec};
use schemas::task::Task;

use super::learning::{FitError, Learned, best, scored};
use super::prepared::Prepared;
use super::slices::{Slice, train_rows};

/// Learns the series of each of `slices`. Calls `progress` after each step of bounded work.
pub(super) fn learn_all(
    spec: &ModelSpec,
    series: &SeriesSpec,
    prepared: &Prepared,
    slices: &[&Slice],
    progress: &mut dyn FnMut(),
) -> Vec<Result<Learned, FitError>> {
    // Checked when the model was added.
    let candidates = spec.learn.candidates().unwrap_or_default();
    let learner = Learner { spec, series, prepared, candidates };
    slices.iter().map(|slice| learner.learn(slice, progress)).collect()
}

struct Learner<'a> {
    spec: &'a ModelSpec,
    series: &'a SeriesSpec,
    prepared: &'a Prepared,
    candidates: Vec<Candidate>,
}

impl Learner<'_> {
    fn learn(&self, slice: &Slice, progress: &mut dyn FnMut()) -> Result<Learned, FitError> {
        let points = self.points(slice)?;
        let all = &points.values;
        let train = train_rows(all.len(), self.spec.learn.holdout);
        let candidates = match self.candidates.len() {
            0 => return Err(FitError::NoCandidate),
            1 => Vec::new(),
            _ => self.compare(points.first, &all[..train], progress)?,
        };
        let chosen = self.candidates[best(&candidates)?].clone();
        let forecaster = self.forecaster(&chosen)?;
        let metrics = held_out(&forecaster, points.first, all, train)?;
        progress();
        let outlook =
            forecaster.forecast(points.first, all, self.series.horizon as usize, &self.series.levels)?;
        progress();
        let forecast = Forecast {
            time: self.spec.data.time.clone().unwrap_or_default(),
            step: self.series.step,
            last: points.last(),
            model: outlook.model,
            settings: outlook.settings,
            values: outlook.values,
            bands: outlook.bands,
        };
        let parameters = Some(Parameters::Forecast(forecast));
        Ok(Learned { candidates, parameters, metrics, ..Learned::new(chosen, points.rows(train)) })
    }

    fn points(&self, slice: &Slice) -> Result<Points, ForecastError> {
        let (times, target) = (self.prepared.data.table.time(), self.prepared.target());
        let rows = times
            .into_iter()
            .flat_map(|times| slice.complete.iter().map(|row| (times[*row as usize], target[*row as usize])));
        points(self.series, rows)
    }

    /// Every candidate's error over the points that the folds foretell.
    fn compare(&self, first: i64, past: &[f64], progress: &mut dyn FnMut()) -> Result<Vec<Scored>, FitError> {
        let error = |candidate| self.error(candidate, (first, past), progress);
        scored(&self.candidates, self.candidates.iter().map(error).collect())
    }

    /// A candidate's error over all folds.
    fn error(
        &self,
        candidate: &Candidate,
        (first, past): (i64, &[f64]),
        progress: &mut dyn FnMut(),
    ) -> Result<f64, FitError> {
        let search = self.spec.learn.search.as_ref().ok_or(FitError::NoCandidate)?;
        let metric = search.metric(Task::Regression);
        let forecaster = self.forecaster(candidate)?;
        let (mut total, mut count) = (0.0, 0);
        for fold in folds(past.len(), search) {
            let gap = fold.validate.start - fold.train.end;
            let truth = &past[fold.validate];
            let from = first + fold.train.start as i64;
            let outlook = forecaster.forecast(from, &past[fold.train], gap + truth.len(), &[])?;
            let errors = truth.iter().zip(&outlook.values[gap..]).map(|(truth, value)| truth - value);
            total += match metric {
                SearchMetric::Mae => errors.map(f64::abs).sum(),
                // Those of classes are refused for a series.
                _ => errors.map(|error| error * error).sum::<f64>(),
            };
            count += truth.len();
            progress();
        }
        if count == 0 {
            return Err(FitError::NoFolds);
        }
        let mean = total / count as f64;
        Ok(if metric == SearchMetric::Mae { mean } else { mean.sqrt() })
    }

    fn forecaster(&self, candidate: &Candidate) -> Result<Forecaster, FitError> {
        Forecaster::from_spec(candidate, self.spec).ok_or(FitError::NoCandidate)
    }
}

/// How well the points from `train` on are foretold from those before.
fn held_out(
    forecaster: &Forecaster,
    first: i64,
    all: &[f64],
    train: usize,
) -> Result<Option<Metrics>, ForecastError> {
    let (past, future) = all.split_at(train);
    if future.is_empty() {
        return Ok(None);
    }
    let outlook = forecaster.forecast(first, past, future.len(), &[])?;
    Ok(score(future, &outlook.values, &[]))
}
