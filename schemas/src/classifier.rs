//! What classifiers find: from a row's design columns to the probability of each class.

use serde::{Deserialize, Serialize};

use crate::instances::{Kernel, Neighbours};
use crate::trees::Trees;

/// A classifier of two or more classes (or one, for [`Classifier::Constant`]); [`crate::fit::Fit::classes`] says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Classifier {
    /// The same probabilities for every row.
    Constant {
        /// One per class.
        #[serde(with = "crate::packed")]
        probabilities: Vec<f64>,
    },
    /// Linked functions f = intercept + Σ coefficient · column, in the features' own units.
    Linear {
        /// From functions to probabilities.
        link: Link,
        /// One per function.
        #[serde(with = "crate::packed")]
        intercepts: Vec<f64>,
        /// One per function and design column, function by function.
        #[serde(with = "crate::packed")]
        coefficients: Vec<f64>,
    },
    /// Within each class, columns are normal and independent of each other.
    GaussianBayes {
        /// Logarithm of each class's share.
        #[serde(with = "crate::packed")]
        log_priors: Vec<f64>,
        /// One per class and design column, class by class.
        #[serde(with = "crate::packed")]
        means: Vec<f64>,
        /// As `means`.
        #[serde(with = "crate::packed")]
        variances: Vec<f64>,
    },
    /// The mean over trees of the classes' shares among a leaf's rows.
    Forest {
        /// A leaf's value is its place in `shares`.
        trees: Trees,
        /// Distinct shares, one per class.
        #[serde(with = "crate::packed")]
        shares: Vec<f64>,
        /// Number of classes.
        classes: u32,
    },
    /// Linked sums of trees.
    Boosted {
        /// From functions to probabilities.
        link: Link,
        /// The functions.
        functions: Vec<Trees>,
    },
    /// Linked functions of kernels.
    Kernel {
        /// From functions to probabilities.
        link: Link,
        /// The functions.
        kernel: Kernel,
    },
    /// The classes' shares among the nearest training rows, whose targets are class numbers.
    Neighbours {
        /// The training rows.
        rows: Neighbours,
        /// Number of classes.
        classes: u32,
    },
}

/// From functions of a row to the probabilities of its classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// One function f of two classes: the second has 1/(1 + exp(−f)).
    Logistic,
    /// One function per class: exp(f) over their sum.
    Softmax,
    /// One function per class: 1/(1 + exp(−f)) over their sum.
    OneVersusRest,
}

impl Link {
    /// Classes of so many functions.
    pub fn classes(self, functions: usize) -> usize {
        match self {
            Link::Logistic => 2,
            Link::Softmax | Link::OneVersusRest => functions,
        }
    }
}

impl Classifier {
    /// Number of classes.
    pub fn classes(&self) -> usize {
        match self {
            Classifier::Constant { probabilities } => probabilities.len(),
            Classifier::Linear { link, intercepts, .. } => link.classes(intercepts.len()),
            Classifier::GaussianBayes { log_priors, .. } => log_priors.len(),
            Classifier::Forest { classes, .. } | Classifier::Neighbours { classes, .. } => *classes as usize,
            Classifier::Boosted { link, functions } => link.classes(functions.len()),
            Classifier::Kernel { link, kernel } => link.classes(kernel.intercepts.len()),
        }
    }
}
