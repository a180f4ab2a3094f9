//! Generalised linear models with a logarithmic link: Poisson, gamma and what lies between them (Tweedie).

use schemas::fit::Parameters;
use schemas::limits::DESIGN_WIDTH_MAX;

use crate::block::Block;
use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::moments::{Moments, Scratch};
use crate::semidefinite::least_norm;
use crate::standard::Standard;
use crate::target::{weight_of, with_mean_one};
use crate::vector::{add_scaled, dot, sum};

/// Newton's steps, at most; a dozen is usual.
const STEPS_MAX: u32 = 100;

/// Halvings of one step, at most.
const HALVINGS_MAX: u32 = 40;

/// Near the end when a step promises to lower the loss by no more than this share: rounding does about as much.
const DESCENT_MIN: f64 = 1e-11;

/// Parameters of [`log_linear`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogLinearParams {
    /// The variance grows as the mean to this power: 1 is Poisson, 2 gamma; from 1 to 3.
    pub power: f64,
    /// Strength of the penalty.
    pub alpha: f64,
}

impl Learner for LogLinearParams {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        let Scratch { block, target, weights, .. } = rows.gathered(scratch);
        weighted_log_linear(block, target, weights, *self)
    }

    fn takes_weights(&self) -> bool {
        true
    }
}

/// Minimises Σ deviance(y, exp(Zw + b))/2n + `alpha`/2·‖w‖² over standardised columns Z by Newton's method; columns that do
/// not vary get weight 0. The same as scikit-learn's `make_pipeline(StandardScaler(), TweedieRegressor(power=…, alpha=…,
/// link="log"))`, of which `PoissonRegressor` and `GammaRegressor` are the powers 1 and 2.
///
/// A target that is 0 in all rows gets a fit that always says 0.
///
/// # Errors
/// [`LearnError::Target`] for targets below 0, or not above it from power 2 on; [`LearnError::Diverged`];
/// [`LearnError::NoRows`], [`LearnError::NotFinite`], [`LearnError::TooWide`].
///
/// # Panics
/// When `y` has not one target per row of the block.
pub fn log_linear(block: &Block, y: &[f64], params: LogLinearParams) -> Result<Parameters, LearnError> {
    weighted_log_linear(block, y, &[], params)
}

/// As [`log_linear`], with what each row counts; none count 1 each.
pub(crate) fn weighted_log_linear(
    block: &Block,
    y: &[f64],
    weights: &[f64],
    params: LogLinearParams,
) -> Result<Parameters, LearnError> {
    let moments = Moments::weighted(block, y, weights);
    let standard = Standard::of(&moments, DESIGN_WIDTH_MAX)?;
    let is_allowed = |y: &&f64| **y > 0.0 || (**y == 0.0 && params.power < 2.0);
    if let Some(found) = y.iter().find(|y| !is_allowed(y)) {
        return Err(LearnError::Target { power: params.power, found: *found });
    }
    let mean = moments.mean(moments.width());
    if mean == 0.0 {
        return Ok(Parameters::Linear { intercept: 0.0, coefficients: Vec::new() });
    }
    let columns = standard.columns_of(block);
    let counts = with_mean_one(weights);
    let problem = Problem { columns: columns.chunks_exact(y.len()).collect(), y, counts, params };
    let solution = problem.solve(mean.ln())?;
    let (intercept, coefficients) = standard.unscaled(solution[0], &solution[1..])?;
    Ok(Parameters::LogLinear { intercept, coefficients })
}

/// Standardised columns and a target; a solution is the intercept, then the weights.
struct Problem<'a> {
    columns: Vec<&'a [f64]>,
    y: &'a [f64],
    /// What each row counts, 1 in the mean; none count 1 each.
    counts: Vec<f64>,
    params: LogLinearParams,
}

/// A place on the way, with the predictor's value η for each row.
struct Place {
    solution: Vec<f64>,
    eta: Vec<f64>,
    loss: f64,
}

