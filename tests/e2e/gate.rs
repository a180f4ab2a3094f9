//! A new fit answers only if it is good enough.

use serde_json::{Value, json};
use tests::{Setup, Stack};

/// Rows of two shops: y = 2x at first; shop a's newest rows are as `newest` says.
fn rows(more: u32, newest: impl Fn(u32) -> String) -> String {
    let mut csv = String::from("t,shop,x,y\n");
    for i in 0..100 + more {
        let (x, time) = (i % 10, format!("2020-01-{:02}T{:02}:00:00Z", 1 + i / 24, i % 24));
        let y = if i < 80 { (2 * x).to_string() } else { newest(x) };
        csv += &format!("{time},a,{x},{y}\n{time},b,{x},{}\n", 2 * x);
    }
    csv
}

async fn add(stack: &Stack, rows: String, learn: &str, gate: &str) {
    add_reading(stack, rows, "x", (learn, gate)).await;
}

async fn add_reading(stack: &Stack, rows: String, feature: &str, (learn, gate): (&str, &str)) {
    let source = stack.write("rows.csv", rows).display().to_string();
    stack
        .add_model(&format!(
            "name = \"m\"\n[data]\nsource = \"{source}\"\ntime = \"t\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"{feature}\"]\n{learn}\n[release]\ngate = \"{gate}\"\n"
        ))
        .await;
}

async fn train(stack: &Stack) -> Value {
    stack.ask(&["train", "m", "--scope", "shop=*", "--levels", "--wait"]).await["outcomes"].clone()
}

#[tokio::test]
async fn a_worse_fit_is_rejected_and_the_better_one_answers_on() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    let line = |x: u32| (2 * x).to_string();
    add(&stack, rows(0, line), "algorithm = \"linear\"", "better").await;
    assert_eq!(train(&stack).await, json!({"trained": 3}), "nothing answers yet");
    let before = stack.ask(&["fits", "m"]).await;
    assert!(before.as_array().expect("fits").iter().all(|fit| fit.get("gate").is_none()), "{before}");

    // A mean is worse than the lines that answer: with a few more rows all scopes are learned anew, and rejected.
    add(&stack, rows(5, line), "algorithm = \"mean\"", "better").await;
    assert_eq!(train(&stack).await, json!({"rejected": 3}));
    let answering = stack.ask(&["fits", "m"]).await;
    let names = |fits: &Value| -> Vec<Value> {
        fits.as_array().expect("fits").iter().map(|fit| fit["fingerprint"].clone()).collect()
    };
    assert_eq!(names(&answering), names(&before), "the lines answer on");
    let campaign = stack.ask(&["campaign", "list"]).await[0]["id"].as_str().expect("an id").to_owned();
    let shown = stack.ask(&["campaign", "show", &campaign]).await;
    assert_eq!(
        (&shown["state"], &shown["outcomes"]),
        (&json!("complete"), &json!({"rejected": 3})),
        "{shown}"
    );
    let rejected = shown["rejected"].as_array().expect("who was rejected");
    let reason = rejected[0]["reason"].as_str().expect("why");
    assert!(rejected.len() == 3 && reason.contains("the fit that it has 0.0"), "{shown}");

    // Without a gate it answers; and a line is better than that.
    add(&stack, rows(5, line), "algorithm = \"mean\"", "none").await;
    assert_eq!(train(&stack).await, json!({"trained": 3}));
    add(&stack, rows(5, line), "algorithm = \"linear\"", "better").await;
    assert_eq!(train(&stack).await, json!({"trained": 3}));
    let fit = stack.ask(&["fits", "m", "--scope", "shop=a"]).await[0].clone();
    let gate = |name: &str| fit["gate"][name].as_f64().expect("an error");
    assert!(gate("own") < 1e-9 && gate("incumbent") > 5.0 && gate("parent") > 5.0, "{fit}");

    // As good is good enough where the gate says so, and forcing passes no gate by.
    add(&stack, rows(6, line), "algorithm = \"ridge\"\nparams = { alpha = 1e9 }", "not_worse:2%").await;
    let forced = ["train", "m", "--scope", "shop=a", "--force", "--wait"];
    assert_eq!(stack.ask(&forced).await["outcomes"], json!({"rejected": 1}));
}

