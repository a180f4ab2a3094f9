//! The file with the answers: written beside its place, and renamed when it is complete.

use std::collections::HashSet;
use std::fs::{File, Permissions};
use std::io::{BufWriter, Write};
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_json::WriterBuilder;
use arrow_json::writer::{LineDelimited, Writer as JsonWriter};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use schemas::predict::Predictions;
use tempfile::NamedTempFile;

use super::error::WriteError;
use super::{Original, Stream};
use crate::answers::Answer;
use crate::format::Format;

/// Rows of a row group, and bytes of one under way: what a writer keeps in memory.
const GROUP_ROWS_MAX: usize = 1 << 17;
const GROUP_BYTES_MAX: usize = 32 << 20;

/// The seconds since 1970 that texts of dates are written of: those of the years that chrono has.
const DATES_SECONDS: RangeInclusive<i64> = -8_334_601_228_800..=8_210_266_876_799;

/// A file that is being written. Dropped unfinished, it leaves nothing.
pub struct Sink {
    file: PathBuf,
    force: bool,
    answer: Answer,
    schema: SchemaRef,
    temporary: NamedTempFile,
    encoder: Encoder,
}

/// Writes one format.
enum Encoder {
    Parquet(Box<ArrowWriter<BufWriter<File>>>),
    Csv(Box<arrow_csv::Writer<BufWriter<File>>>),
    Ndjson(JsonWriter<BufWriter<File>, LineDelimited>),
}

impl Sink {
    /// Whether `file` can be written at all; better asked before anything is read.
    ///
    /// # Errors
    /// [`WriteError`] when its name says no format that is written, or something is there already and not to be replaced.
    pub fn check(file: &Path, force: bool) -> Result<(), WriteError> {
        let format = Format::of(&file.to_string_lossy()).filter(|format| !format.is_gzip());
        match format {
            None => Err(WriteError::Format { file: file.to_owned() }),
            Some(_) if !force && file.exists() => Err(WriteError::Exists { file: file.to_owned() }),
            Some(_) => Ok(()),
        }
    }

    /// Begins a file with the columns of `input` and those of the answers.
    ///
    /// # Errors
    /// [`WriteError`] as of [`Sink::check`], when columns do not go together, or the folder cannot be written to.
    pub fn create(file: &Path, input: &Stream, answer: Answer, force: bool) -> Result<Sink, WriteError> {
        Sink::check(file, force)?;
        let Some(format) = Format::of(&file.to_string_lossy()) else {
            return Err(WriteError::Format { file: file.to_owned() });
        };
        let schema = schema(&input.schema, &answer, format)?;
        let disk = |source| WriteError::Disk { file: file.to_owned(), source };
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // As every new file, and not only for its owner as temporary ones are.
        let permissions = Permissions::from_mode(0o666);
        let temporary = tempfile::Builder::new()
            .prefix(".predictions-")
            .permissions(permissions)
            .tempfile_in(folder)
            .map_err(disk)?;
        let out = BufWriter::new(temporary.reopen().map_err(disk)?);
        let encoder = Encoder::open(out, format, &schema);
        let encoder = encoder.map_err(|error| encode_error(file, error))?;
        Ok(Sink { file: file.to_owned(), force, answer, schema, temporary, encoder })
    }

    /// Adds rows with their answers.
    ///
    /// # Errors
    /// [`WriteError`] when the disk is full, or values cannot be encoded.
    pub fn write(&mut self, original: &Original, predictions: &Predictions) -> Result<(), WriteError> {
        let columns = original.0.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(column.clone()),
            false => cast(column, field.data_type()),
        });
        let written = columns.collect::<Result<Vec<_>, _>>().and_then(|mut columns| {
            columns.extend(self.answer.columns(predictions, false));
            self.encoder.write(&RecordBatch::try_new(self.schema.clone(), columns)?)
        });
        written.map_err(|error| encode_error(&self.file, error))
    }

    /// Ends the file, which appears now.
    ///
    /// # Errors
    /// [`WriteError`] when the disk is full, or something has appeared in its place.
    pub fn finish(self) -> Result<(), WriteError> {
        let Sink { file, force, temporary, encoder, .. } = self;
        let disk = |source| WriteError::Disk { file: file.clone(), source };
        encoder.finish().map_err(|error| encode_error(&file, error))?;
        temporary.as_file().sync_all().map_err(disk)?;
        match force {
            true => drop(temporary.persist(&file).map_err(|error| disk(error.error))?),
            false => drop(temporary.persist_noclobber(&file).map_err(|error| match error.error.kind() {
                std::io::ErrorKind::AlreadyExists => WriteError::Exists { file: file.clone() },
                _ => disk(error.error),
            })?),
        }
        Ok(())
    }
}

fn encode_error(file: &Path, error: ArrowError) -> WriteError {
    match error {
        ArrowError::IoError(_, source) => WriteError::Disk { file: file.to_owned(), source },
        error => WriteError::Encode { file: file.to_owned(), source: error.into() },
    }
}

