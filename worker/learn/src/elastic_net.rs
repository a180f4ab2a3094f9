//! Least squares with both penalties, by linfa's coordinate descent.

use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ShapeBuilder};
use schemas::fit::Parameters;

use crate::block::Block;
use crate::error::{LearnError, RefusedBy};
use crate::linear::ridge;
use crate::moments::Moments;
use crate::standard::Standard;

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

/// Minimises 1/(2n)·‖y − Zw − b‖² + α·l1_ratio·‖w‖₁ + α·(1 − l1_ratio)/2·‖w‖² over standardised columns Z; columns that do
/// not vary get weight 0. The same as scikit-learn's `make_pipeline(StandardScaler(), ElasticNet(alpha, l1_ratio=…))`.
///
/// Without an L1 penalty (`alpha` or `l1_ratio` 0) the answer has a closed form, which is taken: there linfa's bound on the
/// gap is void, so that descent never stops.
///
/// # Errors
/// [`LearnError`]; [`LearnError::NotConverged`] when the steps do not suffice.
///
/// # Panics
/// When `y` has not one target per row of the block.
pub fn elastic_net(block: &Block, y: &[f64], params: ElasticNetParams) -> Result<Parameters, LearnError> {
    let moments = Moments::of(block, y);
    if params.alpha * params.l1_ratio == 0.0 {
        return ridge(&moments, params.alpha * (1.0 - params.l1_ratio) * y.len() as f64);
    }
    let standard = Standard::of(&moments)?;
    let (target_mean, deviation) = (moments.mean(block.width()), moments.variance(block.width()).sqrt());
    if deviation == 0.0 || standard.columns().is_empty() {
        return standard.parameters(&vec![0.0; standard.columns().len()]);
    }
    let target = y.iter().map(|y| (y - target_mean) / deviation).collect();
    let shape = (block.rows(), standard.columns().len());
    // Column-major, as descent walks down columns; `columns_of` has as many numbers.
    let columns = Array2::from_shape_vec(shape.f(), standard.columns_of(block)).expect("rows × columns");
    let weights = descend(columns, target, params.for_target(deviation))?;
    standard.parameters(&weights.iter().map(|weight| weight * deviation).collect::<Vec<_>>())
}

impl ElasticNetParams {
    /// The parameters that give w/s for the target y/s: the L1 penalty is divided by s, the L2 penalty stays.
    /// linfa takes weights below 2e-16 for zero, so the target's unit must not matter.
    fn for_target(self, deviation: f64) -> ElasticNetParams {
        let l1 = self.alpha * self.l1_ratio / deviation;
        let alpha = l1 + self.alpha * (1.0 - self.l1_ratio);
        ElasticNetParams { alpha, l1_ratio: l1 / alpha, ..self }
    }
}

/// The weights. linfa's `penalty` is α here, its `l1_ratio` the same; it reports neither convergence nor the lack of it,
/// so its stopping rule, gap < tolerance·‖y‖², is checked again.
fn descend(
    columns: Array2<f64>,
    target: Array1<f64>,
    params: ElasticNetParams,
) -> Result<Vec<f64>, LearnError> {
    let ElasticNetParams { alpha, l1_ratio, tolerance, max_iterations } = params;
    // The gap is first looked at one step before the last.
    let iterations = max_iterations.max(2);
    let squares = target.dot(&target);
    let solver = linfa_elasticnet::ElasticNet::params()
        .penalty(alpha)
        .l1_ratio(l1_ratio)
        .tolerance(tolerance)
        .max_iterations(iterations)
        .with_intercept(false);
    let refused = |e: linfa_elasticnet::ElasticNetError| RefusedBy(e.to_string());
    let solved = solver.fit(&DatasetBase::new(columns, target)).map_err(|e| LearnError::Refused {
        alpha,
        l1_ratio,
        source: refused(e),
    })?;
    if solved.duality_gap() < tolerance * squares {
        return Ok(solved.hyperplane().to_vec());
    }
    Err(LearnError::NotConverged { iterations, gap: solved.duality_gap() / squares, tolerance })
}
