//! Requests over HTTP that mean harm, or know no better: each is refused by itself, and others are served meanwhile.

use std::io::Write;

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};
use tests::{Setup, Stack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a gateway may have had of memory after any of these.
const PEAK_MIB_MAX: u64 = 256;

/// A gateway that knows a model and nobody who predicts, with a deadline of half a second.
async fn alone() -> Stack {
    let environment = vec![("SCOPEFORGE_DEADLINE_MS", "500".to_owned())];
    let stack = Stack::start(Setup { trainers: 0, predictors: 0, environment, ..Setup::default() }).await;
    stack.add_shops(1, "").await;
    stack
}

async fn post(stack: &Stack, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> (u16, Value) {
    let mut request = reqwest::Client::new().post(stack.url("/v1/models/shops/predict")).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// The gateway lives, is quick to say so, and has stayed small.
async fn is_well(stack: &Stack) {
    assert_eq!(stack.get("/healthz").await.0, 200);
    let peak = stack.gateway.as_ref().expect("a gateway").peak_mib();
    assert!(peak < PEAK_MIB_MAX, "the gateway took {peak} MiB");
}

/// Two gigabytes of spaces in two megabytes: nothing of it is kept beyond what a request may have, nor by many at once.
#[tokio::test]
async fn a_bomb_is_refused_before_it_goes_off() {
    let stack = alone().await;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b' '; 16 << 20]).expect("memory takes it");
    // Members of a gzip file may follow one another.
    let bomb = packed.finish().expect("it is packed").repeat(128);
    for encoding in ["gzip", "x-gzip"] {
        let (status, problem) = post(&stack, &[("content-encoding", encoding)], bomb.clone()).await;
        assert!(status == 413 && problem["detail"].is_string(), "{problem}");
    }
    let many = (0..24).map(|_| post(&stack, &[("content-encoding", "gzip")], bomb.clone()));
    let refused = futures::future::join_all(many).await;
    // Those who come too late, or for whom there is no place in time, may be told so.
    assert!(refused.iter().all(|(status, _)| [408, 413, 503].contains(status)), "{refused:?}");
    is_well(&stack).await;
}

#[tokio::test]
async fn what_is_packed_otherwise_or_torn_is_refused() {
    let stack = alone().await;
    for (encoding, status) in [("br", 415), ("gzip, gzip", 415), ("gzip", 400), ("deflate", 400)] {
        let (found, problem) = post(&stack, &[("content-encoding", encoding)], "{\"rows\": [{}]}").await;
        assert_eq!(found, status, "{encoding}: {problem}");
    }
    // Lines are read as they come, so they come as they are.
    let headers = [(CONTENT_TYPE.as_str(), "application/x-ndjson"), (CONTENT_ENCODING.as_str(), "gzip")];
    let (status, problem) = post(&stack, &headers, "{}\n").await;
    assert!(status == 415 && problem["detail"].to_string().contains("gzip"), "{problem}");
}

/// A list in a list in a list: no stack is as deep as a body can be.
#[tokio::test]
async fn deep_json_is_refused() {
    let stack = alone().await;
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let (status, problem) = post(&stack, &[], format!("{{\"rows\": [{{\"x\": {deep}}}]}}")).await;
    assert!(status == 422 && problem["errors"][0]["message"].to_string().contains("array"), "{problem}");
    for body in [deep.clone(), format!("{{\"rows\": {deep}}}"), format!("{{\"channel\": {deep}}}")] {
        assert_eq!(post(&stack, &[], body).await.0, 400);
    }
    let body = format!(
        "{{\"inputs\": [{{\"name\": \"x\", \"shape\": [1], \"datatype\": \"FP64\", \"data\": {deep}}}]}}"
    );
    let answer = reqwest::Client::new().post(stack.url("/v2/models/shops/infer")).body(body).send().await;
    assert_eq!(answer.expect("an answer").status(), 400);
    is_well(&stack).await;
}

#[tokio::test]
async fn a_key_that_stands_twice_is_refused() {
    let stack = alone().await;
    let (status, problem) = post(&stack, &[], "{\"rows\": [{\"x\": 1}], \"rows\": [{\"x\": 2}]}").await;
    assert!(status == 400 && problem.to_string().contains("twice"), "{problem}");
    let (status, problem) =
        post(&stack, &[], "{\"channel\": \"a\", \"rows\": [{\"x\": 1}], \"channel\": \"b\"}").await;
    assert!(status == 400 && problem.to_string().contains("twice"), "{problem}");
    let (status, problem) =
        post(&stack, &[], "{\"explain\": true, \"rows\": [{\"x\": 1}], \"explain\": false}").await;
    assert!(status == 400 && problem.to_string().contains("twice"), "{problem}");
    for x in ["1, \"x\": 2", "null, \"x\": 2", "1, \"x\": null"] {
        let rows = format!("{{\"rows\": [{{\"shop\": \"shop0\", \"x\": {x}}}]}}");
        let (status, problem) = post(&stack, &[], rows).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("x")), "{x}: {problem}");
        assert!(problem.to_string().contains("twice"), "{x}: {problem}");
    }
}

