//! Parquet: the footer, then only the column chunks that are wanted.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};

use super::sparse::Sparse;
use super::{BATCH_ROWS, Decoded};
use crate::convert;
use crate::error::ReadError;
use crate::files::File;
use crate::kind::Kind;
use crate::request::Slot;

/// Bytes fetched from a file's end in the hope that the footer is in them.
const TAIL_BYTES: u64 = 64 * 1024;

pub(super) async fn columns(file: &File) -> Result<Vec<(String, Kind)>, ReadError> {
    let (metadata, _) = footer(file).await?;
    let fields = metadata.schema().fields().iter();
    Ok(fields.map(|field| (field.name().clone(), Kind::of(field.data_type()))).collect())
}

/// The footer, and the file's end as far as it was fetched.
async fn footer(file: &File) -> Result<(ArrowReaderMetadata, Sparse), ReadError> {
    let size = file.size_bytes;
    let mut wanted = size.min(TAIL_BYTES);
    let mut reader = ParquetMetaDataReader::new();
    // Twice at most: the second time it is known how long the footer is.
    let tail = loop {
        let range = size - wanted..size;
        let tail = file.store.get_range(&file.path, range).await.map_err(|error| file.fetch_error(error))?;
        match reader.try_parse_sized(&tail, size) {
            Ok(()) => break tail,
            Err(ParquetError::NeedMoreData(needed)) if needed as u64 > wanted && needed as u64 <= size => {
                wanted = needed as u64;
            }
            Err(error) => return Err(file.damaged(error)),
        }
    };
    let metadata = reader.finish().and_then(with_dictionaries).map_err(|error| file.damaged(error))?;
    Ok((metadata, Sparse::new(size, vec![(size - wanted, tail)])))
}

/// The file's schema, but texts stay the dictionaries that they are stored as.
fn with_dictionaries(metadata: ParquetMetaData) -> Result<ArrowReaderMetadata, ParquetError> {
    let metadata = Arc::new(metadata);
    // The file's own types are enough where Arrow's, which some writers add, cannot be read: they may not be when there are
    // half a million columns.
    let own = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let declared = ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new())
        .or_else(|_| ArrowReaderMetadata::try_new(metadata, own))?;
    let by_code = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let codes = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            Arc::new(field.as_ref().clone().with_data_type(codes))
        }
        _ => field.clone(),
    };
    let fields: Vec<_> = declared.schema().fields().iter().map(by_code).collect();
    let schema = Schema::new_with_metadata(fields, declared.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(declared.metadata().clone(), options)
}

/// The wanted column chunks of one file.
pub(crate) struct Chunks {
    file: Arc<File>,
    metadata: ArrowReaderMetadata,
    bytes: Sparse,
    /// Columns of the file that are wanted, each once.
    wanted: Vec<Wanted>,
}

struct Wanted {
    name: String,
    leaf: usize,
}

impl Chunks {
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(super) async fn fetch(file: Arc<File>, slots: &[Slot]) -> Result<Chunks, ReadError> {
        let (metadata, tail) = footer(&file).await?;
        let wanted = wanted(&file, &metadata, slots)?;
        let mut ranges = Vec::new();
        for group in metadata.metadata().row_groups() {
            for column in &wanted {
                let range = byte_range(group.column(column.leaf), file.size_bytes);
                ranges.push(range.ok_or_else(|| file.damaged("a column lies outside of the file"))?);
            }
        }
        // A small file has come whole with its footer.
        let bytes = if ranges.iter().all(|range| tail.holds(range)) {
            tail
        } else {
            let fetched = file.store.get_ranges(&file.path, &ranges).await;
            let fetched: Vec<Bytes> = fetched.map_err(|error| file.fetch_error(error))?;
            let starts = ranges.into_iter().map(|range| range.start);
            Sparse::new(file.size_bytes, starts.zip(fetched).collect())
        };
        Ok(Chunks { file, metadata, bytes, wanted })
    }

