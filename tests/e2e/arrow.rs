//! Rows as an Arrow stream in, predictions as an Arrow stream out.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tests::shops::name;
use tests::{Setup, Stack};
use tokio::sync::mpsc;

const SHOPS: usize = 5;

/// Rows of each batch. The second one takes several messages, and longer than those that come after it.
const BATCHES: [usize; 5] = [300, 20_000, 1, 5_000, 77];

type Row = (Option<String>, Option<f64>);

async fn stack() -> Stack {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    stack.add_shops(SHOPS, "").await;
    stack.train_shops("shop=*", SHOPS).await;
    stack
}

/// Rows of all shops by turns; some have no fit, no number, or no shop.
fn rows() -> Vec<Row> {
    let row = |number: usize| match number {
        2 => (Some("nobody".to_owned()), Some(1.0)),
        299 | 301 => (Some(name(1)), None),
        4_000 => (None, Some(1.0)),
        _ => (Some(name(number % SHOPS)), Some(number as f64)),
    };
    (0..BATCHES.iter().sum()).map(row).collect()
}

fn batch(rows: &[Row]) -> RecordBatch {
    let shops: ArrayRef = Arc::new(rows.iter().map(|(shop, _)| shop.as_deref()).collect::<StringArray>());
    let numbers: ArrayRef = Arc::new(rows.iter().map(|(_, x)| *x).collect::<Float64Array>());
    RecordBatch::try_from_iter_with_nullable([("shop", shops, true), ("x", numbers, true)]).expect("a batch")
}

/// A stream of these batches: its head, each of them, and its end.
fn pieces(rows: &[Row]) -> Vec<Bytes> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch(&[]).schema()).expect("a stream");
    let taken = |writer: &mut StreamWriter<Vec<u8>>| Bytes::from(std::mem::take(writer.get_mut()));
    let (mut pieces, mut left) = (vec![taken(&mut writer)], rows);
    for size in BATCHES {
        let (own, rest) = left.split_at(size.min(left.len()));
        left = rest;
        writer.write(&batch(own)).expect("a batch");
        pieces.push(taken(&mut writer));
    }
    writer.finish().expect("an end");
    pieces.push(taken(&mut writer));
    pieces
}

async fn post(stack: &Stack, body: impl Into<reqwest::Body>) -> reqwest::Response {
    let request = reqwest::Client::new().post(stack.url("/v1/models/shops/predict")).body(body);
    let request = request.header("content-type", "application/vnd.apache.arrow.stream");
    request.send().await.expect("an answer")
}

/// What JSON answers for the same rows: number, scope, level, fingerprint and error of each.
async fn by_json(stack: &Stack, rows: &[Row]) -> Vec<Value> {
    let rows: Vec<Value> = rows.iter().map(|(shop, x)| json!({"shop": shop, "x": x})).collect();
    let (status, answer) = stack.predict("shops", json!({ "rows": rows }).to_string()).await;
    assert_eq!(status, 200, "{answer}");
    let one = |row: usize| {
        let fit = answer["fit_of"][row].as_u64().map(|fit| &answer["fits"][fit as usize]);
        let errors = answer["errors"].as_array().expect("errors").iter();
        let error = errors.filter(|error| error["row"] == row).map(|error| &error["message"]).next();
        let [scope, level, fingerprint] =
            ["scope", "level", "fingerprint"].map(|key| fit.map(|fit| &fit[key]));
        json!([answer["predictions"][row], scope, level, fingerprint, error])
    };
    (0..rows.len()).map(one).collect()
}

/// The same of an Arrow answer; an error without the field that it names.
fn told(batches: &[RecordBatch]) -> Vec<Value> {
    let of = |batch: &RecordBatch| -> Vec<Value> {
        let column = |name: &str| batch.column_by_name(name).expect("a column").clone();
        let (numbers, levels) = (column("prediction"), column("level"));
        let (numbers, levels) = (numbers.as_primitive::<Float64Type>(), levels.as_primitive::<Int32Type>());
        let text = |name: &str, row: usize| {
            let column = column(name);
            let texts = column.as_string::<i32>();
            texts.is_valid(row).then(|| texts.value(row).trim_start_matches("`x`: ").to_owned())
        };
        let one = |row: usize| {
            let number = numbers.is_valid(row).then(|| numbers.value(row));
            let level = levels.is_valid(row).then(|| levels.value(row));
            json!([number, text("scope", row), level, text("fingerprint", row), text("error", row)])
        };
        (0..batch.num_rows()).map(one).collect()
    };
    batches.iter().flat_map(of).collect()
}

