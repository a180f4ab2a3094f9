//! Answering predictions, in a process of its own (`worker infer`) or in the gateway's (`gateway --predict-here`).
//!
//! | module | job |
//! |---|---|
//! | [`answer`] | from a batch of rows to predictions: resolve each row's fit, predict by columns |
//! | [`cache`] | loaded fits within a memory budget |
//! | [`service`] | a predictor's life: it announces itself, takes requests from its own subject, and leaves without losing one |

pub mod answer;
pub mod cache;
pub mod service;

pub use self::answer::Predictor;
pub use self::cache::FitCache;
pub use self::service::{Handle, Service, Setup};