    /// Per row group one part for its row count and the folders' keys, and one for each wanted column.
    pub(super) fn parts(&self) -> usize {
        self.metadata.metadata().num_row_groups() * (1 + self.wanted.len())
    }

    pub(super) fn decode(&self, part: usize, slots: &[Slot]) -> Result<Decoded, ReadError> {
        let (group, column) = (part / (1 + self.wanted.len()), part % (1 + self.wanted.len()));
        let rows = self.metadata.metadata().row_group(group).num_rows();
        let rows = usize::try_from(rows).map_err(|error| self.file.damaged(error))?;
        match column.checked_sub(1) {
            None => self.decode_keys(rows, slots),
            Some(column) => self.decode_column(group, &self.wanted[column], (rows, slots)),
        }
    }

    fn decode_keys(&self, rows: usize, slots: &[Slot]) -> Result<Decoded, ReadError> {
        let of_file = |slot: &Slot| self.wanted.iter().any(|wanted| wanted.name == slot.name);
        let spelled = slots.iter().enumerate().filter(|(_, slot)| !of_file(slot));
        let columns = spelled.map(|(at, slot)| Ok((at, convert::key_column(&self.file, slot, rows)?)));
        Ok(Decoded { rows, columns: columns.collect::<Result<_, ReadError>>()? })
    }

    fn decode_column(
        &self,
        group: usize,
        wanted: &Wanted,
        (rows, slots): (usize, &[Slot]),
    ) -> Result<Decoded, ReadError> {
        let batches = self.batches(group, wanted.leaf).map_err(|error| self.file.damaged(error))?;
        if batches.iter().map(|batch| batch.len()).sum::<usize>() != rows {
            return Err(self.file.damaged(format!("column `{}` does not have {rows} rows", wanted.name)));
        }
        let mut decoded = Decoded::default();
        for (at, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.name == wanted.name) {
            for batch in &batches {
                let piece = convert::from_typed(batch, slot.role);
                decoded.columns.push((at, piece.map_err(|wrong| wrong.at(&self.file, slot, 0))?));
            }
        }
        Ok(decoded)
    }

    fn batches(&self, group: usize, leaf: usize) -> Result<Vec<ArrayRef>, ParquetError> {
        let mask = ProjectionMask::leaves(self.metadata.parquet_schema(), [leaf]);
        let reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.bytes.clone(), self.metadata.clone())
                .with_projection(mask)
                .with_row_groups(vec![group])
                .with_batch_size(BATCH_ROWS)
                .build()?;
        reader.map(|batch| Ok(batch?.column(0).clone())).collect()
    }
}

/// Where the wanted columns are in the file; those that the folders spell are not in it.
fn wanted(file: &File, metadata: &ArrowReaderMetadata, slots: &[Slot]) -> Result<Vec<Wanted>, ReadError> {
    let fields = metadata.schema().fields();
    let leaves = metadata.parquet_schema();
    let mut wanted: Vec<Wanted> = Vec::new();
    for slot in slots {
        let Some(root) = fields.iter().position(|field| *field.name() == slot.name) else {
            match file.key(&slot.name) {
                Some(_) => continue,
                None => {
                    return Err(file.unknown(&slot.name, fields.iter().map(|field| field.name().as_str())));
                }
            }
        };
        let found = Kind::of(fields[root].data_type());
        let leaf = (0..leaves.num_columns()).find(|leaf| leaves.get_column_root_idx(*leaf) == root);
        let (Some(leaf), true) = (leaf, found != Kind::Other) else {
            return Err(convert::Mismatch::Kind(found).at(file, slot, 0));
        };
        if !wanted.iter().any(|known| known.leaf == leaf) {
            wanted.push(Wanted { name: slot.name.clone(), leaf });
        }
    }
    Ok(wanted)
}

/// Like `ColumnChunkMetaData::byte_range`, which panics when the footer is damaged.
fn byte_range(chunk: &ColumnChunkMetaData, size_bytes: u64) -> Option<Range<u64>> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let start = u64::try_from(start).ok()?;
    let end = start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?;
    (end <= size_bytes).then_some(start..end)
}
