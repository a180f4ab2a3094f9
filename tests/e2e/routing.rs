//! Routing by row: one request over hundreds of scopes, several predictors.

use std::collections::BTreeMap;

use futures::StreamExt;
use serde_json::{Value, json};
use tests::shops::{name, row, sold};
use tests::{Setup, Stack};

const SHOPS: usize = 400;
const ROWS: usize = 10_000;
const PREDICTORS: usize = 3;

/// Requests that each predictor has answered, by its id.
async fn answered(client: &async_nats::Client) -> BTreeMap<String, u64> {
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(inbox.clone()).await.expect("the broker takes it");
    let subject = "$SRV.STATS.scopeforge-predictor";
    client.publish_with_reply(subject, inbox, "".into()).await.expect("the broker takes it");
    let mut answered = BTreeMap::new();
    while answered.len() < PREDICTORS {
        let stats: Value =
            serde_json::from_slice(&replies.next().await.expect("an answer").payload).expect("JSON");
        let requests = stats["endpoints"][0]["num_requests"].as_u64().expect("a number");
        answered.insert(stats["id"].as_str().expect("an id").to_owned(), requests);
    }
    answered
}

/// Row `i`: shops in an order that repeats late, numbers of their own; each hundred-and-first of a shop that nobody knows, whose name
/// is long and its own, so that the texts alone are more than a message may carry.
fn body() -> String {
    let one = |i: usize| match is_unknown(i) {
        true => row(&format!("{i:0>12000}"), 0.0),
        false => row(&name(shop(i)), i as f64 / 8.0),
    };
    json!({"rows": (0..ROWS).map(one).collect::<Vec<_>>()}).to_string()
}

fn shop(i: usize) -> usize {
    i * 7919 % SHOPS
}

fn is_unknown(i: usize) -> bool {
    i % 101 == 100
}

#[tokio::test]
async fn ten_thousand_rows_over_four_hundred_scopes_come_back_in_order_from_all_predictors() {
    let stack = Stack::start(Setup { predictors: PREDICTORS, ..Setup::default() }).await;
    stack.add_shops(SHOPS, "").await;
    let closed = stack.train_shops("shop=*", SHOPS).await;
    let client = stack.nats.client().await;
    let before = answered(&client).await;
    let (status, answer) = stack.predict("shops", body()).await;
    assert_eq!(status, 200, "{answer}");
    let after = answered(&client).await;
    assert!(before.iter().all(|(id, requests)| after[id] > *requests), "{before:?}, then {after:?}");

    let predictions = answer["predictions"].as_array().expect("predictions");
    assert_eq!(predictions.len(), ROWS);
    for (i, predicted) in predictions.iter().enumerate() {
        if is_unknown(i) {
            assert_eq!((predicted, &answer["fit_of"][i]), (&Value::Null, &Value::Null), "row {i}");
            continue;
        }
        let (predicted, expected) = (predicted.as_f64().expect("a number"), sold(shop(i), i as f64 / 8.0));
        assert!(
            (predicted - expected).abs() <= 1e-6 * expected.max(1.0),
            "row {i}: {predicted}, not {expected}"
        );
        let fit = &answer["fits"][answer["fit_of"][i].as_u64().expect("a fit") as usize];
        assert_eq!(
            (&fit["scope"], &fit["campaign"]),
            (&json!(format!("shop={}", name(shop(i)))), &closed["id"])
        );
    }
    assert_eq!(answer["fits"].as_array().map(Vec::len), Some(SHOPS), "each fit is told of once");
    let errors = answer["errors"].as_array().expect("errors").iter();
    let rows: Vec<usize> = errors.map(|error| error["row"].as_u64().expect("a row") as usize).collect();
    assert_eq!(rows, (0..ROWS).filter(|i| is_unknown(*i)).collect::<Vec<_>>());
}
