//! Targets as classes.

use schemas::limits::CLASSES_MAX;

use crate::error::LearnError;

/// The classes that a classifier of `rows` tells apart: the distinct targets of these rows, ascending. `y` has one number
/// per row of the table.
///
/// # Panics
/// When the table has no such row.
pub fn classes(y: &[f64], rows: &[u32]) -> Vec<f64> {
    distinct(rows.iter().map(|row| y[*row as usize]).collect())
}

fn distinct(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.dedup();
    values
}

/// The classes among the targets of some rows: their distinct values.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes {
    values: Vec<f64>,
    of_row: Vec<u32>,
}

impl Classes {
    /// The classes of `y`, which has one number per row, a class's own.
    ///
    /// # Errors
    /// [`LearnError::NoRows`]; [`LearnError::NotFinite`]; [`LearnError::Classes`] for too many of them.
    pub fn of(y: &[f64]) -> Result<Classes, LearnError> {
        if y.is_empty() {
            return Err(LearnError::NoRows);
        }
        if !y.iter().all(|y| y.is_finite()) {
            return Err(LearnError::NotFinite);
        }
        let values = distinct(y.to_vec());
        if values.len() > CLASSES_MAX {
            return Err(LearnError::Classes { found: values.len() });
        }
        let of_row = y.iter().map(|y| values.partition_point(|value| value < y) as u32).collect();
        Ok(Classes { values, of_row })
    }

    /// The first rows with the same classes; `None` when one of them does not occur there.
    pub(crate) fn head(&self, rows: usize) -> Option<Classes> {
        let head = Classes { values: self.values.clone(), of_row: self.of_row[..rows].to_vec() };
        head.rows().iter().all(|rows| *rows > 0).then_some(head)
    }

    /// The targets that classes stand for, ascending.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Number of classes.
    pub(crate) fn count(&self) -> usize {
        self.values.len()
    }

    /// The class of each row, counted from 0.
    pub(crate) fn of_row(&self) -> &[u32] {
        &self.of_row
    }

    /// Rows of each class.
    pub(crate) fn rows(&self) -> Vec<usize> {
        let mut rows = vec![0; self.count()];
        self.of_row.iter().for_each(|class| rows[*class as usize] += 1);
        rows
    }

    /// Each class's share of what the rows count; a class of rows that count nothing still has a little.
    pub(crate) fn weighted_shares(&self, weights: &[f64]) -> Vec<f64> {
        if weights.is_empty() {
            return self.shares();
        }
        let mut sums = vec![f64::EPSILON; self.count()];
        self.of_row.iter().zip(weights).for_each(|(class, weight)| sums[*class as usize] += weight);
        let total: f64 = sums.iter().sum();
        sums.iter().map(|sum| sum / total).collect()
    }

    /// Each class's share of the rows.
    pub(crate) fn shares(&self) -> Vec<f64> {
        self.rows().iter().map(|rows| *rows as f64 / self.of_row.len() as f64).collect()
    }
}
