//! Columns of rows, as read from a source and as sent to a predictor.

use serde::{Deserialize, Serialize};

use crate::time::TIME_NULL;

/// Marks a missing text in a column's codes.
pub const TEXT_NULL: u32 = u32::MAX;

/// One column; every kind has one entry per row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Column {
    /// Numbers; NaN is missing.
    Number(#[serde(with = "crate::packed")] Vec<f64>),
    /// Texts by code.
    Text(TextColumn),
    /// Milliseconds since 1970-01-01 UTC; [`TIME_NULL`] is missing.
    Time(#[serde(with = "crate::packed")] Vec<i64>),
}

/// Texts: each distinct one once, and per row its index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextColumn {
    /// Per row the index into `values`, or [`TEXT_NULL`].
    #[serde(with = "crate::packed")]
    pub codes: Vec<u32>,
    /// The distinct texts.
    pub values: Vec<String>,
}

impl TextColumn {
    /// Interns the texts of some rows.
    pub fn from_rows<'a>(rows: impl IntoIterator<Item = Option<&'a str>>) -> TextColumn {
        let mut places = std::collections::HashMap::new();
        let mut column = TextColumn::default();
        for text in rows {
            let code = text.map_or(TEXT_NULL, |text| {
                *places.entry(text.to_owned()).or_insert_with(|| {
                    column.values.push(text.to_owned());
                    (column.values.len() - 1) as u32
                })
            });
            column.codes.push(code);
        }
        column
    }

    /// The text of `row`; `None` when it is missing, or the column is torn.
    pub fn get(&self, row: usize) -> Option<&str> {
        let code = *self.codes.get(row)?;
        self.values.get(code as usize).map(String::as_str)
    }

    /// Some of the rows, in that order, and of the texts those that they have, in the order in which they were.
    pub fn take(&self, rows: &[u32]) -> TextColumn {
        let codes = rows.iter().map(|row| self.codes[*row as usize]);
        let mut places = vec![TEXT_NULL; self.values.len()];
        for code in codes.clone() {
            if let Some(place) = places.get_mut(code as usize) {
                *place = 0;
            }
        }
        let mut values = Vec::new();
        for (place, value) in places.iter_mut().zip(&self.values).filter(|(place, _)| **place == 0) {
            *place = values.len() as u32;
            values.push(value.clone());
        }
        let place = |code: u32| places.get(code as usize).copied().unwrap_or(TEXT_NULL);
        TextColumn { codes: codes.map(place).collect(), values }
    }
}

impl Column {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Column::Number(values) => values.len(),
            Column::Text(text) => text.codes.len(),
            Column::Time(times) => times.len(),
        }
    }

    /// Bytes of the values, each text once with five for its length.
    pub fn size_bytes(&self) -> usize {
        match self {
            Column::Number(values) => 8 * values.len(),
            Column::Time(times) => 8 * times.len(),
            Column::Text(text) => {
                4 * text.codes.len() + text.values.iter().map(|value| value.len() + 5).sum::<usize>()
            }
        }
    }

    /// Whether the column has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the column holds, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Column::Number(_) => "numbers",
            Column::Text(_) => "texts",
            Column::Time(_) => "times",
        }
    }

    /// Whether `row` has no value.
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Number(values) => values[row].is_nan(),
            Column::Text(text) => text.codes[row] == TEXT_NULL,
            Column::Time(times) => times[row] == TIME_NULL,
        }
    }

    /// Appends the rows of a column of the same kind; texts that both have then stand twice.
    pub fn append(&mut self, more: &Column) {
        match (self, more) {
            (Column::Number(values), Column::Number(more)) => values.extend_from_slice(more),
            (Column::Time(times), Column::Time(more)) => times.extend_from_slice(more),
            (Column::Text(text), Column::Text(more)) => {
                let first = text.values.len() as u32;
                let code = |code: &u32| if *code == TEXT_NULL { TEXT_NULL } else { first + *code };
                text.codes.extend(more.codes.iter().map(code));
                text.values.extend_from_slice(&more.values);
            }
            _ => {}
        }
    }

    /// The column with its rows in another order, or some of them: row `i` of the result is row `rows[i]`.
    pub fn take(&self, rows: &[u32]) -> Column {
        fn pick<T: Copy>(values: &[T], rows: &[u32]) -> Vec<T> {
            rows.iter().map(|row| values[*row as usize]).collect()
        }
        match self {
            Column::Number(values) => Column::Number(pick(values, rows)),
            Column::Text(text) => Column::Text(text.take(rows)),
            Column::Time(times) => Column::Time(pick(times, rows)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_survive_the_wire_bit_for_bit() {
        let columns = [
            Column::Number(vec![1.5, f64::NAN, -0.0, f64::MIN_POSITIVE]),
            Column::Text(TextColumn::from_rows([Some("a"), None, Some("b"), Some("a")])),
            Column::Time(vec![0, TIME_NULL, i64::MAX]),
        ];
        for column in &columns {
            let back: Column = rmp_serde::from_slice(&rmp_serde::to_vec_named(column).unwrap()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{column:?}"));
            assert!(back.is_null(1) && !back.is_null(0));
        }
    }

    #[test]
    fn take_reorders_every_kind() {
        let text = Column::Text(TextColumn::from_rows([Some("a"), None, Some("b")]));
        let Column::Text(taken) = text.take(&[2, 1]) else { panic!("kind changed") };
        assert_eq!((taken.get(0), taken.get(1)), (Some("b"), None));
        assert_eq!(taken.values, ["b"], "what no row has stays behind");
    }

    #[test]
    fn appended_rows_keep_their_values() {
        let rows = [Some("a"), None, Some("b"), Some("a"), None];
        let mut text = Column::Text(TextColumn::from_rows(rows[..2].iter().copied()));
        text.append(&Column::Text(TextColumn::from_rows(rows[2..].iter().copied())));
        let Column::Text(text) = text else { panic!("kind changed") };
        assert_eq!((0..5).map(|row| text.get(row)).collect::<Vec<_>>(), rows);
        let mut numbers = Column::Number(vec![1.0]);
        numbers.append(&Column::Number(vec![2.0]));
        assert_eq!(numbers, Column::Number(vec![1.0, 2.0]));
    }

    #[test]
    fn torn_bytes_are_refused() {
        let mut bytes = rmp_serde::to_vec_named(&Column::Number(vec![1.0])).unwrap();
        let length_at = bytes.len() - 9;
        bytes[length_at] = 7;
        bytes.pop();
        assert!(rmp_serde::from_slice::<Column>(&bytes).is_err());
    }
}
