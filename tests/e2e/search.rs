//! Each scope takes the best of several candidates.

use serde_json::{Value, json};
use tests::flights;
use tests::{Setup, Stack};

const REFERENCE: &str = include_str!("../data/flights_search.json");

/// What scikit-learn's `TimeSeriesSplit` says of the candidates below, see `search_reference.py`.
fn reference(key: &str) -> Vec<f64> {
    let all: Value = serde_json::from_str(REFERENCE).expect("the reference");
    all[key].as_array().expect("errors").iter().map(|error| error.as_f64().expect("a number")).collect()
}

fn errors(fit: &Value) -> Vec<f64> {
    let candidates = fit["candidates"].as_array().expect("candidates");
    candidates.iter().map(|candidate| candidate["error"].as_f64().expect("an error")).collect()
}

/// The fit has the candidate of least error, and all errors are the expected ones.
fn check(fit: &Value, expected: &[f64]) {
    let found = errors(fit);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6 * expected, "{found} is not {expected}: {fit}");
    }
    let least = expected.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).expect("candidates").0;
    let best = &fit["candidates"][least];
    assert_eq!((&fit["algorithm"], &fit["params"]), (&best["algorithm"], &best["params"]), "{fit}");
}

#[tokio::test]
async fn scopes_choose_as_cross_validation_by_scikit_learn_does() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    let order = [
        "train",
        "arrival_delay",
        "--scope",
        "carrier=AA|HA|UA",
        "--wait",
        "--algorithm",
        "mean|ridge|lasso",
    ];
    let params = ["--param", "alpha=0.1|1|300", "--param", "tolerance=1e-10"];
    let done = stack.ask(&[&order[..], &params].concat()).await;
    assert_eq!(done["outcomes"], json!({"trained": 3}));
    let fits = stack.ask(&["fits", "arrival_delay"]).await;
    let chosen: Vec<String> =
        fits.as_array().expect("fits").iter().map(|fit| fit["params"].to_string()).collect();
    assert!(chosen.iter().any(|params| *params != chosen[0]), "all chose {}", chosen[0]);
    for fit in fits.as_array().expect("fits") {
        let carrier =
            fit["scope"].as_str().and_then(|scope| scope.strip_prefix("carrier=")).expect("a carrier");
        check(fit, &reference(&format!("{carrier} 5 expanding")));
    }
    let again = stack.ask(&[&order[..], &params].concat()).await;
    assert_eq!(again["outcomes"], json!({"unchanged": 3}));

    let search = "\n[learn.search]\nalgorithms = [\"mean\", \"ridge\", \"lasso\"]\nfolds = 3\nwindow = \"sliding\"\nparams = { alpha = [0.1, 1, 300], tolerance = [1e-10] }\n";
    stack.add_model(&(flights::spec() + search)).await;
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=AA", "--wait"]).await;
    check(
        &stack.ask(&["fits", "arrival_delay", "--scope", "carrier=AA"]).await[0],
        &reference("AA 3 sliding"),
    );
    let row = json!({"carrier": "AA", "origin": "JFK", "dest": "LAX", "dep_delay": 12, "distance": 2475, "hour": 9,
        "month": 12, "day": 3, "time_hour": "2013-12-03T14:00:00Z"});
    let (_, answer) = stack.predict("arrival_delay", json!({"rows": [row]}).to_string()).await;
    assert!(answer["predictions"][0].is_f64(), "{answer}");
}

/// The hold-out and newer rows choose nothing: with other values there, every candidate has the same error.
#[tokio::test]
async fn rows_that_are_held_out_choose_nothing() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    let source = stack.folder.path().join("rows.csv");
    let write = |newest: f64| {
        let row = |i: u32| {
            let (x, noise) = (f64::from(i * 7 % 11), f64::from(i * 31 % 17));
            let y = if i < 80 { 3.0 * x + noise } else { newest * x };
            format!("2020-01-01T{:02}:{:02}:00Z,{x},{y}", i / 60, i % 60)
        };
        let rows: Vec<String> = (0..100).map(row).collect();
        std::fs::write(&source, format!("t,x,y\n{}\n", rows.join("\n"))).expect("a file");
    };
    let spec = format!(
        "name = \"m\"\n[data]\nsource = \"{}\"\ntime = \"t\"\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\n\
         [learn.search]\nalgorithms = [\"mean\", \"ridge\", \"tree\"]\nparams = {{ alpha = [1, 100] }}\nmetric = \"mae\"\n",
        source.display()
    );
    let mut seen = Vec::new();
    for newest in [3.0, -1000.0] {
        write(newest);
        stack.add_model(&spec).await;
        let done = stack.ask(&["train", "m", "--scope", "", "--wait"]).await;
        assert_eq!(done["outcomes"], json!({"trained": 1}));
        let fit = stack.ask(&["fits", "m"]).await[0].clone();
        assert_eq!(fit["candidates"].as_array().map(Vec::len), Some(4));
        seen.push((errors(&fit), fit["algorithm"].clone(), fit["metrics"]["mae"].as_f64()));
    }
    assert_eq!((&seen[0].0, &seen[0].1), (&seen[1].0, &seen[1].1));
    assert_ne!(seen[0].2, seen[1].2, "the hold-out did change");
}

