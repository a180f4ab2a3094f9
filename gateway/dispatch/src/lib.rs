//! A prediction request over many predictors, for the gateway and for `enqueue predict`.
//!
//! | module | job |
//! |---|---|
//! | [`order`] | one request: rows are grouped by scope and asked for |
//! | `cut` | which rows of a request travel together |
//! | [`mod@join`] | the answers to parts of a request, in the order of its rows |
//! | [`canary`] | a share of the scopes answered by another channel |
//! | [`route`] | which predictor a row goes to |
//! | [`lanes`], `batch`, `exchange` | one pipelined lane per predictor; which requests travel together, and when they leave; one message and its answer |
//! | [`merge`] | requests that wait together become one, and its answer is taken apart again |

mod batch;
pub mod canary;
mod cut;
mod exchange;
pub mod join;
pub mod lanes;
pub mod merge;
pub mod order;
pub mod route;

pub use self::canary::{Other, with_canary};
pub use self::join::{Part, join};
pub use self::lanes::{LaneError, Lanes, Near};
pub use self::order::{DispatchError, Order, Scopes, dispatch};