/// The whole batches of an answer, and whether it has an end.
fn read(answer: &[u8]) -> (Vec<RecordBatch>, bool) {
    let mut batches = Vec::new();
    let Ok(reader) = StreamReader::try_new(answer, None) else { return (batches, false) };
    for batch in reader {
        match batch {
            Ok(batch) => batches.push(batch),
            Err(_) => return (batches, false),
        }
    }
    // Four bytes of ones, and a length of nothing.
    (batches, answer.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]))
}

#[tokio::test]
async fn batches_of_many_scopes_come_back_in_order_as_json_answers_them() {
    let stack = stack().await;
    let rows = rows();
    let answer = post(&stack, pieces(&rows).concat()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/vnd.apache.arrow.stream");
    let (batches, is_whole) = read(&answer.bytes().await.expect("a body"));
    assert!(is_whole);
    assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), BATCHES);
    let (told, expected) = (told(&batches), by_json(&stack, &rows).await);
    for (row, (told, expected)) in told.iter().zip(&expected).enumerate() {
        assert_eq!(told, expected, "row {row}");
    }
    let failed: Vec<usize> = (0..told.len()).filter(|row| told[*row][4].is_string()).collect();
    assert_eq!(failed, [2, 299, 301, 4_000]);
}

/// What is asked first is answered while more is still on its way; what was cut is told by an answer without an end.
#[tokio::test]
async fn batches_are_answered_as_they_come_and_a_torn_stream_has_no_whole_answer() {
    let stack = stack().await;
    let pieces = pieces(&rows());
    let (send, mut sent) = mpsc::channel::<Bytes>(pieces.len());
    let body = stream::poll_fn(move |cx| sent.poll_recv(cx).map(|piece| piece.map(Ok::<_, std::io::Error>)));
    for piece in &pieces[..2] {
        send.send(piece.clone()).await.expect("the client takes it");
    }
    let mut answer = post(&stack, reqwest::Body::wrap_stream(body)).await;
    let mut came = Vec::new();
    while read(&came).0.is_empty() {
        came.extend(answer.chunk().await.expect("the answer goes on").expect("an answer"));
    }
    assert_eq!(read(&came).0[0].num_rows(), BATCHES[0]);
    // The next batch, and half of the one after it.
    send.send(pieces[2].clone()).await.expect("the client takes it");
    send.send(pieces[3].slice(..pieces[3].len() / 2)).await.expect("the client takes it");
    drop(send);
    let end = loop {
        match answer.chunk().await {
            Ok(Some(more)) => came.extend(more),
            ended => break ended,
        }
    };
    assert!(end.is_err(), "the answer ends as if all had been asked");
    let (batches, is_whole) = read(&came);
    assert!(!is_whole && batches.len() <= 2, "{} batches", batches.len());
}

#[tokio::test]
async fn what_is_no_stream_or_ends_in_its_first_batch_is_refused() {
    let stack = stack().await;
    let whole = pieces(&rows());
    let torn = [&whole[0][..], &whole[1][..whole[1].len() / 2]].concat();
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["much"]));
    let wrong = RecordBatch::try_from_iter([("x", texts)]).expect("a batch");
    let mut writer = StreamWriter::try_new(Vec::new(), &wrong.schema()).expect("a stream");
    writer.write(&wrong).expect("a batch");
    for (body, words) in [
        (b"{\"rows\": [{}]}".to_vec(), "no Arrow IPC stream"),
        (Vec::new(), "ends too early"),
        (torn, "ends too early"),
        (writer.into_inner().expect("a stream"), "column `x` of the Arrow stream holds texts"),
    ] {
        let answer = post(&stack, body).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"] == "application/problem+json"),
            (400, true)
        );
        let problem: Value = answer.json().await.expect("JSON");
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.contains(words)),
            "{words}: {problem}"
        );
    }
    // A stream of no rows is one, and so is its answer.
    let answer = post(&stack, [&whole[0][..], &whole[whole.len() - 1][..]].concat()).await;
    assert_eq!(answer.status(), 200);
    let (batches, is_whole) = read(&answer.bytes().await.expect("a body"));
    assert!(batches.is_empty() && is_whole);
}
