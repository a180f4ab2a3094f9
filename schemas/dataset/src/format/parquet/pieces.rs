//! Batches of all columns, one row group in memory at a time, as it is stored.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use tokio::runtime::Handle;

use super::footer::{Footer, Wanted, declared};
use crate::error::ReadError;
use crate::files::File;
use crate::stream::Piece;

/// The batches of a file.
pub(crate) struct Pieces {
    footer: Footer,
    /// With the types that the writer declared.
    metadata: ArrowReaderMetadata,
    leaves: Vec<Wanted>,
    /// The row group that comes next.
    group: usize,
    open: Option<ParquetRecordBatchReader>,
    /// Rows of the open row group that are still to come.
    left: usize,
    batch_rows: usize,
    handle: Handle,
}

impl Pieces {
    pub(crate) fn open(file: Arc<File>, batch_rows: usize, handle: &Handle) -> Result<Pieces, ReadError> {
        let footer = handle.block_on(Footer::fetch(file))?;
        let metadata = declared(footer.metadata.metadata().clone());
        let metadata = metadata.map_err(|error| footer.file.damaged(error))?;
        let leaves = 0..metadata.parquet_schema().num_columns();
        let leaves = leaves.map(|leaf| Wanted { name: String::new(), leaf }).collect();
        Ok(Pieces {
            footer,
            metadata,
            leaves,
            group: 0,
            open: None,
            left: 0,
            batch_rows,
            handle: handle.clone(),
        })
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        self.metadata.schema().clone()
    }

    /// Rows of the whole file.
    pub(crate) fn rows(&self) -> Result<u64, ReadError> {
        self.footer.rows().map(|rows| rows as u64)
    }

    fn open_group(&mut self, group: usize) -> Result<ParquetRecordBatchReader, ReadError> {
        self.left = self.footer.group_rows(group)?;
        let bytes = self.handle.block_on(self.footer.bytes(group..group + 1, &self.leaves))?;
        ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, self.metadata.clone())
            .with_row_groups(vec![group])
            .with_batch_size(self.batch_rows)
            .build()
            .map_err(|error| self.footer.file.damaged(error))
    }

    fn next_piece(&mut self) -> Result<Option<Piece>, ReadError> {
        loop {
            let next = self.open.as_mut().and_then(Iterator::next).transpose();
            match next.map_err(|error| self.footer.file.damaged(error))? {
                Some(original) => {
                    self.left = self.left.saturating_sub(original.num_rows());
                    return Ok(Some(Piece { original, texts: None }));
                }
                None if self.left > 0 => {
                    let group = self.group.saturating_sub(1);
                    let lost = format!("row group {group} lacks {} of its rows", self.left);
                    return Err(self.footer.file.damaged(lost));
                }
                None if self.group == self.footer.groups() => return Ok(None),
                None => {
                    self.open = Some(self.open_group(self.group)?);
                    self.group += 1;
                }
            }
        }
    }
}

impl Iterator for Pieces {
    type Item = Result<Piece, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_piece().transpose()
    }
}
