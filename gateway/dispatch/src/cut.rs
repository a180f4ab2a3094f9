//! Which rows of a request travel together: as many as one message takes.

use schemas::column::{Column, TextColumn};
use schemas::limits::{MESSAGE_BYTES_MAX, MESSAGE_ROWS_MAX};
use schemas::predict::NamedColumn;

use crate::order::DispatchError;

/// Bytes of a message beside its columns, and of a column beside its name and values, at most.
const REQUEST_BYTES: usize = 1_024;
const COLUMN_BYTES: usize = 64;

/// Bytes of a text beside its letters.
const TEXT_BYTES: usize = 5;

/// Whether one message takes all `rows` rows.
pub(crate) fn is_one_message(columns: &[NamedColumn], rows: usize) -> bool {
    let values: usize = columns.iter().map(|named| named.column.size_bytes()).sum();
    rows <= MESSAGE_ROWS_MAX && fixed_bytes(columns) + values <= MESSAGE_BYTES_MAX
}

fn fixed_bytes(columns: &[NamedColumn]) -> usize {
    REQUEST_BYTES + columns.iter().map(|named| named.name.len() + COLUMN_BYTES).sum::<usize>()
}

/// Cuts rows into parts that one message takes each. A text travels once in each part that has it.
pub(crate) struct Cutter<'a> {
    texts: Vec<Texts<'a>>,
    fixed_bytes: usize,
    /// Bytes of a row beside its texts.
    row_bytes: usize,
    /// The number of the part under way.
    part: u32,
}

/// A column of texts, and for each text the part that had it last.
struct Texts<'a> {
    column: &'a TextColumn,
    told: Vec<u32>,
}

impl Texts<'_> {
    /// Bytes that the row's text adds to a part; with it, the part has it.
    fn add(&mut self, row: u32, part: u32) -> usize {
        let code = self.column.codes[row as usize] as usize;
        let Some(told) = self.told.get_mut(code) else { return 0 };
        match std::mem::replace(told, part) == part {
            true => 0,
            false => self.column.values[code].len() + TEXT_BYTES,
        }
    }
}

impl<'a> Cutter<'a> {
    /// One for these columns.
    pub(crate) fn new(columns: &'a [NamedColumn]) -> Cutter<'a> {
        let texts = columns.iter().filter_map(|named| match &*named.column {
            Column::Text(column) => Some(Texts { column, told: vec![0; column.values.len()] }),
            _ => None,
        });
        let row_bytes =
            columns.iter().map(|named| if matches!(*named.column, Column::Text(_)) { 4 } else { 8 });
        Cutter {
            texts: texts.collect(),
            fixed_bytes: fixed_bytes(columns),
            row_bytes: row_bytes.sum(),
            part: 0,
        }
    }

    /// The parts of `rows`, in their order.
    ///
    /// # Errors
    /// [`DispatchError::RowTooLarge`] for one that no message takes.
    pub(crate) fn cut<'r>(&mut self, rows: &'r [u32]) -> Result<Vec<&'r [u32]>, DispatchError> {
        let (mut parts, mut first, mut size_bytes) = (Vec::new(), 0, self.begin());
        for (at, row) in rows.iter().enumerate() {
            let more = self.add(*row);
            if at > first && (size_bytes + more > MESSAGE_BYTES_MAX || at - first == MESSAGE_ROWS_MAX) {
                parts.push(&rows[first..at]);
                first = at;
                size_bytes = self.begin() + self.add(*row);
            } else {
                size_bytes += more;
            }
            if size_bytes > MESSAGE_BYTES_MAX {
                return Err(DispatchError::RowTooLarge { row_bytes: size_bytes });
            }
        }
        parts.push(&rows[first..]);
        Ok(parts)
    }

    /// Begins a part; gives its bytes without any row.
    fn begin(&mut self) -> usize {
        self.part += 1;
        self.fixed_bytes
    }

    /// Bytes that a row adds to the part under way, of which it is one then.
    fn add(&mut self, row: u32) -> usize {
        let part = self.part;
        self.row_bytes + self.texts.iter_mut().map(|texts| texts.add(row, part)).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn columns(texts: &[String]) -> Vec<NamedColumn> {
        let text = TextColumn::from_rows(texts.iter().map(|text| Some(text.as_str())));
        vec![
            NamedColumn::new("id", Column::Text(text)),
            NamedColumn::new("x", Column::Number(vec![1.0; texts.len()])),
        ]
    }

    proptest! {
        #[test]
        fn parts_are_all_rows_in_order_and_each_fits(
            lengths in proptest::collection::vec((0usize..400_000, 0u8..8), 1..40),
            rows in 1usize..400,
        ) {
            // Texts of which some stand in several rows.
            let texts = lengths.iter().cycle().take(rows);
            let texts: Vec<String> =
                texts.enumerate().map(|(row, (length, kind))| {
                    let name = if *kind == 0 { format!("{row} ") } else { String::new() };
                    name + &"x".repeat(*length)
                }).collect();
            let (columns, rows) = (columns(&texts), (0..rows as u32).collect::<Vec<_>>());
            let parts = Cutter::new(&columns).cut(&rows).unwrap();
            prop_assert_eq!(&parts.concat(), &rows);
            let size = |part: &[u32]| {
                columns.iter().map(|named| named.take(part).column.size_bytes()).sum::<usize>()
            };
            for part in &parts {
                prop_assert!(size(part) <= MESSAGE_BYTES_MAX && part.len() <= MESSAGE_ROWS_MAX);
            }
            // No two neighbours would have gone together.
            for pair in parts.windows(2) {
                let (both, fixed) = (pair.concat(), fixed_bytes(&columns));
                let first_of_next = &both[..pair[0].len() + 1];
                prop_assert!(fixed + size(first_of_next) > MESSAGE_BYTES_MAX || pair[0].len() == MESSAGE_ROWS_MAX);
            }
        }
    }

    #[test]
    fn texts_of_other_parts_do_not_count() {
        let texts: Vec<String> = (0..100_000).map(|row| format!("customer number {row}")).collect();
        let columns = columns(&texts);
        assert!(!is_one_message(&columns, texts.len()));
        let rows: Vec<u32> = (0..texts.len() as u32).collect();
        let parts = Cutter::new(&columns).cut(&rows).unwrap();
        assert!(parts.len() < 10 + texts.len() / MESSAGE_ROWS_MAX, "{}", parts.len());
    }

    #[test]
    fn a_row_that_no_message_takes_is_named_by_its_size() {
        let columns = columns(&["x".into(), "y".repeat(MESSAGE_BYTES_MAX)]);
        let refused = Cutter::new(&columns).cut(&[0, 1]).unwrap_err();
        let DispatchError::RowTooLarge { row_bytes } = refused else { panic!("{refused}") };
        assert!((MESSAGE_BYTES_MAX..MESSAGE_BYTES_MAX + 2_000).contains(&row_bytes), "{row_bytes}");
    }
}
