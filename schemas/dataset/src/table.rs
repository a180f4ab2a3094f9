//! The columns of a slice, with rows in time order.

use std::sync::Arc;

use schemas::column::{Column, TextColumn};
use schemas::time::TIME_NULL;
use schemas::window::Window;

use crate::request::{Role, Slot};

/// Columns by name and role, all of the same number of rows. A row's id is its rank by (time, file order), missing
/// times last; without an ordering column it is the place in file order.
#[derive(Debug)]
pub struct Table {
    rows: usize,
    columns: Vec<(Slot, Arc<Column>)>,
    time: Option<String>,
}

impl Table {
    pub(crate) fn new(rows: usize, columns: Vec<(Slot, Column)>, time: Option<String>) -> Table {
        let columns = columns.into_iter().map(|(slot, column)| (slot, Arc::new(column))).collect();
        Table { rows, columns, time }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The column in that role; `None` when it was not asked for.
    pub fn column(&self, name: &str, role: Role) -> Option<&Column> {
        self.find(name, role).map(|column| &**column)
    }

    /// The column in that role, to be kept longer than the table.
    pub fn shared(&self, name: &str, role: Role) -> Option<Arc<Column>> {
        self.find(name, role).cloned()
    }

    /// Lets go of the columns of numbers; who holds one of them keeps it.
    pub fn forget_numbers(&mut self) {
        self.columns.retain(|(slot, _)| slot.role != Role::Number);
    }

    fn find(&self, name: &str, role: Role) -> Option<&Arc<Column>> {
        let mut columns = self.columns.iter();
        columns.find(|(slot, _)| slot.role == role && slot.name == name).map(|(_, column)| column)
    }

    /// A dimension or categorical column. Its values are distinct and sorted.
    pub fn dimension(&self, name: &str) -> Option<&TextColumn> {
        match self.column(name, Role::Text)? {
            Column::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A column of numbers; NaN is missing.
    pub fn number(&self, name: &str) -> Option<&[f64]> {
        match self.column(name, Role::Number)? {
            Column::Number(values) => Some(values),
            _ => None,
        }
    }

    /// A column of times in milliseconds since 1970; `TIME_NULL` is missing.
    pub fn times(&self, name: &str) -> Option<&[i64]> {
        match self.column(name, Role::Time)? {
            Column::Time(times) => Some(times),
            _ => None,
        }
    }

    /// The ordering column, ascending with missing times last; `None` when the request named none.
    pub fn time(&self) -> Option<&[i64]> {
        self.times(self.time.as_deref()?)
    }

    /// Those of `rows`, ascending ids, that lie in `window`. A row without a time lies in no window but that of all
    /// time; without an ordering column every row lies in every window.
    pub fn within<'a>(&self, rows: &'a [u32], window: Window) -> &'a [u32] {
        match self.time() {
            Some(times) if window != Window::ALL => within(rows, times, window),
            _ => rows,
        }
    }

    /// The code of a dimension's value; `None` when no row has it.
    pub fn code(&self, dimension: &str, value: &str) -> Option<u32> {
        let values = &self.dimension(dimension)?.values;
        let place = values.binary_search_by(|known| known.as_str().cmp(value)).ok()?;
        u32::try_from(place).ok()
    }

    /// Bytes of all columns in memory.
    pub fn size_bytes(&self) -> usize {
        self.columns.iter().map(|(_, column)| size_bytes(column)).sum()
    }
}

fn size_bytes(column: &Column) -> usize {
    match column {
        Column::Number(values) => size_of_val(values.as_slice()),
        Column::Time(times) => size_of_val(times.as_slice()),
        Column::Text(text) => {
            let values: usize = text.values.iter().map(|value| value.len() + size_of::<String>()).sum();
            size_of_val(text.codes.as_slice()) + values
        }
    }
}

fn within<'a>(rows: &'a [u32], times: &[i64], window: Window) -> &'a [u32] {
    let time = |row: &u32| times[*row as usize];
    let timed = &rows[..rows.partition_point(|row| time(row) != TIME_NULL)];
    let from = window.from_ms.map_or(0, |from| timed.partition_point(|row| time(row) < from));
    let to = window.to_ms.map_or(timed.len(), |to| timed.partition_point(|row| time(row) < to));
    &timed[from..to.max(from)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_window_takes_exactly_the_rows_inside(
            mut times in proptest::collection::vec(0i64..50, 0..40),
            nulls in 0usize..4,
            from in proptest::option::of(0i64..50),
            to in proptest::option::of(0i64..50),
        ) {
            times.sort_unstable();
            times.extend(std::iter::repeat_n(TIME_NULL, nulls));
            let ids: Vec<u32> = (0..times.len() as u32).collect();
            let window = Window { from_ms: from, to_ms: to };
            let inside = |row: &u32| window == Window::ALL
                || (times[*row as usize] != TIME_NULL && window.contains(times[*row as usize]));
            let expected: Vec<u32> = ids.iter().copied().filter(inside).collect();
            let column = (Slot { name: "t".into(), role: Role::Time }, Column::Time(times.clone()));
            let table = Table::new(times.len(), vec![column], Some("t".into()));
            prop_assert_eq!(table.within(&ids, window), expected);
        }
    }
}
