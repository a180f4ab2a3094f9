//! Predictions over HTTP.

use serde_json::{Value, json};
use tests::flights::{self, SCOPES};
use tests::{Setup, Stack, until};

fn row(carrier: &str, origin: &str, dest: &str) -> Value {
    json!({"carrier": carrier, "origin": origin, "dest": dest, "dep_delay": 12, "distance": 1400, "hour": 9,
           "month": 12, "day": 3, "time_hour": "2013-12-03T14:00:00Z"})
}

async fn predict(stack: &Stack, rows: Value) -> (u16, Value) {
    stack.predict("arrival_delay", json!({ "rows": rows }).to_string()).await
}

/// The prediction by hand, from what `fits` says. Tuesday is weekday 1.
fn by_hand(fit: &Value) -> f64 {
    let values = [
        ("dep_delay", 12.0),
        ("distance", 1400.0),
        ("hour", 9.0),
        ("month", 12.0),
        ("day", 3.0),
        ("weekday(time_hour)", 1.0),
    ];
    let coefficient = |name| fit["parameters"]["coefficients"][name].as_f64().expect("a coefficient");
    let sum: f64 = values.iter().map(|(name, value)| coefficient(name) * value).sum();
    sum + fit["parameters"]["intercept"].as_f64().expect("an intercept")
}

#[tokio::test]
async fn every_level_answers_in_one_request_and_names_its_fit() {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    let closed = stack.ask(&["train", "arrival_delay", "--scope", SCOPES, "--levels", "--wait"]).await;
    let rows = json!([
        row("UA", "EWR", "IAH"),
        row("UA", "EWR", "?"),
        row("UA", "?", "?"),
        row("?", "?", "?"),
        row("DL", "JFK", "ATL"),
    ]);
    let (_, answer) = until("all levels answering", || async {
        let found = predict(&stack, rows.clone()).await;
        (found.0 == 200 && found.1["fits"].as_array().is_some_and(|fits| fits.len() == 5)).then_some(found)
    })
    .await;
    let (status, fits) = stack.get("/v1/models/arrival_delay/fits").await;
    assert_eq!(status, 200);
    let fits: Vec<Value> = serde_json::from_str(&fits).expect("JSON");
    for (index, (scope, level)) in [
        ("carrier=UA,origin=EWR,dest=IAH", 0),
        ("carrier=UA,origin=EWR", 1),
        ("carrier=UA", 2),
        ("", 3),
        ("carrier=DL,origin=JFK,dest=ATL", 0),
    ]
    .into_iter()
    .enumerate()
    {
        let used = &answer["fits"][answer["fit_of"][index].as_u64().expect("a fit") as usize];
        assert_eq!((used["scope"].as_str(), used["level"].as_u64()), (Some(scope), Some(level)));
        assert_eq!(used["campaign"], closed["id"]);
        let fit = fits.iter().find(|fit| fit["scope"] == scope).expect("its fit");
        assert_eq!(used["fingerprint"], fit["fingerprint"]);
        let value = answer["predictions"][index].as_f64().expect("a prediction");
        assert!((value - by_hand(fit)).abs() < 1e-9, "{value} is not {}", by_hand(fit));
    }
    let (status, one) = stack.get("/v1/models/arrival_delay/fits?scope=carrier%3DUA").await;
    assert_eq!((status, serde_json::from_str::<Vec<Value>>(&one).expect("JSON").len()), (200, 1));
}

#[tokio::test]
async fn a_bad_row_is_an_error_at_its_index_and_not_a_lost_batch() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA", "--wait"]).await;
    let mut text = row("UA", "EWR", "IAH");
    text["dep_delay"] = json!("late");
    let mut missing = row("UA", "EWR", "IAH");
    missing.as_object_mut().expect("a row").remove("distance");
    let rows =
        json!([text, row("UA", "EWR", "IAH"), missing, row("DL", "EWR", "IAH"), row("UA", "EWR", "LAX")]);
    let (status, answer) = until("the fit answering", || async {
        let found = predict(&stack, rows.clone()).await;
        (found.0 == 200).then_some(found)
    })
    .await;
    assert_eq!(status, 200);
    let errors: Vec<(u64, Option<&str>)> = answer["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| (error["row"].as_u64().expect("a row"), error["field"].as_str()))
        .collect();
    assert_eq!(errors, [(0, Some("dep_delay")), (2, Some("distance")), (3, None)]);
    let predicted: Vec<bool> =
        answer["predictions"].as_array().expect("predictions").iter().map(Value::is_number).collect();
    assert_eq!(predicted, [false, true, false, false, true]);
    assert!(
        answer["errors"][2]["message"]
            .as_str()
            .expect("a message")
            .contains("carrier=DL,origin=EWR,dest=IAH")
    );
}

