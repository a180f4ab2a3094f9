//! Reading a slice of a data set: from files and object storage into columns.
//!
//! | module | what |
//! |---|---|
//! | [`files`] | a source's places resolved to objects, and the identity of their content |
//! | [`request`] | which columns are wanted, and as what |
//! | `read`, `format`, `convert`, `assemble`, `order` | from bytes to columns: one file per format under `format` |
//! | [`table`] | the columns, with rows in time order |
//! | [`groups`] | which rows belong to which combination of dimension values |
//! | [`hashes`] | what a slice's rows hash to |
//! | [`cached`] | a table with what is derived from it |
//! | [`error`], [`kind`] | what went wrong, and the words for what a column holds |
//!
//! Only this crate names arrow and parquet. Row ids are `u32`; a row's id is its rank by time, so any ascending
//! list of row ids is in time order.

mod assemble;
pub mod cached;
mod convert;
pub mod error;
pub mod files;
mod format;
mod glob;
pub mod groups;
pub mod hashes;
pub mod kind;
mod order;
mod parallel;
mod read;
pub mod request;
mod resolve;
pub mod table;

pub use cached::Cached;
pub use error::{Error, OpenError, ReadError};
pub use files::{Files, open};
pub use groups::Groups;
pub use hashes::RowHashes;
pub use kind::Kind;
pub use request::{Request, Role};
pub use table::Table;
