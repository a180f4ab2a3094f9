//! Reading a slice of a data set: from files and object storage into columns.
//!
//! | module | what |
//! |---|---|
//! | `source` | what a spec names, opened |
//! | `postgres` | rows of a database |
//! | [`files`] | a source's places resolved to objects, and the identity of their content |
//! | [`request`] | which columns are wanted, and as what |
//! | `read`, `format`, `convert`, `assemble`, `order` | from bytes to columns: one file per format under `format` |
//! | `scan`, `slices`, [`filter`], `bounds`, `position` | what is larger than memory: piece by piece, and only what some scopes mean |
//! | [`fields`] | the columns of a batch as a model reads them, with errors at their rows |
//! | [`stream`] | files batch by batch, as they are and as a model reads them; and written again with answers |
//! | [`ipc`] | Arrow IPC streams: decoded as they come, and encoded |
//! | [`answers`] | predictions as columns |
//! | [`table`] | the columns, with rows in time order |
//! | [`counts`] | how many rows each combination of dimension values has |
//! | [`groups`] | which rows belong to which combination of dimension values |
//! | [`hashes`] | what a slice's rows hash to |
//! | [`cluster`] | rewriting a source so that a scope's rows lie together |
//! | [`cached`] | a table with what is derived from it |
//! | [`error`], [`kind`] | what went wrong, and the words for what a column holds |
//!
//! Only this crate names arrow and parquet. Row ids are `u32`; a row's id is its rank by time, so any ascending
//! list of row ids is in time order.

pub mod answers;
mod assemble;
mod bounds;
pub mod cached;
pub mod cluster;
mod convert;
pub mod counts;
pub mod error;
pub mod fields;
pub mod files;
pub mod filter;
mod format;
mod glob;
pub mod groups;
pub mod hashes;
pub mod ipc;
pub mod kind;
mod order;
mod parallel;
mod position;
mod postgres;
mod read;
pub mod request;
mod resolve;
pub mod samples;
mod scan;
mod slices;
mod source;
pub mod stream;
pub mod table;

pub use answers::Answer;
pub use cached::Cached;
pub use cluster::{ClusterOrder, Clustered, Progress};
pub use counts::Counts;
pub use error::{Error, OpenError, ReadError};
pub use fields::{Fields, Taken};
pub use files::Files;
pub use filter::Filter;
pub use groups::Groups;
pub use hashes::{RowHashes, joined_digest};
pub use kind::Kind;
pub use postgres::{Database, DatabaseError};
pub use request::{Request, Role};
pub use samples::Sampled;
pub use source::{Dataset, open};
pub use table::Table;
