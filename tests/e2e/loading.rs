//! What predictors keep in memory: within their budget, given back, and there before it is asked for.

use serde_json::{Value, json};
use tests::shops::{name, row};
use tests::{Program, Setup, Stack, until};

/// Shops with forests of more than four MiB each.
const SHOPS: usize = 24;
const ROWS: usize = 2_000;

fn spec(source: &str) -> String {
    let learn =
        "target = \"sold\"\nfeatures = [\"x\", \"z\"]\nalgorithm = \"extra_trees\"\nparams = { trees = 320 }";
    format!(
        "name = \"woods\"\n[data]\nsource = \"{source}\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\n{learn}\n"
    )
}

/// No two rows alike, and nothing to learn: trees grow down to single rows.
fn csv() -> String {
    let noise = |n: u64| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64 / 256.0;
    let row = |n: usize| {
        let [x, z, sold] = [3 * n, 3 * n + 1, 3 * n + 2].map(|n| noise(n as u64 + 1));
        format!("{},{x},{z},{sold}\n", name(n % SHOPS))
    };
    format!("shop,x,z,sold\n{}", (0..SHOPS * ROWS).map(row).collect::<String>())
}

async fn ask(stack: &Stack, shop: usize) -> Value {
    let row = json!({"shop": name(shop), "x": 7.0, "z": 9.0});
    until("the shop being answered", || async {
        let (status, answer) = stack.predict("woods", json!({"rows": [row]}).to_string()).await;
        (status == 200).then(|| answer["predictions"][0].clone())
    })
    .await
}

/// What a predictor with so much room answers to three rounds of requests, and the memory that it has then, in MiB.
async fn rounds(stack: &Stack, cache_mib: u64) -> (Vec<Value>, u64) {
    let mut command = stack.command("worker");
    command.arg("infer").env("SCOPEFORGE_FIT_CACHE_MIB", cache_mib.to_string());
    let mut predictor = Program::start(command);
    predictor.says("predicting").await;
    let mut answers = Vec::new();
    for shop in (0..3).flat_map(|_| 0..SHOPS) {
        answers.push(ask(stack, shop).await);
    }
    let resident_mib = predictor.resident_mib();
    assert_eq!(predictor.stop().await, 0);
    (answers, resident_mib)
}

#[tokio::test]
async fn fits_stay_within_the_budget_and_memory_is_given_back() {
    let stack = Stack::start(Setup { predictors: 0, ..Setup::default() }).await;
    let source = stack.write("woods.csv", csv()).display().to_string();
    stack.add_model(&spec(&source)).await;
    let done = stack.ask(&["train", "woods", "--scope", "shop=*", "--wait"]).await;
    assert_eq!(done["outcomes"], json!({"trained": SHOPS}), "{done}");
    let (all, roomy_mib) = rounds(&stack, 1_024).await;
    let (same, tight_mib) = rounds(&stack, 16).await;
    assert_eq!(all, same);
    assert_eq!(all[..SHOPS], all[SHOPS..2 * SHOPS]);
    // The forests alone are some 100 MiB.
    assert!(roomy_mib > tight_mib + 70, "{roomy_mib} MiB with room, {tight_mib} MiB without");
}

#[tokio::test]
async fn what_takes_the_place_of_loaded_fits_is_there_before_it_is_asked_for() {
    let stack = Stack::start(Setup { predictors: 0, ..Setup::default() }).await;
    let mut command = stack.command("worker");
    command.arg("infer").env("SCOPEFORGE_LOG", "predictor=debug,info");
    let mut predictor = Program::start(command);
    predictor.says("predicting").await;
    stack.add_shops(3, "").await;
    stack.train_shops("shop=*", 3).await;
    let next = stack
        .ask(&[
            "train",
            "shops",
            "--scope",
            "shop=*",
            "--channel",
            "next",
            "--force",
            "--algorithm",
            "mean",
            "--wait",
        ])
        .await;
    stack.ask(&["channel", "promote", "shops", "next"]).await;
    predictor.says("loaded ahead").await;
    // Whatever is not in memory by now, is nowhere.
    std::fs::remove_dir_all(stack.store_folder()).expect("the store can be removed");
    let rows: Vec<Value> = (0..3).map(|shop| row(&name(shop), 1.0)).collect();
    let answer = until("the next fits answering", || async {
        let (status, answer) = stack.predict("shops", json!({ "rows": rows }).to_string()).await;
        assert!(status == 200 && answer["errors"].is_null(), "{status} {answer}");
        (answer["fits"][0]["campaign"] == next["id"]).then_some(answer)
    })
    .await;
    assert_eq!(answer["fits"].as_array().map(Vec::len), Some(3), "{answer}");
}