impl Problem<'_> {
    fn solve(&self, start: f64) -> Result<Vec<f64>, LearnError> {
        let mut solution = vec![0.0; self.columns.len() + 1];
        solution[0] = start;
        let (mut place, mut shortest) = (self.place(solution), f64::INFINITY);
        for _ in 0..STEPS_MAX {
            let (gradient, hessian) = self.derivatives(&place);
            let step = least_norm(&hessian, &gradient.iter().map(|g| -g).collect::<Vec<_>>());
            let descent = -dot(&gradient, &step);
            if !descent.is_finite() {
                return Err(LearnError::NotFinite);
            }
            if descent <= DESCENT_MIN * place.loss.abs().max(hessian[0]) {
                // Too short a step for the loss to tell whether it pays: steps are gone while they get shorter.
                if descent >= 0.9 * shortest {
                    return Ok(place.solution);
                }
                shortest = descent;
                add_scaled(&mut place.solution, 1.0, &step);
                place = self.place(place.solution);
                continue;
            }
            let Some(next) = self.walk(&place, &step, descent) else { break };
            place = next;
        }
        // Steps that were still getting shorter had found it.
        match shortest.is_finite() {
            true => Ok(place.solution),
            false => Err(LearnError::Diverged { steps: STEPS_MAX }),
        }
    }

    /// Goes the step, or so much of it that the loss falls enough (Armijo, 1966).
    fn walk(&self, from: &Place, step: &[f64], descent: f64) -> Option<Place> {
        let mut share = 1.0;
        for _ in 0..HALVINGS_MAX {
            let mut solution = from.solution.clone();
            add_scaled(&mut solution, share, step);
            let next = self.place(solution);
            if next.loss <= from.loss - 1e-4 * share * descent {
                return Some(next);
            }
            share /= 2.0;
        }
        None
    }

    fn place(&self, solution: Vec<f64>) -> Place {
        let mut eta = vec![solution[0]; self.y.len()];
        for (column, weight) in self.columns.iter().zip(&solution[1..]) {
            add_scaled(&mut eta, *weight, column);
        }
        let pairs = eta.iter().zip(self.y).enumerate();
        let losses: Vec<f64> =
            pairs.map(|(row, (eta, y))| self.params.loss(*eta, *y) * weight_of(&self.counts, row)).collect();
        let penalty = self.params.alpha / 2.0 * dot(&solution[1..], &solution[1..]);
        let loss = sum(&losses) / self.y.len() as f64 + penalty;
        Place { solution, eta, loss }
    }

    /// The loss's gradient and, row by row, its matrix of second derivatives.
    fn derivatives(&self, place: &Place) -> (Vec<f64>, Vec<f64>) {
        let (order, count) = (self.columns.len() + 1, self.y.len() as f64);
        let pairs = place.eta.iter().zip(self.y).enumerate();
        let one = |(row, (eta, y)): (usize, (&f64, &f64))| {
            let (count, (slope, weight)) =
                (weight_of(&self.counts, row), self.params.slope_and_weight(*eta, *y));
            (count * slope, count * weight)
        };
        let (slopes, weights): (Vec<f64>, Vec<f64>) = pairs.map(one).unzip();
        let (mut gradient, mut hessian) = (vec![sum(&slopes) / count], vec![0.0; order * order]);
        hessian[0] = sum(&weights) / count;
        let mut weighted = vec![0.0; self.y.len()];
        for (i, column) in self.columns.iter().enumerate() {
            gradient.push(dot(column, &slopes) / count + self.params.alpha * place.solution[i + 1]);
            weighted.iter_mut().zip(*column).zip(&weights).for_each(|((out, x), weight)| *out = x * weight);
            let mut set = |j: usize, value: f64| {
                hessian[(i + 1) * order + j] = value;
                hessian[j * order + i + 1] = value;
            };
            set(0, sum(&weighted) / count);
            for (j, other) in self.columns.iter().enumerate().skip(i) {
                let penalty = if i == j { self.params.alpha } else { 0.0 };
                set(j + 1, dot(&weighted, other) / count + penalty);
            }
        }
        (gradient, hessian)
    }
}

impl LogLinearParams {
    /// Half the deviance of y from exp(η), less what depends on y alone: ∫ (μ − y) μ^(1 − power) dη.
    fn loss(self, eta: f64, y: f64) -> f64 {
        let integral = |exponent: f64| match exponent == 0.0 {
            true => eta,
            false => (exponent * eta).exp() / exponent,
        };
        let pulled = if y == 0.0 { 0.0 } else { y * integral(1.0 - self.power) };
        integral(2.0 - self.power) - pulled
    }

    /// First derivative by η and, where it may be negative (above power 2), in place of the second its expectation.
    fn slope_and_weight(self, eta: f64, y: f64) -> (f64, f64) {
        let own = ((2.0 - self.power) * eta).exp();
        let pulled = if y == 0.0 { 0.0 } else { y * ((1.0 - self.power) * eta).exp() };
        let observed = (self.power - 1.0) * pulled + (2.0 - self.power) * own;
        (own - pulled, if self.power <= 2.0 { observed } else { own })
    }
}