/// What is learned, and how candidates are compared, is the spec's; `--algorithm` says only by what.
#[tokio::test]
async fn an_order_by_other_algorithms_keeps_the_rest_of_the_spec() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    let rows: Vec<String> = (0..90).map(|i| format!("{i},{},{}", i % 7, i * 3 % 2)).collect();
    let source = stack.write("rows.csv", format!("x,z,y\n{}\n", rows.join("\n"))).display().to_string();
    let spec = |learn: &str| {
        format!(
            "name = \"m\"\n[data]\nsource = \"{source}\"\n[learn]\ntarget = \"y\"\nfeatures = [\"x\", \"z\"]\n{learn}"
        )
    };
    stack.add_model(&spec("algorithm = \"logistic\"\n")).await;
    stack.ask(&["train", "m", "--scope", "", "--wait", "--algorithm", "boosting"]).await;
    let fit = stack.ask(&["fits", "m"]).await[0].clone();
    assert!(fit["algorithm"] == "boosting" && fit["metrics"]["log_loss"].is_f64(), "{fit}");
    let refused = stack.enqueue(&["plan", "m", "--scope", "", "--algorithm", "ridge"]).await;
    assert!(refused.code == 2 && refused.err.contains("`ridge` does no classification"), "{refused:?}");

    let search = "[learn.search]\nfolds = 3\nmetric = \"mae\"\nparams = { alpha = [3, 5] }\n";
    stack.add_model(&spec(&format!("algorithm = \"ridge\"\nparams = {{ alpha = 7 }}\n{search}"))).await;
    stack.ask(&["train", "m", "--scope", "", "--wait", "--algorithm", "ridge|tree"]).await;
    let fit = stack.ask(&["fits", "m"]).await[0].clone();
    let candidates = fit["candidates"].as_array().expect("candidates");
    let told: Vec<String> =
        candidates.iter().map(|one| format!("{} {}", one["algorithm"], one["params"])).collect();
    assert_eq!(told, ["\"ridge\" {\"alpha\":3.0}", "\"ridge\" {\"alpha\":5.0}", "\"tree\" {}"]);
    assert!(candidates.iter().all(|one| one["error"].as_f64() < Some(1.0)), "mean absolute errors: {fit}");
}

/// Where nothing can be compared nothing is chosen, and it is said why.
#[tokio::test]
async fn a_search_that_compares_nothing_does_not_train() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    let rows: Vec<String> = (0..90).map(|i| format!("{i},{}", i % 7 - 3)).collect();
    let source = stack.write("rows.csv", format!("x,y\n{}\n", rows.join("\n"))).display().to_string();
    let spec = |search: &str| {
        format!(
            "name = \"m\"\n[data]\nsource = \"{source}\"\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\n[learn.search]\n{search}\n"
        )
    };
    stack.add_model(&spec("algorithms = [\"ridge\", \"tree\"]\ngap_rows = 5000")).await;
    let ended = stack.ask(&["train", "m", "--scope", "", "--wait"]).await;
    assert_eq!(ended["outcomes"], json!({"too_few_rows": 1}), "{ended}");
    let fit = stack.ask(&["fits", "m"]).await[0].clone();
    assert!(fit["reason"].as_str().expect("a reason").contains("too few training rows"), "{fit}");
    // Targets below 0 are none of these distributions'; the tree is compared all the same.
    stack.add_model(&spec("algorithms = [\"poisson\", \"gamma\"]")).await;
    let ended = stack.enqueue(&["--json", "train", "m", "--scope", "", "--wait"]).await.json();
    let reason = ended["failed"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("no candidate could be compared; the first: a target is -3"), "{reason}");
    stack.add_model(&spec("algorithms = [\"poisson\", \"tree\"]")).await;
    stack.ask(&["train", "m", "--scope", "", "--wait"]).await;
    let fit = stack.ask(&["fits", "m"]).await[0].clone();
    assert_eq!(fit["algorithm"], "tree", "{fit}");
    assert!(fit["candidates"][0]["reason"].as_str().expect("a reason").contains("a target is -3"), "{fit}");
}
