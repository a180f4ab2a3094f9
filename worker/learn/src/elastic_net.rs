//! Least squares with both penalties, by coordinate descent on sufficient statistics: a step costs as much as there are columns,
//! however many rows there were.

use schemas::fit::Parameters;
use schemas::limits::DESIGN_WIDTH_MAX;

use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::linear::ridge;
use crate::moments::{Moments, Scratch};
use crate::semidefinite::least_norm;
use crate::standard::Standard;
use crate::vector::{add_scaled, dot};

/// Parameters of the elastic net.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ElasticNetParams {
    /// Strength of the penalty.
    pub alpha: f64,
    /// Share of the L1 penalty: 1 is the lasso, 0 ridge.
    pub l1_ratio: f64,
    /// Converged when the duality gap falls below this share of Σ(y − ȳ)².
    pub tolerance: f64,
    /// Steps over all columns, at most.
    pub max_iterations: u32,
}

/// Steps over all columns from one look at the gap to the next.
const STEPS: u32 = 10;

/// Weights other than 0 from which a jump would cost more than the steps that it saves.
const JUMP_MAX: usize = 512;

/// What a jump adds to the L2 penalty: where columns depend on each other, it goes along them to where a weight becomes 0.
const NUDGE: f64 = 1e-9;

impl Learner for ElasticNetParams {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        elastic_net(&rows.moments(scratch), *self)
    }

    fn solve(&self, moments: &Moments) -> Option<Result<Parameters, LearnError>> {
        Some(elastic_net(moments, *self))
    }

    fn takes_weights(&self) -> bool {
        true
    }
}

/// Minimises 1/(2n)·‖y − Zw − b‖² + α·l1_ratio·‖w‖₁ + α·(1 − l1_ratio)/2·‖w‖² over standardised columns Z; columns that do
/// not vary get weight 0. The same as scikit-learn's `make_pipeline(StandardScaler(), ElasticNet(alpha, l1_ratio=…))`.
/// Without an L1 penalty (`alpha` or `l1_ratio` 0) it is [`ridge`].
///
/// # Errors
/// [`LearnError`]; [`LearnError::NotConverged`] when the steps do not suffice.
pub fn elastic_net(moments: &Moments, params: ElasticNetParams) -> Result<Parameters, LearnError> {
    if params.alpha * params.l1_ratio == 0.0 {
        return ridge(moments, params.alpha * (1.0 - params.l1_ratio) * moments.weight());
    }
    let standard = Standard::of(moments, DESIGN_WIDTH_MAX)?;
    let deviation = moments.variance(moments.width()).sqrt();
    if deviation == 0.0 || standard.columns().is_empty() {
        return standard.parameters(&vec![0.0; standard.columns().len()]);
    }
    // In units of the target's deviation, so that its unit does not matter.
    let mut covariances = standard.covariances();
    covariances.iter_mut().for_each(|covariance| *covariance /= deviation);
    let mut descent = Descent {
        correlations: standard.correlations(),
        left: covariances.clone(),
        weights: vec![0.0; covariances.len()],
        covariances,
        l1: params.alpha * params.l1_ratio / deviation,
        l2: params.alpha * (1.0 - params.l1_ratio),
    };
    descent.run(params)?;
    standard.parameters(&descent.weights.iter().map(|weight| weight * deviation).collect::<Vec<_>>())
}

/// Minimises ½ wᵀRw − rᵀw + l1·‖w‖₁ + l2/2·‖w‖²: Friedman, Hastie and Tibshirani, "Regularization Paths for Generalized Linear
/// Models via Coordinate Descent" (2010), section 2.2.
struct Descent {
    /// R, square.
    correlations: Vec<f64>,
    /// r.
    covariances: Vec<f64>,
    /// r − Rw.
    left: Vec<f64>,
    weights: Vec<f64>,
    l1: f64,
    l2: f64,
}

