//! Fields whose names look like that of a dimension which the row lacks. Without a word the row would be answered by a coarser
//! fit. (A feature that a row lacks is an error anyway; and a fit of an earlier spec may know it by another name.)

use std::collections::BTreeMap;

use schemas::predict::{NamedColumn, RowError, RowErrorKind};
use schemas::suggest;

use super::Layout;

/// Adds an error for each row that has such a field and none of the dimensions it looks like; a row keeps the first error that
/// it has.
pub fn note_mistyped(layout: &Layout, rows: usize, columns: &[NamedColumn], errors: &mut Vec<RowError>) {
    let mut all: BTreeMap<u32, RowError> = BTreeMap::new();
    for column in columns.iter().filter(|column| !layout.has(&column.name)) {
        let meant = layout.dimensions.iter().map(|name| &**name);
        let meant: Vec<&str> = meant.filter(|name| suggest::is_mistyped(&column.name, name)).collect();
        let own: Vec<&NamedColumn> = columns.iter().filter(|column| meant.contains(&&*column.name)).collect();
        let lacks = |row: usize| own.iter().all(|own| own.column.is_null(row));
        for row in (0..rows).filter(|row| !meant.is_empty() && !column.column.is_null(*row) && lacks(*row)) {
            all.entry(row as u32).or_insert_with(|| RowError {
                row: row as u32,
                kind: RowErrorKind::Invalid,
                field: Some(column.name.to_string()),
                message: format!("no dimension is called so; did you mean `{}`?", meant.join("` or `")),
            });
        }
    }
    if !all.is_empty() {
        all.extend(std::mem::take(errors).into_iter().map(|error| (error.row, error)));
        errors.extend(all.into_values());
    }
}
