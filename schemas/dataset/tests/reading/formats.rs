//! The same rows, whatever the format; every type that a column may have.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int8Array, Int64Array, LargeStringArray, NullArray,
    StringViewArray, TimestampMicrosecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use dataset::{Kind, Request};
use parquet::file::metadata::KeyValue;
use schemas::time::{TIME_NULL, parse_instant};

use crate::support::{Folder, dimension, numbers, open, read, request, texts};

const CSV: &str = "\u{feff}shop,size,at,y,\"odd, name\"\n\
    b,2,2020-01-03,1.5,\"x\"\"y\"\n\
    a,1,2020-01-01T00:00:00Z,,\"1,2\"\n\
    ,3,,-4e2,\n\
    b,,2020-01-02 00:00:00,0,z\n";
const NDJSON: &str = r#"{"shop":"b","size":2,"at":"2020-01-03","y":1.5,"odd, name":"x\"y","nested":{"a":[1]}}
{"shop":"a","size":1,"at":"2020-01-01T00:00:00Z","y":null,"odd, name":"1,2","nested":7}

{"size":3,"y":-4e2}
{"shop":"b","size":null,"at":"2020-01-02T00:00:00+00:00","y":0,"odd, name":"z"}
"#;

fn parquet(folder: &Folder) {
    let at = ["2020-01-03", "2020-01-01", "", "2020-01-02"].map(|text| parse_instant(text).ok());
    folder.write_parquet(
        "x.parquet",
        vec![
            ("shop", texts(&[Some("b"), Some("a"), None, Some("b")])),
            ("size", Arc::new(Int8Array::from(vec![Some(2), Some(1), Some(3), None]))),
            (
                "at",
                Arc::new(
                    TimestampMicrosecondArray::from_iter(at.map(|ms| ms.map(|ms| ms * 1000)))
                        .with_timezone("+02:00"),
                ),
            ),
            ("y", numbers(&[Some(1.5), None, Some(-400.0), Some(0.0)])),
            ("odd, name", texts(&[Some("x\"y"), Some("1,2"), None, Some("z")])),
        ],
    );
}

