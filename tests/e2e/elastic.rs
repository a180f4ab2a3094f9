//! Predictors and gateways come and go while clients ask without a pause, and none of them notices.

use std::sync::Arc;

use serde_json::{Value, json};
use tests::load::{Asks, Check, predictions_open};
use tests::program::signal;
use tests::servers::free_port;
use tests::shops::{name, row, sold};
use tests::{Load, Program, Setup, Stack, until};

/// Shops, and so scopes: enough that each predictor is preferred for some.
const SHOPS: usize = 24;

/// Half of it is what a frozen predictor has; a killed one's requests must not wait for it.
const DEADLINE_MS: u64 = 16_000;

/// Two predictors that know all shops, and a second gateway with its port.
async fn stack() -> (Stack, Program, u16) {
    let environment = vec![("SCOPEFORGE_DEADLINE_MS", DEADLINE_MS.to_string())];
    let stack = Stack::start(Setup { predictors: 2, environment, ..Setup::default() }).await;
    stack.add_shops(SHOPS, "").await;
    stack.train_shops("shop=*", SHOPS).await;
    let port = free_port();
    let mut command = stack.command("gateway");
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    let gateway = Program::start(command);
    see(&stack, port, 2).await;
    let body = json!({"rows": [row(&name(0), 1.0)]}).to_string();
    until("the second gateway knowing the model", || async {
        let asked = reqwest::Client::new().post(predict(port)).body(body.clone()).send().await.ok()?;
        (asked.status() == 200).then_some(())
    })
    .await;
    (stack, gateway, port)
}

fn predict(port: u16) -> String {
    format!("http://127.0.0.1:{port}/v1/models/shops/predict")
}

/// Waits until the first gateway and the one on `port` count so many predictors.
async fn see(stack: &Stack, port: u16, predictors: u64) {
    for port in [stack.port, port] {
        until("the gateway counting the predictors", || async {
            let ready = reqwest::get(format!("http://127.0.0.1:{port}/readyz")).await.ok()?;
            (ready.json::<Value>().await.ok()?["predictors"] == predictors).then_some(())
        })
        .await;
    }
}

/// Eight clients, the n-th of which tries the n-th of these lists of ports, and so on: half of them ask for all shops at
/// once, the others for one.
fn load(ports: &[&[u16]]) -> Load {
    let client = |number: usize| {
        let shops: Vec<usize> = if number < 4 { (0..SHOPS).collect() } else { vec![number] };
        let x = number as f64;
        let rows: Vec<Value> = shops.iter().map(|shop| row(&name(*shop), x)).collect();
        let urls = ports[number % ports.len()].iter().map(|port| predict(*port)).collect();
        Asks { urls, body: json!({ "rows": rows }).to_string(), problem_of: sold_at(shops, x) }
    };
    Load::start((0..8).map(client).collect())
}

/// What these shops sell at `x`, each by a fit of its own.
fn sold_at(shops: Vec<usize>, x: f64) -> Check {
    Arc::new(move |answer| {
        let right = shops.iter().enumerate().all(|(place, shop)| {
            let value = answer["predictions"][place].as_f64();
            value.is_some_and(|value| (value - sold(*shop, x)).abs() < 1e-6)
        });
        let fits = answer["fits"].as_array().map(Vec::len);
        let whole = right && answer["errors"].is_null() && fits == Some(shops.len());
        (!whole).then(|| answer.to_string())
    })
}

