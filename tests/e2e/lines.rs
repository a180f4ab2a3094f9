//! Rows as lines in, predictions as lines out.

use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tests::shops::{name, row, sold};
use tests::{Setup, Stack};

const SHOPS: usize = 5;

async fn stack() -> Stack {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    stack.add_shops(SHOPS, "").await;
    stack.train_shops("shop=*", SHOPS).await;
    stack
}

async fn post(stack: &Stack, query: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
    let url = stack.url(&format!("/v1/models/shops/predict{query}"));
    let request = reqwest::Client::new().post(url).header("content-type", "application/x-ndjson").body(body);
    request.send().await.expect("an answer")
}

async fn lines(stack: &Stack, query: &str, body: impl Into<reqwest::Body>) -> Vec<Value> {
    let answer = post(stack, query, body).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let text = answer.text().await.expect("a body");
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// Line `i` of a long stream; what it carries beside its fields is nothing that any fit reads.
fn line(i: usize) -> String {
    let mut row = row(&name(i % SHOPS), i as f64);
    row["note"] = json!(["x".repeat(700)]);
    format!("{row}\n")
}

/// Many times more bytes go through the gateway than it takes, and all lines come back in their order.
#[tokio::test]
async fn two_hundred_thousand_lines_come_back_in_order_and_are_never_all_in_memory() {
    const LINES: usize = 200_000;
    let stack = stack().await;
    let gateway = stack.gateway.as_ref().expect("a gateway");
    let before = gateway.peak_mib();
    let sent = reqwest::Body::wrap_stream(stream::iter((0..LINES / 1_000).flat_map(|part| {
        let text = Bytes::from((part * 1_000..(part + 1) * 1_000).map(line).collect::<String>());
        // Pieces end within lines.
        let middle = text.len() / 3;
        [text.slice(..middle), text.slice(middle..)].map(Ok::<_, std::io::Error>)
    })));
    let mut answer = post(&stack, "", sent).await;
    let (mut left, mut seen) = (Vec::new(), 0);
    while let Some(piece) = answer.chunk().await.expect("the answer goes on") {
        left.extend_from_slice(&piece);
        let whole = left.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for told in
            left.drain(..whole).collect::<Vec<u8>>().split(|byte| *byte == b'\n').filter(|l| !l.is_empty())
        {
            let told: Value = serde_json::from_slice(told).expect("each line is JSON");
            let expected = sold(seen % SHOPS, seen as f64);
            let found = told["prediction"].as_f64().unwrap_or_else(|| panic!("line {seen}: {told}"));
            assert!((found - expected).abs() < 1e-6 * expected.max(1.0), "line {seen}: {told}");
            seen += 1;
        }
    }
    assert_eq!((seen, left.len()), (LINES, 0));
    let grown = gateway.peak_mib() - before;
    assert!(grown < 64, "the gateway took {grown} MiB more for 150 MB of lines");
}

#[tokio::test]
async fn a_bad_line_is_that_lines_error() {
    let stack = stack().await;
    let good = |x: f64| row(&name(1), x).to_string();
    let body = [
        good(1.0),
        "{\"shop\": \"shop1\", \"x\": ".to_owned(),
        good(2.0),
        "[1, 2]".to_owned(),
        "{\"shop\": \"shop1\", \"x\": 1e400}".to_owned(),
        "{\"shop\": \"shop1\", \"x\": \"much\"}".to_owned(),
        "{\"shop\": \"shop1\"}".to_owned(),
        format!("{} {}", good(3.0), good(3.0)),
        "\u{0}".to_owned(),
        row("nobody", 1.0).to_string(),
        String::new(),
        "   ".to_owned(),
        good(4.0),
    ]
    .join("\n");
    let told = lines(&stack, "", body).await;
    assert_eq!(told.len(), 11, "{told:?}");
    let predicted: Vec<Option<f64>> =
        told.iter().map(|line| line["prediction"].as_f64().map(f64::round)).collect();
    let exactly = |x: f64| Some(sold(1, x));
    let none = None;
    let expected = [exactly(1.0), none, exactly(2.0), none, none, none, none, none, none, none, exactly(4.0)];
    assert_eq!(predicted, expected, "{told:?}");
    for (line, words) in [
        (1, "no JSON object"),
        (3, "no JSON object"),
        (4, "out of range"),
        (5, "a number is required"),
        (6, "missing"),
        (7, "trailing"),
        (8, "no JSON object"),
        (9, "shop=nobody"),
    ] {
        let error = told[line]["error"].as_str().unwrap_or_default();
        assert!(error.contains(words), "line {line}: {}", told[line]);
    }
    assert_eq!((&told[5]["field"], &told[6]["field"]), (&json!("x"), &json!("x")));
    assert_eq!((&told[0]["scope"], &told[0]["level"]), (&json!("shop=shop1"), &json!(0)));
}

#[tokio::test]
async fn lines_that_are_none_or_too_long_and_channels_that_are_none() {
    let stack = stack().await;
    assert!(lines(&stack, "", "").await.is_empty());
    assert!(lines(&stack, "", "\n\n \n").await.is_empty());
    assert_eq!(post(&stack, "?channel=lvie", "{}").await.status(), 404);
    assert_eq!(post(&stack, "?channel=a.b", "{}").await.status(), 400);
    assert_eq!(post(&stack, "?chanel=live", "{}").await.status(), 400);
    // A line without an end is given up with the byte that is too many.
    let body = format!("{}\n{}", row(&name(0), 1.0), "x".repeat((1 << 20) + 1));
    let told = lines(&stack, "", body).await;
    let [first, last] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(first["prediction"].as_f64().map(f64::round), Some(sold(0, 1.0)), "{first}");
    assert!(last["error"].as_str().is_some_and(|error| error.contains("longer than")), "{last}");
}

/// A client that sends the next line only when it has the answer to the one before.
#[tokio::test]
async fn a_line_is_answered_though_no_other_comes() {
    let stack = stack().await;
    let (say, said) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = stream::unfold(said, async |mut said| said.recv().await.map(|line| (line, said)));
    let line = |x: f64| Ok(Bytes::from(format!("{}\n", row(&name(2), x))));
    say.send(line(0.0)).await.expect("it is read");
    let mut answer = post(&stack, "", reqwest::Body::wrap_stream(body)).await;
    for x in 0..5 {
        let told = answer.chunk().await.expect("the answer goes on").expect("a line");
        let told: Value = serde_json::from_slice(&told).expect("one line of JSON");
        let found = told["prediction"].as_f64().expect("a number");
        assert!((found - sold(2, f64::from(x))).abs() < 1e-6, "{told}");
        say.send(line(f64::from(x + 1))).await.expect("it is read");
    }
}

/// A client that never ends its stream does not hold up a gateway that is told to leave.
#[tokio::test]
async fn a_stream_without_an_end_is_cut_when_the_gateway_has_to_go() {
    let environment = vec![("SCOPEFORGE_GRACE_SECONDS", "1".to_owned())];
    let mut stack = Stack::start(Setup { environment, ..Setup::default() }).await;
    stack.add_shops(SHOPS, "").await;
    stack.train_shops("shop=*", SHOPS).await;
    let text = Bytes::from((0..2_000).map(line).collect::<String>());
    let endless = stream::repeat_with(move || Ok::<_, std::io::Error>(text.clone()));
    let mut answer = post(&stack, "", reqwest::Body::wrap_stream(endless)).await;
    assert!(answer.chunk().await.expect("the answer begins").is_some());
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = answer.chunk().await {} });
    let gateway = stack.gateway.take().expect("a gateway");
    assert_eq!(gateway.stop().await, 0);
    reading.await.expect("the answer ends");
}
