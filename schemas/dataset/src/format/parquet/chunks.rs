//! A whole file: all its row groups are fetched at once and decoded column by column.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::super::Decoded;
use super::super::sparse::Sparse;
use super::footer::{Footer, Wanted};
use crate::error::ReadError;
use crate::files::File;
use crate::request::Slot;
use crate::{convert, position};

/// The wanted column chunks of one file.
pub(crate) struct Chunks {
    footer: Footer,
    bytes: Sparse,
    /// Columns of the file that are wanted, each once.
    wanted: Vec<Wanted>,
}

impl Chunks {
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.footer.file
    }

    pub(crate) async fn fetch(file: Arc<File>, slots: &[Slot]) -> Result<Chunks, ReadError> {
        let footer = Footer::fetch(file).await?;
        let wanted = footer.wanted(slots)?;
        let bytes = footer.bytes(0..footer.groups(), &wanted).await?;
        Ok(Chunks { footer, bytes, wanted })
    }

    /// Per row group one part for its row count and the folders' keys, and one for each wanted column.
    pub(crate) fn parts(&self) -> usize {
        self.footer.groups() * (1 + self.wanted.len())
    }

    pub(crate) fn is_clustered(&self) -> bool {
        self.footer.is_clustered()
    }

    pub(crate) fn decode(&self, part: usize, slots: &[Slot]) -> Result<Decoded, ReadError> {
        let (group, column) = (part / (1 + self.wanted.len()), part % (1 + self.wanted.len()));
        let rows = self.footer.group_rows(group)?;
        match column.checked_sub(1) {
            None => self.decode_keys(rows, slots),
            Some(column) => self.decode_column(group, &self.wanted[column], (rows, slots)),
        }
    }

    fn decode_keys(&self, rows: usize, slots: &[Slot]) -> Result<Decoded, ReadError> {
        let of_file = |slot: &Slot| self.wanted.iter().any(|wanted| wanted.name == slot.name);
        let spelled = slots.iter().enumerate().filter(|(_, slot)| !of_file(slot));
        let columns = spelled.map(|(at, slot)| Ok((at, convert::key_column(self.file(), slot, rows)?)));
        Ok(Decoded { rows, columns: columns.collect::<Result<_, ReadError>>()?, positions: None })
    }

    fn decode_column(
        &self,
        group: usize,
        wanted: &Wanted,
        (rows, slots): (usize, &[Slot]),
    ) -> Result<Decoded, ReadError> {
        let file = self.file();
        let batches = self.footer.batches(&self.bytes, (group, &[wanted]), None)?;
        if batches.iter().map(|batch| batch.num_rows()).sum::<usize>() != rows {
            return Err(file.damaged(format!("column `{}` does not have {rows} rows", wanted.name)));
        }
        let mut decoded = Decoded::default();
        for batch in &batches {
            let array = batch.column(0);
            if self.is_clustered() && wanted.name == position::COLUMN {
                let places = array.as_primitive_opt::<Int64Type>();
                let places = places.ok_or_else(|| file.damaged("positions that are no integers"))?;
                decoded.positions.get_or_insert_default().extend_from_slice(places.values());
                continue;
            }
            for (at, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.name == wanted.name) {
                let piece = convert::from_typed(array, slot.role);
                decoded.columns.push((at, piece.map_err(|wrong| wrong.at(file, slot, 0))?));
            }
        }
        Ok(decoded)
    }
}
