//! Where the rows of a clustered file stood in what it was made from: so its reading order is still theirs.

/// The column of a clustered file that says it.
pub(crate) const COLUMN: &str = "_position";

/// The key in a parquet footer that marks a clustered file.
pub(crate) const MARK: &str = "scopeforge.clustered";

/// Bits for a row's place within its file; those above are for the file.
const ROW_BITS: u32 = 40;

/// The reading order of rows that come in pieces.
#[derive(Default)]
pub(crate) struct ReadingOrder {
    pieces: Vec<(usize, Rows)>,
}

enum Rows {
    /// As many, in the order in which they come.
    InOrder(usize),
    /// With their places in the file.
    At(Vec<i64>),
}

impl ReadingOrder {
    /// Adds the rows of a piece of file number `file`, which has `positions` when it is clustered.
    pub(crate) fn add(&mut self, file: usize, rows: usize, positions: Option<Vec<i64>>) {
        self.pieces.push((file, positions.map_or(Rows::InOrder(rows), Rows::At)));
    }

    /// A key per row by which they come in reading order; `None` when they do already.
    pub(crate) fn keys(self) -> Option<Vec<i64>> {
        if self.pieces.iter().all(|(_, rows)| matches!(rows, Rows::InOrder(_))) {
            return None;
        }
        let (mut keys, mut last, mut next) = (Vec::new(), 0, 0);
        for (file, rows) in self.pieces {
            next = if file == last { next } else { 0 };
            last = file;
            let first = (file as i64) << ROW_BITS;
            match rows {
                Rows::InOrder(rows) => {
                    keys.extend((next..next + rows as i64).map(|place| first + place));
                    next += rows as i64;
                }
                Rows::At(places) => keys.extend(places.into_iter().map(|place| first + place)),
            }
        }
        Some(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clustered_files_come_in_the_order_that_their_rows_had() {
        let mut order = ReadingOrder::default();
        order.add(0, 2, None);
        order.add(1, 2, Some(vec![7, 3]));
        order.add(1, 1, Some(vec![5]));
        order.add(2, 1, None);
        order.add(2, 1, None);
        let keys = order.keys().unwrap();
        let mut rows: Vec<usize> = (0..keys.len()).collect();
        rows.sort_by_key(|row| keys[*row]);
        assert_eq!(rows, [0, 1, 3, 4, 2, 5, 6]);
        let mut plain = ReadingOrder::default();
        plain.add(0, 3, None);
        assert!(plain.keys().is_none());
    }
}
