//! One file, batch by batch.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use tokio::runtime::Handle;

use crate::error::ReadError;
use crate::files::File;
use crate::format::{Format, csv, ndjson, parquet};

/// Some rows of a file.
pub(crate) struct Piece {
    /// As the file has them.
    pub(crate) original: RecordBatch,
    /// Of a file without declared types: the columns as they are written.
    pub(crate) texts: Option<RecordBatch>,
}

/// The rows of a file that are still to come.
pub(super) struct Rows {
    file: Arc<File>,
    schema: SchemaRef,
    all: Option<u64>,
    pieces: Box<dyn Iterator<Item = Result<Piece, ReadError>> + Send>,
}

impl Rows {
    pub(super) fn open(file: Arc<File>, batch_rows: usize, handle: &Handle) -> Result<Rows, ReadError> {
        let mut all = None;
        let (schema, pieces): (SchemaRef, Box<dyn Iterator<Item = _> + Send>) = match file.format {
            Format::Parquet => {
                let pieces = parquet::Pieces::open(file.clone(), batch_rows, handle)?;
                all = Some(pieces.rows()?);
                (pieces.schema(), Box::new(pieces))
            }
            Format::Csv { delimiter, .. } => {
                let pieces = csv::Pieces::open(file.clone(), delimiter, batch_rows, handle)?;
                (pieces.schema(), Box::new(pieces))
            }
            Format::Ndjson { .. } => {
                let pieces = ndjson::Pieces::open(file.clone(), batch_rows, handle)?;
                (pieces.schema(), Box::new(pieces))
            }
        };
        // What a writer noted of its own schema is none of the output's.
        let schema = Arc::new(Schema::new(schema.fields().clone()));
        Ok(Rows { file, schema, all, pieces })
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// How many there are, where the file says it.
    pub(super) fn all(&self) -> Option<u64> {
        self.all
    }

    pub(super) fn next(&mut self) -> Result<Option<Piece>, ReadError> {
        self.pieces.next().transpose()
    }
}
