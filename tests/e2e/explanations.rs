//! Predictions taken apart into what each feature adds.

use serde_json::{Value, json};
use tests::shops::{name, row};
use tests::{Setup, Stack, until};

/// Waits until the newest campaign answers for a shop; gives the answer to some rows.
async fn answer(stack: &Stack, campaign: &Value, shop: usize, rows: &[Value]) -> Value {
    let body = json!({"rows": rows, "explain": true}).to_string();
    until("the fit answering", || async {
        let (status, answer) = stack.predict("shops", body.clone()).await;
        let fit = answer["fit_of"][shop].as_u64()?;
        (status == 200 && answer["fits"][fit as usize]["campaign"] == campaign["id"]).then_some(answer)
    })
    .await
}

/// Base and contributions, added up.
fn sum(explanation: &Value) -> f64 {
    let parts = explanation["contributions"].as_object().expect("contributions").values();
    explanation["base"].as_f64().expect("a base")
        + parts.map(|part| part.as_f64().expect("a number")).sum::<f64>()
}

async fn train(stack: &Stack, algorithm: &str, shop: usize) -> Value {
    let scope = format!("shop={}", name(shop));
    let size: &[&str] = if algorithm == "forest" { &["--param", "trees=10"] } else { &[] };
    let arguments = ["train", "shops", "--wait", "--scope", &scope, "--algorithm", algorithm];
    stack.ask(&[&arguments[..], size].concat()).await
}

#[tokio::test]
async fn contributions_add_up_where_a_fit_is_a_sum_and_are_null_elsewhere() {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    stack.add_shops(3, "").await;
    let rows = [
        row(&name(0), 3.0),
        row(&name(1), 4.0),
        json!({"shop": name(0), "x": "much"}),
        row(&name(2), 5.0),
        row("nobody", 1.0),
        row(&name(0), 30.0),
    ];
    let mut last = Value::Null;
    for (shop, place, algorithm) in [(0, 0, "ridge"), (1, 1, "forest"), (2, 3, "poisson")] {
        let campaign = train(&stack, algorithm, shop).await;
        last = answer(&stack, &campaign, place, &rows).await;
    }
    let explanations = last["explanations"].as_array().expect("explanations");
    let value = |place: usize| last["predictions"][place].as_f64().expect("a prediction");
    assert_eq!(explanations.len(), rows.len(), "{last}");
    for place in [0, 5] {
        assert!((sum(&explanations[place]) - value(place)).abs() < 1e-9 * value(place).abs(), "{last}");
        assert!(explanations[place]["contributions"]["x"].is_f64() && explanations[place]["link"].is_null());
    }
    assert_eq!(explanations[3]["link"], "log", "{last}");
    assert!((sum(&explanations[3]).exp() - value(3)).abs() < 1e-9 * value(3), "{last}");
    for place in [1, 2, 4] {
        assert!(explanations[place].is_null(), "{place}: {last}");
    }
    // Nobody pays for what nobody asks for.
    let (_, plain) = stack.predict("shops", json!({ "rows": rows }).to_string()).await;
    assert!(plain["explanations"].is_null() && plain["predictions"] == last["predictions"], "{plain}");
}
