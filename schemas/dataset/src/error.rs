//! What can go wrong between a source and a table.

use crate::kind::Kind;
use crate::postgres::DatabaseError;
use crate::request::Role;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a source could not be resolved to files.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The place's scheme or the store's settings are wrong.
    #[error(transparent)]
    Place(#[from] runtime::objects::OpenError),
    /// The database's address is wrong.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The place is no path in a store.
    #[error("{place}: not a path that a store can hold")]
    Path {
        /// The place.
        place: String,
        /// What is wrong with it.
        #[source]
        source: object_store::path::Error,
    },
    /// The store could not be asked.
    #[error("{place}: cannot be looked up")]
    Lookup {
        /// The place.
        place: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// Nothing is there.
    #[error("{place}: there is no such file, and no folder with data files in it")]
    Missing {
        /// The place.
        place: String,
    },
    /// A glob matches nothing.
    #[error("{place}: no file matches (`*` and `?` stay within a folder, `**` crosses folders)")]
    NoMatch {
        /// The glob.
        place: String,
    },
    /// A file without a byte in it.
    #[error("{file}: the file is empty; write it again, or leave it out with a glob")]
    Empty {
        /// The file.
        file: String,
    },
    /// A file whose name does not say what is in it.
    #[error("{file}: unknown format; known are {known}; in a folder with other files, name the data files with a glob such as folder/*.parquet", known = crate::format::KNOWN)]
    Format {
        /// The file.
        file: String,
    },
    /// A file that two places of one source name.
    #[error("{file}: named twice by the source; its rows would count twice")]
    Twice {
        /// The file.
        file: String,
    },
}

/// Why files could not be read into a table.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store did not hand out the bytes.
    #[error("{file}: cannot be fetched")]
    Fetch {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// Another content than the one that was opened.
    #[error("{file}: changed while it was read; read it again when its writer is done")]
    Changed {
        /// The file.
        file: String,
    },
    /// The bytes are not of the format that the name promises.
    #[error("{file}: not valid {format}, or damaged; write the file again")]
    Damaged {
        /// The file.
        file: String,
        /// The format by the file's name.
        format: &'static str,
        /// What the decoder says.
        #[source]
        source: Cause,
    },
    /// A column that the file does not have.
    #[error("{file}: no column `{column}`{hint}")]
    Unknown {
        /// The file.
        file: String,
        /// The wanted column.
        column: String,
        /// What may have been meant.
        hint: String,
    },
    /// A column of another kind than wanted.
    #[error("{file}: column `{column}` holds {found}, but {wanted} are wanted; {advice}", advice = advice(*.found, *.wanted))]
    Kind {
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// What it holds.
        found: Kind,
        /// As what it is wanted.
        wanted: Role,
    },
    /// A text that cannot be read as what is wanted.
    #[error("{file}: column `{column}` holds texts ({text:?} in row {row}), but {wanted} are wanted; {advice}", advice = advice(Kind::Text, *.wanted))]
    Value {
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// The row, counted from 1 without a header.
        row: usize,
        /// The text, shortened.
        text: String,
        /// As what it is wanted.
        wanted: Role,
    },
    /// A file with other columns than the one before it.
    #[error("{file}: other columns, or of other types, than in {other}; name files of one form")]
    Shape {
        /// The file.
        file: String,
        /// The one before it.
        other: String,
    },
    /// The database did not hand out the rows.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// More rows than row ids.
    #[error("the source has {rows} rows; at most 4294967294 fit one read, so split the source")]
    TooManyRows {
        /// How many there are.
        rows: usize,
    },
    /// More wanted rows than memory for them.
    #[error("the rows take more than {} MiB, which is all that one pack may have: give trainers more with --data-cache-mib, fewer --threads, or narrow the scope or its window", .limit_bytes >> 20)]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The decoding task was lost.
    #[error("decoding was interrupted")]
    Interrupted {
        /// How.
        #[source]
        source: tokio::task::JoinError,
    },
}

impl ReadError {
    /// The error for a column that is not among `known`.
    pub(crate) fn unknown<'a>(place: &str, column: &str, known: impl Iterator<Item = &'a str>) -> ReadError {
        ReadError::Unknown {
            file: place.to_owned(),
            column: column.to_owned(),
            hint: schemas::suggest::hint(column, known.collect::<Vec<_>>()),
        }
    }
}

fn advice(found: Kind, wanted: Role) -> &'static str {
    match (wanted, found) {
        (Role::Number, Kind::Text) => {
            "list a feature under `categorical`, learn a target with `task = \"classification\"`, or store numbers"
        }
        (Role::Number, Kind::Time) => "use a date part such as `hour(column)` or `weekday(column)`",
        (Role::Number, _) => "choose a column of numbers",
        (Role::Text, _) => {
            "dimensions, categorical columns and classes are texts, integers, booleans or dates"
        }
        (Role::Time, _) => "store it as timestamps, dates, or texts like 2013-12-03T14:00:00Z",
    }
}

/// Why a table could not be had from a source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source could not be resolved to files.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its files could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Error {
    /// Whether trying again later may help: the storage did not answer, or a file was being written.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Open(error) => error.is_transient(),
            Error::Read(ReadError::Fetch { source, .. }) => is_passing(source),
            Error::Read(ReadError::Changed { .. } | ReadError::Interrupted { .. }) => true,
            Error::Read(ReadError::Database(error)) => error.is_transient(),
            Error::Read(_) => false,
        }
    }

    /// Whether the wanted rows are more than the memory for them.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Error::Read(ReadError::TooLarge { .. }))
    }
}

impl OpenError {
    /// Whether the same call may succeed later without anything being changed.
    pub fn is_transient(&self) -> bool {
        matches!(self, OpenError::Lookup { source, .. } if is_passing(source))
    }
}

fn is_passing(error: &object_store::Error) -> bool {
    use object_store::Error as E;
    !matches!(
        error,
        E::NotFound { .. }
            | E::InvalidPath { .. }
            | E::NotSupported { .. }
            | E::NotImplemented { .. }
            | E::PermissionDenied { .. }
            | E::Unauthenticated { .. }
            | E::UnknownConfigurationKey { .. }
    )
}
