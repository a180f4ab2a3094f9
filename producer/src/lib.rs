//! The producer: plan (pure) → publish → report.
//!
//! | module | job |
//! |---|---|
//! | [`args`], [`usage`] | the command line, and exit codes |
//! | [`plan`] | from patterns to scopes, costs and packs, without side effects |
//! | [`bulk`] | the rows of a file to predictors and back, batch by batch |
//! | [`commands`] | one file per command |
//! | [`dev`] | the whole stack on this machine |
//! | [`session`], [`output`] | the connection, and what people and programs see |

pub mod args;
pub mod bulk;
pub mod commands;
pub mod dev;
pub mod output;
pub mod plan;
pub mod session;
pub mod usage;

pub use commands::run;
