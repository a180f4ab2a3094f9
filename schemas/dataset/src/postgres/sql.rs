//! The query that reads the rows of some scopes.

use super::columns::DatabaseColumn;
use crate::filter::{Filter, Hull};
use crate::request::Slot;

/// The columns of `slots` for the rows that `filter` may take. `columns` has the relation's column of each slot.
pub(super) fn select(
    relation: &str,
    slots: &[(&Slot, &DatabaseColumn)],
    filter: Option<(&Filter, &[DatabaseColumn])>,
) -> String {
    let expressions: Vec<String> = slots.iter().map(|(slot, column)| column.expression(slot.role)).collect();
    // The rows are counted by what is read.
    let listed = if expressions.is_empty() { "1".into() } else { expressions.join(", ") };
    let condition = filter.and_then(|(filter, columns)| condition(filter, columns));
    let condition = condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    format!("SELECT {listed} FROM {relation}{condition}")
}

/// A condition that every row of the filter's scopes meets, and few others; `None` when nothing is excluded.
fn condition(filter: &Filter, columns: &[DatabaseColumn]) -> Option<String> {
    let column = |name: &str| columns.iter().find(|column| column.name == name);
    let of_level = |hull: Hull| {
        let mut conditions = Vec::new();
        for (dimension, values) in hull.values {
            let Some(column) = column(dimension) else { continue };
            conditions.push(column.among(values.into_iter()));
        }
        if let Some(column) = filter.time().and_then(column) {
            let name = super::address::identifier(&column.name);
            let from = hull.from_ms.and_then(|ms| column.moment(ms)).map(|at| format!("{name} >= {at}"));
            let to = hull.to_ms.and_then(|ms| column.moment(ms)).map(|at| format!("{name} < {at}"));
            conditions.extend(from.into_iter().chain(to));
        }
        conditions.join(" AND ")
    };
    let levels: Vec<String> = filter.hulls().map(of_level).collect();
    match levels.is_empty() {
        true => Some("false".into()),
        false if levels.iter().any(String::is_empty) => None,
        false => Some(format!("({})", levels.join(") OR ("))),
    }
}

#[cfg(test)]
mod tests {
    use schemas::scope::Scope;
    use schemas::window::Window;
    use tokio_postgres::types::Type;

    use super::*;
    use crate::request::Request;

    #[test]
    fn scopes_become_a_condition_in_which_values_are_only_values() {
        let columns =
            [("shop", Type::TEXT), ("part", Type::INT4), ("at", Type::TIMESTAMPTZ), ("y", Type::FLOAT8)]
                .map(|(name, data_type)| DatabaseColumn::new(name, &data_type));
        let request = Request {
            dimensions: vec!["shop".into(), "part".into()],
            time: Some("at".into()),
            ..Request::default()
        };
        let january = Window { from_ms: Some(1_356_998_400_000), to_ms: Some(1_359_676_800_000) };
        let sql = |scopes: &[(Scope, Window)]| {
            let filter = Filter::new(&request, scopes.iter().map(|(scope, window)| (scope, *window)));
            select("t", &[], Some((&filter, &columns)))
        };
        let quoted = Scope::new([("shop", "a'); DROP TABLE t; --")]);
        let both = Scope::new([("shop", "b"), ("part", "7")]);
        assert_eq!(
            sql(&[(quoted, Window::ALL), (both, january)]),
            "SELECT 1 FROM t WHERE (\"shop\" IN ('a''); DROP TABLE t; --')) OR \
             (\"shop\" IN ('b') AND \"part\" IN (7) AND \
             \"at\" >= timestamptz '2013-01-01T00:00:00Z' AND \"at\" < timestamptz '2013-02-01T00:00:00Z')"
        );
        // What no row can have: an integer is written in one way.
        assert!(sql(&[(Scope::new([("part", "07")]), Window::ALL)]).ends_with("WHERE (false)"));
        assert_eq!(sql(&[(Scope::all(), Window::ALL)]), "SELECT 1 FROM t");
    }
}
