//! From pieces of columns to records.

use std::io;

use schemas::column::{Column, TEXT_NULL};

use super::layout::{KEY_BYTES, Layout, digit};
use super::sort::Sorter;
use super::values::Dictionaries;
use crate::format::Decoded;
use crate::order;

/// Writes the rows of pieces as records.
pub(super) struct Encoder<'a> {
    layout: &'a Layout,
    dictionaries: &'a Dictionaries,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(layout: &'a Layout, dictionaries: &'a Dictionaries) -> Encoder<'a> {
        Encoder { layout, dictionaries }
    }

    /// Adds a piece's rows to `sorter`; `place` says where a row stands in the source.
    pub(super) fn encode(
        &self,
        mut piece: Decoded,
        place: impl Fn(usize) -> u64,
        sorter: &mut Sorter,
    ) -> io::Result<()> {
        piece.columns.sort_by_key(|(slot, _)| *slot);
        let mut columns: Vec<Column> = piece.columns.into_iter().map(|(_, column)| column).collect();
        for (column, values) in columns.iter_mut().zip(&self.dictionaries.values) {
            if let Column::Text(text) = column {
                recode(&mut text.codes, &text.values, values);
            }
        }
        for row in 0..piece.rows {
            let record = sorter.next()?;
            record[..KEY_BYTES].copy_from_slice(&self.key(&columns, row, place(row)));
            for (column, offset) in columns.iter().zip(&self.layout.offsets) {
                match column {
                    Column::Number(values) => put(record, *offset, values[row].to_le_bytes()),
                    Column::Time(times) => put(record, *offset, times[row].to_le_bytes()),
                    Column::Text(text) => put(record, *offset, text.codes[row].to_le_bytes()),
                }
            }
        }
        Ok(())
    }

    fn key(&self, columns: &[Column], row: usize, place: u64) -> [u8; KEY_BYTES] {
        let code = |slot: usize| match &columns[slot] {
            Column::Text(text) => text.codes[row],
            Column::Number(_) | Column::Time(_) => TEXT_NULL,
        };
        let sorting = self.layout.sorting.iter();
        let dimensions = sorting.fold(0, |number, (slot, size)| number * size + digit(code(*slot), *size));
        let time = match self.layout.time.map(|slot| &columns[slot]) {
            Some(Column::Time(times)) => order::key(times[row]),
            _ => 0,
        };
        let mut key = [0; KEY_BYTES];
        put(&mut key, 0, dimensions.to_be_bytes());
        put(&mut key, 16, time.to_be_bytes());
        put(&mut key, 24, place.to_be_bytes());
        key
    }
}

fn put<const N: usize>(record: &mut [u8], offset: usize, bytes: [u8; N]) {
    record[offset..offset + N].copy_from_slice(&bytes);
}

/// From a piece's codes to those of all values, which are sorted.
fn recode(codes: &mut [u32], own: &[String], all: &[String]) {
    // Every text was seen in the first pass; one that was not belongs to a file that has changed, which is found out.
    let place = |value| all.binary_search(value).map_or(TEXT_NULL, |place| place as u32);
    let places: Vec<u32> = own.iter().map(place).collect();
    for code in codes {
        *code = places.get(*code as usize).copied().unwrap_or(TEXT_NULL);
    }
}
