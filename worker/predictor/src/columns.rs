//! The columns of a request, and its rows by the values of all dimensions.

use std::sync::Arc;

use ahash::{HashMap, HashMapExt};
use schemas::column::{Column, TextColumn};
use schemas::feature::Feature;
use schemas::fit::Input;
use schemas::predict::{NamedColumn, Refusal, text_column};
use schemas::spec::ModelSpec;

/// The columns of a request. One name may stand for a text (as a dimension) and for a number (as a feature).
pub(crate) struct Columns<'a>(&'a [NamedColumn]);

impl<'a> Columns<'a> {
    pub(crate) fn new(named: &'a [NamedColumn], rows: usize) -> Result<Columns<'a>, Refusal> {
        if let Some(wrong) = named.iter().find(|named| named.column.len() != rows) {
            let found = wrong.column.len();
            let problem = format!("column `{}` has {found} rows, the request {rows}", wrong.name);
            return Err(Refusal::BadRequest { problem });
        }
        Ok(Columns(named))
    }

    /// The column that feeds `input`; one of another kind where there is no right one, so that the error can say so.
    pub(crate) fn of(&self, input: &Input) -> Option<Arc<Column>> {
        let fits = |column: &Column| {
            matches!(
                (input, column),
                (Input::OneHot { .. } | Input::Category { .. }, Column::Text(_))
                    | (Input::Number(Feature::Column(_)), Column::Number(_))
                    | (Input::Number(Feature::DatePart(..)), Column::Time(_))
            )
        };
        let alike = || self.0.iter().filter(|named| *named.name == *input.column());
        let named = || alike().map(|named| &named.column);
        named().find(|column| fits(column)).or_else(|| named().next()).cloned()
    }

    /// A column of times.
    pub(crate) fn times(&self, name: &str) -> Option<&[i64]> {
        self.0.iter().find_map(|named| match &*named.column {
            Column::Time(times) if *named.name == *name => Some(times.as_slice()),
            _ => None,
        })
    }
}

/// No more cells than that have room from the beginning.
const CELLS_ROOM_MAX: usize = 1_024;

/// Rows with the same values in all dimensions.
#[derive(Debug)]
pub(crate) struct Cell {
    /// The first of them.
    pub(crate) first: usize,
    /// All of them, ascending.
    pub(crate) rows: Vec<u32>,
}

/// The dimensions of a request's rows. One without a column is missing in every row.
pub(crate) struct Dimensions<'a>(Vec<Option<&'a TextColumn>>);

impl<'a> Dimensions<'a> {
    pub(crate) fn new(spec: &ModelSpec, columns: &Columns<'a>) -> Dimensions<'a> {
        Dimensions(spec.scope.dimensions.iter().map(|name| text_column(columns.0, name)).collect())
    }

    /// The values of a row.
    pub(crate) fn values(&self, row: usize) -> impl Iterator<Item = Option<&'a str>> + Clone {
        self.0.iter().map(move |text| text.and_then(|text| text.get(row)))
    }

    /// Groups rows by their codes. Rows of equal values can be in several cells, where a text stands twice in its column.
    pub(crate) fn cells(&self, rows: usize) -> Vec<Cell> {
        if rows == 1 {
            return vec![Cell { first: 0, rows: vec![0] }];
        }
        let mut places: HashMap<Vec<u32>, usize> = HashMap::with_capacity(rows.min(CELLS_ROOM_MAX));
        let mut cells: Vec<Cell> = Vec::new();
        let mut key = Vec::with_capacity(self.0.len());
        let mut place = 0;
        for row in 0..rows {
            if row == 0 || !self.are_alike(row - 1, row) {
                key.clear();
                key.extend(self.0.iter().map(|text| text.map_or(u32::MAX, |text| text.codes[row])));
                place = places.get(&key).copied().unwrap_or_else(|| {
                    places.insert(key.clone(), cells.len());
                    cells.push(Cell { first: row, rows: Vec::new() });
                    cells.len() - 1
                });
            }
            cells[place].rows.push(row as u32);
        }
        cells
    }

    /// Whether two rows have the same codes: rows of one scope mostly follow each other.
    fn are_alike(&self, one: usize, other: usize) -> bool {
        self.0.iter().flatten().all(|text| text.codes[one] == text.codes[other])
    }
}