/// The columns of the input, then those of the answers.
fn schema(input: &Schema, answer: &Answer, format: Format) -> Result<SchemaRef, WriteError> {
    let answers = answer.fields(false);
    let mut fields: Vec<Arc<Field>> = input.fields().iter().cloned().collect();
    let mut names = HashSet::new();
    if let Some(again) = fields.iter().find(|field| !names.insert(field.name())) {
        return Err(WriteError::Doubled { column: again.name().clone() });
    }
    if let Some(twice) = answers.iter().find(|field| input.field_with_name(field.name()).is_ok()) {
        return Err(WriteError::Twice { column: twice.name().clone() });
    }
    let nested = fields.iter().find(|field| field.data_type().is_nested());
    if let (Format::Csv { .. }, Some(nested)) = (format, nested) {
        return Err(WriteError::Nested {
            column: nested.name().clone(),
            what: nested.data_type().to_string(),
            format: format.name(),
        });
    }
    if format != Format::Parquet {
        fields.iter_mut().for_each(in_utc);
    }
    fields.extend(answers.into_iter().map(Arc::new));
    Ok(Arc::new(Schema::new(fields)))
}

/// Texts have their instants in UTC: which offset a named zone has is nothing that this program knows.
fn in_utc(field: &mut Arc<Field>) {
    if let DataType::Timestamp(unit, Some(_)) = field.data_type() {
        let in_utc = DataType::Timestamp(*unit, Some("+00:00".into()));
        *field = Arc::new(field.as_ref().clone().with_data_type(in_utc));
    }
}

impl Encoder {
    fn open(mut out: BufWriter<File>, format: Format, schema: &SchemaRef) -> Result<Encoder, ArrowError> {
        Ok(match format {
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
                    .build();
                Encoder::Parquet(Box::new(ArrowWriter::try_new(out, schema.clone(), Some(properties))?))
            }
            Format::Csv { delimiter, .. } => {
                // The writer says the names only with the first rows, and there may be none.
                let mut names = csv(delimiter).build(&mut out);
                names.write(&RecordBatch::new_empty(schema.clone()))?;
                drop(names);
                Encoder::Csv(Box::new(csv(delimiter).with_header(false).build(out)))
            }
            Format::Ndjson { .. } => {
                Encoder::Ndjson(WriterBuilder::new().with_explicit_nulls(true).build(out))
            }
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        match self {
            Encoder::Parquet(writer) => {
                writer.write(batch)?;
                if writer.memory_size() > GROUP_BYTES_MAX {
                    writer.flush()?;
                }
                Ok(())
            }
            Encoder::Csv(writer) => writer.write(batch),
            Encoder::Ndjson(writer) => {
                check_dates(batch)?;
                writer.write(batch)
            }
        }
    }

    fn finish(self) -> Result<(), ArrowError> {
        let mut out = match self {
            Encoder::Parquet(writer) => writer.into_inner()?,
            Encoder::Csv(writer) => writer.into_inner(),
            Encoder::Ndjson(mut writer) => {
                writer.finish()?;
                writer.into_inner()
            }
        };
        Ok(out.flush()?)
    }
}

/// Refuses times so far away that they are no dates: the JSON writer would put its own complaint in the place of a text, with
/// quotes as they are.
fn check_dates(batch: &RecordBatch) -> Result<(), ArrowError> {
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let (seconds, parts) = match field.data_type() {
            DataType::Date32 => (24 * 60 * 60, 1),
            DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => (1, 1_000),
            DataType::Timestamp(TimeUnit::Second, _) => (1, 1),
            DataType::Timestamp(TimeUnit::Microsecond, _) => (1, 1_000_000),
            // All nanoseconds of 64 bits are dates.
            _ => continue,
        };
        let numbers = cast(column, &DataType::Int64)?;
        let is_far =
            |number: &i64| !DATES_SECONDS.contains(&number.div_euclid(parts).saturating_mul(seconds));
        if let Some(far) = numbers.as_primitive::<Int64Type>().iter().flatten().find(is_far) {
            let name = field.name();
            return Err(ArrowError::CastError(format!("column `{name}` holds {far}, which is no date")));
        }
    }
    Ok(())
}

fn csv(delimiter: u8) -> arrow_csv::WriterBuilder {
    arrow_csv::WriterBuilder::new().with_delimiter(delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Date32Array, TimestampMillisecondArray};

    /// What is written as NDJSON, or why nothing is.
    fn written(column: ArrayRef) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let (batch, file) =
            (RecordBatch::try_from_iter([("t", column)]).unwrap(), folder.path().join("out.ndjson"));
        let out = BufWriter::new(File::create(&file).unwrap());
        let mut encoder = Encoder::open(out, Format::of("out.ndjson").unwrap(), batch.schema_ref()).unwrap();
        encoder.write(&batch).map_err(|error| error.to_string())?;
        encoder.finish().unwrap();
        Ok(std::fs::read_to_string(file).unwrap())
    }

    #[test]
    fn times_that_are_no_dates_are_refused_and_all_others_are_json() {
        let millis = |values: Vec<Option<i64>>| written(Arc::new(TimestampMillisecondArray::from(values)));
        let (first, last) = (*DATES_SECONDS.start(), *DATES_SECONDS.end());
        let text = millis(vec![Some(0), None, Some(first * 1_000), Some(last * 1_000 + 999)]).unwrap();
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value["t"].is_null() || !value["t"].as_str().unwrap().contains("ERROR"), "{text}");
        }
        for far in [first * 1_000 - 1, last * 1_000 + 1_000, i64::MAX, i64::MIN] {
            assert!(millis(vec![Some(far)]).unwrap_err().contains("column `t` holds"), "{far}");
        }
        assert!(written(Arc::new(Date32Array::from(vec![i32::MAX]))).is_err());
    }
}
