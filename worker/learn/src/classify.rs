//! The classifiers, and running one of them.

use schemas::classifier::Classifier;
use schemas::fit::Parameters;

use crate::block::Block;
use crate::classes::Classes;
use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::logistic::logistic;
use crate::moments::Scratch;
use crate::naive_bayes::naive_bayes;
use crate::neighbours::neighbours;
use crate::svm::{KernelSvmParams, kernel_svm, linear_svm};
use crate::trees::{BoostingParams, ForestParams, class_boosting, class_forest};

/// A classifier with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClassMethod {
    /// Logistic regression, of two classes or multinomial.
    Logistic {
        /// Weight of the loss against the penalty.
        c: f64,
    },
    /// Gaussian naive Bayes.
    NaiveBayes {
        /// What is added to the variances of standardised columns.
        smoothing: f64,
    },
    /// Linear support vectors.
    LinearSvm {
        /// Weight of the loss against the penalty.
        c: f64,
    },
    /// Support vectors with a Gaussian kernel.
    KernelSvm(KernelSvmParams),
    /// The nearest training rows.
    Neighbours {
        /// How many of them.
        k: u32,
    },
    /// A tree, a forest, or extremely randomised trees.
    Forest(ForestParams),
    /// Gradient boosting.
    Boosting(BoostingParams),
}

impl Learner for ClassMethod {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        let Scratch { block, target, weights, .. } = rows.gathered(scratch);
        weighted_classify(block, target, weights, self).map(Parameters::Classifier)
    }

    fn takes_weights(&self) -> bool {
        match self {
            ClassMethod::Logistic { .. }
            | ClassMethod::NaiveBayes { .. }
            | ClassMethod::Forest(_)
            | ClassMethod::Boosting(_) => true,
            ClassMethod::LinearSvm { .. } | ClassMethod::KernelSvm(_) | ClassMethod::Neighbours { .. } => {
                false
            }
        }
    }
}

/// The classifier of a block's rows, whose classes are the distinct numbers in `y`, ascending: see [`Classes`]. Rows of one
/// class only get a fit that always says it.
///
/// # Errors
/// [`LearnError`].
///
/// # Panics
/// When `y` has not one number per row of the block.
pub fn classify(block: &Block, y: &[f64], method: &ClassMethod) -> Result<Classifier, LearnError> {
    weighted_classify(block, y, &[], method)
}

/// As [`classify`], with what each row counts, which [`Learner::takes_weights`] says who looks at; none count 1 each.
pub(crate) fn weighted_classify(
    block: &Block,
    y: &[f64],
    weights: &[f64],
    method: &ClassMethod,
) -> Result<Classifier, LearnError> {
    assert_eq!(block.rows(), y.len(), "one target for each row of the block");
    let classes = Classes::of(y)?;
    if classes.count() == 1 {
        return Ok(Classifier::Constant { probabilities: vec![1.0] });
    }
    match method {
        ClassMethod::Logistic { c } => logistic(block, &classes, weights, *c),
        ClassMethod::NaiveBayes { smoothing } => naive_bayes(block, &classes, weights, *smoothing),
        ClassMethod::LinearSvm { c } => linear_svm(block, &classes, *c),
        ClassMethod::KernelSvm(params) => kernel_svm(block, &classes, *params),
        ClassMethod::Neighbours { k } => {
            let targets = classes.of_row().iter().map(|class| f64::from(*class)).collect();
            let rows = neighbours(block, targets, *k)?;
            Ok(Classifier::Neighbours { rows, classes: classes.count() as u32 })
        }
        ClassMethod::Forest(params) => class_forest(block, &classes, weights, params),
        ClassMethod::Boosting(params) => class_boosting(block, &classes, weights, params),
    }
}
