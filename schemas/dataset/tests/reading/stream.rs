//! Files batch by batch, and written again with answers.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use dataset::stream::{Batch, Sink, Stream, WriteError};
use dataset::{Answer, Error, Fields, ReadError};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schemas::column::Column;
use schemas::predict::Predictions;
use schemas::spec::ModelSpec;
use tokio::runtime::Handle;

use crate::support::{Folder, chain, numbers, texts};

fn spec() -> ModelSpec {
    let text = "name = \"m\"\n[data]\nsource = \"x\"\ntime = \"t\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\n\
                target = \"y\"\nfeatures = [\"x\", \"hour(t)\"]\ncategorical = [\"kind\"]";
    ModelSpec::parse(text).unwrap()
}

async fn stream(folder: &Folder, name: &str, batch_rows: usize) -> Result<Stream, Error> {
    let files = dataset::files::open(&folder.source(name)).await?;
    let handle = Handle::current();
    let open = move || Stream::open(&files, Fields::of(&spec()), batch_rows, handle);
    Ok(tokio::task::spawn_blocking(open).await.unwrap()?)
}

async fn batches(folder: &Folder, name: &str, batch_rows: usize) -> Result<Vec<Batch>, Error> {
    let stream = stream(folder, name, batch_rows).await?;
    let all = tokio::task::spawn_blocking(move || stream.collect::<Result<Vec<_>, ReadError>>());
    Ok(all.await.unwrap()?)
}

fn column<'a>(batch: &'a Batch, name: &str, kind: &str) -> &'a Column {
    let found = batch.taken.columns.iter().find(|named| *named.name == *name && named.column.kind() == kind);
    &found.unwrap_or_else(|| panic!("no {name}")).column
}

fn texts_of(batch: &Batch, name: &str) -> Vec<String> {
    let Column::Text(column) = column(batch, name, "texts") else { panic!("no texts") };
    (0..column.codes.len()).map(|row| column.get(row).unwrap_or("-").to_owned()).collect()
}

/// Answers with the row's number within its batch.
fn answers(rows: usize) -> Predictions {
    let values = (0..rows).map(|row| row as f64).collect();
    Predictions { values, fit_of: vec![u32::MAX; rows], ..Predictions::default() }
}

async fn copy(folder: &Folder, from: &str, to: &str) -> Result<PathBuf, WriteError> {
    let (input, out) = (stream(folder, from, 2).await.unwrap(), folder.path(to));
    let write = move || {
        let mut sink = Sink::create(&out, &input, Answer::default(), false)?;
        for batch in input {
            let batch = batch.unwrap();
            sink.write(&batch.original, &answers(batch.taken.rows))?;
        }
        sink.finish().map(|()| out)
    };
    tokio::task::spawn_blocking(write).await.unwrap()
}

/// Row groups of three rows in batches of two.
#[tokio::test]
async fn all_formats_give_the_same_columns_in_batches() {
    let folder = Folder::new();
    let times: ArrayRef =
        Arc::new(TimestampMillisecondArray::from(vec![Some(3_600_000), None, Some(7_200_000), Some(0)]));
    folder.write_parquet(
        "a.parquet",
        vec![
            ("shop", texts(&[Some("A"), Some("B"), None, Some("A")])),
            ("x", numbers(&[Some(1.5), None, Some(3.0), Some(4.0)])),
            ("t", times),
            ("extra", texts(&[Some("p"), Some("q"), Some("r"), Some("s")])),
        ],
    );
    folder.write(
        "a.csv",
        "shop,x,t,extra\nA,1.5,1970-01-01T01:00:00Z,p\nB,NA,,q\n,3,1970-01-01 02:00,r\nA,4,1970-01-01,s\n",
    );
    folder.write_gzip(
        "a.ndjson.gz",
        "{\"shop\":\"A\",\"x\":1.5,\"t\":\"1970-01-01T01:00:00Z\",\"extra\":\"p\"}\n{\"shop\":\"B\",\"extra\":\"q\"}\n\
         {\"x\":3,\"t\":\"1970-01-01T02:00\",\"extra\":\"r\"}\n{\"shop\":\"A\",\"x\":4,\"t\":\"1970-01-01\",\"extra\":\"s\"}\n",
    );
    for (name, sizes) in [("a.parquet", vec![2, 1, 1]), ("a.csv", vec![2, 2]), ("a.ndjson.gz", vec![2, 2])] {
        let all = batches(&folder, name, 2).await.unwrap();
        assert_eq!(all.iter().map(|batch| batch.taken.rows).collect::<Vec<_>>(), sizes, "{name}");
        let shops: Vec<String> = all.iter().flat_map(|batch| texts_of(batch, "shop")).collect();
        assert_eq!(shops, ["A", "B", "-", "A"], "{name}");
        let (mut xs, mut ts) =
            (column(&all[0], "x", "numbers").clone(), column(&all[0], "t", "times").clone());
        for batch in &all[1..] {
            xs.append(column(batch, "x", "numbers"));
            ts.append(column(batch, "t", "times"));
        }
        assert_eq!(format!("{xs:?}"), "Number([1.5, NaN, 3.0, 4.0])", "{name}");
        assert_eq!(ts, Column::Time(vec![3_600_000, i64::MIN, 7_200_000, 0]), "{name}");
        // A field that the file lacks is absent, and one that the model does not read is not sent.
        assert_eq!(all[0].taken.columns.len(), 3, "{name}");
        assert!(all.iter().all(|batch| batch.taken.errors.is_empty()), "{name}");
    }
}

