//! Scopeforge's words as types: what is trained, how it is named, and what travels.
//!
//! This crate is pure: no clock, no I/O, no async. Everything else may depend on it.
//!
//! | module | words |
//! |---|---|
//! | [`scope`], [`window`], [`pattern`], [`time`], [`step`] | which slice of a data set: scope, window, pattern grammar |
//! | [`spec`], [`feature`], [`task`], [`algorithm`] | the model spec and its parts |
//! | [`fit`], [`trees`], [`classifier`], [`instances`], [`label`], [`forecast`], [`structure`], [`sums`] | what training yields |
//! | [`metrics`], [`fingerprint`], [`blob`] | how good it is, its name, and how it rests |
//! | [`campaign`], [`pack`], [`shard`], [`outcome`], [`dead`] | a training order, its queue messages, how each scope ended |
//! | [`cost`], [`scaling`] | how much work a scope is, and how many workers there should be |
//! | [`states`], [`retry`] | each way in and out of a pack's, a scope's and a campaign's states; trying again |
//! | [`channel`], [`catalog`], [`bundle`] | which fits answer, where their bytes are, and all of it in one file |
//! | [`mod@column`], [`mod@alike`], [`predict`], [`kinds`], [`announce`] | what gateway and predictors say to each other |
//! | [`envelope`], [`packed`], [`raw`], [`shared`], [`subjects`], [`limits`], [`name`] | the wire format, addresses, bounds and identifiers |

pub mod algorithm;
pub mod alike;
pub mod announce;
pub mod blob;
pub mod bundle;
pub mod campaign;
pub mod catalog;
pub mod channel;
pub mod classifier;
pub mod column;
pub mod cost;
pub mod dead;
pub mod encoding;
pub mod envelope;
pub mod feature;
pub mod fingerprint;
pub mod fit;
pub mod forecast;
pub mod gate;
#[cfg(test)]
mod golden;
pub mod instances;
pub mod kinds;
pub mod label;
pub mod limits;
pub mod metrics;
pub mod name;
pub mod outcome;
pub mod pack;
pub mod packed;
pub mod pattern;
pub mod predict;
pub mod raw;
pub mod retry;
pub mod scaling;
pub mod scope;
pub mod shard;
pub mod shared;
pub mod spec;
pub mod states;
pub mod step;
pub mod structure;
pub mod subjects;
pub mod suggest;
pub mod sums;
pub mod task;
pub mod text;
pub mod time;
pub mod trees;
pub mod window;
