//! Answering predictions, in a process of its own (`worker infer`) or in the gateway's (`gateway --predict-here`).
//!
//! | module | job |
//! |---|---|
//! | [`answer`] | from a batch of rows to predictions: find each row's fit, predict by columns |
//! | `columns`, `answers`, `explained` | what a request says, the predictions as they come together, and taken apart |
//! | [`route`], [`targets`] | what a model and a channel stand for until something moves, and which fit answers which rows |
//! | [`cache`], `loaders` | loaded fits within a memory budget, and the threads that load them and let them go |
//! | `ahead` | what takes the place of a loaded fit is loaded before it is asked for |
//! | [`service`] | a predictor's life: it announces itself, takes requests from its own subject, and leaves without losing one |

mod ahead;
pub mod answer;
mod answers;
pub mod cache;
mod columns;
mod explained;
mod loaders;
pub mod route;
pub mod service;
pub mod targets;

pub use self::answer::Predictor;
pub use self::cache::FitCache;
pub use self::service::{Handle, Service, Setup};
