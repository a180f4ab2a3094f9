//! Support vectors with a Gaussian kernel: classes, and a target.

use schemas::classifier::{Classifier, Link};
use schemas::fit::Parameters;
use schemas::instances::Kernel;
use schemas::limits::KEPT_VALUES_MAX;

use super::kernel::Gaussian;
use super::platt::platt;
use super::smo::{Dual, Machine};
use crate::block::Block;
use crate::classes::Classes;
use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::moments::Scratch;
use crate::scaled::Scaled;

/// How far optimality may be missed.
const TOLERANCE: f64 = 1e-3;

/// Parameters of [`kernel_svm`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelSvmParams {
    /// Weight of the loss against the penalty.
    pub c: f64,
    /// Width of the kernel; 0 for 1 / number of columns that vary.
    pub gamma: f64,
}

/// Parameters of [`svr`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SvrParams {
    /// Weight of the loss against the penalty.
    pub c: f64,
    /// Width of the kernel; 0 for 1 / number of columns that vary.
    pub gamma: f64,
    /// Errors up to this one cost nothing.
    pub epsilon: f64,
}

/// Rows in which a kernel is taken.
struct Space {
    scaled: Scaled,
    rows: Vec<f64>,
    gamma: f64,
}

impl Space {
    fn of(block: &Block, gamma: f64) -> Result<Space, LearnError> {
        let scaled = Scaled::of(block)?;
        let gamma = if gamma > 0.0 { gamma } else { 1.0 / scaled.scaling.width().max(1) as f64 };
        Ok(Space { rows: scaled.by_rows(), scaled, gamma })
    }

    fn kernel(&self) -> Gaussian<'_> {
        Gaussian::new(&self.rows, (self.scaled.rows(), self.scaled.scaling.width()), self.gamma)
    }

    /// The fit of some functions, each with a weight per row and an intercept: rows without weight are left out.
    fn fit(self, functions: &[(Vec<f64>, f64)]) -> Result<Kernel, LearnError> {
        let width = self.scaled.scaling.width();
        let carries = |row: &usize| functions.iter().any(|(weights, _)| weights[*row] != 0.0);
        let kept: Vec<usize> = (0..self.scaled.rows()).filter(carries).collect();
        let values = kept.len().saturating_mul(width + functions.len());
        if values > KEPT_VALUES_MAX {
            return Err(LearnError::TooLarge { values });
        }
        let weights = functions.iter().flat_map(|(weights, _)| kept.iter().map(|row| weights[*row]));
        let weights: Vec<f64> = weights.collect();
        let intercepts: Vec<f64> = functions.iter().map(|(_, intercept)| *intercept).collect();
        if !weights.iter().chain(&intercepts).all(|value| value.is_finite()) {
            return Err(LearnError::NotFinite);
        }
        let rows = kept.iter().flat_map(|row| &self.rows[row * width..][..width]).copied().collect();
        Ok(Kernel { rows, weights, intercepts, gamma: self.gamma, scaling: self.scaled.scaling })
    }
}

/// Minimises `c`·Σ max(0, 1 − y f) + ½‖f‖² for one class against the rest (y = ±1) or, of two classes, for the second, over
/// standardised columns. Of two classes these margins f are those of scikit-learn's `make_pipeline(StandardScaler(),
/// SVC(C=c, gamma=…))`, where 0 stands for `gamma="scale"`; Platt's method makes probabilities of them.
///
/// # Errors
/// [`LearnError::Flat`] when no optimum is found; [`LearnError::TooLarge`] for too many support vectors;
/// [`LearnError::NotFinite`].
pub(crate) fn kernel_svm(
    block: &Block,
    classes: &Classes,
    params: KernelSvmParams,
) -> Result<Classifier, LearnError> {
    let space = Space::of(block, params.gamma)?;
    let kernel = std::cell::RefCell::new(space.kernel());
    let positives = if classes.count() == 2 { 1..2 } else { 0..classes.count() as u32 };
    let mut functions = Vec::new();
    for positive in positives {
        let is_positive: Vec<bool> = classes.of_row().iter().map(|class| *class == positive).collect();
        let machine = |rows: &[u32]| {
            let sign = |row: &u32| if is_positive[*row as usize] { 1.0 } else { -1.0 };
            let signs = rows.iter().map(sign).collect();
            let linear = vec![-1.0; rows.len()];
            Dual { rows: rows.to_vec(), signs, linear, c: params.c, tolerance: TOLERANCE }
                .solve(&mut kernel.borrow_mut())
        };
        let margins = |train: &[u32], test: &[u32]| {
            let machine = machine(train)?;
            let kernel = kernel.borrow();
            Ok(test.iter().map(|row| margin(&machine, &kernel, train, *row)).collect())
        };
        let (slope, offset) = platt(&is_positive, margins)?;
        let all: Vec<u32> = (0..block.rows() as u32).collect();
        let Machine { weights, intercept } = machine(&all)?;
        functions.push((weights.iter().map(|weight| slope * weight).collect(), slope * intercept + offset));
    }
    drop(kernel);
    let link = if classes.count() == 2 { Link::Logistic } else { Link::OneVersusRest };
    Ok(Classifier::Kernel { link, kernel: space.fit(&functions)? })
}

fn margin(machine: &Machine, kernel: &Gaussian, rows: &[u32], of: u32) -> f64 {
    let carrying = rows.iter().zip(&machine.weights).filter(|(_, weight)| **weight != 0.0);
    machine.intercept + carrying.map(|(row, weight)| weight * kernel.value(*row, of)).sum::<f64>()
}

impl Learner for SvrParams {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        let Scratch { block, target, .. } = rows.gathered(scratch);
        svr(block, target, *self).map(Parameters::Kernel)
    }
}

/// Minimises `c`·Σ max(0, |y − f| − `epsilon`) + ½‖f‖² over standardised columns. The same as scikit-learn's
/// `make_pipeline(StandardScaler(), SVR(C=c, gamma=…, epsilon=epsilon))`, where 0 stands for `gamma="scale"`.
///
/// # Errors
/// [`LearnError::Flat`] when no optimum is found; [`LearnError::TooLarge`] for too many support vectors;
/// [`LearnError::NoRows`], [`LearnError::NotFinite`].
///
/// # Panics
/// When there is not one target per row of the block.
pub fn svr(block: &Block, y: &[f64], params: SvrParams) -> Result<Kernel, LearnError> {
    assert_eq!(block.rows(), y.len(), "one target for each row of the block");
    if !y.iter().all(|y| y.is_finite()) {
        return Err(LearnError::NotFinite);
    }
    let space = Space::of(block, params.gamma)?;
    let count = y.len();
    // One multiplier for errors above, one for errors below.
    let rows = (0..count as u32).chain(0..count as u32).collect();
    let signs = [vec![1.0; count], vec![-1.0; count]].concat();
    let above = y.iter().map(|y| params.epsilon - y);
    let linear = above.chain(y.iter().map(|y| params.epsilon + y)).collect();
    let dual = Dual { rows, signs, linear, c: params.c, tolerance: TOLERANCE };
    let Machine { weights, intercept } = dual.solve(&mut space.kernel())?;
    let (above, below) = weights.split_at(count);
    let weights = above.iter().zip(below).map(|(above, below)| above + below).collect();
    space.fit(&[(weights, intercept)])
}
