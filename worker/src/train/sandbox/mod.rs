//! Learning where a crash harms nobody: in child processes that the trainer supervises.
//!
//! ```text
//! trainer ──pipes── host (one per model and content of its source: reads, makes ready)
//!                     ├── learner (a copy of the host, made by fork: shares its data, fits scopes)
//!                     └── learner
//! ```
//!
//! A panic, an endless loop, a stack overflow or an allocation beyond the limit ends one learner; the trainer, its leases
//! and the other learners go on. [`supervise`] decides what follows; [`hosts`] keeps hosts within a memory budget;
//! [`remote`] is the trainer's end of one host; [`host`] and [`learner`] are the processes; [`wire`] is what they say;
//! [`sys`] is what the operating system does for them.

pub mod host;
mod hosts;
mod learner;
mod remote;
mod supervise;
mod sys;
mod wire;

pub(super) use self::hosts::Hosts;
pub(super) use self::supervise::{Learned, learn};
