//! What a gateway does with a connection, whatever stands on it and however it comes.

use serde_json::{Value, json};
use tests::load::predictions_open;
use tests::program::signal;
use tests::shops::{name, row, sold};
use tests::{Setup, Stack, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than a test waits for anything.
const DEADLINE_MS: u64 = 600_000;

async fn stack() -> Stack {
    let environment = vec![("SCOPEFORGE_DEADLINE_MS", DEADLINE_MS.to_string())];
    let stack = Stack::start(Setup { environment, ..Setup::default() }).await;
    stack.add_shops(2, "").await;
    stack.train_shops("shop=*", 2).await;
    stack
}

/// A request for what a shop sells at `x`.
fn asks(shop: usize, x: f64, headers: &str) -> String {
    let body = json!({"rows": [row(&name(shop), x)]}).to_string();
    let line = "POST /v1/models/shops/predict HTTP/1.1\r\nhost: shops\r\n";
    format!("{line}{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// The next answer: its status, its head, and its body.
async fn answer(connection: &mut TcpStream) -> (u16, String, Value) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).expect("text");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    connection.read_exact(&mut body).await.expect("a body");
    assert!(head.contains("\r\ndate: "), "{head}");
    (status, head, serde_json::from_slice(&body).expect("JSON"))
}

fn is_right((status, head, body): &(u16, String, Value), shop: usize, x: f64) {
    let value = body["predictions"][0].as_f64().unwrap_or(f64::NAN);
    assert!(*status == 200 && (value - sold(shop, x)).abs() < 1e-6, "{head}{body}");
}

/// Whatever answers them: predictions as they are, with a header that asks for more, by the router, and refused ones.
#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_their_order() {
    let stack = stack().await;
    let mut connection = stack.connect().await;
    let refused = asks(1, 0.0, "").replace("models/shops/", "models/shop/");
    let torn = asks(1, 0.0, "").replace("{\"rows\"", "{\"rowz\"");
    let plain = [asks(0, 1.0, ""), refused, torn, asks(1, 2.0, "connection: keep-alive\r\n")].concat();
    let others =
        ["GET /v1/models HTTP/1.1\r\nhost: shops\r\n\r\n", &asks(0, 3.0, "connection: close\r\n")].concat();
    connection.write_all([plain, others].concat().as_bytes()).await.expect("the gateway takes it");
    is_right(&answer(&mut connection).await, 0, 1.0);
    let (status, head, problem) = answer(&mut connection).await;
    assert!(status == 404 && head.contains("application/problem+json"), "{head}{problem}");
    assert!(problem["detail"].to_string().contains("did you mean `shops`?"), "{problem}");
    let (status, head, problem) = answer(&mut connection).await;
    assert!(status == 400 && head.contains("HTTP/1.1 400 Bad Request"), "{head}{problem}");
    is_right(&answer(&mut connection).await, 1, 2.0);
    let (status, _, models) = answer(&mut connection).await;
    assert!(status == 200 && models.to_string().contains("shops"), "{models}");
    is_right(&answer(&mut connection).await, 0, 3.0);
    assert_eq!(connection.read(&mut [0]).await.expect("an end"), 0, "the last answer ends the connection");
}

/// Also a client that sends the head first, as many libraries do, and stops in the middle of a word.
#[tokio::test]
async fn a_request_may_come_in_pieces() {
    let stack = stack().await;
    let mut connection = stack.connect().await;
    for x in [1.0, 2.0] {
        let request = asks(0, x, "");
        let (begun, rest) = request.split_at(request.len() - 10);
        connection.write_all(begun.as_bytes()).await.expect("the gateway takes it");
        until("the head being read", async || (predictions_open(stack.port).await == 1).then_some(())).await;
        connection.write_all(rest.as_bytes()).await.expect("the gateway takes it");
        is_right(&answer(&mut connection).await, 0, x);
    }
    for byte in asks(1, 3.0, "").bytes() {
        connection.write_all(&[byte]).await.expect("the gateway takes it");
        tokio::task::yield_now().await;
    }
    is_right(&answer(&mut connection).await, 1, 3.0);
    // A client that ends in the middle is told so, and nobody waits for the rest.
    let mut connection = stack.connect().await;
    connection.write_all(&asks(0, 1.0, "").as_bytes()[..100]).await.expect("the gateway takes it");
    connection.shutdown().await.expect("it is open");
    let mut rest = String::new();
    connection.read_to_string(&mut rest).await.expect("an end");
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400"), "{rest}");
}

/// Whole requests that came before a client's end are answered; of the last one it cannot be told whether anybody waits.
#[tokio::test]
async fn what_was_asked_before_the_end_is_answered() {
    let stack = stack().await;
    let mut connection = stack.connect().await;
    let all: String = (0..20).map(|number| asks(0, f64::from(number), "")).collect();
    connection.write_all(all.as_bytes()).await.expect("the gateway takes it");
    connection.shutdown().await.expect("it is open");
    for number in 0..19 {
        is_right(&answer(&mut connection).await, 0, f64::from(number));
    }
}

/// Nothing is waited for that nobody wants any more; and what a client sends ahead of an answer is kept for later.
#[tokio::test]
async fn a_client_that_leaves_is_forgotten() {
    let stack = stack().await;
    signal(stack.predictors[0].id(), "STOP").await;
    let (mut leaving, mut staying) = (stack.connect().await, stack.connect().await);
    let request = asks(1, 2.0, "");
    leaving.write_all(request.as_bytes()).await.expect("the gateway takes it");
    staying.write_all(request.as_bytes()).await.expect("the gateway takes it");
    until("both being asked for", async || (predictions_open(stack.port).await == 2).then_some(())).await;
    staying.write_all(asks(0, 4.0, "").as_bytes()).await.expect("the gateway takes it");
    drop(leaving);
    until("one being forgotten", async || (predictions_open(stack.port).await == 1).then_some(())).await;
    signal(stack.predictors[0].id(), "CONT").await;
    is_right(&answer(&mut staying).await, 1, 2.0);
    is_right(&answer(&mut staying).await, 0, 4.0);
}