/// A scope that has no fit yet is held to the level that answers for it.
#[tokio::test]
async fn a_first_fit_is_rejected_by_the_level_above_alone() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    let line = |x: u32| (2 * x).to_string();
    add(&stack, rows(0, line), "algorithm = \"linear\"", "better").await;
    let all = stack.ask(&["train", "m", "--scope", "", "--wait"]).await;
    assert_eq!(all["outcomes"], json!({"trained": 1}));
    add(&stack, rows(0, line), "algorithm = \"mean\"", "better").await;
    let one = stack.ask(&["train", "m", "--scope", "shop=a", "--wait"]).await;
    assert_eq!(one["outcomes"], json!({"rejected": 1}));
    let ended = stack.ask(&["fits", "m", "--scope", "shop=a"]).await[0].clone();
    let gate = |name: &str| ended["gate"][name].as_f64();
    assert!(gate("own") > Some(5.0) && gate("parent").is_some_and(|error| error < 1e-9), "{ended}");
    assert_eq!((&ended["outcome"], gate("incumbent")), (&json!("rejected"), None), "{ended}");
    let reason = ended["reason"].as_str().expect("why");
    assert!(
        reason.starts_with("error 5.") && reason.ends_with(" on the newest rows, the level above 0.000000"),
        "{reason}"
    );
}

/// Fits that answer now may read columns which the spec names no more: those are read to compare with them.
#[tokio::test]
async fn fits_of_other_columns_are_compared_while_the_source_has_these() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    let line = |x: u32| (2 * x).to_string();
    let linear = ("algorithm = \"linear\"", "better");
    add_reading(&stack, rows(0, line), "x", linear).await;
    assert_eq!(train(&stack).await, json!({"trained": 3}));
    add_reading(&stack, rows(0, line), "hour(t)", linear).await;
    assert_eq!(train(&stack).await, json!({"rejected": 3}));
    // What is read beside a spec's own columns does not name its fits otherwise.
    add_reading(&stack, rows(0, line), "hour(t)", ("algorithm = \"linear\"", "none")).await;
    assert_eq!(train(&stack).await, json!({"trained": 3}));
    let fingerprint = async || stack.ask(&["fits", "m", "--scope", "shop=a"]).await[0]["fingerprint"].clone();
    let without = fingerprint().await;
    stack.ask(&["channel", "rollback", "m"]).await;
    let flat = "algorithm = \"ridge\"\nparams = { alpha = 1e9 }";
    add_reading(&stack, rows(0, line), "x", (flat, "none")).await;
    assert_eq!(train(&stack).await, json!({"trained": 3}));
    add_reading(&stack, rows(0, line), "hour(t)", ("algorithm = \"linear\"", "not_worse:1000%")).await;
    assert_eq!(train(&stack).await, json!({"trained": 3}));
    assert_eq!(fingerprint().await, without);
}

/// Rows of two shops, with two classes that x tells apart.
fn classes(more: u32) -> String {
    let row = |i: u32| {
        let (x, time) = (i % 10, format!("2020-01-{:02}T{:02}:00:00Z", 1 + i / 24, i % 24));
        let class = if x < 5 { "low" } else { "high" };
        ["a", "b"].map(|shop| format!("{time},{shop},{x},{class}\n")).concat()
    };
    format!("t,shop,x,y\n{}", (0..100 + more).map(row).collect::<String>())
}

