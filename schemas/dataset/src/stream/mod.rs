//! Files batch by batch, in constant memory: each batch as it is, and as a model reads it. Written again, it has the
//! answers beside its columns.
//!
//! | module | what |
//! |---|---|
//! | [`rows`] | one file, batch by batch: row groups of parquet one by one, texts as they are fetched |
//! | [`sink`] | the file with the answers: written aside, and renamed when it is complete |
//! | [`error`] | why it could not be written |

mod error;
mod rows;
mod sink;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use schemas::predict::NamedColumn;
use tokio::runtime::Handle;

use crate::convert::{self, Mismatch};
use crate::error::ReadError;
use crate::fields::{Fields, Taken, Taking, Wrong};
use crate::files::{File, Files};
use crate::kind::Kind;
use crate::read::{check_unchanged, guarded};

pub use self::error::WriteError;
pub use self::sink::Sink;

pub(crate) use self::rows::Piece;

use self::rows::Rows;

/// The rows of all files, in reading order. For threads that may wait.
pub struct Stream {
    files: std::vec::IntoIter<Arc<File>>,
    open: Option<Rows>,
    schema: SchemaRef,
    fields: Fields,
    batch_rows: usize,
    handle: Handle,
    /// Rows of the file at hand that came before.
    rows: usize,
}

/// Some rows.
#[derive(Debug)]
pub struct Batch {
    /// As they are in the file.
    pub original: Original,
    /// As the model reads them.
    pub taken: Taken,
}

/// Rows as they are in a file.
#[derive(Debug, Clone)]
pub struct Original(pub(crate) RecordBatch);

impl Stream {
    /// Opens the first file; requests are made on `handle`. Batches have at most `batch_rows` rows.
    ///
    /// # Errors
    /// [`ReadError`] when that file cannot be read.
    pub fn open(
        files: &Files,
        fields: Fields,
        batch_rows: usize,
        handle: Handle,
    ) -> Result<Stream, ReadError> {
        let mut files = files.files.clone().into_iter();
        let open = files.next().map(|file| Rows::open(file, batch_rows, &handle)).transpose()?;
        let schema = open.as_ref().map_or_else(|| Arc::new(Schema::empty()), with_keys);
        Ok(Stream { files, open, schema, fields, batch_rows, handle, rows: 0 })
    }

    /// Rows of all files, where that is known before they are read.
    pub fn rows(&self) -> Option<u64> {
        let only = self.open.as_ref().filter(|_| self.files.len() == 0)?;
        only.all()
    }

    /// The names of all columns, those that folders spell among them.
    pub fn columns(&self) -> impl Iterator<Item = &str> + Clone {
        self.schema.fields().iter().map(|field| field.name().as_str())
    }

    /// Columns that the model reads and the files do not have.
    pub fn lacking(&self) -> impl Iterator<Item = &str> {
        let needed = self.fields.slots().filter(|(_, is_needed)| *is_needed);
        needed.map(|(slot, _)| slot.name.as_str()).filter(|name| !self.columns().any(|known| known == *name))
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, ReadError> {
        loop {
            let Some(rows) = &mut self.open else { return Ok(None) };
            let file = rows.file().clone();
            match guarded(&file, || rows.next())? {
                Some(piece) => return self.batch(&file, piece).map(Some),
                None => {
                    self.handle.block_on(check_unchanged(&file))?;
                    self.open = self.next_file(&file)?;
                    self.rows = 0;
                }
            }
        }
    }

    fn next_file(&mut self, last: &File) -> Result<Option<Rows>, ReadError> {
        let Some(file) = self.files.next() else { return Ok(None) };
        let rows = Rows::open(file, self.batch_rows, &self.handle)?;
        let shape = |schema: SchemaRef| -> Vec<_> {
            schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
        };
        match shape(with_keys(&rows)) == shape(self.schema.clone()) {
            true => Ok(Some(rows)),
            false => Err(ReadError::Shape { file: rows.file().url.clone(), other: last.url.clone() }),
        }
    }

    /// The rows that `piece` brings, by columns.
    fn batch(&mut self, file: &File, piece: Piece) -> Result<Batch, ReadError> {
        let rows = piece.original.num_rows();
        let first = self.rows;
        self.rows += rows;
        let mut taken = match &piece.texts {
            None => self.fields.of_batch(&piece.original),
            Some(texts) => self.of_texts(texts, &piece.original),
        }
        .map_err(|Wrong { slot, what }| what.at(file, &slot, first))?;
        for (slot, _) in self.fields.slots().filter(|(slot, _)| file.key(&slot.name).is_some()) {
            if !taken.columns.iter().any(|column| *column.name == *slot.name) {
                let column = convert::key_column(file, slot, rows)?;
                taken.columns.push(NamedColumn::new(slot.name.as_str(), column));
            }
        }
        let mut columns = piece.original.columns().to_vec();
        for field in self.schema.fields().iter().skip(columns.len()) {
            let value = file.key(field.name()).flatten();
            columns.push(Arc::new(StringArray::from_iter(std::iter::repeat_n(value, rows))));
        }
        // All pieces have the fields of the first file; what is told of them beside that may differ.
        let original = RecordBatch::try_new_with_options(
            self.schema.clone(),
            columns,
            &arrow_array::RecordBatchOptions::new().with_row_count(Some(rows)),
        );
        Ok(Batch { original: Original(original.map_err(|error| file.damaged(error))?), taken })
    }

    fn of_texts(&self, texts: &RecordBatch, original: &RecordBatch) -> Result<Taken, Wrong> {
        let mut taking = Taking::new(texts.num_rows());
        for (slot, is_needed) in self.fields.slots() {
            let column = texts.column_by_name(&slot.name).and_then(|array| array.as_string_opt::<i32>());
            match column {
                Some(column) => taking.texts(slot, column, is_needed),
                None if is_needed && original.column_by_name(&slot.name).is_some() => {
                    return Err(Wrong { slot: slot.clone(), what: Mismatch::Kind(Kind::Other) });
                }
                None => {}
            }
        }
        Ok(taking.finish())
    }
}

/// The columns of a file, and behind them those that its folders spell and it does not have.
fn with_keys(rows: &Rows) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = rows.schema().fields().iter().cloned().collect();
    for (name, _) in &rows.file().keys {
        if !fields.iter().any(|field| field.name() == name) {
            fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
        }
    }
    Arc::new(Schema::new(fields))
}

impl Iterator for Stream {
    type Item = Result<Batch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch();
        if next.is_err() {
            self.open = None;
        }
        next.transpose()
    }
}
