//! Generalised linear models with a logarithmic link: Poisson, gamma and what lies between them (Tweedie).

use schemas::fit::Parameters;
use schemas::limits::DESIGN_WIDTH_MAX;

use crate::block::Block;
use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::moments::{Moments, Scratch};
use crate::semidefinite::{least_norm, least_norm_if_semidefinite};
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

/// A place on the way, with what μ = exp(η) gives for each row, times what the row counts.
struct Place {
    solution: Vec<f64>,
    /// μ^(2 − power).
    own: Vec<f64>,
    /// y μ^(1 − power).
    pulled: Vec<f64>,
    loss: f64,
}

impl Problem<'_> {
    fn solve(&self, start: f64) -> Result<Vec<f64>, LearnError> {
        let mut solution = vec![0.0; self.columns.len() + 1];
        solution[0] = start;
        let (mut place, mut shortest) = (self.place(solution), f64::INFINITY);
        for _ in 0..STEPS_MAX {
            let downhill = self.downhill(&place);
            let (step, curvature) = self.step(&place, &downhill);
            let descent = dot(&downhill, &step);
            if !descent.is_finite() {
                return Err(LearnError::NotFinite);
            }
            if descent <= DESCENT_MIN * place.loss.abs().max(curvature) {
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
        let (power, count) = (self.params.power, self.y.len());
        let mut eta = vec![solution[0]; count];
        for (column, weight) in self.columns.iter().zip(&solution[1..]) {
            add_scaled(&mut eta, *weight, column);
        }
        let (mut own, mut pulled, mut losses) = (vec![0.0; count], vec![0.0; count], vec![0.0; count]);
        for (row, (eta, y)) in eta.iter().zip(self.y).enumerate() {
            let counts = weight_of(&self.counts, row);
            own[row] = counts * ((2.0 - power) * eta).exp();
            pulled[row] = if *y == 0.0 { 0.0 } else { counts * y * ((1.0 - power) * eta).exp() };
            losses[row] = self.params.loss(own[row], pulled[row], counts * eta, *y);
        }
        let penalty = self.params.alpha / 2.0 * dot(&solution[1..], &solution[1..]);
        let loss = sum(&losses) / count as f64 + penalty;
        Place { solution, own, pulled, loss }
    }

    /// Newton's step where the loss is convex, which it is everywhere up to power 2 and about each of its minima. Where it
    /// is not, the step of Fisher's scoring: it leads down from everywhere, if slowly. Also the curvature by the intercept.
    fn step(&self, place: &Place, downhill: &[f64]) -> (Vec<f64>, f64) {
        let power = self.params.power;
        let pairs = place.own.iter().zip(&place.pulled);
        let observed: Vec<f64> =
            pairs.map(|(own, pulled)| (power - 1.0) * pulled + (2.0 - power) * own).collect();
        let hessian = self.hessian(&observed);
        if let Some(step) = least_norm_if_semidefinite(&hessian, downhill) {
            return (step, hessian[0]);
        }
        let hessian = self.hessian(&place.own);
        (least_norm(&hessian, downhill), hessian[0])
    }

    /// The loss's gradient, turned round.
    fn downhill(&self, place: &Place) -> Vec<f64> {
        let pulls: Vec<f64> = place.pulled.iter().zip(&place.own).map(|(pulled, own)| pulled - own).collect();
        let count = self.y.len() as f64;
        let pairs = self.columns.iter().zip(&place.solution[1..]);
        let weights = pairs.map(|(column, weight)| dot(column, &pulls) / count - self.params.alpha * weight);
        std::iter::once(sum(&pulls) / count).chain(weights).collect()
    }

    /// The loss's matrix of second derivatives, row by row; `by_eta` has each row's own by η, or what stands for it.
    fn hessian(&self, by_eta: &[f64]) -> Vec<f64> {
        let (order, count) = (self.columns.len() + 1, self.y.len() as f64);
        let mut hessian = vec![0.0; order * order];
        hessian[0] = sum(by_eta) / count;
        let mut weighted = vec![0.0; self.y.len()];
        for (i, column) in self.columns.iter().enumerate() {
            weighted.iter_mut().zip(*column).zip(by_eta).for_each(|((out, x), weight)| *out = x * weight);
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
        hessian
    }
}

impl LogLinearParams {
    /// Half the deviance of y from μ = exp(η), less what depends on y alone: ∫ (μ − y) μ^(1 − power) dη, of a row whose
    /// `own`, `pulled` and `eta` are times what it counts.
    fn loss(self, own: f64, pulled: f64, eta: f64, y: f64) -> f64 {
        let grown = if self.power == 2.0 { eta } else { own / (2.0 - self.power) };
        let held = if self.power == 1.0 { y * eta } else { pulled / (1.0 - self.power) };
        if y == 0.0 { grown } else { grown - held }
    }
}
