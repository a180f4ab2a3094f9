//! Learning algorithms: arrays in, fit out, and predict.
//!
//! Pure: no clock, no I/O, no async, and threads only where trees are asked for with several. The only crate that names linfa.
//!
//! | module | job |
//! |---|---|
//! | [`design`], [`block`], [`target`] | raw columns become numbers: which rows are complete, and blocks of them by column; what rows count |
//! | [`moments`] | counts, means and cross products that add up over rows |
//! | [`linear`], [`mod@elastic_net`], [`glm`], [`svm`], [`mod@neighbours`], [`trees`] | the algorithms, one file or folder per family |
//! | `classify`, `classes`, `logistic`, `naive_bayes` | classifiers, also those out of `svm`, `neighbours` and `trees` |
//! | [`mod@kmeans`], [`mod@mixture`], [`mod@pca`], `points` | what is found without a target, also isolation forests out of [`trees`] |
//! | `newton`, `linked` | smooth convex losses, and where they are least |
//! | [`mod@folds`] | cross-validation in time |
//! | [`mod@forecast`] | time series: points in, the points after them out |
//! | [`mod@union`] | the design of rows that were read in parts, each with the categories that it saw |
//! | [`learner`] | what every algorithm is |
//! | [`fit`], `prune` | which algorithm a spec asks for, and running it; a fit without what it does not need |
//! | [`mod@predict`], [`mod@explain`], [`metrics`] | predictions by columns, what each column adds to them, and their scores |
//!
//! Every number is an `f64`. A design has one row per row of the table and one column per design column of the
//! inputs (see [`schemas::fit::design_names`]); rows of the table are named by `u32` indices.

pub mod block;
mod classes;
mod classify;
pub mod design;
pub mod elastic_net;
mod error;
pub mod explain;
pub mod fit;
pub mod folds;
pub mod forecast;
pub mod glm;
pub mod kmeans;
pub mod learner;
pub mod linear;
mod linked;
mod logistic;
pub mod metrics;
pub mod mixture;
pub mod moments;
mod naive_bayes;
pub mod neighbours;
mod newton;
pub mod pca;
mod points;
pub mod predict;
mod prune;
mod records;
mod scaled;
mod semidefinite;
mod standard;
pub mod svm;
pub mod target;
pub mod trees;
pub mod union;
mod vector;

pub use block::Block;
pub use classes::{Classes, classes};
pub use classify::{ClassMethod, classify};
pub use design::{Design, DesignError};
pub use elastic_net::{ElasticNetParams, elastic_net};
pub use error::LearnError;
pub use explain::{Explainer, Sums};
pub use fit::Method;
pub use folds::{Fold, folds};
pub use glm::{LogLinearParams, log_linear};
pub use kmeans::{KMeansParams, kmeans};
pub use learner::{Learner, Rows};
pub use linear::{Mean, Ridge, mean, ridge};
pub use metrics::{most_probable, score, score_classes};
pub use mixture::{MixtureParams, mixture};
pub use moments::{Moments, Scratch, residual_squares};
pub use neighbours::{NeighboursParams, neighbours};
pub use pca::{PcaParams, pca};
pub use predict::{PredictError, explained_squares, predict, predict_on, score_structure};
pub use prune::{prune, prune_categories};
pub use svm::{KernelSvmParams, SvrParams, svr};
pub use target::Target;
pub use trees::{
    BoostingParams, ForestParams, IsolationParams, MaxFeatures, boosting, forest, isolation, join,
};
pub use union::{places, union};
