//! The gateway: turns HTTP into request-reply with predictors.
//!
//! | module | job |
//! |---|---|
//! | [`args`], [`serve`](run) | the command line, and the life of the process |
//! | [`sources`] | where models, channels and fits come from |
//! | [`threads`], [`connections`] | the threads that serve HTTP, and what each does with a connection |
//! | [`rows`] | JSON rows straight into typed columns; bad values become errors at their row |
//! | [`lines`] | a stream of bytes cut into whole lines |
//! | [`straight`] | plain predictions, read from their connection and answered there |
//! | [`front`] | what connections share; HTTP and the router for all else |
//! | [`payload`], [`room`], [`v2`] | a request's body, the memory for all of them, and the Open Inference Protocol |
//! | [`known`] | what is worked out once for many requests |
//! | [`predicting`] | one prediction request, from parsed rows to their answers |
//! | [`misses`], [`shadow`] | what follows an answer: training what is not there, and comparing channels |
//! | [`app`], [`routes`], `openapi` | what the HTTP handlers share, the handlers, and their description |
//! | [`check`] | what a health check asks |
//! | [`problem`], [`metrics`] | errors as problem+json, and numbers for Prometheus |

pub mod app;
pub mod args;
pub mod check;
pub mod connections;
pub mod front;
pub mod known;
pub mod lines;
pub mod metrics;
pub mod misses;
mod openapi;
pub mod payload;
pub mod predicting;
pub mod problem;
pub mod room;
pub mod routes;
pub mod rows;
mod serve;
pub mod shadow;
pub mod sources;
pub mod straight;
pub mod threads;
pub mod v2;

pub use self::serve::run;
