//! Regression on what a series was before.

use schemas::algorithm::Algorithm;
use schemas::fit::Parameters;
use schemas::forecast::Band;
use schemas::spec::{Candidate, ModelSpec};
use schemas::task::Task;

use super::error::ForecastError;
use super::lagged::Lagged;
use super::normal::quantile;
use super::outlook::{Drawn, Outlook};
use crate::block::Block;
use crate::design::Design;
use crate::fit::Method;
use crate::moments::Scratch;
use crate::predict::predict;
use crate::trees::random::Random;

/// Futures drawn for intervals.
const FUTURES: usize = 500;

/// Points with all columns that a regression needs.
const ROWS_MIN: usize = 5;

/// The share of the newest points whose errors say how wide intervals are.
const JUDGED: f64 = 0.2;

/// A regression whose columns come out of the series itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Regression {
    algorithm: Algorithm,
    method: Method,
    columns: Lagged,
}

impl Regression {
    /// The regression that a candidate of a checked spec names; `None` without a series.
    pub(super) fn from_spec(candidate: &Candidate, spec: &ModelSpec) -> Option<Regression> {
        Some(Regression {
            algorithm: candidate.algorithm,
            method: Method::from_spec(Task::Regression, candidate.algorithm, &candidate.params),
            columns: Lagged::of(spec)?,
        })
    }

    /// The `horizon` points after `y`, whose first point has the number `first`. A point foretold stands for the true one
    /// in the columns of those after it. Intervals are those of drawn futures, whose errors are as large as those one step
    /// ahead of the newest fifth of the points, foretold from the others.
    ///
    /// # Errors
    /// [`ForecastError`] where there are too few points for the columns, or the algorithm finds no fit.
    pub(super) fn forecast(
        &self,
        first: i64,
        y: &[f64],
        horizon: usize,
        levels: &[f64],
    ) -> Result<Outlook, ForecastError> {
        let reach = self.columns.reach();
        if y.len() < reach + ROWS_MIN {
            let method = self.algorithm.name();
            return Err(ForecastError::TooShort { method, needed: reach + ROWS_MIN, found: y.len() });
        }
        let design = self.columns.design(first, y)?;
        let target = &y[reach..];
        let parameters = self.fit(&design, target, target.len())?;
        let ahead = Ahead { columns: &self.columns, parameters: &parameters, next: first + y.len() as i64 };
        let tail = &y[y.len() - reach..];
        let values = ahead.expected(tail, horizon)?;
        let bands = match levels {
            [] => Vec::new(),
            levels => ahead.drawn(tail, horizon, levels, self.sigma(&design, target)?)?,
        };
        let mut outlook = Outlook { bands, ..Outlook::normal(self.algorithm.name(), values, &[], &[]) };
        if let Parameters::Linear { intercept, coefficients, .. }
        | Parameters::LogLinear { intercept, coefficients, .. } = &parameters
        {
            outlook = outlook.with("intercept", *intercept);
            outlook.settings.extend(self.columns.names().into_iter().zip(coefficients.iter().copied()));
        }
        if outlook.is_finite() { Ok(outlook) } else { Err(ForecastError::NotFinite) }
    }

    /// A fit of the first `rows` points of the design.
    fn fit(&self, design: &Design, target: &[f64], rows: usize) -> Result<Parameters, ForecastError> {
        let rows: Vec<u32> = (0..rows as u32).collect();
        Ok(self.method.fit(design, target, &rows, &mut Scratch::default())?)
    }

    /// The root mean square of the errors one step ahead.
    fn sigma(&self, design: &Design, target: &[f64]) -> Result<f64, ForecastError> {
        let rows = target.len();
        let known = rows - ((rows as f64 * JUDGED).ceil() as usize).min(rows - 1);
        let parameters = self.fit(design, target, known)?;
        let (mut block, mut values) = (Block::default(), Vec::new());
        design.block(&(known as u32..rows as u32).collect::<Vec<_>>(), &mut block);
        predict(&parameters, &block, &mut values)?;
        let errors = values.iter().zip(&target[known..]).map(|(value, truth)| (truth - value).powi(2));
        Ok((errors.sum::<f64>() / values.len() as f64).sqrt())
    }
}

/// A fitted regression at the end of a series.
struct Ahead<'a> {
    columns: &'a Lagged,
    parameters: &'a Parameters,
    /// The number of the next point.
    next: i64,
}

impl Ahead<'_> {
    /// The point `ahead` steps after the next one, after each of some pasts.
    fn point(&self, pasts: &[Vec<f64>], ahead: usize) -> Result<Vec<f64>, ForecastError> {
        let number = self.next + ahead as i64;
        let columns = self.columns.columns(pasts.iter().map(|past| (past.as_slice(), number)));
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let mut values = Vec::new();
        predict(self.parameters, &Block::from_columns(pasts.len(), &columns), &mut values)?;
        Ok(values)
    }

    /// The points that come if there are no errors.
    fn expected(&self, tail: &[f64], horizon: usize) -> Result<Vec<f64>, ForecastError> {
        let mut past = [tail.to_vec()];
        for ahead in 0..horizon {
            let point = self.point(&past, ahead)?;
            past[0].extend(point);
        }
        Ok(past[0].split_off(tail.len()))
    }

    /// Intervals out of seeded futures, step by step.
    fn drawn(
        &self,
        tail: &[f64],
        horizon: usize,
        levels: &[f64],
        sigma: f64,
    ) -> Result<Vec<Band>, ForecastError> {
        let mut random = Random::new(0, 0);
        let mut futures = vec![tail.to_vec(); FUTURES];
        let mut drawn = Drawn::new(levels);
        for ahead in 0..horizon {
            let mut points = self.point(&futures, ahead)?;
            points.iter_mut().for_each(|point| *point += sigma * quantile(random.share()));
            futures.iter_mut().zip(&points).for_each(|(future, point)| future.push(*point));
            drawn.step(points);
        }
        Ok(drawn.bands())
    }
}
