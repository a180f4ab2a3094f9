//! Sorted records to parquet: row groups of bounded size, uploaded as they fill.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use schemas::column::TEXT_NULL;
use schemas::time::TIME_NULL;
use tokio::runtime::Handle;

use super::Clustered;
use super::error::ClusterError;
use super::layout::{KEY_BYTES, Layout, OutColumn, OutKind};
use super::values::Dictionaries;
use crate::position;

/// Rows of a row group, at most, and bytes of its records. Small, so that a scope's slice brings few rows of others along.
const GROUP_ROWS_MAX: usize = 1 << 16;
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Bytes of an upload's part: with ten thousand of them, the file may have 150 GiB.
const PART_BYTES: usize = 16 << 20;

/// Parts under way at once.
const PARTS_MAX: usize = 2;

/// Where the file goes.
pub(super) struct Target {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: Path,
    pub(super) url: String,
}

/// Takes sorted records.
pub(super) struct Writer<'a> {
    layout: &'a Layout,
    dictionaries: &'a Dictionaries,
    schema: Arc<Schema>,
    url: String,
    handle: &'a Handle,
    upload: WriteMultipart,
    parquet: ArrowWriter<Vec<u8>>,
    /// Records of the next row group.
    group: Vec<u8>,
    rows: u64,
    size_bytes: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn open(
        (layout, dictionaries): (&'a Layout, &'a Dictionaries),
        target: Target,
        handle: &'a Handle,
    ) -> Result<Writer<'a>, ClusterError> {
        let Target { store, path, url } = target;
        let mut fields: Vec<Field> = layout.columns.iter().map(field).collect();
        fields.push(Field::new(position::COLUMN, DataType::Int64, false));
        let schema = Arc::new(Schema::new(fields));
        let parquet = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties()));
        let parquet = parquet.map_err(|source| ClusterError::Encode { place: url.clone(), source })?;
        let upload = handle.block_on(store.put_multipart(&path));
        let upload = upload.map_err(|source| ClusterError::Write { place: url.clone(), source })?;
        let upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        Ok(Writer {
            layout,
            dictionaries,
            schema,
            url,
            handle,
            upload,
            parquet,
            group: Vec::new(),
            rows: 0,
            size_bytes: 0,
        })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds the next record. A row group ends when it is full, or is half full and its first dimension's value ends.
    pub(super) fn add(&mut self, record: &[u8]) -> Result<(), ClusterError> {
        let rows_max = (GROUP_BYTES_MAX / self.layout.width).clamp(1, GROUP_ROWS_MAX);
        let rows = self.group.len() / self.layout.width;
        if rows >= rows_max || (rows >= rows_max / 2 && self.begins_a_value(record)) {
            self.flush()?;
        }
        self.group.extend_from_slice(record);
        self.rows += 1;
        Ok(())
    }

    fn begins_a_value(&self, record: &[u8]) -> bool {
        let Some((slot, _)) = self.layout.sorting.first() else { return false };
        let offset = self.layout.offsets[*slot];
        let last = &self.group[self.group.len() - self.layout.width..];
        last[offset..offset + 4] != record[offset..offset + 4]
    }

    /// Ends the file, which appears now, unless `added` says that not all records came.
    pub(super) fn finish(
        mut self,
        added: Result<(), ClusterError>,
        (rows, runs): (u64, usize),
    ) -> Result<Clustered, ClusterError> {
        let ended = added.and_then(|()| self.end(rows));
        let Writer { upload, url, handle, rows, size_bytes, .. } = self;
        match ended {
            Ok(row_groups) => {
                let done = handle.block_on(upload.finish());
                done.map_err(|source| ClusterError::Write { place: url.clone(), source })?;
                Ok(Clustered { url, rows, row_groups, size_bytes, runs })
            }
            Err(error) => {
                // What was uploaded is of no use; the first error is the one to tell.
                let _ = handle.block_on(upload.abort());
                Err(error)
            }
        }
    }

    fn end(&mut self, rows: u64) -> Result<usize, ClusterError> {
        if self.rows != rows {
            return Err(ClusterError::Rows { read: rows, written: self.rows });
        }
        self.flush()?;
        let metadata = self.parquet.finish().map_err(|source| self.encode_error(source))?;
        self.send()?;
        Ok(metadata.num_row_groups())
    }

    fn encode_error(&self, source: ParquetError) -> ClusterError {
        ClusterError::Encode { place: self.url.clone(), source }
    }

    /// Writes the row group.
    fn flush(&mut self) -> Result<(), ClusterError> {
        if self.group.is_empty() {
            return Ok(());
        }
        let group = Group { records: &self.group, layout: self.layout, dictionaries: self.dictionaries };
        let mut arrays: Vec<ArrayRef> =
            self.layout.columns.iter().map(|column| group.column(column)).collect();
        arrays.push(group.positions());
        let written = RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(ParquetError::from)
            .and_then(|batch| self.parquet.write(&batch))
            .and_then(|()| self.parquet.flush());
        written.map_err(|source| self.encode_error(source))?;
        self.group.clear();
        self.send()
    }

    /// Uploads what has been encoded.
    fn send(&mut self) -> Result<(), ClusterError> {
        let encoded = std::mem::take(self.parquet.inner_mut());
        self.size_bytes += encoded.len() as u64;
        let upload = &mut self.upload;
        let sent = self.handle.block_on(async {
            upload.wait_for_capacity(PARTS_MAX).await?;
            upload.put(encoded.into());
            Ok(())
        });
        sent.map_err(|source| ClusterError::Write { place: self.url.clone(), source })
    }
}

