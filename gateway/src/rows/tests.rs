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
    fn each_row_has_what_its_fields_say_last_in_whatever_order(requests in proptest::collection::vec(rows(), 1..4)) {
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
            prop_assert!(parsed.errors.is_empty());
            prop_assert!(parsed.columns.iter().all(|named| named.column.len() == rows.len()));
            for (place, fields) in rows.iter().enumerate() {
                for name in ["store", "price", "promotion", "extra"] {
                    let last = fields.iter().rev().find(|(own, _)| *own == name).and_then(|(_, value)| *value);
                    let wanted = last.map(|value| if name == "store" { format!("s{value}") } else { value.to_string() });
                    prop_assert_eq!(value(&parsed.columns, name, place), wanted, "{} of row {}", name, place);
                }
            }
        }
    }
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