/// Requests and answers that no single message could carry are split, and come back whole.
#[tokio::test]
async fn wide_requests_and_long_answers_travel_in_several_messages() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA", "--wait"]).await;
    let wide: Vec<Value> = (0..5_000)
        .map(|index| {
            let mut row = row("UA", "EWR", "IAH");
            row["dep_delay"] = json!(index);
            (0..20).for_each(|extra| row[format!("extra_{extra}")] = json!(index));
            row
        })
        .collect();
    let (_, answer) = until("the fit answering", || async {
        let found = predict(&stack, json!(wide)).await;
        (found.0 != 404).then_some(found)
    })
    .await;
    let predictions = answer["predictions"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let values: Vec<f64> = predictions.iter().map(|value| value.as_f64().expect("a number")).collect();
    assert_eq!(values.len(), 5_000);
    let step = values[1] - values[0];
    let in_order = |(index, value): (usize, &f64)| (value - values[0] - step * index as f64).abs() < 1e-6;
    assert!(step != 0.0 && values.iter().enumerate().all(in_order), "rows came back in another order");

    // Each of these answers is a long error of its own, but for the last.
    let mut unknown: Vec<Value> =
        (0..6_000).map(|index| row("DL", "EWR", &format!("{:0>150}", index % 50))).collect();
    unknown.push(row("UA", "EWR", "IAH"));
    let (status, answer) = predict(&stack, json!(unknown)).await;
    assert_eq!(status, 200, "{answer}");
    let errors = answer["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 6_000);
    assert!(errors.iter().zip(0u64..).all(|(error, row)| error["row"] == row), "errors in another order");
    assert!(answer["predictions"][6_000].is_number());
}

/// From the moment `train --wait` returns, the new fit answers within a second, with no restart.
#[tokio::test]
async fn new_fits_answer_without_a_restart() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    let (status, problem) = predict(&stack, json!([row("UA", "EWR", "IAH")])).await;
    assert_eq!(status, 404, "{problem}");
    let mut last = String::new();
    for alpha in ["alpha=1", "alpha=1000", "alpha=100000"] {
        stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA", "--wait", "--param", alpha]).await;
        let landed = std::time::Instant::now();
        let fit = until("the newer fit answering", || async {
            let (status, answer) = predict(&stack, json!([row("UA", "EWR", "IAH")])).await;
            let fit = answer["fits"][0]["fingerprint"].as_str().unwrap_or_default().to_owned();
            (status == 200 && fit != last).then_some(fit)
        })
        .await;
        assert!(
            landed.elapsed().as_secs_f64() < 1.0,
            "the promise is a second, this was {:?}",
            landed.elapsed()
        );
        last = fit;
    }
}

#[tokio::test]
async fn publishing_together_waits_for_the_last_scope() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    stack
        .ask(&[
            "train",
            "arrival_delay",
            "--scope",
            "carrier=*",
            "--publish",
            "together",
            "--channel",
            "next",
            "--wait",
        ])
        .await;
    let body = json!({"rows": [row("UA", "EWR", "IAH")], "channel": "next"}).to_string();
    until("the channel answering", || async {
        (stack.predict("arrival_delay", body.clone()).await.0 == 200).then_some(())
    })
    .await;
    assert_eq!(predict(&stack, json!([row("UA", "EWR", "IAH")])).await.0, 404);
}

#[tokio::test]
async fn the_gateway_is_not_ready_while_nobody_could_answer() {
    let mut stack = Stack::start(Setup { trainers: 0, predictors: 0, ..Setup::default() }).await;
    assert_eq!(stack.get("/healthz").await.0, 200);
    let (status, body) = stack.get("/readyz").await;
    assert_eq!(status, 503, "{body}");
    stack.add_model(&flights::spec()).await;
    until("the model being known", || async {
        let (status, _) = predict(&stack, json!([row("UA", "EWR", "IAH")])).await;
        (status == 503).then_some(())
    })
    .await;
    stack.add_predictor().await;
    until("readiness", || async { (stack.get("/readyz").await.0 == 200).then_some(()) }).await;
    stack.predictors.pop().expect("a predictor").kill().await;
    until("no readiness", || async { (stack.get("/readyz").await.0 == 503).then_some(()) }).await;
}

