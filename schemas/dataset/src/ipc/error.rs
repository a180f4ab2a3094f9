//! Why an Arrow IPC stream is refused.

use crate::kind::Kind;
use crate::request::Role;

/// Why an Arrow IPC stream is refused. All but `Encode` are the sender's to mend.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// The bytes are something else.
    #[error(
        "this is no Arrow IPC stream: it begins with {found:?}; send what a stream writer (not a file writer) writes"
    )]
    NoStream {
        /// The first bytes.
        found: String,
    },
    /// The stream ends within a message, or before its schema.
    #[error("the Arrow stream ends too early; send all of it")]
    Truncated,
    /// A message is larger than allowed.
    #[error("a message of the Arrow stream has {bytes} bytes, more than {bytes_max}; send smaller batches")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// A batch has more rows than allowed.
    #[error("a batch of the Arrow stream has {rows} rows, more than {rows_max}; send smaller batches")]
    TooManyRows {
        /// How many.
        rows: i64,
        /// The limit.
        rows_max: usize,
    },
    /// More columns than any model reads.
    #[error(
        "the Arrow stream has {columns} columns, more than {columns_max}; leave out what the model does not read"
    )]
    TooManyColumns {
        /// How many.
        columns: usize,
        /// The limit.
        columns_max: usize,
    },
    /// A column of a type that no model reads.
    #[error(
        "column `{column}` of the Arrow stream is of type {found}; models read numbers, texts, booleans, dates and timestamps, and dictionaries of texts"
    )]
    Type {
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// Compressed messages.
    #[error("the Arrow stream is compressed within; send it uncompressed")]
    Compressed,
    /// A column of another kind than wanted.
    #[error("column `{column}` of the Arrow stream holds {found}, but {wanted} are wanted")]
    Kind {
        /// The column.
        column: String,
        /// What it holds.
        found: Kind,
        /// As what it is wanted.
        wanted: Role,
    },
    /// The bytes contradict themselves.
    #[error("the Arrow stream is damaged: {problem}")]
    Damaged {
        /// What is wrong.
        problem: String,
    },
    /// Predictions could not be encoded.
    #[error("the answer cannot be encoded: {problem}")]
    Encode {
        /// Why.
        problem: String,
    },
}

impl IpcError {
    pub(super) fn damaged(problem: impl ToString) -> IpcError {
        IpcError::Damaged { problem: problem.to_string() }
    }
}
