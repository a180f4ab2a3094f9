//! More requests than predictors answer: who comes too late is told so at once.

use serde_json::{Value, json};
use tests::impostor::NAME;
use tests::load::predictions_open;
use tests::shops::{name, row};
use tests::{Impostor, Setup, Stack, until};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

/// Rows of one request: as many as a message takes, so that none is joined with another one.
const ROWS: usize = schemas::limits::MESSAGE_ROWS_MAX;

/// Requests that a lane holds at the most while nothing comes back: 16 and then 6 more are out, one leaves next, and one waits.
const HELD: usize = 24;

/// Asks without a pause; gives status, `Retry-After` and body.
async fn ask(url: String, body: String) -> (u16, String, Value) {
    let answer = reqwest::Client::new().post(url).body(body).send().await.expect("an answer");
    let again = answer.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
    (answer.status().as_u16(), again.unwrap_or_default(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn who_finds_a_lane_full_is_told_at_once_when_to_come_again() {
    let environment = vec![
        ("SCOPEFORGE_WAITING_MAX", "1".to_owned()),
        ("SCOPEFORGE_THREADS", "1".to_owned()),
        // Whoever is not refused waits for longer than it takes to refuse the others.
        ("SCOPEFORGE_DEADLINE_MS", "30000".to_owned()),
    ];
    let stack = Stack::start(Setup { predictors: 0, environment, ..Setup::default() }).await;
    stack.add_shops(1, "").await;
    let _silent = Impostor::start(&stack, |_| None, 1).await;
    let rows = vec![row(&name(0), 1.0); ROWS];
    let body = json!({ "rows": rows }).to_string();
    let mut asked = JoinSet::new();
    for _ in 0..2 * HELD {
        asked.spawn(ask(stack.url("/v1/models/shops/predict"), body.clone()));
    }
    for _ in 0..HELD {
        let (status, again, problem) = asked.join_next().await.expect("a request").expect("an answer");
        assert_eq!((status, again.as_str()), (503, "1"), "{problem}");
        assert_eq!(problem["detail"], format!("predictor {NAME} has too much to do"));
    }
    // Those that came before wait on.
    let open = predictions_open(stack.port).await;
    assert!((1..=HELD as u64).contains(&open), "{open} requests are open");
}

/// A body that says nothing of its size may be of any: here it takes all memory that there is for large ones.
#[tokio::test]
async fn large_bodies_wait_for_room_and_small_ones_do_not() {
    let environment =
        vec![("SCOPEFORGE_BODIES_MIB", "64".to_owned()), ("SCOPEFORGE_THREADS", "1".to_owned())];
    let stack = Stack::start(Setup { environment, ..Setup::default() }).await;
    stack.add_shops(1, "").await;
    stack.train_shops("shop=*", 1).await;
    let mut slow = stack.connect().await;
    let head = "POST /v1/models/shops/predict HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n";
    slow.write_all(head.as_bytes()).await.expect("the gateway takes it");
    until("the slow request being open", || async {
        (predictions_open(stack.port).await == 1).then_some(())
    })
    .await;
    let (mut asked, small) = (JoinSet::new(), json!({"rows": [row(&name(0), 1.0)]}).to_string());
    // One goes the straight way to its answer, the other one through the router.
    for size_bytes in [128 * 1024, 512 * 1024] {
        let body = small.clone() + &" ".repeat(size_bytes);
        asked.spawn(ask(stack.url("/v1/models/shops/predict"), body));
    }
    until("the large requests being open", || async {
        (predictions_open(stack.port).await == 3).then_some(())
    })
    .await;
    for _ in 0..50 {
        assert_eq!(stack.predict("shops", small.clone()).await.0, 200);
    }
    assert!(asked.try_join_next().is_none(), "a large request was answered without room for it");
    drop(slow);
    while let Some(answered) = asked.join_next().await {
        let (status, _, answer) = answered.expect("an answer");
        assert_eq!(status, 200, "{answer}");
    }
}
