//! Support vectors: the widest margin between classes, or the flattest tube around a target.
//!
//! [`linear`] minimises in the weights; [`machines`] in the rows' multipliers, by [`smo`] on rows of a Gaussian [`kernel`].
//! [`platt`] turns margins into probabilities.

mod kernel;
mod linear;
mod machines;
mod platt;
mod smo;

pub(crate) use linear::linear_svm;
pub(crate) use machines::kernel_svm;
pub use machines::{KernelSvmParams, SvrParams, svr};