#[tokio::test]
async fn the_same_rows_come_out_of_every_format() {
    let folder = Folder::new();
    parquet(&folder);
    folder.write("x.csv", CSV).write("x.ndjson", NDJSON).write("x.tsv", "shop\tsize\tat\ty\todd, name\n".to_owned()
        + "b\t2\t2020-01-03\t1.5\t\"x\"\"y\"\na\t1\t2020-01-01\t\t1,2\n\t3\t\t-400\t\nb\t\t2020-01-02\t0\tz\n");
    folder.write_gzip("y.csv.gz", CSV).write_gzip("y.json.gz", NDJSON);
    let request = request(&["shop", "size", "odd, name"], Some("at"), &["y", "size"]);
    for name in ["x.parquet", "x.csv", "x.tsv", "x.ndjson", "y.csv.gz", "y.json.gz"] {
        let table = read(&folder.source(name), &request).await.unwrap();
        assert_eq!(table.rows(), 4, "{name}");
        assert_eq!(dimension(&table, "shop"), ["a", "b", "b", "-"], "{name}");
        assert_eq!(dimension(&table, "size"), ["1", "-", "2", "3"], "{name}");
        assert_eq!(dimension(&table, "odd, name"), ["1,2", "z", "x\"y", "-"], "{name}");
        let y = table.number("y").unwrap();
        assert!(y[0].is_nan() && y[1..] == [0.0, 1.5, -400.0], "{name}: {y:?}");
        assert!(table.number("size").unwrap()[1].is_nan(), "{name}");
        let day = |text| parse_instant(text).unwrap();
        let expected = [day("2020-01-01"), day("2020-01-02"), day("2020-01-03"), TIME_NULL];
        assert_eq!(table.time().unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn columns_and_kinds_are_known_without_reading_the_rows() {
    let folder = Folder::new();
    parquet(&folder);
    folder.write("x.csv", CSV).write_gzip("x.jsonl.gz", NDJSON.lines().next().unwrap());
    for name in ["x.parquet", "x.csv", "x.jsonl.gz"] {
        let columns = open(&folder.source(name)).await.unwrap().columns().await.unwrap();
        let kind = |column: &str| columns.iter().find(|(known, _)| known == column).unwrap().1;
        assert_eq!(
            (kind("shop"), kind("size"), kind("y")),
            (Kind::Text, Kind::Number, Kind::Number),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_million_columns_are_known_and_only_the_wanted_ones_are_kept() {
    let folder = Folder::new();
    let names: String = (0..1_000_000).map(|column| format!(",c{column}")).collect();
    let cells = ",1".repeat(1_000_000);
    folder.write("x.csv", format!("shop,y{names}\na,2{cells}\nb,3{cells}\n"));
    let pairs: String = (0..100_000).map(|column| format!(",\"c{column}\":1")).collect();
    let objects = format!("{{\"shop\":\"a\",\"y\":2{pairs}}}\n{{\"shop\":\"b\",\"y\":3}}\n");
    folder.write("x.ndjson", &objects).write_gzip("x.ndjson.gz", &objects);
    for (name, count) in [("x.csv", 1_000_002), ("x.ndjson", 100_002), ("x.ndjson.gz", 100_002)] {
        let columns = open(&folder.source(name)).await.unwrap().columns().await.unwrap();
        assert_eq!(columns.len(), count, "{name}");
        let table = read(&folder.source(name), &request(&["shop"], None, &["y"])).await.unwrap();
        assert_eq!(table.number("y").unwrap(), [2.0, 3.0], "{name}");
    }
    folder.write("long.csv", "y".repeat(130 << 20));
    let error = open(&folder.source("long.csv")).await.unwrap().columns().await.unwrap_err();
    assert!(format!("{error}: {:?}", error).contains("first two lines"), "{error:?}");
}

/// Arrow's reader refuses its own types of half a million columns; the file's own are enough.
#[tokio::test]
async fn parquet_whose_arrow_types_cannot_be_read_is_read_by_its_own() {
    let folder = Folder::new();
    let schema = KeyValue::new("ARROW:schema".into(), "AAAA".to_owned());
    folder.write_parquet_with(
        "x.parquet",
        vec![("shop", texts(&[Some("a")])), ("y", numbers(&[Some(2.0)]))],
        schema,
    );
    let table = read(&folder.source("x.parquet"), &request(&["shop"], None, &["y"])).await.unwrap();
    assert_eq!(table.number("y").unwrap(), [2.0]);
}

#[tokio::test]
async fn every_type_becomes_numbers_texts_or_times() {
    let folder = Folder::new();
    let second = 1_600_000_000i64;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("boolean", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]))),
        (
            "decimal",
            Arc::new(
                Decimal128Array::from(vec![Some(150), None, Some(-5), Some(0)])
                    .with_precision_and_scale(9, 2)
                    .unwrap(),
            ),
        ),
        ("large", Arc::new(LargeStringArray::from(vec![Some("a"), None, Some(""), Some("a")]))),
        ("view", Arc::new(StringViewArray::from(vec![Some("a"), None, Some(""), Some("a")]))),
        ("unsigned", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(0), Some(7)]))),
        ("signed", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(0), Some(7)]))),
        ("date", Arc::new(Date32Array::from(vec![Some(15_736), None, Some(-1), Some(0)]))),
        ("seconds", Arc::new(TimestampSecondArray::from(vec![Some(second), None, Some(0), Some(1)]))),
        (
            "nanoseconds",
            Arc::new(TimestampNanosecondArray::from(vec![
                Some(second * 1_000_000_000),
                None,
                Some(0),
                Some(1),
            ])),
        ),
        (
            "text_time",
            texts(&[Some("2020-09-13T12:26:40Z"), None, Some("1970-01-01"), Some("1970-01-01T00:00:01Z")]),
        ),
        ("nulls", Arc::new(NullArray::new(4))),
    ];
    folder.write_parquet("x.pq", columns);
    let times = ["seconds", "nanoseconds", "text_time", "date", "nulls"].map(str::to_owned).to_vec();
    let dimensions = ["boolean", "large", "view", "unsigned", "signed", "date", "nulls"];
    let request = Request { times, ..request(&dimensions, None, &["boolean", "decimal", "signed", "nulls"]) };
    let table = read(&folder.source("x.pq"), &request).await.unwrap();
    assert_eq!(dimension(&table, "boolean"), ["true", "-", "false", "true"]);
    assert_eq!(dimension(&table, "large"), ["a", "-", "", "a"]);
    assert_eq!(dimension(&table, "view"), ["a", "-", "", "a"]);
    assert_eq!(dimension(&table, "unsigned"), ["18446744073709551615", "-", "0", "7"]);
    assert_eq!(dimension(&table, "signed"), ["-9223372036854775808", "-", "0", "7"]);
    assert_eq!(dimension(&table, "date"), ["2013-01-31", "-", "1969-12-31", "1970-01-01"]);
    assert_eq!(dimension(&table, "nulls"), ["-"; 4]);
    let shown = |name: &str| format!("{:?}", table.number(name).unwrap());
    assert_eq!(shown("boolean"), "[1.0, NaN, 0.0, 1.0]");
    assert_eq!(shown("decimal"), "[1.5, NaN, -0.05, 0.0]");
    assert_eq!(shown("nulls"), "[NaN, NaN, NaN, NaN]");
    assert_eq!(table.times("seconds").unwrap(), [second * 1000, TIME_NULL, 0, 1000]);
    assert_eq!(table.times("nanoseconds").unwrap(), [second * 1000, TIME_NULL, 0, 0]);
    assert_eq!(table.times("text_time").unwrap(), table.times("seconds").unwrap());
    assert_eq!(table.times("date").unwrap(), [15_736 * 86_400_000, TIME_NULL, -86_400_000, 0]);
    assert_eq!(table.time(), None);
}

#[tokio::test]
async fn rows_are_counted_when_no_column_is_wanted() {
    let folder = Folder::new();
    parquet(&folder);
    folder.write("x.csv", CSV).write("x.ndjson", NDJSON).write("none.csv", "a,b\n");
    for (name, rows) in [("x.parquet", 4), ("x.csv", 4), ("x.ndjson", 4), ("none.csv", 0)] {
        assert_eq!(read(&folder.source(name), &Request::default()).await.unwrap().rows(), rows, "{name}");
    }
}

#[tokio::test]
async fn many_distinct_texts_and_several_batches_keep_their_places() {
    let folder = Folder::new();
    let names: Vec<String> = (0..300_000).map(|row| format!("n{}", row % 70_001)).collect();
    let rows: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
    let csv: String =
        std::iter::once("name").chain(names.iter().map(String::as_str)).flat_map(|l| [l, "\n"]).collect();
    folder.write("x.csv", csv);
    let batch = arrow_array::RecordBatch::try_from_iter([("name", texts(&rows))]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    folder.write("x.parquet", bytes);
    for name in ["x.csv", "x.parquet"] {
        let table = read(&folder.source(name), &request(&["name"], None, &[])).await.unwrap();
        assert!(dimension(&table, "name") == rows.iter().flatten().copied().collect::<Vec<_>>(), "{name}");
        assert!(table.dimension("name").unwrap().values.is_sorted(), "{name}");
    }
}
