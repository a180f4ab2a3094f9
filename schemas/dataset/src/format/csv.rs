//! CSV with a header row. Empty fields are null, among numbers and times also `NA`, `NaN`, `null` and their like; a column is what it is wanted as, if all of its fields can be.

use std::io::Read;
use std::sync::{Arc, LazyLock};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_csv::ReaderBuilder;
use arrow_csv::reader::Format as Dialect;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use regex::Regex;
use tokio::runtime::Handle;

use super::ranges::Failure;
use super::text::{self, Collector};
use super::{BATCH_ROWS, Decoded};
use crate::convert::NULLS;
use crate::error::ReadError;
use crate::files::File;
use crate::kind::Kind;
use crate::request::Slot;
use crate::stream::Piece;

/// Fields parsed at once. The reader keeps eight bytes for each, also for those of columns that nobody wants.
const BATCH_FIELDS: usize = 4 << 20;

/// What numbers and times may have in place of a value: it tells nothing of a column's kind.
static NOTHING: LazyLock<Regex> = LazyLock::new(|| {
    let nulls = NULLS.map(regex::escape).join("|");
    Regex::new(&format!("^({nulls}|-?[iI]nf)$")).expect("escaped words are an expression")
});

/// Names from the header, kinds from the rows at hand.
pub(super) fn columns(file: &File, head: &[u8], delimiter: u8) -> Result<Vec<(String, Kind)>, ReadError> {
    let schema = schema(head, delimiter, None).map_err(|error| file.damaged(error))?;
    let fields = schema.fields().iter();
    Ok(fields.map(|field| (field.name().clone(), Kind::of(field.data_type()))).collect())
}

fn schema(text: &[u8], delimiter: u8, rows_max: Option<usize>) -> Result<Schema, ArrowError> {
    let dialect =
        Dialect::default().with_header(true).with_delimiter(delimiter).with_null_regex(NOTHING.clone());
    Ok(dialect.infer_schema(text, rows_max)?.0)
}

/// Reads `text`, whose first line is the header that `head` begins with, in batches.
pub(super) fn read<E: From<ReadError>>(
    file: &File,
    (head, text): (&[u8], impl Read),
    delimiter: u8,
    slots: &[Slot],
    take: &mut dyn FnMut(Decoded) -> Result<(), E>,
) -> Result<(), E> {
    let header = schema(head, delimiter, Some(0)).map_err(|error| file.damaged(error))?;
    let names: Vec<&str> = header.fields().iter().map(|field| field.name().as_str()).collect();
    let wanted = wanted(file, &names, slots)?;
    let texts: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let reader = ReaderBuilder::new(Arc::new(Schema::new(texts)))
        .with_header(true)
        .with_delimiter(delimiter)
        .with_projection(wanted.clone())
        .with_batch_size((BATCH_FIELDS / names.len().max(1)).clamp(1, BATCH_ROWS))
        .build(text)
        .map_err(|error| file.damaged(error))?;
    let mut collector = Collector::new(file, slots);
    for batch in reader {
        let batch = batch.map_err(|error| file.damaged(error))?;
        take(collector.piece(batch.num_rows(), |name| {
            let at = wanted.iter().position(|column| names[*column] == name)?;
            batch.column(at).as_string_opt::<i32>()
        })?)?;
    }
    Ok(())
}

/// Places of the wanted columns in the header; never none, because the rows are counted by what is read.
fn wanted(file: &File, names: &[&str], slots: &[Slot]) -> Result<Vec<usize>, ReadError> {
    let mut wanted = Vec::new();
    for slot in slots {
        match names.iter().position(|name| *name == slot.name) {
            Some(at) if wanted.contains(&at) => {}
            Some(at) => wanted.push(at),
            None if file.key(&slot.name).is_some() => {}
            None => return Err(file.unknown(&slot.name, names.iter().copied())),
        }
    }
    if wanted.is_empty() {
        wanted.push(0);
    }
    Ok(wanted)
}

/// All columns of a file in batches, as texts.
pub(crate) struct Pieces {
    file: Arc<File>,
    reader: arrow_csv::Reader<Box<dyn Read + Send>>,
    failure: Failure,
}

impl Pieces {
    pub(crate) fn open(
        file: Arc<File>,
        delimiter: u8,
        batch_rows: usize,
        handle: &Handle,
    ) -> Result<Pieces, ReadError> {
        let head = handle.block_on(text::head(&file, file.format.is_gzip()))?;
        let header = schema(&head, delimiter, Some(0)).map_err(|error| file.damaged(error))?;
        let texts = header.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true));
        let texts: Vec<Field> = texts.collect();
        let failure = Failure::default();
        let text: Box<dyn Read + Send> = Box::new(text::open(&file, handle, &failure));
        let reader = ReaderBuilder::new(Arc::new(Schema::new(texts.clone())))
            .with_header(true)
            .with_delimiter(delimiter)
            .with_batch_size((BATCH_FIELDS / texts.len().max(1)).clamp(1, batch_rows))
            .build(text)
            .map_err(|error| file.damaged(error))?;
        Ok(Pieces { file, reader, failure })
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }
}

impl Iterator for Pieces {
    type Item = Result<Piece, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.reader.next();
        if let Some(error) = self.failure.take() {
            return Some(Err(self.file.fetch_error(error)));
        }
        let piece = |batch: RecordBatch| Piece { original: batch.clone(), texts: Some(batch) };
        next.map(|batch| batch.map(piece).map_err(|error| self.file.damaged(error)))
    }
}
