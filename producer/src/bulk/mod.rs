//! The rows of a file to predictors and back, batch by batch.
//!
//! | module | job |
//! |---|---|
//! | [`asking`] | one batch: asked for, and asked again while predictors are away or full |
//! | [`pipeline`] | read, ask, write: several batches in flight, in order |

pub mod asking;
pub mod pipeline;