#[tokio::test]
async fn a_wrong_text_is_an_error_at_its_row_and_a_wrong_type_one_of_the_file() {
    let folder = Folder::new();
    folder.write("a.csv", "shop,x,t\nA,1,soon\nB,late,1970-01-01\nB,2,1970-01-01\nC,often,never\n");
    let all = batches(&folder, "a.csv", 4).await.unwrap();
    let errors: Vec<(u32, &str, &str)> = all[0]
        .taken
        .errors
        .iter()
        .map(|error| (error.row, error.field.as_deref().unwrap(), error.message.as_str()))
        .collect();
    let time = "a time such as \"2013-12-03T14:00:00Z\" is required, not \"soon\"";
    assert_eq!(errors[..2], [(0, "t", time), (1, "x", "a number is required, not \"late\"")]);
    assert_eq!((errors.len(), errors[2].0), (3, 3));
    folder.write_parquet("a.parquet", vec![("x", texts(&[Some("1")]))]);
    let wrong = chain(&batches(&folder, "a.parquet", 4).await.unwrap_err());
    assert!(wrong.contains("column `x` holds texts, but numbers are wanted"), "{wrong}");
    folder.write("b.ndjson", "{\"x\": [1]}\n");
    assert!(chain(&batches(&folder, "b.ndjson", 4).await.unwrap_err()).contains("nested"));
    folder.write("c.ndjson", "{\"x\": 1}\n{\"x\"\n");
    assert!(chain(&batches(&folder, "c.ndjson", 4).await.unwrap_err()).contains("not valid NDJSON"));
}

#[tokio::test]
async fn several_files_of_one_form_are_one() {
    let folder = Folder::new();
    folder.write("in/shop=A/1.csv", "x,t\n1,1970-01-01\n").write("in/shop=B/2.csv", "x,t\n2,1970-01-01\n");
    let all = batches(&folder, "in", 4).await.unwrap();
    assert_eq!(all.iter().flat_map(|batch| texts_of(batch, "shop")).collect::<Vec<_>>(), ["A", "B"]);
    folder.write("in/shop=C/3.csv", "t,x\n1970-01-01,2\n");
    assert!(chain(&batches(&folder, "in", 4).await.unwrap_err()).contains("other columns"));
}

#[tokio::test]
async fn outputs_have_all_columns_and_the_answers() {
    let folder = Folder::new();
    folder.write("a.csv", "shop,x\n007,\"1,5\"\n\"a\nb\",\n,3\n");
    let out = copy(&folder, "a.csv", "out.csv").await.unwrap();
    let expected = "shop,x,prediction,scope,level,error\n007,\"1,5\",0.0,,,\n\"a\nb\",,1.0,,,\n,3,0.0,,,\n";
    assert_eq!(std::fs::read_to_string(out).unwrap(), expected);
    folder.write("b.ndjson", "{\"z\":12,\"a\":{\"b\":[1]}}\n{\"z\":1.5}\n{\"z\":null,\"a\":null}\n");
    let out = copy(&folder, "b.ndjson", "out.ndjson").await.unwrap();
    let lines = std::fs::read_to_string(out).unwrap();
    let first =
        "{\"z\":12.0,\"a\":{\"b\":[1]},\"prediction\":0.0,\"scope\":null,\"level\":null,\"error\":null}";
    assert_eq!((lines.lines().next(), lines.lines().count()), (Some(first), 3));
    let out = copy(&folder, "b.ndjson", "out.parquet").await.unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(out).unwrap()).unwrap();
    let all: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(all.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
    let names: Vec<String> = all[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["z", "a", "prediction", "scope", "level", "error"]);
    assert!(all[0].column(1).as_struct_opt().is_some());
    let times: ArrayRef =
        Arc::new(TimestampMillisecondArray::from(vec![3_600_000]).with_timezone("Europe/Berlin"));
    folder.write_parquet("c.parquet", vec![("t", times)]);
    let out = copy(&folder, "c.parquet", "zone.csv").await.unwrap();
    assert!(std::fs::read_to_string(out).unwrap().ends_with("\n1970-01-01T01:00:00Z,0.0,,,\n"));
    folder.write("none.csv", "shop,x\n");
    let out = copy(&folder, "none.csv", "none.out.csv").await.unwrap();
    assert_eq!(std::fs::read_to_string(out).unwrap(), "shop,x,prediction,scope,level,error\n");
}

#[tokio::test]
async fn outputs_are_refused_before_anything_is_written() {
    let folder = Folder::new();
    folder.write("a.csv", "shop,error\nA,1\n").write("b.ndjson", "{\"a\":[1]}\n").write("c.csv", "x\n1\n");
    let refused = async |from: &str, to: &str| copy(&folder, from, to).await.unwrap_err();
    assert!(matches!(refused("a.csv", "out.csv").await, WriteError::Twice { column } if column == "error"));
    assert!(
        matches!(refused("b.ndjson", "out.csv").await, WriteError::Nested { column, .. } if column == "a")
    );
    assert!(matches!(refused("c.csv", "out.xlsx").await, WriteError::Format { .. }));
    assert!(matches!(refused("c.csv", "out.csv.gz").await, WriteError::Format { .. }));
    assert!(matches!(refused("c.csv", "a.csv").await, WriteError::Exists { .. }));
    assert!(matches!(refused("c.csv", "nowhere/a.csv").await, WriteError::Disk { .. }));
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 3);
}

#[tokio::test]
async fn a_sink_that_is_dropped_leaves_nothing() {
    let folder = Folder::new();
    folder.write("a.csv", "x\n1\n").write("out.csv", "as it was");
    let (input, out) = (stream(&folder, "a.csv", 2).await.unwrap(), folder.path("out.csv"));
    let drop_it = move || drop(Sink::create(&out, &input, Answer::default(), true).unwrap());
    tokio::task::spawn_blocking(drop_it).await.unwrap();
    assert_eq!(std::fs::read_to_string(folder.path("out.csv")).unwrap(), "as it was");
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 2);
}
