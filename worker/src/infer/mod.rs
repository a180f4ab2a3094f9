//! `worker infer`.
//!
//! [`run`] takes requests from the worker's own subject; [`answer`] resolves each row's fit and predicts by columns;
//! [`cache`] keeps loaded fits.

mod answer;
mod cache;
mod run;

pub use self::answer::Predictor;
pub use self::cache::FitCache;
pub use self::run::run;
