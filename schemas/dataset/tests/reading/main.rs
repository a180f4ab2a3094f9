//! Reading real files from real folders.
#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod cached;
mod errors;
mod flights;
mod formats;
mod groups;
mod hashes;
mod layouts;
mod slices;
mod stream;
mod support;
