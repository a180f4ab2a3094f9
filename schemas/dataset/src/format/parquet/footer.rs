//! What a parquet file says about itself, and where in it the wanted columns are.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema};
use object_store::ObjectStoreExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};

use super::super::BATCH_ROWS;
use super::super::sparse::Sparse;
use crate::convert;
use crate::error::ReadError;
use crate::files::File;
use crate::kind::Kind;
use crate::position;
use crate::request::Slot;

/// Bytes fetched from a file's end in the hope that the footer is in them.
const TAIL_BYTES: u64 = 64 * 1024;

/// A file's footer.
pub(crate) struct Footer {
    pub(crate) file: Arc<File>,
    pub(crate) metadata: ArrowReaderMetadata,
    /// The file's end, as far as it came with the footer.
    tail: Sparse,
}

/// A column of the file that is wanted.
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) leaf: usize,
}

impl Footer {
    /// Fetches the footer of `file`.
    pub(crate) async fn fetch(file: Arc<File>) -> Result<Footer, ReadError> {
        let size = file.size_bytes;
        let mut wanted = size.min(TAIL_BYTES);
        let mut reader = ParquetMetaDataReader::new();
        // Twice at most: the second time it is known how long the footer is.
        let tail = loop {
            let range = size - wanted..size;
            let tail =
                file.store.get_range(&file.path, range).await.map_err(|error| file.fetch_error(error))?;
            file.count(tail.len());
            match reader.try_parse_sized(&tail, size) {
                Ok(()) => break tail,
                Err(ParquetError::NeedMoreData(needed))
                    if needed as u64 > wanted && needed as u64 <= size =>
                {
                    wanted = needed as u64;
                }
                Err(error) => return Err(file.damaged(error)),
            }
        };
        let metadata = reader.finish().and_then(with_dictionaries).map_err(|error| file.damaged(error))?;
        Ok(Footer { metadata, tail: Sparse::new(size, vec![(size - wanted, tail)]), file })
    }

    /// Whether `enqueue cluster` wrote it: then it says where its rows stood before.
    pub(crate) fn is_clustered(&self) -> bool {
        let metadata = self.metadata.metadata().file_metadata().key_value_metadata();
        metadata.is_some_and(|pairs| pairs.iter().any(|pair| pair.key == position::MARK))
    }

    pub(crate) fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    pub(super) fn group_rows(&self, group: usize) -> Result<usize, ReadError> {
        let rows = self.metadata.metadata().row_group(group).num_rows();
        usize::try_from(rows).map_err(|error| self.file.damaged(error))
    }

    /// Rows of the whole file.
    pub(crate) fn rows(&self) -> Result<usize, ReadError> {
        (0..self.groups()).map(|group| self.group_rows(group)).sum()
    }

    /// Where the wanted columns are in the file; those that the folders spell are not in it. Of a clustered file also
    /// the positions, last.
    pub(super) fn wanted(&self, slots: &[Slot]) -> Result<Vec<Wanted>, ReadError> {
        let fields = self.metadata.schema().fields();
        let mut wanted: Vec<Wanted> = Vec::new();
        for slot in slots {
            let Some(root) = fields.iter().position(|field| *field.name() == slot.name) else {
                match self.file.key(&slot.name) {
                    Some(_) => continue,
                    None => {
                        let names = fields.iter().map(|field| field.name().as_str());
                        return Err(self.file.unknown(&slot.name, names));
                    }
                }
            };
            let found = Kind::of(fields[root].data_type());
            let (Some(leaf), true) = (self.leaf(root), found != Kind::Other) else {
                return Err(convert::Mismatch::Kind(found).at(&self.file, slot, 0));
            };
            if !wanted.iter().any(|known| known.leaf == leaf) {
                wanted.push(Wanted { name: slot.name.clone(), leaf });
            }
        }
        if self.is_clustered() {
            let root = fields.iter().position(|field| field.name() == position::COLUMN);
            let leaf = root.and_then(|root| self.leaf(root));
            let leaf = leaf.ok_or_else(|| self.file.damaged("a clustered file without positions"))?;
            wanted.push(Wanted { name: position::COLUMN.to_owned(), leaf });
        }
        Ok(wanted)
    }

    fn leaf(&self, root: usize) -> Option<usize> {
        let leaves = self.metadata.parquet_schema();
        (0..leaves.num_columns()).find(|leaf| leaves.get_column_root_idx(*leaf) == root)
    }

    pub(super) fn range(&self, group: usize, leaf: usize) -> Result<Range<u64>, ReadError> {
        let chunk = self.metadata.metadata().row_group(group).column(leaf);
        let range = byte_range(chunk, self.file.size_bytes);
        range.ok_or_else(|| self.file.damaged("a column lies outside of the file"))
    }

    /// The bytes of some columns in some row groups.
    pub(super) async fn bytes<'a>(
        &self,
        groups: Range<usize>,
        wanted: impl IntoIterator<Item = &'a Wanted> + Clone,
    ) -> Result<Sparse, ReadError> {
        let mut ranges = Vec::new();
        for group in groups {
            for column in wanted.clone() {
                ranges.push(self.range(group, column.leaf)?);
            }
        }
        // A small file has come whole with its footer.
        if ranges.iter().all(|range| self.tail.holds(range)) {
            return Ok(self.tail.clone());
        }
        let file = &self.file;
        let fetched = file.store.get_ranges(&file.path, &ranges).await;
        let fetched = fetched.map_err(|error| file.fetch_error(error))?;
        file.count(fetched.iter().map(bytes::Bytes::len).sum());
        let starts = ranges.into_iter().map(|range| range.start);
        Ok(Sparse::new(file.size_bytes, starts.zip(fetched).collect()))
    }

    /// Decodes the wanted columns of one row group, or the selected rows of it. They come in the file's order.
    pub(super) fn batches(
        &self,
        bytes: &Sparse,
        (group, wanted): (usize, &[&Wanted]),
        selection: Option<RowSelection>,
    ) -> Result<Vec<RecordBatch>, ReadError> {
        let leaves = wanted.iter().map(|wanted| wanted.leaf);
        let mask = ProjectionMask::leaves(self.metadata.parquet_schema(), leaves);
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), self.metadata.clone())
                .with_projection(mask)
                .with_row_groups(vec![group])
                .with_batch_size(BATCH_ROWS);
        let builder = match selection {
            Some(selection) => builder.with_row_selection(selection),
            None => builder,
        };
        let batches = builder.build().and_then(|reader| Ok(reader.collect::<Result<Vec<_>, _>>()?));
        batches.map_err(|error| self.file.damaged(error))
    }
}

/// The file's schema, but texts stay the dictionaries that they are stored as.
fn with_dictionaries(metadata: ParquetMetaData) -> Result<ArrowReaderMetadata, ParquetError> {
    let declared = declared(Arc::new(metadata))?;
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

/// The file's schema as its writer declared it.
pub(super) fn declared(metadata: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata, ParquetError> {
    // The file's own types are enough where Arrow's, which some writers add, cannot be read: they may not be when there are
    // half a million columns.
    let own = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new())
        .or_else(|_| ArrowReaderMetadata::try_new(metadata, own))
}

/// Like `ColumnChunkMetaData::byte_range`, which panics when the footer is damaged.
fn byte_range(chunk: &ColumnChunkMetaData, size_bytes: u64) -> Option<Range<u64>> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let start = u64::try_from(start).ok()?;
    let end = start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?;
    (end <= size_bytes).then_some(start..end)
}
