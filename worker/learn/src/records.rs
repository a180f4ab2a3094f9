//! Number columns kept row by row, the rows of a slice side by side.
//!
//! The rows of a slice lie scattered over a table in time order. Gathering them from columns costs a cache miss per value;
//! from records that lie in the order in which they are asked for, it is one stream through memory.

/// Columns of numbers, row by row.
#[derive(Debug)]
pub(crate) struct Records {
    /// The design column of each field.
    columns: Vec<usize>,
    /// Where each row's record lies.
    places: Vec<u32>,
    /// Record after record, one number per field.
    values: Vec<f64>,
}

/// Rows written at a time, so that the columns are read in stretches.
const BLOCK_ROWS: usize = 64;

impl Records {
    /// Takes `fields`, each a design column's number and its values, of which all have `rows`. The rows that `order` lists
    /// lie in that order, the others after them.
    ///
    /// # Panics
    /// When `order` lists a row twice, or one that is not there.
    pub(crate) fn new(fields: &[(usize, &[f64])], rows: usize, order: &[u32]) -> Records {
        const NOWHERE: u32 = u32::MAX;
        let mut places = vec![NOWHERE; rows];
        for (row, place) in order.iter().zip(0..) {
            assert_eq!(
                std::mem::replace(&mut places[*row as usize], place),
                NOWHERE,
                "a row is listed twice"
            );
        }
        let others = places.iter_mut().filter(|place| **place == NOWHERE);
        others.zip(order.len() as u32..).for_each(|(place, next)| *place = next);
        let width = fields.len();
        let mut values = vec![0.0; rows * width];
        for (block, places) in places.chunks(BLOCK_ROWS).enumerate() {
            for (field, (_, column)) in fields.iter().enumerate() {
                for (place, value) in places.iter().zip(&column[block * BLOCK_ROWS..]) {
                    values[*place as usize * width + field] = *value;
                }
            }
        }
        Records { columns: fields.iter().map(|(column, _)| *column).collect(), places, values }
    }

    /// A row's values, one per field.
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        let width = self.columns.len();
        &self.values[self.places[row] as usize * width..][..width]
    }

    /// Writes the fields of `rows` to their columns of `out`, which is column-major.
    pub(crate) fn gather(&self, rows: &[u32], out: &mut [f64]) {
        let (height, width) = (rows.len(), self.columns.len());
        let mut places = [0; BLOCK_ROWS];
        for (block, rows) in rows.chunks(BLOCK_ROWS).enumerate() {
            // By itself, so that many of these scattered reads are under way at once.
            places.iter_mut().zip(rows).for_each(|(place, row)| *place = self.places[*row as usize] as usize);
            for (at, place) in (block * BLOCK_ROWS..).zip(&places[..rows.len()]) {
                for (column, value) in self.columns.iter().zip(&self.values[place * width..][..width]) {
                    out[column * height + at] = *value;
                }
            }
        }
    }

    /// Bytes in memory.
    pub(crate) fn size_bytes(&self) -> usize {
        size_of_val(self.values.as_slice()) + size_of_val(self.places.as_slice())
    }
}
