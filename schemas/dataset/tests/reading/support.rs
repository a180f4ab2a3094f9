//! Folders with data files in them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use dataset::{Dataset, OpenError, ReadError, Request, Table};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use schemas::spec::{DataSpec, Source};
use tempfile::TempDir;

/// A folder that goes away with its last user.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path as a source.
    pub(crate) fn source(&self, name: &str) -> Source {
        Source::One(self.path(name).to_str().unwrap().to_owned())
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Folder {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
        self
    }

    pub(crate) fn write_gzip(&self, name: &str, text: &str) -> &Folder {
        self.write(name, gzip(text.as_bytes()))
    }

    /// Row groups of three rows, so that every test crosses some.
    pub(crate) fn write_parquet(&self, name: &str, columns: Vec<(&str, ArrayRef)>) -> &Folder {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        write_parquet(&self.path(name), columns, None);
        self
    }

    /// With Arrow's types as `types` says them.
    pub(crate) fn write_parquet_with(&self, name: &str, columns: Vec<(&str, ArrayRef)>, types: KeyValue) {
        write_parquet(&self.path(name), columns, Some(types));
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>, types: Option<KeyValue>) {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3));
    let skip = types.is_some();
    let properties = properties.set_key_value_metadata(types.map(|types| vec![types])).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(skip);
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new_with_options(file, batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

pub(crate) fn texts(rows: &[Option<&str>]) -> ArrayRef {
    Arc::new(rows.iter().copied().collect::<arrow_array::StringArray>())
}

pub(crate) fn numbers(rows: &[Option<f64>]) -> ArrayRef {
    Arc::new(rows.iter().copied().collect::<arrow_array::Float64Array>())
}

pub(crate) fn request(dimensions: &[&str], time: Option<&str>, numbers: &[&str]) -> Request {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Request {
        dimensions: owned(dimensions),
        time: time.map(str::to_owned),
        numbers: owned(numbers),
        ..Request::default()
    }
}

/// Opens a source of files.
pub(crate) async fn open(source: &Source) -> Result<Dataset, OpenError> {
    dataset::open(&DataSpec { source: source.clone(), query: None, time: None }).await
}

pub(crate) async fn read(source: &Source, request: &Request) -> Result<Table, ReadError> {
    open(source).await.unwrap().read(request, 2).await
}

/// The texts of a dimension, `-` where it is null.
pub(crate) fn dimension<'a>(table: &'a Table, name: &str) -> Vec<&'a str> {
    let column = table.dimension(name).unwrap();
    (0..table.rows()).map(|row| column.get(row).unwrap_or("-")).collect()
}

/// An error with its causes, as it is shown.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
