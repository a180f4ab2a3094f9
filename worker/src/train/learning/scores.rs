//! How good a fit is on rows that it was not made from.

use learn::{PredictError, classes, predict_on, residual_squares, score, score_classes, score_structure};
use schemas::fit::{Metrics, Parameters};
use schemas::spec::SearchMetric;

use super::{FitError, Learner, Rows};

impl Learner<'_> {
    /// What the metric adds up over rows, by a fit of the rows `train`: squared or absolute errors, or those of classes.
    pub(super) fn loss(
        &mut self,
        parameters: &Parameters,
        train: &[u32],
        (rows, moments): Rows,
    ) -> Result<f64, FitError> {
        let metric = self.metric();
        if let (SearchMetric::Rmse, Parameters::Linear { intercept, coefficients }, Some(moments)) =
            (metric, parameters, moments)
        {
            return Ok(residual_squares(*intercept, coefficients, moments));
        }
        if let SearchMetric::LogLoss | SearchMetric::ErrorRate = metric {
            let counted = self.counted(rows);
            if counted == 0.0 {
                // The mean of nothing is no number.
                return Ok(0.0);
            }
            let scores = self.score(parameters, train, rows)?.and_then(|scores| scores.classification());
            let mean = scores.map_or(f64::NAN, |scores| match metric {
                SearchMetric::ErrorRate => 1.0 - scores.accuracy,
                _ => scores.log_loss,
            });
            return Ok(mean * counted);
        }
        let target = self.prepared.target();
        let predicted = self.predict(parameters, rows)?;
        let weights = self.prepared.weights();
        let weight = |row: u32| weights.map_or(1.0, |weights| weights[row as usize]);
        let pairs = rows.iter().zip(predicted);
        let errors = pairs.map(|(row, predicted)| (weight(*row), target[*row as usize] - predicted));
        Ok(match metric {
            SearchMetric::Rmse => errors.map(|(weight, error)| weight * error * error).sum(),
            _ => errors.map(|(weight, error)| weight * error.abs()).sum(),
        })
    }

    /// What some rows count.
    pub(super) fn counted(&self, rows: &[u32]) -> f64 {
        match self.prepared.weights() {
            Some(weights) => rows.iter().map(|row| weights[*row as usize]).sum(),
            None => rows.len() as f64,
        }
    }

    /// Scores of `rows` by a fit of the rows `train`.
    pub(super) fn score(
        &mut self,
        parameters: &Parameters,
        train: &[u32],
        rows: &[u32],
    ) -> Result<Option<Metrics>, FitError> {
        let target = self.prepared.target();
        let truth: Vec<f64> = rows.iter().map(|row| target[*row as usize]).collect();
        let weights = self.prepared.weights_of(rows);
        let predicted = self.predict(parameters, rows)?;
        Ok(match parameters {
            Parameters::Classifier(_) => {
                score_classes(&truth, &self.classes(parameters, train), &predicted, &weights)
            }
            Parameters::Structure(structure) => score_structure(structure, &self.block, &predicted)?,
            _ => score(&truth, &predicted, &weights),
        })
    }

    /// The targets that a classifier of `rows` tells apart.
    pub(super) fn classes(&self, parameters: &Parameters, rows: &[u32]) -> Vec<f64> {
        match parameters {
            Parameters::Classifier(_) => classes(self.prepared.target(), rows),
            _ => Vec::new(),
        }
    }

    pub(super) fn predict(
        &mut self,
        parameters: &Parameters,
        rows: &[u32],
    ) -> Result<Vec<f64>, PredictError> {
        let mut predicted = Vec::new();
        self.prepared.design.block(rows, &mut self.block);
        predict_on(self.threads, parameters, &self.block, &mut predicted)?;
        Ok(predicted)
    }
}
