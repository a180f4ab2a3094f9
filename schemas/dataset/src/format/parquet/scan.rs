//! One row group at a time, and of each only the rows that are wanted.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{BooleanArray, RecordBatch};
use parquet::arrow::arrow_reader::RowSelection;
use tokio::runtime::Handle;

use super::super::Decoded;
use super::super::sparse::Sparse;
use super::bounds;
use super::footer::{Footer, Wanted};
use crate::error::ReadError;
use crate::filter::Filter;
use crate::request::Slot;
use crate::{convert, position};

/// A file whose row groups are read one by one.
pub(crate) struct Groups {
    footer: Arc<Footer>,
    wanted: Vec<Wanted>,
}

impl Groups {
    /// The row groups of a file.
    pub(crate) fn new(footer: Arc<Footer>, slots: &[Slot]) -> Result<Groups, ReadError> {
        Ok(Groups { wanted: footer.wanted(slots)?, footer })
    }

    /// Those row groups that may have wanted rows, by their statistics.
    pub(crate) fn within(&self, filter: Option<&Filter>) -> Vec<usize> {
        let may_match = |group: &usize| {
            filter.is_none_or(|filter| {
                filter.may_match(&bounds::of_group(&self.footer, *group, &self.wanted, filter))
            })
        };
        (0..self.footer.groups()).filter(may_match).collect()
    }

    /// The wanted rows of one row group, in pieces. What decides which rows are wanted is fetched first, and the rest
    /// only where there are some.
    pub(crate) fn read(
        &self,
        group: usize,
        (slots, filter): (&[Slot], Option<&Filter>),
        handle: &Handle,
    ) -> Result<Vec<Decoded>, ReadError> {
        let (selection, looked_at) = match filter {
            Some(filter) => match self.select(group, (slots, filter), handle)? {
                (selection, _) if !selection.selects_any() => return Ok(Vec::new()),
                (selection, bytes) => (Some(selection), bytes),
            },
            None => (None, None),
        };
        let all: Vec<&Wanted> = self.wanted.iter().collect();
        let rows = match &selection {
            Some(selection) => selection.row_count(),
            None => self.footer.group_rows(group)?,
        };
        if all.is_empty() {
            return Ok(vec![self.piece(rows, &[], slots, None)?]);
        }
        let is_missing = |wanted: &&Wanted| match &looked_at {
            Some(bytes) => self.footer.range(group, wanted.leaf).is_ok_and(|range| !bytes.holds(&range)),
            None => true,
        };
        let missing = self.wanted.iter().filter(is_missing);
        let rest = handle.block_on(self.footer.bytes(group..group + 1, missing))?;
        let bytes = looked_at.map_or(rest.clone(), |bytes| bytes.join(&rest));
        let batches = self.footer.batches(&bytes, (group, &all), selection)?;
        if batches.iter().map(RecordBatch::num_rows).sum::<usize>() != rows {
            return Err(self.footer.file.damaged(format!("row group {group} does not have {rows} rows")));
        }
        batches.iter().map(|batch| self.piece(batch.num_rows(), &all, slots, Some(batch))).collect()
    }

    /// Which rows of a row group are wanted, and the bytes that say it.
    fn select(
        &self,
        group: usize,
        (slots, filter): (&[Slot], &Filter),
        handle: &Handle,
    ) -> Result<(RowSelection, Option<Sparse>), ReadError> {
        let looked_at: Vec<Slot> = slots.iter().filter(|slot| filter.looks_at(slot)).cloned().collect();
        let is_looked_at = |wanted: &&Wanted| looked_at.iter().any(|slot| slot.name == wanted.name);
        let wanted: Vec<&Wanted> = self.wanted.iter().filter(is_looked_at).collect();
        let mut marks: Vec<BooleanArray> = Vec::new();
        if wanted.is_empty() {
            let piece = self.piece(self.footer.group_rows(group)?, &[], &looked_at, None)?;
            marks.push(filter.rows(&piece, &looked_at).into());
            return Ok((RowSelection::from_filters(&marks), None));
        }
        let bytes = handle.block_on(self.footer.bytes(group..group + 1, wanted.iter().copied()))?;
        for batch in self.footer.batches(&bytes, (group, &wanted), None)? {
            let piece = self.piece(batch.num_rows(), &wanted, &looked_at, Some(&batch))?;
            marks.push(filter.rows(&piece, &looked_at).into());
        }
        Ok((RowSelection::from_filters(&marks), Some(bytes)))
    }

    /// The slots of a batch, whose columns are those of `wanted` in the file's order.
    fn piece(
        &self,
        rows: usize,
        wanted: &[&Wanted],
        slots: &[Slot],
        batch: Option<&RecordBatch>,
    ) -> Result<Decoded, ReadError> {
        let file = &self.footer.file;
        let array =
            |name: &str| batch.filter(|_| wanted.iter().any(|w| w.name == name))?.column_by_name(name);
        let mut piece = Decoded { rows, ..Decoded::default() };
        for (at, slot) in slots.iter().enumerate() {
            let column = match array(&slot.name) {
                Some(array) => {
                    convert::from_typed(array, slot.role).map_err(|wrong| wrong.at(file, slot, 0))?
                }
                None => convert::key_column(file, slot, rows)?,
            };
            piece.columns.push((at, column));
        }
        if self.footer.is_clustered()
            && let Some(places) = array(position::COLUMN)
        {
            let places = places.as_primitive_opt::<Int64Type>();
            let places = places.ok_or_else(|| file.damaged("positions that are no integers"))?;
            piece.positions = Some(places.values().to_vec());
        }
        Ok(piece)
    }
}