fn field(column: &OutColumn) -> Field {
    let data_type = match column.kind {
        OutKind::Number => DataType::Float64,
        OutKind::Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        OutKind::Text => DataType::Utf8,
        OutKind::Integer => DataType::Int64,
        OutKind::Boolean => DataType::Boolean,
    };
    Field::new(&column.name, data_type, true)
}

fn properties() -> WriterProperties {
    let position = ColumnPath::from(position::COLUMN);
    let mark = KeyValue::new(position::MARK.to_owned(), "1".to_owned());
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(None)
        .set_column_dictionary_enabled(position.clone(), false)
        .set_column_encoding(position, Encoding::DELTA_BINARY_PACKED)
        .set_key_value_metadata(Some(vec![mark]))
        .build()
}

/// The records of a row group.
struct Group<'a> {
    records: &'a [u8],
    layout: &'a Layout,
    dictionaries: &'a Dictionaries,
}

impl Group<'_> {
    fn bytes<const N: usize>(&self, offset: usize) -> impl Iterator<Item = [u8; N]> {
        self.records.chunks_exact(self.layout.width).map(move |record| {
            let mut bytes = [0; N];
            bytes.copy_from_slice(&record[offset..offset + N]);
            bytes
        })
    }

    fn positions(&self) -> ArrayRef {
        let places = self.bytes(KEY_BYTES - 8).map(|bytes| u64::from_be_bytes(bytes) as i64);
        Arc::new(places.collect::<Int64Array>())
    }

    fn column(&self, column: &OutColumn) -> ArrayRef {
        let offset = self.layout.offsets[column.slot];
        let values = &self.dictionaries.values[column.slot];
        let texts = || {
            let codes = self.bytes(offset).map(u32::from_le_bytes);
            codes.map(|code| if code == TEXT_NULL { None } else { Some(values[code as usize].as_str()) })
        };
        match column.kind {
            OutKind::Number => {
                let numbers = self.bytes(offset).map(f64::from_le_bytes);
                Arc::new(numbers.map(|x| (!x.is_nan()).then_some(x)).collect::<Float64Array>())
            }
            OutKind::Time => {
                let times = self.bytes(offset).map(i64::from_le_bytes);
                let times = times.map(|ms| (ms != TIME_NULL).then_some(ms));
                Arc::new(times.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
            }
            OutKind::Text => Arc::new(texts().collect::<StringArray>()),
            // All values are written so: the layout has looked at them.
            OutKind::Integer => Arc::new(texts().map(|text| text?.parse().ok()).collect::<Int64Array>()),
            OutKind::Boolean => Arc::new(texts().map(|text| text?.parse().ok()).collect::<BooleanArray>()),
        }
    }
}