/// Stops a predictor's process, and waits until it holds requests of all clients that ask for all shops.
async fn freeze(predictor: &Program, load: &Load, ports: [u16; 2]) {
    signal(predictor.id(), "STOP").await;
    let before = std::sync::Mutex::new(load.answers());
    until("requests being held", || async {
        let open = futures::future::join_all(ports.map(predictions_open)).await;
        let now = load.answers();
        let before = std::mem::replace(&mut *before.lock().expect("one looks at a time"), now.clone());
        let held = open.iter().all(|open| *open >= 2) && (0..4).all(|client| now[client] == before[client]);
        held.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn predictors_come_and_go_and_every_request_is_answered() {
    let (mut stack, gateway, port) = stack().await;
    let mut load = load(&[&[stack.port], &[port]]);
    load.more(50).await;

    // One leaves when it is told to.
    let leaving = stack.predictors.remove(0);
    let (code, ()) = tokio::join!(leaving.stop(), load.more(50));
    assert_eq!(code, 0);
    see(&stack, port, 1).await;

    // A new version takes the place of the old one, twice.
    for _ in 0..2 {
        stack.add_predictor().await;
        see(&stack, port, 2).await;
        let (code, ()) = tokio::join!(stack.predictors.remove(0).stop(), load.more(50));
        assert_eq!(code, 0);
        see(&stack, port, 1).await;
    }

    // One is killed while requests are out to it: they are answered by the other.
    stack.add_predictor().await;
    see(&stack, port, 2).await;
    load.more(50).await;
    let killed = stack.predictors.remove(0);
    freeze(&killed, &load, [stack.port, port]).await;
    killed.kill().await;
    load.more(50).await;
    see(&stack, port, 1).await;
    let told = [stack.gateway.as_ref().expect("a gateway").log(), gateway.log()].concat();
    assert!(told.contains("went before it answered"), "nothing was asked of another one:\n{told}");

    // Under way, without being stopped before.
    stack.add_predictor().await;
    see(&stack, port, 2).await;
    load.more(50).await;
    stack.predictors.remove(0).kill().await;
    load.more(50).await;
    load.end().await;
}

/// Requests that a frozen predictor holds are asked again of whoever is there by then, not of whom there was when they came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_frozen_predictor_holds_goes_to_one_that_came_later() {
    let (mut stack, _gateway, port) = stack().await;
    let mut load = load(&[&[stack.port], &[port]]);
    load.more(50).await;
    let frozen = stack.predictors.remove(0);
    freeze(&frozen, &load, [stack.port, port]).await;
    // It has not been heard of for three seconds.
    see(&stack, port, 1).await;
    stack.add_predictor().await;
    see(&stack, port, 2).await;
    assert_eq!(stack.predictors.remove(0).stop().await, 0);
    load.more(50).await;
    load.end().await;
    frozen.kill().await;
}

/// It finishes what it has accepted, and tells each client that the connection ends: nobody sends a request into the void.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_leaves_and_every_request_that_it_took_is_answered() {
    let (mut stack, mut gateway, mut port) = stack().await;
    for _ in 0..3 {
        let mut load = load(&[&[stack.port, port], &[port]]);
        load.more(50).await;
        let leaving = stack.gateway.take().expect("a gateway");
        let (code, ()) = tokio::join!(leaving.stop(), load.more(50));
        assert_eq!(code, 0);
        load.more(50).await;
        load.end().await;
        // Another one in its place: the next to leave is the one that stayed.
        std::mem::swap(&mut stack.port, &mut port);
        stack.gateway = Some(gateway);
        port = free_port();
        let mut command = stack.command("gateway");
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        gateway = Program::start(command);
        see(&stack, port, 2).await;
    }
}

/// Until it knows models and predictors it refuses connections: nobody is told that there is no such model.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_answers_from_its_first_connection_on() {
    let (stack, _gateway, _) = stack().await;
    let body = json!({"rows": [row(&name(0), 1.0)]}).to_string();
    for _ in 0..5 {
        let port = free_port();
        let mut command = stack.command("gateway");
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        let gateway = Program::start(command);
        let first = until("a connection", || async {
            reqwest::Client::new().post(predict(port)).body(body.clone()).send().await.ok()
        });
        let first = first.await;
        let status = first.status();
        assert_eq!(status, 200, "{}", first.text().await.unwrap_or_default());
        assert_eq!(gateway.stop().await, 0);
    }
}
