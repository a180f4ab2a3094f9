//! Which algorithm a spec asks for, and running it.

use schemas::algorithm::{Algorithm, Params};
use schemas::fit::{Input, Parameters};

use crate::design::Design;
use crate::elastic_net::{ElasticNetParams, elastic_net};
use crate::error::LearnError;
use crate::glm::{LogLinearParams, log_linear};
use crate::linear::{mean, ridge};
use crate::moments::{Moments, Scratch};
use crate::trees::{BoostingParams, ForestParams, boosting, forest};

/// An algorithm with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// See [`mean`].
    Mean,
    /// [`ridge`] without penalty.
    Linear,
    /// See [`ridge`].
    Ridge {
        /// Strength of the penalty.
        alpha: f64,
    },
    /// See [`elastic_net`].
    ElasticNet(ElasticNetParams),
    /// See [`log_linear`].
    LogLinear(LogLinearParams),
    /// See [`forest`]: also a single tree, and extremely randomised ones.
    Forest(ForestParams),
    /// See [`boosting`].
    Boosting(BoostingParams),
}

impl Method {
    /// The method a spec names; parameters not given take their defaults. `params` have passed [`Algorithm::check`].
    pub fn from_spec(algorithm: Algorithm, params: &Params) -> Method {
        let param = |name| algorithm.param(params, name);
        match algorithm {
            Algorithm::Mean => Method::Mean,
            // These learn no rows but series: see [`crate::forecast`].
            Algorithm::Naive
            | Algorithm::SeasonalNaive
            | Algorithm::Drift
            | Algorithm::Theta
            | Algorithm::Ets
            | Algorithm::Mstl => Method::Mean,
            Algorithm::Linear => Method::Linear,
            Algorithm::Ridge => Method::Ridge { alpha: param("alpha") },
            Algorithm::Lasso | Algorithm::ElasticNet => Method::ElasticNet(ElasticNetParams {
                alpha: param("alpha"),
                l1_ratio: if algorithm == Algorithm::Lasso { 1.0 } else { param("l1_ratio") },
                tolerance: param("tolerance"),
                max_iterations: param("max_iterations") as u32,
            }),
            Algorithm::Poisson | Algorithm::Gamma | Algorithm::Tweedie => {
                let power = match algorithm {
                    Algorithm::Poisson => 1.0,
                    Algorithm::Gamma => 2.0,
                    _ => param("power"),
                };
                Method::LogLinear(LogLinearParams { power, alpha: param("alpha") })
            }
            Algorithm::Tree | Algorithm::Forest | Algorithm::ExtraTrees => Method::Forest(ForestParams {
                trees: if algorithm == Algorithm::Tree { 1 } else { param("trees") as u32 },
                max_depth: param("max_depth") as u32,
                min_leaf: param("min_leaf") as u32,
                max_features: if algorithm == Algorithm::Tree { 1.0 } else { param("max_features") },
                bootstrap: algorithm == Algorithm::Forest,
                random_cuts: algorithm == Algorithm::ExtraTrees,
                seed: param("seed") as u64,
            }),
            Algorithm::Boosting => Method::Boosting(BoostingParams {
                iterations: param("iterations") as u32,
                learning_rate: param("learning_rate"),
                max_leaves: param("max_leaves") as u32,
                max_depth: param("max_depth") as u32,
                min_leaf: param("min_leaf") as u32,
                l2: param("l2"),
            }),
        }
    }

    /// The fit out of sufficient statistics; `None` for a method that needs the rows themselves.
    pub fn solve(&self, moments: &Moments) -> Option<Result<Parameters, LearnError>> {
        match self {
            Method::Mean => Some(mean(moments)),
            Method::Linear => Some(ridge(moments, 0.0)),
            Method::Ridge { alpha } => Some(ridge(moments, *alpha)),
            Method::ElasticNet(_) | Method::LogLinear(_) | Method::Forest(_) | Method::Boosting(_) => None,
        }
    }

    /// The fit of `rows` of a table, which must be complete; `y` has one target per row of the table.
    ///
    /// # Errors
    /// [`LearnError`].
    ///
    /// # Panics
    /// When the table has no such row.
    pub fn fit(
        &self,
        design: &Design,
        y: &[f64],
        rows: &[u32],
        scratch: &mut Scratch,
    ) -> Result<Parameters, LearnError> {
        match self {
            Method::Mean => mean(&Moments::over(design, y, rows, scratch)),
            Method::Linear => ridge(&Moments::over(design, y, rows, scratch), 0.0),
            Method::Ridge { alpha } => ridge(&Moments::over(design, y, rows, scratch), *alpha),
            Method::ElasticNet(params) => {
                scratch.gather(design, y, rows);
                elastic_net(&scratch.block, &scratch.target, *params)
            }
            Method::LogLinear(params) => {
                scratch.gather(design, y, rows);
                log_linear(&scratch.block, &scratch.target, *params)
            }
            Method::Forest(params) => {
                scratch.gather(design, y, rows);
                forest(&scratch.block, &scratch.target, params).map(Parameters::Trees)
            }
            Method::Boosting(params) => {
                scratch.gather(design, y, rows);
                boosting(&scratch.block, &scratch.target, params).map(Parameters::Trees)
            }
        }
    }
}

/// Drops the one-hot categories that never occur in the training rows, so that a fit carries only its own; a fit without
/// coefficients keeps no inputs. Predictions stay the same: a dropped category had weight 0. `occurs` tells of a design
/// column whether a training row has another value than 0 in it.
pub fn prune(
    inputs: &[Input],
    parameters: Parameters,
    occurs: impl Fn(usize) -> bool,
) -> (Vec<Input>, Parameters) {
    match parameters {
        Parameters::Linear { intercept, coefficients } => {
            let (inputs, coefficients) = prune_linear(inputs, coefficients, occurs);
            (inputs, Parameters::Linear { intercept, coefficients })
        }
        Parameters::LogLinear { intercept, coefficients } => {
            let (inputs, coefficients) = prune_linear(inputs, coefficients, occurs);
            (inputs, Parameters::LogLinear { intercept, coefficients })
        }
        // Trees name columns by their places.
        Parameters::Trees(_) | Parameters::Forecast(_) => (inputs.to_vec(), parameters),
    }
}

fn prune_linear(
    inputs: &[Input],
    coefficients: Vec<f64>,
    occurs: impl Fn(usize) -> bool,
) -> (Vec<Input>, Vec<f64>) {
    if coefficients.is_empty() {
        return (Vec::new(), coefficients);
    }
    let (mut kept, mut kept_coefficients, mut at) = (Vec::new(), Vec::new(), 0);
    for input in inputs {
        let columns = at..at + input.width();
        at = columns.end;
        match input {
            Input::Number(_) => {
                kept.push(input.clone());
                kept_coefficients.extend_from_slice(&coefficients[columns]);
            }
            Input::OneHot { column, categories } => {
                let own = || columns.clone().zip(categories).filter(|(i, _)| occurs(*i));
                let categories = own().map(|(_, category)| category.clone()).collect();
                kept.push(Input::OneHot { column: column.clone(), categories });
                kept_coefficients.extend(own().map(|(i, _)| coefficients[i]));
            }
        }
    }
    (kept, kept_coefficients)
}
