//! Scopes that are trained because they are asked for.

use futures::StreamExt;
use schemas::announce::Announcement;
use schemas::{envelope, subjects};
use serde_json::{Value, json};
use tests::servers::free_port;
use tests::shops::{csv, name, row, sold};
use tests::{Program, Setup, Stack, until};
use tokio::sync::Mutex;

const ON_MISS: &str = "[release]\non_miss = \"train\"\n";

/// Shops of whom only all together have a fit; `small` has too few rows for one of its own.
async fn stack(shops: usize) -> Stack {
    let stack = Stack::start(Setup::default()).await;
    stack.add_shops(shops, ON_MISS).await;
    stack.write("shops.csv", csv(shops) + "small,1,1\nsmall,2,2\nsmall,3,3\n");
    stack.ask(&["train", "shops", "--scope", "", "--wait"]).await;
    first_fit_is_known(&stack).await;
    stack
}

/// Waits until gateway and predictor know a fit, without a question for a prediction: that would be a miss.
async fn first_fit_is_known(stack: &Stack) {
    until("the gateway knowing the fit", || async {
        let fits: Value = serde_json::from_str(&stack.get("/v1/models/shops/fits").await.1).ok()?;
        fits[0]["fingerprint"].is_string().then_some(())
    })
    .await;
    let client = stack.nats.client().await;
    let words = client.subscribe(subjects::announce("predictor", "*")).await.expect("the broker takes it");
    let words = Mutex::new(words);
    until("the predictor knowing the fit", || async {
        let word = words.lock().await.next().await?;
        let word: Announcement = envelope::decode(&word.payload).ok()?;
        (word.fits > 0).then_some(())
    })
    .await;
}

async fn predict(stack: &Stack, shops: &[&str]) -> Value {
    let rows: Vec<Value> = shops.iter().map(|shop| row(shop, 7.0)).collect();
    let (status, answer) = stack.predict("shops", json!({ "rows": rows }).to_string()).await;
    assert!(status == 200 && answer["errors"].is_null(), "{answer}");
    answer
}

/// Waits until a shop has a fit of its own, and that answers.
async fn gets_its_own(stack: &Stack, number: usize) {
    until("the shop's own fit answering", || async {
        let answer = predict(stack, &[&name(number)]).await;
        let value = answer["predictions"][0].as_f64().expect("a number");
        (answer["fits"][0]["level"] == 0)
            .then(|| assert!((value - sold(number, 7.0)).abs() < 1e-6, "{answer}"))
    })
    .await;
}

/// The patterns of all campaigns beside the first, oldest first, once these have ended.
async fn ordered(stack: &Stack) -> Vec<Value> {
    until("all campaigns having ended", || async {
        let all = stack.ask(&["campaign", "list"]).await;
        let all = all.as_array().expect("campaigns").clone();
        all.iter().all(|one| one["state"] == "complete").then_some(all)
    })
    .await
}

#[tokio::test]
async fn what_is_asked_for_is_answered_at_once_and_trained_once() {
    let stack = stack(3).await;
    // The fit of all answers meanwhile.
    let answer = predict(&stack, &[&name(0)]).await;
    assert_eq!(answer["fits"][0]["level"], 1, "{answer}");
    let names = [name(0), name(1), name(2)];
    let shops = [names[0].as_str(), &names[1], &names[2]];
    let many = (0..200).map(|_| predict(&stack, &shops));
    futures::future::join_all(many).await;
    for shop in 0..3 {
        gets_its_own(&stack, shop).await;
    }
    let campaigns = ordered(&stack).await;
    let scopes: u64 = campaigns.iter().map(|one| one["planned"].as_u64().expect("a number")).sum();
    // The first shop may have been ordered before the others came.
    assert!((2..=3).contains(&campaigns.len()) && scopes == 4, "{campaigns:?}");
    // Nobody moved the channel but who ordered the first: that is what is taken back, with all that came by itself.
    let back = stack.ask(&["channel", "rollback", "shops"]).await;
    assert_eq!(back["taken_back"].as_array().map(Vec::len), Some(campaigns.len()), "{back}");
}

#[tokio::test]
async fn a_scope_with_too_few_rows_is_ordered_once_whoever_asks() {
    let mut stack = stack(2).await;
    let small = ["small", "gone"];
    assert_eq!(predict(&stack, &small).await["fits"][0]["level"], 1);
    until("the scopes being ordered", || async { (ordered(&stack).await.len() == 2).then_some(()) }).await;
    assert_eq!(predict(&stack, &small).await["fits"][0]["level"], 1);
    // What comes with it is trained; it is not, again.
    predict(&stack, &["small", &name(0), "gone"]).await;
    gets_its_own(&stack, 0).await;
    // Nor by a gateway that has seen nothing of all this.
    let port = free_port();
    let mut command = stack.command("gateway");
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    let _other = Program::start(command);
    stack.port = port;
    until("the other gateway being ready", || async {
        let ready = reqwest::get(stack.url("/readyz")).await.ok()?;
        ready.status().is_success().then_some(())
    })
    .await;
    predict(&stack, &["small", &name(1), "gone"]).await;
    gets_its_own(&stack, 1).await;
    let campaigns = ordered(&stack).await;
    let scopes: Vec<u64> = campaigns.iter().map(|one| one["planned"].as_u64().expect("a number")).collect();
    assert_eq!(
        scopes.iter().sum::<u64>(),
        5,
        "all rows, two without a fit, and a shop from each: {campaigns:?}"
    );
}

#[tokio::test]
async fn without_the_setting_nothing_is_ordered() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_shops(2, "").await;
    stack.train_shops("", 1).await;
    for _ in 0..10 {
        assert_eq!(predict(&stack, &[&name(0)]).await["fits"][0]["level"], 1);
    }
    assert_eq!(ordered(&stack).await.len(), 1);
}
