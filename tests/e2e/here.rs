//! A gateway that predicts in its own process.

use serde_json::{Value, json};
use tests::impostor::{Says, always, to_each};
use tests::servers::free_port;
use tests::{Impostor, Program, Redis, Setup, Stack, flights, shops, until};
use tokio::task::JoinSet;

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

    // It leaves without losing a request, since there is another predictor.
    stack.add_predictor().await;
    assert_eq!(stack.gateway.take().expect("a gateway").stop().await, 0);
    stack.port = port;
    let left = until("the predictor answering for the one that left", || answers(&stack)).await;
    assert_eq!(left["predictions"], own["predictions"]);
}

/// What the far predictor answers, and no shop sells.
const FAR: f64 = -1e6;

/// A gateway that predicts itself, and a far predictor that answers [`FAR`].
async fn near_and_far(store: String, deadline_ms: u64, shops: usize) -> (Stack, Impostor) {
    let environment = vec![
        ("SCOPEFORGE_PREDICT_HERE", "true".to_owned()),
        ("SCOPEFORGE_DEADLINE_MS", deadline_ms.to_string()),
    ];
    let stack = Stack::start(Setup { predictors: 0, store, environment, ..Setup::default() }).await;
    stack.add_shops(shops, "").await;
    stack.train_shops("shop=shop0", 1).await;
    let says: Says = |asked| to_each(asked, |rows| always(FAR, rows));
    let far = Impostor::start(&stack, says, 2).await;
    (stack, far)
}

/// Also for scopes that prefer the far one.
#[tokio::test]
async fn who_predicts_here_asks_nobody_else() {
    const SHOPS: usize = 24;
    let (stack, far) = near_and_far(String::new(), 10_000, SHOPS).await;
    stack.train_shops("shop=*", SHOPS).await;
    for shop in 0..SHOPS {
        let body = json!({"rows": [shops::row(&shops::name(shop), 3.0)]}).to_string();
        let (_, answer) = stack.predict("shops", body).await;
        let value = answer["predictions"][0].as_f64().unwrap_or(FAR);
        assert!((value - shops::sold(shop, 3.0)).abs() < 1e-6, "{answer}");
    }
    assert_eq!(far.asked(), 0);
}

/// Trains the other shops, whose fits the near predictor then has to load from a store that answers nothing any more.
async fn near_is_stuck(redis: &Redis, stack: &Stack) {
    stack.ask(&["train", "shops", "--scope", "shop=*", "--wait"]).await;
    redis.freeze().await;
}

/// The first such answer to requests for a shop, of which there are ever more.
async fn first_answer(stack: &Stack, shop: usize, is_such: fn(&Value) -> bool) -> Value {
    let body = json!({"rows": [shops::row(&shops::name(shop), 3.0)]}).to_string();
    let (http, url) = (reqwest::Client::new(), stack.url("/v1/models/shops/predict"));
    let mut asked = JoinSet::new();
    until("somebody answering", || {
        for _ in 0..8 {
            let request = http.post(&url).body(body.clone());
            asked.spawn(async move { request.send().await.ok()?.json::<Value>().await.ok() });
        }
        let mut ended = std::iter::from_fn(|| asked.try_join_next());
        // Until the near one has heard of the fit, it says that there is none.
        std::future::ready(ended.find_map(|answer| answer.expect("a request ends").filter(is_such)))
    })
    .await
}

/// Whichever of the two a scope prefers; and without a far one, who finds no room is told so.
#[tokio::test]
async fn a_far_one_answers_what_the_near_one_has_no_room_for() {
    const SHOPS: usize = 9;
    let redis = Redis::start().await;
    // Nothing that the near one has taken comes back before the end of the test.
    let (stack, far) = near_and_far(redis.url(), 600_000, SHOPS).await;
    near_is_stuck(&redis, &stack).await;
    for shop in 1..SHOPS {
        let answer = first_answer(&stack, shop, |answer| answer["predictions"].is_array()).await;
        assert_eq!(answer["predictions"], json!([FAR]), "{answer}");
    }
    drop(far);
    let full = |answer: &Value| answer["detail"].to_string().contains("has too much to do");
    assert_eq!(first_answer(&stack, 1, full).await["status"], 503);
}

#[tokio::test]
async fn a_far_one_answers_what_the_near_one_does_not_in_half_of_the_time() {
    let redis = Redis::start().await;
    let (stack, far) = near_and_far(redis.url(), 2_000, 2).await;
    near_is_stuck(&redis, &stack).await;
    let body = json!({"rows": [shops::row(&shops::name(1), 3.0)]}).to_string();
    let answer = until("the far one answering", || async {
        let (status, answer) = stack.predict("shops", body.clone()).await;
        assert!(status == 200 || status == 404, "{answer}");
        (status == 200).then_some(answer)
    })
    .await;
    assert_eq!(answer["predictions"], json!([FAR]), "{answer}");
    assert_eq!(far.asked(), 1);
}
