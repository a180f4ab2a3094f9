//! NDJSON: one object per line. An absent key is null; a column is what it is wanted as, if all of its values can be.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_json::ReaderBuilder;
use arrow_json::reader::infer_json_schema;
use arrow_schema::{DataType, Field, Schema};

use super::text::Collector;
use super::{BATCH_ROWS, Decoded};
use crate::error::ReadError;
use crate::files::File;
use crate::kind::Kind;
use crate::request::Slot;

/// Names and kinds from the objects at hand.
pub(super) fn columns(file: &File, head: &[u8]) -> Result<Vec<(String, Kind)>, ReadError> {
    let (schema, _) = infer_json_schema(head, None).map_err(|error| file.damaged(error))?;
    let fields = schema.fields().iter();
    Ok(fields.map(|field| (field.name().clone(), Kind::of(field.data_type()))).collect())
}

pub(super) fn decode(file: &File, text: &[u8], slots: &[Slot]) -> Result<Decoded, ReadError> {
    let mut names: Vec<&str> = Vec::new();
    for slot in slots {
        if !names.contains(&slot.name.as_str()) {
            names.push(&slot.name);
        }
    }
    let texts: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let reader = ReaderBuilder::new(Arc::new(Schema::new(texts)))
        // Numbers and booleans come as they are written.
        .with_coerce_primitive(true)
        .with_batch_size(BATCH_ROWS)
        .build(text)
        .map_err(|error| file.damaged(error))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| file.damaged(error))?;
    let is_absent = |at: usize| batches.iter().all(|batch| batch.column(at).null_count() == batch.num_rows());
    let absent: Vec<&str> = (0..names.len()).filter(|at| is_absent(*at)).map(|at| names[at]).collect();
    check_absent(file, text, &absent)?;
    let mut collector = Collector::new(file, slots);
    for batch in &batches {
        collector.add(batch.num_rows(), |name| match file.key(name) {
            Some(_) if absent.contains(&name) => None,
            _ => batch.column(names.iter().position(|known| *known == name)?).as_string_opt::<i32>(),
        })?;
    }
    Ok(collector.finish())
}

/// A column without a value is fine when some object has its key, with a null, or the folders spell it.
fn check_absent(file: &File, text: &[u8], absent: &[&str]) -> Result<(), ReadError> {
    if absent.iter().all(|name| file.key(name).is_some()) {
        return Ok(());
    }
    let known = columns(file, text)?;
    let is_known = |name: &str| file.key(name).is_some() || known.iter().any(|(column, _)| column == name);
    match absent.iter().find(|name| !is_known(name)) {
        Some(unknown) => Err(file.unknown(unknown, known.iter().map(|(name, _)| name.as_str()))),
        None => Ok(()),
    }
}
