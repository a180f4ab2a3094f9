//! `enqueue dev`: the whole stack on this machine, from real processes on free ports.
//!
//! [`broker`] finds and starts nats-server; [`child`] owns a process; [`stack`] starts, watches and ends them all.

mod broker;
mod child;
mod stack;

pub use stack::run;
