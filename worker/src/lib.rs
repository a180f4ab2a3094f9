//! The two workers.
//!
//! * [`train`]: pull packs → read the slice → fit, score → land a blob and the outcomes → confirm
//! * [`infer`]: take batches → resolve the fallback → load fits → predict by columns → answer
//! * [`start`]: what both do first
//! * `status`: what both say of themselves

pub mod args;
pub mod infer;
pub mod start;
mod status;
pub mod train;
