//! A model's source, opened: files, or rows of a database.

use futures::future::BoxFuture;
use schemas::spec::{DataSpec, Source};

use crate::error::{OpenError, ReadError};
use crate::files::{self, Files};
use crate::format::Decoded;
use crate::kind::Kind;
use crate::postgres::{Database, is_database};
use crate::request::Request;
use crate::scan::Scan;
use crate::table::Table;

/// An opened source.
#[derive(Debug, Clone)]
pub enum Dataset {
    /// Files as they were when they were looked up.
    Files(Files),
    /// A table or query of a database, as it is whenever it is read.
    Database(Box<Database>),
}

/// Opens a model's source. Files are looked up; a database is not asked yet.
///
/// # Errors
/// [`OpenError`] as for [`files::open`], or because a database's address is wrong.
pub fn open<'a>(data: &'a DataSpec) -> BoxFuture<'a, Result<Dataset, OpenError>> {
    Box::pin(async move {
        match &data.source {
            Source::One(place) if is_database(place) => {
                Ok(Dataset::Database(Box::new(Database::new(place, data.query.as_deref())?)))
            }
            files => files::open(files).await.map(Dataset::Files),
        }
    })
}

impl Dataset {
    /// A name of the content: of files the exact one; a database does not say when its rows change.
    pub fn identity(&self) -> String {
        match self {
            Dataset::Files(files) => files.identity(),
            Dataset::Database(database) => database.identity(),
        }
    }

    /// Whether it is a database. Its rows come in no order of their own, so that which columns are read decides about it.
    pub fn is_database(&self) -> bool {
        matches!(self, Dataset::Database(_))
    }

    /// Where it is, for people.
    pub fn places(&self) -> Vec<&str> {
        match self {
            Dataset::Files(files) => files.urls().collect(),
            Dataset::Database(database) => vec![database.place()],
        }
    }

    /// Bytes as they are stored; `None` where nobody knows.
    pub fn stored_bytes(&self) -> Option<u64> {
        match self {
            Dataset::Files(files) => Some(files.size_bytes()),
            Dataset::Database(_) => None,
        }
    }

    /// Bytes fetched so far; of a database, those of the values.
    pub fn fetched_bytes(&self) -> u64 {
        match self {
            Dataset::Files(files) => files.fetched_bytes(),
            Dataset::Database(database) => database.fetched_bytes(),
        }
    }

    /// Names and kinds of the columns.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be looked up.
    pub fn columns(&self) -> BoxFuture<'_, Result<Vec<(String, Kind)>, ReadError>> {
        match self {
            Dataset::Files(files) => files.columns(),
            Dataset::Database(database) => Box::pin(database.columns()),
        }
    }

    /// Reads the wanted columns of all rows; of files as [`Files::read`] does.
    ///
    /// # Errors
    /// [`ReadError`] names the column that is missing or of the wrong kind, and what cannot be read.
    pub fn read<'a>(
        &'a self,
        request: &'a Request,
        threads: usize,
    ) -> BoxFuture<'a, Result<Table, ReadError>> {
        match self {
            Dataset::Files(files) => files.read(request, threads),
            Dataset::Database(_) => self.read_pieces(request, None, (u64::MAX, threads)),
        }
    }

    /// Hands every piece of what `scan` wants to `take`, with the number of its file. For threads that may wait.
    pub(crate) fn scan<E: From<ReadError>>(
        &self,
        scan: &Scan,
        take: &mut dyn FnMut(usize, Decoded) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Dataset::Files(files) => scan.run(files, take),
            Dataset::Database(database) => database.scan(scan, &mut |piece| take(0, piece)),
        }
    }
}