/// Of two fits that are always right the one that is surer has the smaller log loss.
#[tokio::test]
async fn classes_are_compared_by_log_loss() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    let learn =
        |c: &str| format!("task = \"classification\"\nalgorithm = \"logistic\"\nparams = {{ c = {c} }}");
    let (sure, unsure) = (learn("1000.0"), learn("0.001"));
    let fit = async || stack.ask(&["fits", "m", "--scope", "shop=a"]).await[0].clone();
    add(&stack, classes(0), &unsure, "better").await;
    assert_eq!(train(&stack).await, json!({"trained": 3}));
    let first = fit().await;
    add(&stack, classes(25), &sure, "better").await;
    assert_eq!(train(&stack).await, json!({"trained": 3}));
    let second = fit().await;
    for fit in [&first, &second] {
        assert_eq!(fit["metrics"]["accuracy"], 1.0, "{fit}");
    }
    let gate = |name: &str| second["gate"][name].as_f64().expect("an error");
    assert!(gate("own") < 0.1 && gate("incumbent") > 0.5 && gate("parent") > 0.5, "{second}");
    add(&stack, classes(50), &unsure, "better").await;
    assert_eq!(train(&stack).await, json!({"rejected": 3}));
    assert_eq!(fit().await["fingerprint"], second["fingerprint"], "the surer one answers on");
}

/// Classes are compared by log loss, also with classes that the older fit does not know; a fit of columns that are gone, or of
/// classes where the new one is of numbers, stands in nobody's way.
#[tokio::test]
async fn classes_are_compared_too() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    let class = |x: u32| if x < 5 { "5".to_owned() } else { "7".to_owned() };
    let learn = "task = \"classification\"\nalgorithm = \"naive_bayes\"";
    add(&stack, rows(0, |x| (2 * x).to_string()), learn, "better").await;
    assert_eq!(train(&stack).await, json!({"trained": 3}));
    // Shop a's newest rows have classes that no older fit knows, and so holds for impossible; shop b's are as they were.
    add(&stack, rows(20, class), learn, "better").await;
    assert_eq!(train(&stack).await, json!({"rejected": 1, "trained": 2}));
    let fit = stack.ask(&["fits", "m", "--scope", "shop=a"]).await[0].clone();
    let gate = |name: &str| fit["gate"][name].as_f64().expect("an error");
    assert!(gate("own") < 20.0 && gate("incumbent") > 36.0 && gate("parent") > 36.0, "{fit}");
    // Columns that are gone compare with nothing, and neither do numbers with classes.
    let source =
        stack.write("rows.csv", rows(21, class).replace("t,shop,x,y", "t,shop,z,y")).display().to_string();
    for (learn, why) in [(learn, "column `x` is missing"), ("algorithm = \"mean\"", "it predicts classes")] {
        stack
            .add_model(&format!(
                "name = \"m\"\n[data]\nsource = \"{source}\"\ntime = \"t\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"z\"]\n{learn}\n[release]\ngate = \"better\"\n"
            ))
            .await;
        assert_eq!(train(&stack).await, json!({"trained": 3}), "{why}");
        let fits = stack.ask(&["fits", "m"]).await;
        let reason = fits[0]["reason"].as_str().expect("why it was not compared");
        assert!(reason.contains(&format!("not compared with the fit that it has: {why}")), "{reason}");
    }
    for (learn, words) in [("holdout = 0", "needs a `holdout`"), ("algorithm = \"kmeans\"", "needs a target")]
    {
        let target = if learn.contains("kmeans") { "" } else { "target = \"y\"\n" };
        let spec = format!(
            "name = \"m\"\n[data]\nsource = \"{source}\"\ntime = \"t\"\n[learn]\n{target}features = [\"z\"]\n{learn}\n[release]\ngate = \"better\"\n"
        );
        stack.refuses_model(&spec, words).await;
    }
    let spec = format!(
        "name = \"m\"\n[data]\nsource = \"{source}\"\n[learn]\ntarget = \"y\"\nfeatures = [\"z\"]\n[release]\ngate = \"best\"\n"
    );
    stack.refuses_model(&spec, "`best` is no gate").await;
}
