//! The gateway: turns HTTP into request-reply with predictors.
//!
//! | module | job |
//! |---|---|
//! | [`args`], [`serve`](run) | the command line, and the life of the process |
//! | [`rows`] | JSON rows straight into typed columns; bad values become errors at their row |
//! | [`route`] | which predictor a row goes to |
//! | [`lanes`], [`dispatch`] | one pipelined lane per predictor, and a request over many of them |
//! | [`app`], [`routes`] | what the HTTP handlers share, and the handlers |
//! | [`problem`], [`metrics`] | errors as problem+json, and numbers for Prometheus |

pub mod app;
pub mod args;
pub mod dispatch;
pub mod lanes;
pub mod metrics;
pub mod problem;
pub mod route;
pub mod routes;
pub mod rows;
mod serve;

pub use self::serve::run;
