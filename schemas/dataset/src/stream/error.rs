//! Why a file with answers could not be written.

use std::path::PathBuf;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a file with answers could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Its name does not say what is to be in it.
    #[error("{}: cannot be written; its name must end in .parquet, .csv, .tsv or .ndjson", .file.display())]
    Format {
        /// The file.
        file: PathBuf,
    },
    /// Something is there already.
    #[error("{}: is there already; --force replaces it", .file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// A column of the input is called like one with answers.
    #[error(
        "the input has a column `{column}` already, and so will the output; name the input's otherwise, or leave it out"
    )]
    Twice {
        /// The column.
        column: String,
    },
    /// The input has two columns of one name.
    #[error("the input has two columns `{column}`; name one otherwise, or leave it out")]
    Doubled {
        /// The column.
        column: String,
    },
    /// A column of lists or objects, which the format cannot hold.
    #[error("column `{column}` holds {what}, which {format} cannot hold; write parquet or NDJSON")]
    Nested {
        /// The column.
        column: String,
        /// What it holds.
        what: String,
        /// The format.
        format: &'static str,
    },
    /// The disk or folder.
    #[error("{}: cannot be written", .file.display())]
    Disk {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The values.
    #[error("{}: cannot be encoded", .file.display())]
    Encode {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
}

impl WriteError {
    /// Whether the caller has to ask for something else.
    pub fn is_usage(&self) -> bool {
        !matches!(self, WriteError::Disk { .. } | WriteError::Encode { .. })
    }
}
