//! What can go wrong while a source is clustered.

use crate::error::ReadError;

/// Why a source could not be clustered. Nothing is left at the target, unless something was there before.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The source could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The source is no file.
    #[error("rows of a database are found by its own indexes; only files are clustered")]
    Database,
    /// The target's scheme or the store's settings are wrong.
    #[error(transparent)]
    Place(#[from] runtime::objects::OpenError),
    /// The target is no path in a store.
    #[error("{place}: not a path that a store can hold")]
    Path {
        /// The place.
        place: String,
        /// What is wrong with it.
        #[source]
        source: object_store::path::Error,
    },
    /// The target's name does not say parquet.
    #[error("{place}: the name must end in .parquet, for it says what is in the file")]
    Name {
        /// The place.
        place: String,
    },
    /// The target is one of the source's files.
    #[error("{place}: is part of the source; write to another place")]
    Itself {
        /// The place.
        place: String,
    },
    /// A column in two roles that no parquet column can have.
    #[error(
        "column `{column}` is wanted as texts and as numbers, but not all of its values are integers or booleans; copy it into two columns"
    )]
    TwoKinds {
        /// The column.
        column: String,
    },
    /// The distinct texts take too much memory.
    #[error("the distinct texts of the dimensions and categorical columns take more than {} MiB; give more with --memory-mib", .limit_bytes >> 20)]
    TooManyValues {
        /// A quarter of the memory.
        limit_bytes: u64,
    },
    /// Not even some rows fit.
    #[error("{memory_bytes} bytes are too little memory to sort in")]
    Memory {
        /// What there is.
        memory_bytes: u64,
    },
    /// A temporary file could not be written or read.
    #[error("{folder}: temporary files cannot be written; choose another folder with --temporary")]
    Temporary {
        /// Where.
        folder: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store did not take the bytes.
    #[error("{place}: cannot be written")]
    Write {
        /// The target.
        place: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// Columns could not be encoded.
    #[error("{place}: cannot be encoded as parquet")]
    Encode {
        /// The target.
        place: String,
        /// Why.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// Fewer or more rows came out than went in.
    #[error("{read} rows were read and {written} written: a mistake of the program, please report it")]
    Rows {
        /// Rows of the source.
        read: u64,
        /// Rows of the target.
        written: u64,
    },
    /// The task was lost.
    #[error("clustering was interrupted")]
    Interrupted {
        /// How.
        #[source]
        source: tokio::task::JoinError,
    },
}
