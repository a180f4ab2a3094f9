use proptest::prelude::*;
use schemas::column::Column;
use schemas::predict::NamedColumn;
use schemas::spec::ModelSpec;

use super::{Layout, Rows, RowsError};

fn layout() -> Layout {
    let text = "name = \"sales\"\n[data]\nsource = \"x.parquet\"\n[scope]\ndimensions = [\"store\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"price\", \"promotion\"]\nalgorithm = \"ridge\"\n";
    Layout::of(&ModelSpec::parse(text).unwrap())
}

/// What the row has of a field, as text; `None` for nothing.
fn value(columns: &[NamedColumn], name: &str, row: usize) -> Option<String> {
    let named = columns.iter().find(|named| &*named.name == name)?;
    match &*named.column {
        Column::Number(numbers) => {
            Some(numbers[row]).filter(|number| !number.is_nan()).map(|n| n.to_string())
        }
        Column::Text(texts) => texts.get(row).map(str::to_owned),
        Column::Time(_) => panic!("no field is a time"),
    }
}

/// Fields in any order; those that are left out, null or doubled as they come. `store` is a text, the others are numbers, and
/// `extra` is none of the spec's.
fn rows() -> impl Strategy<Value = Vec<Vec<(&'static str, Option<u8>)>>> {
    let field = prop_oneof![Just("store"), Just("price"), Just("promotion"), Just("extra")];
    let row = proptest::collection::vec((field, proptest::option::weighted(0.8, 0u8..20)), 0..6);
    proptest::collection::vec(row, 1..30)
}

proptest! {
    #[test]
    fn each_row_has_what_its_fields_say_in_whatever_order_but_not_twice(requests in proptest::collection::vec(rows(), 1..4)) {
        let layout = layout();
        let said = |(name, value): &(&str, Option<u8>)| match (*name, value) {
            (name, None) => format!("\"{name}\": null"),
            ("store", Some(value)) => format!("\"store\": \"s{value}\""),
            (name, Some(value)) => format!("\"{name}\": {value}"),
        };
        let row = |fields: &Vec<(&str, Option<u8>)>| {
            format!("{{{}}}", fields.iter().map(said).collect::<Vec<_>>().join(", "))
        };
        // What one request leaves behind is no other's.
        for rows in requests {
            let body = format!("{{\"rows\": [{}]}}", rows.iter().map(row).collect::<Vec<_>>().join(", "));
            let parsed = Rows::parse(body.as_bytes(), &layout).unwrap();
            prop_assert_eq!(parsed.rows, rows.len());
            let twice = |row: &usize| {
                let named = |name: &str| rows[*row].iter().filter(|(own, _)| *own == name).count();
                ["store", "price", "promotion"].into_iter().any(|name| named(name) > 1)
            };
            let refused: Vec<usize> = parsed.errors.iter().map(|error| error.row as usize).collect();
            prop_assert_eq!(&refused, &(0..rows.len()).filter(twice).collect::<Vec<_>>());
            prop_assert!(parsed.errors.iter().all(|error| error.message.contains("twice")));
            prop_assert!(parsed.columns.iter().all(|named| named.column.len() == rows.len()));
            for (place, fields) in rows.iter().enumerate() {
                for name in ["store", "price", "promotion", "extra"] {
                    let first = fields.iter().find(|(own, _)| *own == name).and_then(|(_, value)| *value);
                    let wanted = first.map(|value| if name == "store" { format!("s{value}") } else { value.to_string() });
                    prop_assert_eq!(value(&parsed.columns, name, place), wanted, "{} of row {}", name, place);
                }
            }
        }
    }
}

/// Cells that a request's columns have.
fn cells(rows: &Rows) -> usize {
    rows.columns.iter().map(|named| named.column.len()).sum()
}

#[test]
fn names_that_few_rows_have_take_no_cell_of_all_others() {
    // A thousand names in the first row, and then rows with nothing.
    let names: Vec<String> = (0..1_000).map(|name| format!("\"n{name}\": 1")).collect();
    let body = format!("{{\"rows\": [{{{}}}{}]}}", names.join(","), ",{}".repeat(20_000));
    let rows = Rows::parse(body.as_bytes(), &layout()).unwrap();
    assert!(rows.errors.is_empty() && cells(&rows) < 2_000_000, "{}", cells(&rows));
    // The same in the last row.
    let body = format!("{{\"rows\": [{}{{{}}}]}}", "{},".repeat(20_000), names.join(","));
    let rows = Rows::parse(body.as_bytes(), &layout()).unwrap();
    assert!(rows.errors.is_empty() && cells(&rows) < 2_000_000, "{}", cells(&rows));
    // Nothing that all rows have is left out, nor what half of them have.
    let row = |row: usize| match row % 2 {
        0 => format!("{{{}}}", names[..100].join(",")),
        _ => format!("{{{}}}", names[..50].join(",")),
    };
    let body = format!("{{\"rows\": [{}]}}", (0..40_000).map(row).collect::<Vec<_>>().join(","));
    let rows = Rows::parse(body.as_bytes(), &layout()).unwrap();
    assert_eq!(rows.columns.len(), 3 + 100);
    assert_eq!(value(&rows.columns, "n99", 39_998).as_deref(), Some("1"));
}

#[test]
fn what_is_no_utf_8_fails_a_body_and_only_its_own_line() {
    let body = b"{\"rows\": [{\"store\": \"\xff\"}]}";
    assert!(
        matches!(Rows::parse(body, &layout()), Err(RowsError::Json(problem)) if problem.contains("utf-8"))
    );
    let lines = Rows::of_lines(b"{\"price\": 1}\n{\"store\": \"\xff\"}\n{\"price\": 3}\n", &layout());
    assert_eq!((lines.rows, lines.errors.len(), lines.errors[0].row), (3, 1, 1));
    assert_eq!(value(&lines.columns, "price", 2).as_deref(), Some("3"));
}

#[test]
fn a_row_that_lacks_a_dimension_for_a_slip_of_the_pen_is_told() {
    let body = br#"{"rows": [{"stroe": "a", "price": 1}, {"store": "a", "stroe": "b"}, {"store_name": "a"},
        {"stroe": null}, {"Store": "a", "price": "cheap"}]}"#;
    let rows = Rows::parse(body, &layout()).unwrap();
    let told: Vec<(u32, Option<&str>)> =
        rows.errors.iter().map(|error| (error.row, error.field.as_deref())).collect();
    assert_eq!(told, [(0, Some("stroe")), (4, Some("price"))]);
    assert!(rows.errors[0].message.contains("did you mean `store`?"), "{}", rows.errors[0].message);
}
