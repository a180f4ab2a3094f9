//! Clients that say no more, or take nothing: the gateway ends their connections by itself.

use serde_json::json;
use tests::load::predictions_open;
use tests::shops::{name, row};
use tests::wait::LIMIT;
use tests::{Setup, Stack, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn stack() -> Stack {
    let environment = vec![("SCOPEFORGE_IDLE_SECONDS", "1".to_owned())];
    let stack = Stack::start(Setup { environment, ..Setup::default() }).await;
    stack.add_shops(1, "").await;
    stack.train_shops("shop=*", 1).await;
    stack
}

/// A prediction of so many rows; `headers` stand in its head.
fn asks(rows: usize, headers: &str) -> String {
    let body = json!({"rows": vec![row(&name(0), 1.0); rows]}).to_string();
    let line = "POST /v1/models/shops/predict HTTP/1.1\r\nhost: shops\r\n";
    format!("{line}{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// Sends `bytes` and nothing else; gives what comes until the gateway ends the connection.
async fn until_the_end(stack: &Stack, bytes: &str) -> String {
    let mut connection = stack.connect().await;
    connection.write_all(bytes.as_bytes()).await.expect("the gateway takes it");
    let mut came = String::new();
    let reading = tokio::time::timeout(LIMIT, connection.read_to_string(&mut came));
    match reading.await {
        Ok(ended) => drop(ended.expect("an end")),
        Err(_) => panic!("after {bytes:?} the connection is still open"),
    }
    came
}

#[tokio::test]
async fn who_begins_a_request_and_says_no_more_is_let_go() {
    let stack = stack().await;
    let (plain, other) = (asks(1, ""), asks(1, "expect: 100-continue\r\n"));
    let begun = ["", "P", &plain[..60], &other[..90], "GET /metrics HTTP/1.1\r\nhost: shops\r\n"];
    let ended = futures::future::join_all(begun.map(|begun| until_the_end(&stack, begun))).await;
    for (begun, came) in begun.iter().zip(ended) {
        assert!(came.is_empty() || came.starts_with("HTTP/1.1 408"), "after {begun:?}: {came}");
    }
    // Also when there was a request before: its answer has come.
    let metrics = "GET /healthz HTTP/1.1\r\nhost: shops\r\n\r\n";
    let begun = [plain.clone(), format!("{plain}P"), metrics.to_owned(), format!("{metrics}GET /m")];
    let ended =
        futures::future::join_all(begun.iter().map(async |begun| until_the_end(&stack, begun).await)).await;
    for (begun, came) in begun.iter().zip(ended) {
        assert!(came.starts_with("HTTP/1.1 200 OK"), "after {begun:?}: {came}");
    }
}

/// Asks on and on, and reads nothing, until the connection is closed.
async fn takes_nothing(stack: &Stack, begin: &str, again: &str) {
    let mut connection = stack.connect().await;
    let asking = async {
        connection.write_all(begin.as_bytes()).await?;
        while connection.write_all(again.as_bytes()).await.is_ok() {}
        std::io::Result::Ok(())
    };
    let asked = tokio::time::timeout(LIMIT, asking).await;
    asked.unwrap_or_else(|_| panic!("{again:.60} is still taken")).expect("the gateway takes the first");
}

#[tokio::test]
async fn who_takes_no_answer_is_let_go() {
    let stack = stack().await;
    let lines = "POST /v1/models/shops/predict HTTP/1.1\r\nhost: shops\r\ncontent-type: application/x-ndjson\r\n\
                 transfer-encoding: chunked\r\n\r\n";
    let line = format!("{}\n", row(&name(0), 1.0)).repeat(1_000);
    let (chunk, many) = (format!("{:x}\r\n{line}\r\n", line.len()), asks(2_000, ""));
    tokio::join!(
        takes_nothing(&stack, "", &many),
        takes_nothing(&stack, "", "GET /openapi.json HTTP/1.1\r\nhost: shops\r\n\r\n"),
        takes_nothing(&stack, lines, &chunk),
    );
    until("nothing being open", async || (predictions_open(stack.port).await == 0).then_some(())).await;
}