#[tokio::test]
async fn a_leaving_predictor_loses_no_request_and_a_killed_one_is_passed_over() {
    let mut stack = Stack::start(Setup { predictors: 3, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", "", "--wait"]).await;
    let rows: Vec<Value> = (0..40).map(|i| row(&i.to_string(), "EWR", "IAH")).collect();
    let body = json!({ "rows": rows }).to_string();
    until("the fit answering", || async {
        (stack.predict("arrival_delay", body.clone()).await.0 == 200).then_some(())
    })
    .await;
    let leaving = stack.predictors.remove(0);
    let (stopped, answered) = tokio::join!(leaving.stop(), async {
        let mut answered = 0;
        for _ in 0..60 {
            let asked = (0..8).map(|_| stack.predict("arrival_delay", body.clone()));
            for (status, answer) in futures::future::join_all(asked).await {
                assert_eq!(status, 200, "{answer}");
                assert!(answer["errors"].is_null(), "{answer}");
                answered += 1;
            }
        }
        answered
    });
    assert_eq!((stopped, answered), (0, 480));
    stack.predictors.remove(0).kill().await;
    for _ in 0..20 {
        let (status, answer) = stack.predict("arrival_delay", body.clone()).await;
        assert_eq!(status, 200, "{answer}");
    }
}

#[tokio::test]
async fn routes_tell_of_models_campaigns_queue_and_numbers() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    let closed = stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA", "--wait"]).await;
    let id = closed["id"].as_str().expect("an id");
    let json = |body: &str| serde_json::from_str::<Value>(body).expect("JSON");
    let shown = until("the campaign being shown", || async {
        let (status, body) = stack.get(&format!("/v1/campaigns/{id}")).await;
        (status == 200 && json(&body)["state"] == "complete").then(|| json(&body))
    })
    .await;
    assert_eq!(shown["outcomes"], json!({"trained": 1}));
    assert_eq!(json(&stack.get("/v1/campaigns").await.1)[0]["id"], id);
    assert_eq!(json(&stack.get("/v1/models").await.1)[0]["name"], "arrival_delay");
    assert_eq!(
        json(&stack.get("/v1/models/arrival_delay").await.1)["scope"]["fallback"][0],
        json!(["carrier", "origin", "dest"])
    );
    let queue = json(&stack.get("/v1/queue").await.1);
    assert_eq!((queue["trainers"].as_u64(), queue["predictors"].as_u64()), (Some(1), Some(1)));
    let (status, metrics) = stack.get("/metrics").await;
    assert_eq!(status, 200);
    for name in [
        "scopeforge_requests_total{route=\"/v1/models\",status=\"200\"}",
        "scopeforge_request_duration_seconds_bucket",
        "scopeforge_queue_pending_packs 0",
        "scopeforge_predictors 1",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
}

/// Fits of every family answer over HTTP; a later one with a delay is predicted later than one without.
#[tokio::test]
async fn trees_answer_too() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    let mut late = row("UA", "EWR", "IAH");
    late["dep_delay"] = json!(180);
    let rows = json!([row("UA", "EWR", "IAH"), late]);
    for algorithm in ["forest", "boosting"] {
        let size = if algorithm == "forest" { "trees=10" } else { "iterations=40" };
        let arguments =
            ["train", "arrival_delay", "--scope", "carrier=UA", "--wait", "--algorithm", algorithm];
        let closed = stack.ask(&[&arguments[..], &["--param", size]].concat()).await;
        let (_, answer) = until("the fit answering", || async {
            let found = predict(&stack, rows.clone()).await;
            (found.0 == 200 && found.1["fits"][0]["campaign"] == closed["id"]).then_some(found)
        })
        .await;
        let value = |row: usize| answer["predictions"][row].as_f64().expect("a prediction");
        assert!(value(0).abs() < 60.0 && (100.0..300.0).contains(&value(1)), "{algorithm}: {answer}");
        let fits = stack.ask(&["fits", "arrival_delay", "--scope", "carrier=UA"]).await;
        assert!(fits[0]["parameters"]["nodes"].as_u64() > Some(100), "{fits}");
    }
}

#[tokio::test]
async fn a_leaving_gateway_answers_what_is_open() {
    let mut stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", "", "--wait"]).await;
    let body = json!({"rows": [row("UA", "EWR", "IAH")]}).to_string();
    until("the fit answering", || async {
        (stack.predict("arrival_delay", body.clone()).await.0 == 200).then_some(())
    })
    .await;
    let predictor = stack.predictors[0].id();
    let gateway = stack.gateway.take().expect("a gateway");
    // The predictor is held until the gateway has been told to end: the request stays open meanwhile.
    tests::program::signal(predictor, "STOP").await;
    let (answer, code) = tokio::join!(stack.predict("arrival_delay", body.clone()), async {
        until("the request being open", || async {
            let (_, metrics) = stack.get("/metrics").await;
            metrics.contains("scopeforge_requests_open{route=\"/v1/models/{model}/predict\"} 1").then_some(())
        })
        .await;
        let stopping = tokio::spawn(gateway.stop());
        until("the gateway taking no more", || async {
            reqwest::get(stack.url("/healthz")).await.is_err().then_some(())
        })
        .await;
        tests::program::signal(predictor, "CONT").await;
        stopping.await.expect("it ends")
    });
    assert_eq!((answer.0, code), (200, 0), "{}", answer.1);
}