#[tokio::test]
async fn a_number_beyond_all_numbers_is_refused() {
    let stack = alone().await;
    for number in ["1e400", "-1e400", "1e999999999999"] {
        let (status, problem) = post(&stack, &[], format!("{{\"rows\": [{{\"x\": {number}}}]}}")).await;
        assert!(status == 400 && problem.to_string().contains("out of range"), "{number}: {problem}");
    }
    let digits = "9".repeat(1_000_000);
    let (status, _) = post(&stack, &[], format!("{{\"rows\": [{{\"x\": {digits}}}]}}")).await;
    assert_eq!(status, 400);
    is_well(&stack).await;
}

/// A connection to the gateway that speaks no more HTTP than it has to.
/// What comes until the connection is ended from the other side.
async fn rest(mut connection: TcpStream) -> String {
    let mut all = Vec::new();
    let reading = tokio::time::timeout(tests::wait::LIMIT, connection.read_to_end(&mut all));
    // A reset ends it, too.
    let _ = reading.await.expect("the connection is ended");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_million_headers_end_the_connection() {
    let stack = alone().await;
    let mut connection = stack.connect().await;
    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(1_000_000));
    // The gateway may close before all of it is through.
    let _ = connection.write_all(head.as_bytes()).await;
    let said = rest(connection).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431 "), "{said}");
    is_well(&stack).await;
}

#[tokio::test]
async fn heads_that_never_end_keep_nobody_waiting() {
    let stack = alone().await;
    let mut slow = Vec::new();
    for _ in 0..500 {
        let mut connection = stack.connect().await;
        connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: ").await.expect("the gateway takes it");
        slow.push(connection);
    }
    for _ in 0..20 {
        is_well(&stack).await;
        // One more byte each changes nothing.
        for connection in &mut slow {
            connection.write_all(b"x").await.expect("the gateway takes it");
        }
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up_and_keeps_nobody_waiting() {
    let stack = alone().await;
    for kind in ["application/json", "application/x-ndjson"] {
        let mut slow = Vec::new();
        for _ in 0..200 {
            let mut connection = stack.connect().await;
            let head =
                format!("POST /v1/models/shops/predict HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\n");
            let begun = format!("{head}content-length: 1000\r\n\r\n{{\"x\":");
            connection.write_all(begun.as_bytes()).await.expect("the gateway takes it");
            slow.push(rest(connection));
        }
        let others = async {
            for _ in 0..20 {
                is_well(&stack).await;
            }
        };
        let (said, ()) = tokio::join!(futures::future::join_all(slow), others);
        for said in said {
            assert!(said.contains("within 500 ms"), "{kind}: {said}");
            // Lines have begun to be answered before it was known.
            let status = if kind == "application/json" { "HTTP/1.1 408 " } else { "HTTP/1.1 200 " };
            assert!(said.starts_with(status), "{kind}: {said}");
        }
    }
}
