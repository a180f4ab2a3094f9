//! Training that is ordered over HTTP.

use serde_json::{Value, json};
use tests::shops::{name, row, sold};
use tests::{Setup, Stack, until};

/// POSTs an order; status, where the campaign is shown, and the body.
async fn order(stack: &Stack, model: &str, body: Value) -> (u16, Option<String>, Value) {
    let url = stack.url(&format!("/v1/models/{model}/train"));
    let answer = reqwest::Client::new().post(url).body(body.to_string()).send().await.expect("an answer");
    let place = answer.headers().get("location").map(|place| place.to_str().expect("text").to_owned());
    (answer.status().as_u16(), place, answer.json().await.expect("JSON"))
}

/// The outcomes of an order, once its campaign has ended.
async fn outcomes(stack: &Stack, body: Value) -> Value {
    let (status, place, campaign) = order(stack, "shops", body).await;
    assert_eq!(status, 202, "{campaign}");
    let place = place.expect("a place");
    assert_eq!(place, format!("/v1/campaigns/{}", campaign["id"].as_str().expect("an id")));
    until("the campaign having ended", || async {
        let (status, text) = stack.get(&place).await;
        // The record reaches the gateway a moment after the answer.
        let view: Value = serde_json::from_str(&text).expect("JSON");
        (status == 200 && view["state"] == "complete").then(|| view["outcomes"].clone())
    })
    .await
}

#[tokio::test]
async fn what_is_ordered_is_trained_and_answers() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_shops(3, "").await;
    let two = json!({"scopes": ["shop=shop0|shop1", "shop=shop1"]});
    assert_eq!(outcomes(&stack, two.clone()).await, json!({"trained": 2}));
    let rows: Vec<Value> = (0..3).map(|shop| row(&name(shop), 2.0)).collect();
    let answer = until("the new fits answering", || async {
        let (status, answer) = stack.predict("shops", json!({ "rows": rows }).to_string()).await;
        (status == 200 && answer["fits"].as_array().is_some_and(|fits| fits.len() == 2)).then_some(answer)
    })
    .await;
    for shop in 0..2 {
        let value = answer["predictions"][shop].as_f64().expect("a number");
        assert!((value - sold(shop, 2.0)).abs() < 1e-6, "{answer}");
    }
    assert_eq!((&answer["predictions"][2], &answer["errors"][0]["row"]), (&Value::Null, &json!(2)));

    // Nothing has changed since.
    assert_eq!(outcomes(&stack, two).await, json!({"unchanged": 2}));
    let forced = json!({"scopes": ["shop=shop0"], "force": true, "priority": "high"});
    assert_eq!(outcomes(&stack, forced).await, json!({"trained": 1}));
    // A channel of its own, a scope above, and one that the source does not have.
    let beside = json!({"scopes": ["", "shop=nobody"], "channel": "next"});
    assert_eq!(outcomes(&stack, beside).await, json!({"trained": 1, "too_few_rows": 1}));
    let channels = stack.ask(&["channel", "list", "shops"]).await;
    let told: Vec<(&Value, &Value)> = channels
        .as_array()
        .expect("channels")
        .iter()
        .map(|one| (&one["channel"], &one["campaigns"]))
        .collect();
    assert_eq!(told, [(&json!("live"), &json!(3)), (&json!("next"), &json!(1))]);
}

#[tokio::test]
async fn an_order_that_cannot_be_meant_is_refused() {
    let stack = Stack::start(Setup { trainers: 0, predictors: 0, ..Setup::default() }).await;
    stack.add_shops(1, "").await;
    let many: Vec<String> = (0..10_001).map(|shop| format!("shop={shop}")).collect();
    for (body, expected, words) in [
        (json!({"scopes": ["shop=*"]}), 400, "only the source tells"),
        (json!({"scopes": ["shop=a,time=last:90d"]}), 400, "no time column"),
        (json!({"scopes": ["shp=a"]}), 400, "did you mean `shop`?"),
        (json!({"scopes": []}), 400, "name at least one"),
        (json!({"scopes": "shop=a"}), 400, "the body is not of the form"),
        (json!({"scopes": ["shop=a"], "chanel": "live"}), 400, "unknown field `chanel`"),
        (json!({"scopes": ["shop=a"], "channel": "a/b"}), 400, "channel"),
        (json!({"scopes": ["shop=a"], "priority": "now"}), 400, "unknown variant `now`"),
        (json!({"scopes": many}), 413, "more than 10000 scopes"),
    ] {
        let (status, place, problem) = order(&stack, "shops", body.clone()).await;
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(
            status == expected && place.is_none() && detail.contains(words),
            "{words}: {status} {problem}"
        );
    }
    let (status, _, problem) = order(&stack, "shop", json!({"scopes": ["shop=a"]})).await;
    assert!(
        status == 404 && problem["detail"].as_str().is_some_and(|it| it.contains("`shops`")),
        "{problem}"
    );
    assert_eq!(stack.ask(&["campaign", "list"]).await, json!([]));
}
