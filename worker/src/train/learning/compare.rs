//! Candidates compared by cross-validation in time.

use std::ops::Range;

use schemas::outcome::{Scored, clip_reason};
use schemas::spec::{Candidate, SearchMetric};
use schemas::task::Task;

use super::{FitError, Learner, Scope};

impl Learner<'_> {
    /// The errors of some candidates over all folds.
    pub(super) fn compare(
        &mut self,
        places: Range<usize>,
        scope: &Scope,
        progress: &mut dyn FnMut(),
    ) -> Result<Vec<Scored>, FitError> {
        if scope.folds.is_empty() {
            return Err(FitError::NoFolds);
        }
        let mut error = |place| {
            let folds = 0..scope.folds.len();
            let errors: Result<Vec<_>, _> =
                folds.map(|fold| self.fold_error((place, fold), scope, progress)).collect();
            Ok(self.error(&errors?))
        };
        let errors: Vec<_> = places.clone().map(&mut error).collect();
        scored(&self.candidates[places], errors)
    }

    /// What the metric adds up over the rows that a fold predicts, by a candidate; and what the rows count.
    pub(super) fn fold_error(
        &mut self,
        (place, at): (usize, usize),
        Scope { slice, folds, statistics }: &Scope,
        progress: &mut dyn FnMut(),
    ) -> Result<(f64, f64), FitError> {
        let fold = &folds[at];
        let moments = statistics.as_ref().map(|statistics| &statistics.folds[at]);
        let train = (&slice.complete[fold.train.clone()], moments.map(|(train, _)| train));
        let validate = (&slice.complete[fold.validate.clone()], moments.map(|(_, validate)| validate));
        let parameters = self.fit(place, train)?;
        let error = (self.loss(&parameters, train.0, validate)?, self.counted(validate.0));
        progress();
        Ok(error)
    }

    /// A candidate's error, by those of its folds.
    pub(super) fn error(&self, folds: &[(f64, f64)]) -> f64 {
        let add = |(total, count), (error, rows): &(f64, f64)| (total + error, count + rows);
        let (total, count) = folds.iter().fold((0.0, 0.0), add);
        let mean: f64 = total / count;
        match self.metric() {
            SearchMetric::Rmse => mean.sqrt(),
            SearchMetric::Mae | SearchMetric::LogLoss | SearchMetric::ErrorRate => mean,
        }
    }

    pub(super) fn metric(&self) -> SearchMetric {
        let task = self.spec.task().unwrap_or(Task::Regression);
        self.spec.learn.search.clone().unwrap_or_default().metric(task)
    }
}

/// Candidates with their errors, or why they have none.
///
/// # Errors
/// The first error where there are too few rows for any of them.
pub(in super::super) fn scored(
    candidates: &[Candidate],
    errors: Vec<Result<f64, FitError>>,
) -> Result<Vec<Scored>, FitError> {
    let is_too_little = |error: &Result<f64, FitError>| error.as_ref().is_err_and(FitError::is_too_little);
    if errors.iter().all(is_too_little) {
        return Err(errors.into_iter().find_map(Result::err).unwrap_or(FitError::NoCandidate));
    }
    let one = |(candidate, error): (&Candidate, Result<f64, FitError>)| {
        let Candidate { algorithm, params } = candidate.clone();
        let (error, reason) = match error {
            Ok(error) if error.is_finite() => (Some(error), None),
            Ok(_) => (None, Some("its errors are not finite".into())),
            Err(error) => (None, Some(clip_reason(&error.to_string()))),
        };
        Scored { algorithm, params, error, reason }
    };
    Ok(candidates.iter().zip(errors).map(one).collect())
}

/// The place of the least error; the first where there is nothing to choose from.
///
/// # Errors
/// [`FitError::NoScore`] where no candidate has an error.
pub(in super::super) fn best(candidates: &[Scored]) -> Result<usize, FitError> {
    let scored = candidates.iter().enumerate().filter_map(|(place, scored)| Some((place, scored.error?)));
    let first = || candidates.first().map(|one| FitError::NoScore(one.reason.clone().unwrap_or_default()));
    match scored.min_by(|a, b| a.1.total_cmp(&b.1)) {
        Some((place, _)) => Ok(place),
        None => first().map_or(Ok(0), Err),
    }
}
