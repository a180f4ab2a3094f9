//! NDJSON: one object per line. An absent key is null; a column is what it is wanted as, if all of its values can be.

use std::io::BufRead;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_json::ReaderBuilder;
use arrow_json::reader::{Decoder, infer_json_schema};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use tokio::runtime::Handle;

use super::ranges::Failure;
use super::text::{self, Collector};
use super::{BATCH_ROWS, Decoded};
use crate::error::ReadError;
use crate::files::File;
use crate::kind::Kind;
use crate::request::Slot;
use crate::stream::Piece;

/// Names and kinds from the objects at hand.
pub(super) fn columns(file: &File, text: impl BufRead) -> Result<Vec<(String, Kind)>, ReadError> {
    let (schema, _) = infer_json_schema(text, None).map_err(|error| file.damaged(error))?;
    let fields = schema.fields().iter();
    Ok(fields.map(|field| (field.name().clone(), Kind::of(field.data_type()))).collect())
}

/// Reads what `open` opens, in batches. Columns in `spelled` are taken from the folders.
pub(super) fn read<R: BufRead, E: From<ReadError>>(
    file: &File,
    open: &dyn Fn() -> R,
    (slots, spelled): (&[Slot], &[&str]),
    take: &mut dyn FnMut(Decoded) -> Result<(), E>,
) -> Result<(), E> {
    let mut names: Vec<&str> = Vec::new();
    for slot in slots.iter().filter(|slot| !spelled.contains(&slot.name.as_str())) {
        if !names.contains(&slot.name.as_str()) {
            names.push(&slot.name);
        }
    }
    let texts: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let mut reader = ReaderBuilder::new(Arc::new(Schema::new(texts)))
        // Numbers and booleans come as they are written.
        .with_coerce_primitive(true)
        .with_batch_size(BATCH_ROWS)
        .build(open())
        .map_err(|error| file.damaged(error))?;
    let mut is_absent = vec![true; names.len()];
    let mut collector = Collector::new(file, slots);
    let mut add = |batch: Result<RecordBatch, ArrowError>| {
        let batch = batch.map_err(|error| file.damaged(error))?;
        for (absent, column) in is_absent.iter_mut().zip(batch.columns()) {
            *absent &= column.null_count() == batch.num_rows();
        }
        take(collector.piece(batch.num_rows(), |name| {
            batch.column(names.iter().position(|known| *known == name)?).as_string_opt::<i32>()
        })?)
    };
    let done = reader.try_for_each(&mut add);
    let absent = names.iter().zip(is_absent).filter(|(_, absent)| *absent).map(|(name, _)| *name);
    // That a column is not there is worth more than what is wrong with another.
    check_absent(file, open, &absent.collect::<Vec<_>>())?;
    done
}

/// The columns among `wanted` that the folders spell and no object has.
pub(super) fn spelled<'a>(
    file: &File,
    text: impl BufRead,
    slots: &'a [Slot],
) -> Result<Vec<&'a str>, ReadError> {
    let mut spelled: Vec<&str> =
        slots.iter().map(|slot| slot.name.as_str()).filter(|name| file.key(name).is_some()).collect();
    if !spelled.is_empty() {
        let known = columns(file, text)?;
        spelled.retain(|name| !known.iter().any(|(column, kind)| column == name && *kind != Kind::Null));
    }
    Ok(spelled)
}

/// A column without a value is fine when some object has its key, with a null.
fn check_absent<R: BufRead>(file: &File, open: &dyn Fn() -> R, absent: &[&str]) -> Result<(), ReadError> {
    if absent.is_empty() {
        return Ok(());
    }
    let known = columns(file, open())?;
    match absent.iter().find(|name| !known.iter().any(|(column, _)| column == *name)) {
        Some(unknown) => Err(file.unknown(unknown, known.iter().map(|(name, _)| name.as_str()))),
        None => Ok(()),
    }
}

/// All columns of a file in batches: with the types that all of its rows allow, and as they are written.
pub(crate) struct Pieces {
    file: Arc<File>,
    text: Box<dyn BufRead + Send>,
    failure: Failure,
    schema: SchemaRef,
    typed: Decoder,
    /// Without lists and objects.
    written: Decoder,
}

impl Pieces {
    /// Reads the whole text once to know the types.
    pub(crate) fn open(file: Arc<File>, batch_rows: usize, handle: &Handle) -> Result<Pieces, ReadError> {
        let failure = Failure::default();
        let inferred = infer_json_schema(text::open(&file, handle, &failure), None);
        if let Some(error) = failure.take() {
            return Err(file.fetch_error(error));
        }
        let inferred = inferred.map_err(|error| file.damaged(error))?.0;
        let head = handle.block_on(text::head(&file, file.format.is_gzip()))?;
        let schema = Arc::new(in_order(&inferred, &String::from_utf8_lossy(&head)));
        let flat = schema.fields().iter().filter(|field| !field.data_type().is_nested());
        let texts: Vec<Field> = flat.map(|field| Field::new(field.name(), DataType::Utf8, true)).collect();
        let decoder = |schema: SchemaRef| {
            let builder = ReaderBuilder::new(schema).with_coerce_primitive(true).with_batch_size(batch_rows);
            builder.build_decoder().map_err(|error| file.damaged(error))
        };
        let (typed, written) = (decoder(schema.clone())?, decoder(Arc::new(Schema::new(texts)))?);
        let text = Box::new(text::open(&file, handle, &failure));
        Ok(Pieces { text, failure, schema, typed, written, file })
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next_piece(&mut self) -> Result<Option<Piece>, ArrowError> {
        loop {
            let text = self.text.fill_buf()?;
            if text.is_empty() {
                break;
            }
            // Both stop after the same row.
            let read = self.typed.decode(text)?;
            let seen = self.written.decode(&text[..read])?;
            if seen != read {
                return Err(ArrowError::JsonError("rows of unequal length".into()));
            }
            let is_full = read < text.len();
            self.text.consume(read);
            if is_full {
                break;
            }
        }
        match (self.typed.flush()?, self.written.flush()?) {
            (Some(original), texts) => Ok(Some(Piece { original, texts })),
            (None, _) => Ok(None),
        }
    }
}

/// The fields as the first lines have them: nothing else says in which order they came.
fn in_order(schema: &Schema, head: &str) -> Schema {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields.sort_by_cached_key(|field| {
        let place = head.find(&format!("\"{}\"", field.name()));
        (place.unwrap_or(usize::MAX), field.name().clone())
    });
    Schema::new(fields)
}

impl Iterator for Pieces {
    type Item = Result<Piece, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_piece();
        if let Some(error) = self.failure.take() {
            return Some(Err(self.file.fetch_error(error)));
        }
        next.map_err(|error| self.file.damaged(error)).transpose()
    }
}
