//! Channels: train beside what answers, compare, release, take back.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tests::{Setup, Stack, until};

/// Each shop's sales, by turns `more` and one more than that.
fn sales(more: u32, shops: &[&str]) -> String {
    apart(more, &shops.iter().map(|shop| (*shop, 1)).collect::<Vec<_>>())
}

/// Each shop's sales, by turns `more` and so much more than that: their mean is off by half of it.
fn apart(more: u32, shops: &[(&str, u32)]) -> String {
    let one = |i: u32, (shop, by): &(&str, u32)| format!("{shop},{}\n", more + i % 2 * by);
    let rows = (0..40).flat_map(|i| shops.iter().map(move |shop| one(i, shop)));
    format!("shop,sold\n{}", rows.collect::<String>())
}

async fn add(stack: &Stack, rows: String) {
    let source = stack.write("sales.csv", rows).display().to_string();
    stack
        .add_model(&format!(
            "name = \"m\"\n[data]\nsource = \"{source}\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntarget = \"sold\"\nalgorithm = \"mean\"\n"
        ))
        .await;
}

async fn predicted(stack: &Stack, query: &str, body: Value) -> (u16, Value) {
    let url = stack.url(&format!("/v1/models/m/predict{query}"));
    let answer = reqwest::Client::new().post(url).body(body.to_string()).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Waits until shop a is predicted so.
async fn answers(stack: &Stack, query: &str, expected: f64) {
    until(&format!("{expected} for {query:?}"), || async {
        let (status, answer) = predicted(stack, query, json!({"rows": [{"shop": "a"}]})).await;
        (status == 200 && answer["predictions"] == json!([expected])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_channel_is_compared_released_and_taken_back() {
    let stack = Stack::start(Setup::default()).await;
    add(&stack, sales(10, &["a", "b", "d", "e"])).await;
    let first = stack.ask(&["train", "m", "--scope", "shop=*", "--wait"]).await;
    answers(&stack, "", 10.5).await;
    // Other rows; a shop has gone, one is new, and of the others one is predicted worse, and one better.
    add(&stack, apart(20, &[("a", 1), ("b", 4), ("c", 1), ("e", 0)])).await;
    let next = stack.ask(&["train", "m", "--scope", "shop=*", "--channel", "next", "--wait"]).await;
    answers(&stack, "?channel=next", 20.5).await;
    answers(&stack, "", 10.5).await;
    // What the body says counts.
    let body = json!({"rows": [{"shop": "a"}], "channel": "live"});
    assert_eq!(predicted(&stack, "?channel=next", body).await.1["predictions"], json!([10.5]));

    let listed = stack.ask(&["channel", "list", "m"]).await;
    let one = |channel: &str, campaign: &Value| json!({"model": "m", "channel": channel, "campaigns": 1, "newest": campaign["id"]});
    assert_eq!(listed, json!([one("live", &first), one("next", &next)]));
    let diff = stack.ask(&["channel", "diff", "m", "live", "next"]).await;
    let told = |key: &str| {
        diff.as_array().expect("differences").iter().map(|one| one[key].clone()).collect::<Value>()
    };
    assert_eq!(told("scope"), json!(["shop=c", "shop=d", "shop=b", "shop=a", "shop=e"]), "the worst first");
    assert_eq!(told("change"), json!(["new", "gone", "changed", "changed", "changed"]));
    assert_eq!(told("score"), json!(["rmse", "rmse", "rmse", "rmse", "rmse"]));
    assert_eq!(told("before"), json!([null, 0.5, 0.5, 0.5, 0.5]));
    assert_eq!(told("after"), json!([0.5, null, 2.0, 0.5, 0.0]));

    let moved = stack.ask(&["channel", "promote", "m", "next"]).await;
    assert_eq!((&moved["moved"], &moved["newest"]), (&json!(true), &next["id"]), "{moved}");
    answers(&stack, "", 20.5).await;
    assert_eq!(stack.ask(&["channel", "promote", "m", "next"]).await["moved"], false);
    assert_eq!(stack.ask(&["channel", "show", "m"]).await, json!([next["id"], first["id"]]));
    // Shop d has its fit of before.
    let (_, gone) = predicted(&stack, "", json!({"rows": [{"shop": "d"}]})).await;
    assert_eq!(gone["predictions"], json!([10.5]));
    let back = stack.ask(&["channel", "rollback", "m"]).await;
    assert_eq!(back["taken_back"], json!([next["id"]]), "{back}");
    assert_eq!((&back["changed"], &back["gone"]), (&json!(3), &json!(1)), "{back}");
    answers(&stack, "", 10.5).await;
    // A campaign by its id, into a channel of its own.
    let id = next["id"].as_str().expect("an id");
    stack.ask(&["channel", "promote", "m", id, "--to", "trial"]).await;
    answers(&stack, "?channel=trial", 20.5).await;
}

/// A campaign that left all answers as they were is not what an operator wants to take back, and goes with the one before.
#[tokio::test]
async fn what_changed_no_answer_is_not_taken_back_alone() {
    let stack = Stack::start(Setup::default()).await;
    let train = ["train", "m", "--scope", "shop=*", "--wait"];
    let mut ids = Vec::new();
    for more in [10, 20, 20] {
        add(&stack, sales(more, &["a", "b"])).await;
        ids.push(stack.ask(&train).await["id"].clone());
    }
    answers(&stack, "", 20.5).await;
    let back = stack.ask(&["channel", "rollback", "m"]).await;
    assert_eq!(
        (&back["taken_back"], &back["without_effect"]),
        (&json!([ids[1]]), &json!([ids[2]])),
        "{back}"
    );
    answers(&stack, "", 10.5).await;
    assert_eq!(stack.ask(&["channel", "show", "m"]).await, json!([ids[0]]));
    // The first campaign's fits are all that there is: then there is none.
    let back = stack.ask(&["channel", "rollback", "m"]).await;
    assert_eq!((&back["changed"], &back["gone"]), (&json!(0), &json!(2)), "{back}");
    let over = stack.enqueue(&["channel", "rollback", "m"]).await;
    assert!(over.code == 2 && over.err.contains("were taken back; `enqueue campaign list`"), "{over:?}");
    let (_, problem) = predicted(&stack, "", json!({"rows": [{"shop": "a"}]})).await;
    assert!(problem["title"] == "not found", "{problem}");
}

/// While a channel moves to and fro, each answer is of one state of it, whichever predictors its rows went to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_mixes_two_states() {
    let stack = Stack::start(Setup { predictors: 3, ..Setup::default() }).await;
    let shops: Vec<String> = (0..40).map(|i| format!("s{i}")).collect();
    let names: Vec<&str> = shops.iter().map(String::as_str).collect();
    for (more, channel) in [(10, "live"), (20, "next")] {
        add(&stack, sales(more, &names)).await;
        stack.ask(&["train", "m", "--scope", "shop=*", "--channel", channel, "--wait"]).await;
    }
    let rows: Vec<Value> = names.iter().map(|shop| json!({"shop": shop})).collect();
    let body = json!({"rows": rows}).to_string();
    until("all shops answering in both channels", || async {
        let live = predicted(&stack, "", json!({"rows": rows})).await.1;
        let next = predicted(&stack, "?channel=next", json!({"rows": rows})).await.1;
        let whole = |answer: &Value| answer["fits"].as_array().is_some_and(|fits| fits.len() == names.len());
        (whole(&live) && whole(&next)).then_some(())
    })
    .await;
    let moving = async {
        for _ in 0..15 {
            stack.ask(&["channel", "promote", "m", "next"]).await;
            stack.ask(&["channel", "rollback", "m"]).await;
        }
    };
    let seen = [const { AtomicU32::new(0) }; 2];
    let asking = async {
        let http = reqwest::Client::new();
        loop {
            let url = stack.url("/v1/models/m/predict");
            let answer = http.post(url).body(body.clone()).send().await.expect("an answer");
            assert_eq!(answer.status(), 200);
            let answer: Value = answer.json().await.expect("JSON");
            let values = answer["predictions"].as_array().expect("predictions");
            assert!(values.iter().all(|value| value == &values[0]), "{answer}");
            seen[usize::from(values[0] == json!(20.5))].fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::select! {
        () = moving => {}
        () = asking => {}
    }
    assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) > 5), "both states answered: {seen:?}");
}

#[tokio::test]
async fn wrong_names_of_channels_are_told() {
    let stack = Stack::start(Setup { trainers: 0, predictors: 0, ..Setup::default() }).await;
    add(&stack, sales(10, &["a"])).await;
    for (words, arguments) in [
        (
            "neither a channel `next` with campaigns nor such a campaign",
            &["channel", "promote", "m", "next"][..],
        ),
        ("nothing was trained for `m` on the channel `live`", &["channel", "rollback", "m"]),
        ("nothing was trained for `m` on the channel `lvie`", &["fits", "m", "--channel", "lvie"]),
        ("nothing was trained for `m` on the channel `live`", &["channel", "diff", "m", "live", "next"]),
        ("no model `n`", &["channel", "list", "n"]),
        ("no model `n`", &["channel", "diff", "n", "live", "next"]),
        ("channel", &["channel", "show", "m", "a.b"]),
    ] {
        let refused = stack.enqueue(arguments).await;
        assert!(refused.code == 2 && refused.err.contains(words), "{words}: {refused:?}");
    }
    assert_eq!(stack.ask(&["channel", "list"]).await, json!([]));
    let (status, problem) = predicted(&stack, "?chanel=next", json!({"rows": [{}]})).await;
    assert!(status == 400 && problem.to_string().contains("chanel"), "{problem}");
}
