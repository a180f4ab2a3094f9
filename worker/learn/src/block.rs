//! Some rows of a design as numbers, column by column.

use std::ops::Range;

/// Some rows of a design, column-major. Its buffer is reused from one gathering to the next.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    width: usize,
    rows: usize,
    values: Vec<f64>,
    /// Whether rows may lack values, which are NaN.
    keeps_missing: bool,
    /// The columns that hold the places of categories; NaN for none of them.
    categories: Vec<usize>,
}

impl Block {
    /// A block of these columns; all have `rows` numbers.
    ///
    /// # Panics
    /// When a column has another length.
    pub fn from_columns(rows: usize, columns: &[&[f64]]) -> Block {
        assert!(columns.iter().all(|column| column.len() == rows), "every column of a block has {rows} rows");
        Block { width: columns.len(), rows, values: columns.concat(), ..Block::default() }
    }

    /// The same block, whose rows may lack values (NaN), and in which these columns hold the places of categories.
    #[must_use]
    pub fn with(mut self, keeps_missing: bool, categories: &[usize]) -> Block {
        self.mark(keeps_missing, categories);
        self
    }

    pub(crate) fn mark(&mut self, keeps_missing: bool, categories: &[usize]) {
        self.keeps_missing = keeps_missing;
        self.categories.clear();
        self.categories.extend(categories);
    }

    /// Whether rows may lack values.
    pub fn keeps_missing(&self) -> bool {
        self.keeps_missing
    }

    /// Whether a column holds the places of categories.
    pub fn is_category(&self, column: usize) -> bool {
        self.categories.contains(&column)
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Column `i`, one number per row.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn column(&self, i: usize) -> &[f64] {
        assert!(i < self.width, "column {i} of a block of {} columns", self.width);
        &self.values[i * self.rows..(i + 1) * self.rows]
    }

    /// The same rows in a design of `width` columns, where these are at `places`, each below `width`, and all others are 0.
    pub fn placed(&self, places: &[usize], width: usize) -> Block {
        let mut values = vec![0.0; width * self.rows];
        for (column, place) in places.iter().enumerate() {
            values[place * self.rows..][..self.rows].copy_from_slice(self.column(column));
        }
        Block { width, rows: self.rows, values, ..Block::default() }
    }

    /// Some of its rows.
    ///
    /// # Panics
    /// When there are no such rows.
    pub(crate) fn part(&self, rows: Range<usize>) -> Block {
        let columns = (0..self.width).flat_map(|column| &self.column(column)[rows.clone()]);
        let values = columns.copied().collect();
        let Block { width, keeps_missing, .. } = *self;
        Block { width, rows: rows.len(), values, keeps_missing, categories: self.categories.clone() }
    }

    /// Takes another shape and hands out all columns one after the other, holding whatever they held before.
    pub(crate) fn reshape(&mut self, width: usize, rows: usize) -> &mut [f64] {
        (self.width, self.rows) = (width, rows);
        self.values.resize(width * rows, 0.0);
        &mut self.values
    }
}