impl Descent {
    fn run(&mut self, params: ElasticNetParams) -> Result<(), LearnError> {
        let ElasticNetParams { tolerance, max_iterations, .. } = params;
        let mut done = 0;
        loop {
            let signs: Vec<f64> = self.weights.iter().map(|weight| sign(*weight)).collect();
            let steps = STEPS.min(max_iterations - done);
            (0..steps).for_each(|_| self.step());
            done += steps;
            let gap = self.gap();
            if gap < tolerance {
                return Ok(());
            }
            if done == max_iterations {
                return Err(LearnError::NotConverged { iterations: done, gap, tolerance });
            }
            // While columns that depend on each other trade weights in small steps, the end of these steps is known.
            if self.weights.iter().map(|weight| sign(*weight)).eq(signs) {
                self.jump();
            }
        }
    }

    fn row(&self, column: usize) -> &[f64] {
        &self.correlations[column * self.weights.len()..][..self.weights.len()]
    }

    /// Once over all columns.
    fn step(&mut self) {
        for column in 0..self.weights.len() {
            let old = self.weights[column];
            let pull = self.left[column] + old;
            self.set(column, sign(pull) * (pull.abs() - self.l1).max(0.0) / (1.0 + self.l2));
        }
    }

    fn set(&mut self, column: usize, weight: f64) {
        let change = weight - self.weights[column];
        if change != 0.0 {
            self.weights[column] = weight;
            let row = &self.correlations[column * self.weights.len()..][..self.weights.len()];
            add_scaled(&mut self.left, -change, row);
        }
    }

    /// Goes towards the least value among weights of the same signs, up to where the first of them would change.
    fn jump(&mut self) {
        let active: Vec<usize> = (0..self.weights.len()).filter(|i| self.weights[*i] != 0.0).collect();
        if active.len() <= JUMP_MAX && !self.jumps(&active, 0.0) {
            self.jumps(&active, NUDGE);
        }
    }

    /// Whether a jump by the active weights was a way down; otherwise all is as it was.
    fn jumps(&mut self, active: &[usize], nudge: f64) -> bool {
        let mut matrix: Vec<f64> =
            active.iter().flat_map(|i| active.iter().map(|j| self.row(*i)[*j])).collect();
        matrix.iter_mut().step_by(active.len() + 1).for_each(|diagonal| *diagonal += self.l2 + nudge);
        let pull = |i: &usize| self.covariances[*i] - self.l1 * sign(self.weights[*i]);
        let end = least_norm(&matrix, &active.iter().map(pull).collect::<Vec<_>>());
        let share = |(i, end): (&usize, &f64)| {
            let weight = self.weights[*i];
            if end * weight < 0.0 { weight / (weight - end) } else { 1.0 }
        };
        let share = active.iter().zip(&end).map(share).fold(1.0, f64::min);
        let (before, value) = (self.weights.clone(), self.value());
        for (i, end) in active.iter().zip(&end) {
            let next = before[*i] + share * (end - before[*i]);
            self.set(*i, if next * before[*i] > 0.0 { next } else { 0.0 });
        }
        // To within what values are rounded by.
        let is_down = self.value() < value - if nudge > 0.0 { 1e-13 } else { 0.0 };
        if !is_down {
            (0..before.len()).for_each(|i| self.set(i, before[i]));
        }
        is_down
    }

    fn value(&self) -> f64 {
        let (w, norm) = (&self.weights, self.weights.iter().map(|w| w.abs()).sum::<f64>());
        // wᵀRw = rᵀw − (r − Rw)ᵀw.
        let quadratic = dot(&self.covariances, w) - dot(&self.left, w);
        quadratic / 2.0 - dot(&self.covariances, w) + self.l1 * norm + self.l2 / 2.0 * dot(w, w)
    }

    /// The duality gap over the target's sum of squares, as scikit-learn's coordinate descent has it.
    fn gap(&self) -> f64 {
        let w = &self.weights;
        let (explained, rest) = (dot(&self.covariances, w), dot(&self.left, w));
        let squares = (1.0 - explained - rest).max(0.0);
        let slopes = self.left.iter().zip(w).map(|(left, w)| (left - self.l2 * w).abs());
        let steepest = slopes.fold(0.0, f64::max);
        let scale = if steepest > self.l1 { self.l1 / steepest } else { 1.0 };
        let norms = self.l1 * w.iter().map(|w| w.abs()).sum::<f64>()
            + self.l2 / 2.0 * (1.0 + scale * scale) * dot(w, w);
        squares * (1.0 + scale * scale) / 2.0 + norms - scale * (1.0 - explained)
    }
}

/// −1, 0 or 1.
fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}
