//! A gateway that predicts in its own process.

use serde_json::{Value, json};
use tests::servers::free_port;
use tests::{Program, Setup, Stack, flights, until};

fn row(carrier: &str) -> Value {
    json!({"carrier": carrier, "origin": "JFK", "dest": "LAX", "dep_delay": 12, "distance": 2475, "hour": 9, "month": 12,
        "day": 3, "time_hour": "2013-12-03T14:00:00Z"})
}

/// It needs no predictor, answers the same, and is a predictor to other gateways.
#[tokio::test]
async fn a_gateway_predicts_here_and_for_others() {
    let here = vec![("SCOPEFORGE_PREDICT_HERE", "true".to_owned())];
    let mut stack = Stack::start(Setup { predictors: 0, environment: here, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=*", "--levels", "--wait"]).await;
    let carriers = ["UA", "DL", "nobody"];
    let rows: Vec<Value> = (0..30_000).map(|i| row(carriers[i % 3])).collect();
    let body = json!({ "rows": rows }).to_string();
    let answers = |stack: &Stack| {
        let (body, url) = (body.clone(), stack.url("/v1/models/arrival_delay/predict"));
        async move {
            let answer = reqwest::Client::new().post(url).body(body).send().await.ok()?;
            let answer: Value = answer.json().await.ok()?;
            (answer["fits"].as_array()?.len() == 3).then_some(answer)
        }
    };
    let own = until("the gateway predicting", || answers(&stack)).await;
    let values = own["predictions"].as_array().expect("predictions");
    assert!(
        values.len() == 30_000 && (0..3).all(|at| values[at].is_f64() && values[at] == values[at + 29_997])
    );
    let ready: Value = serde_json::from_str(&stack.get("/readyz").await.1).expect("JSON");
    assert_eq!(ready["predictors"], 1, "{ready}");

    // Another gateway, without a predictor of its own, asks the first.
    let mut command = stack.command("gateway");
    let port = free_port();
    command.args(["--listen", &format!("127.0.0.1:{port}")]).env("SCOPEFORGE_PREDICT_HERE", "false");
    let _other = Program::start(command);
    let first = std::mem::replace(&mut stack.port, port);
    let asked = until("the other gateway answering", || answers(&stack)).await;
    assert_eq!(asked["predictions"], own["predictions"]);
    stack.port = first;

    // Of two predictors the near one answers; it leaves without losing a request.
    stack.add_predictor().await;
    let near = until("the near one answering", || answers(&stack)).await;
    assert_eq!(near["predictions"], own["predictions"]);
    assert_eq!(stack.gateway.take().expect("a gateway").stop().await, 0);
    stack.port = port;
    let left = until("the predictor answering for the one that left", || answers(&stack)).await;
    assert_eq!(left["predictions"], own["predictions"]);
}
