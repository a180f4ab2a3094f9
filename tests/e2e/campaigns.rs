//! Training campaigns over a real queue.

use std::collections::HashMap;

use serde_json::Value;
use tests::flights::{self, SCOPES, agree};
use tests::{Setup, Stack};

const TRAIN: [&str; 6] = ["train", "arrival_delay", "--scope", SCOPES, "--levels", "--wait"];

fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {value}"))
}

/// All 491 scopes have the outcome, row counts, RMSE, intercept and coefficients that scikit-learn finds.
#[tokio::test]
async fn the_flights_campaign_agrees_with_scikit_learn() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    let closed = stack.ask(&TRAIN).await;
    assert_eq!((closed["state"].as_str(), closed["planned"].as_u64()), (Some("complete"), Some(491)));
    assert_eq!(closed["outcomes"], serde_json::json!({"trained": 403, "too_few_rows": 88}));
    let fits = stack.ask(&["fits", "arrival_delay"]).await;
    let fits = fits.as_array().expect("a list");
    assert_eq!(fits.len(), 491);
    let by_scope: HashMap<&str, &Value> =
        fits.iter().map(|fit| (fit["scope"].as_str().expect("a scope"), fit)).collect();
    for expected in flights::reference() {
        let fit = by_scope[expected.scope.as_str()];
        assert_eq!(fit["outcome"], expected.outcome.as_str(), "{fit}");
        assert_eq!(
            (fit["rows"].as_u64(), fit["complete_rows"].as_u64()),
            (Some(expected.rows.0), Some(expected.rows.1))
        );
        let Some((train, holdout, rmse, intercept)) = expected.fit else {
            assert!(fit["parameters"].is_null() && fit["fingerprint"].is_null(), "{fit}");
            continue;
        };
        assert_eq!((fit["train_rows"].as_u64(), fit["holdout_rows"].as_u64()), (Some(train), Some(holdout)));
        let pairs = [(number(fit, "/metrics/rmse"), rmse), (number(fit, "/parameters/intercept"), intercept)];
        for (found, expected) in pairs {
            assert!(agree(found, expected), "{found} is not {expected}: {fit}");
        }
        for (name, expected) in expected.coefficients {
            let found = number(&fit["parameters"]["coefficients"], &format!("/{name}"));
            assert!(agree(found, expected), "{name}: {found} is not {expected}: {fit}");
        }
    }
}

#[tokio::test]
async fn a_second_campaign_finds_everything_unchanged_unless_forced() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&TRAIN).await;
    let again = stack.ask(&TRAIN).await;
    assert_eq!(again["outcomes"], serde_json::json!({"unchanged": 403, "too_few_rows": 88}));
    let forced = stack.ask(&[&TRAIN[..], &["--force"]].concat()).await;
    assert_eq!(forced["outcomes"], serde_json::json!({"trained": 403, "too_few_rows": 88}));
    let all = stack.ask(&["campaign", "list"]).await;
    let ids: Vec<&str> =
        all.as_array().expect("a list").iter().map(|c| c["id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), 3);
    for id in ids {
        let shown = stack.ask(&["campaign", "show", id]).await;
        let sum: u64 =
            shown["outcomes"].as_object().expect("outcomes").values().filter_map(Value::as_u64).sum();
        assert_eq!(Some(sum), shown["planned"].as_u64(), "{shown}");
        assert_eq!(shown["state"], "complete");
    }
}

#[tokio::test]
async fn two_trainers_share_a_campaign() {
    let stack = Stack::start(Setup { trainers: 2, gateway: false, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    // Each of a few campaigns has packs for both; one trainer could by chance be faster at a single one.
    tests::until("both trainers landing packs", || async {
        stack.ask(&[&TRAIN[..], &["--force"]].concat()).await;
        stack.trainers.iter().all(|trainer| trainer.log().contains("landed")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_campaign_closes_with_no_enqueue_alive() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    let ordered = stack.ask(&["train", "arrival_delay", "--scope", "carrier=*"]).await;
    let id = ordered["id"].as_str().expect("an id").to_owned();
    let shown = tests::until("the campaign closing", || async {
        let shown = stack.ask(&["campaign", "show", &id]).await;
        (shown["state"] == "complete").then_some(shown)
    })
    .await;
    assert_eq!(shown["outcomes"], serde_json::json!({"trained": 15, "too_few_rows": 1}));
    stack.enqueue(&["campaign", "watch", &id]).await.ok();
}

#[tokio::test]
async fn every_algorithm_trains_and_windows_stand_apart() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    let mut rmse = HashMap::new();
    let orders = [
        ("mean", ""),
        ("linear", ""),
        ("ridge", "alpha=10"),
        ("lasso", "alpha=0.1"),
        ("elastic_net", "alpha=0.1"),
        ("tree", "max_depth=6"),
        ("forest", "trees=10"),
        ("extra_trees", "trees=10"),
        ("boosting", "iterations=40"),
    ];
    let log_linear = [("poisson", ""), ("gamma", ""), ("tweedie", "power=1.3")];
    // These keep rows: a carrier with few flights is enough for them.
    let keeping = ["svr", "knn"];
    let all = schemas::algorithm::Algorithm::ALL.iter();
    // Classes and series have tests of their own.
    let all = all.filter(|(algorithm, _)| {
        algorithm.tasks().contains(&schemas::task::Task::Regression) && !algorithm.is_forecast()
    });
    assert_eq!(orders.len() + log_linear.len() + keeping.len(), all.count());
    for algorithm in keeping {
        let arguments =
            ["train", "arrival_delay", "--scope", "carrier=HA", "--wait", "--algorithm", algorithm];
        assert_eq!(stack.ask(&arguments).await["outcomes"], serde_json::json!({"trained": 1}));
        let fit = &stack.ask(&["fits", "arrival_delay", "--scope", "carrier=HA"]).await[0];
        assert_eq!(fit["algorithm"], algorithm);
        assert!(number(fit, "/parameters/rows") > 100.0 && number(fit, "/metrics/rmse") < 60.0, "{fit}");
    }
    for (algorithm, params) in orders {
        let mut arguments =
            vec!["train", "arrival_delay", "--scope", "carrier=UA", "--wait", "--algorithm", algorithm];
        if !params.is_empty() {
            arguments.extend(["--param", params]);
        }
        assert_eq!(stack.ask(&arguments).await["outcomes"], serde_json::json!({"trained": 1}));
        let fits = stack.ask(&["fits", "arrival_delay", "--scope", "carrier=UA"]).await;
        assert_eq!(fits[0]["algorithm"], algorithm);
        rmse.insert(algorithm, number(&fits[0], "/metrics/rmse"));
    }
    // Delays may be below zero, time in the air may not.
    let order = ["train", "arrival_delay", "--scope", "carrier=UA", "--wait", "--algorithm", "poisson"];
    let refused = stack.enqueue(&[&["--json"][..], &order].concat()).await;
    assert!(refused.code == 1 && refused.out.contains("targets are 0 or more"), "{refused:?}");
    let spec = flights::spec().replace("\"arr_delay\"", "\"air_time\"");
    stack.add_model(&spec.replace("\"arrival_delay\"", "\"minutes\"")).await;
    for (algorithm, params) in log_linear {
        let mut arguments =
            vec!["train", "minutes", "--scope", "carrier=UA", "--wait", "--algorithm", algorithm];
        if !params.is_empty() {
            arguments.extend(["--param", params]);
        }
        assert_eq!(stack.ask(&arguments).await["outcomes"], serde_json::json!({"trained": 1}));
        let fit = &stack.ask(&["fits", "minutes", "--scope", "carrier=UA"]).await[0];
        assert_eq!((&fit["algorithm"], &fit["parameters"]["link"]), (&algorithm.into(), &"log".into()));
        assert!(number(fit, "/metrics/r2") > 0.5, "{fit}");
    }
    assert!((rmse["linear"] - rmse["ridge"]).abs() < 0.1, "{rmse:?}");
    let learned = rmse.iter().filter(|(algorithm, _)| **algorithm != "mean");
    assert!(learned.clone().all(|(_, rmse_of)| rmse["mean"] > 1.5 * rmse_of), "{rmse:?}");
    assert!(rmse["forest"] < rmse["tree"] * 1.1, "{rmse:?}");
    let windows = "carrier=UA,time=2013-01..2013-07|2013-07..2014";
    stack.ask(&["train", "arrival_delay", "--scope", windows, "--wait"]).await;
    let fits = stack.ask(&["fits", "arrival_delay", "--scope", "carrier=UA"]).await;
    let rows: Vec<(&str, u64)> = fits
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|fit| Some((fit["window"]["from"].as_str()?, fit["rows"].as_u64()?)))
        .collect();
    assert_eq!(
        rows.iter().map(|(from, _)| *from).collect::<Vec<_>>(),
        ["2013-01-01T00:00:00Z", "2013-07-01T00:00:00Z"]
    );
    // Every flight of the carrier is in one of the halves but the few of New Year's Eve that are 2014 in UTC.
    let sum: u64 = rows.iter().map(|(_, rows)| rows).sum();
    assert!((58_600..=58_665).contains(&sum), "{rows:?}");
}

#[tokio::test]
async fn a_bad_scope_fails_alone_and_wait_says_so() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    let mut rows = String::from("kind,x,y\n");
    for i in 0..40 {
        rows += &format!("good,{i},{}\nbad,{}e300,{i}\n", 2 * i, i + 1);
    }
    let source = stack.write("rows.csv", rows);
    stack.add_model(&format!(
        "name = \"m\"\n[data]\nsource = \"{}\"\n[scope]\ndimensions = [\"kind\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\n",
        source.display()
    )).await;
    let done = stack.enqueue(&["--json", "train", "m", "--scope", "kind=*", "--wait"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    let closed = done.json();
    assert_eq!(closed["outcomes"], serde_json::json!({"trained": 1, "failed": 1}));
    assert_eq!(closed["failed"][0]["scope"], "kind=bad");
    assert!(closed["failed"][0]["reason"].as_str().expect("a reason").contains("not finite"), "{closed}");
}

/// A row with a null in a finer dimension still belongs to the levels above: a fit is the same whatever scopes share its pack.
#[tokio::test]
async fn a_fit_does_not_depend_on_the_scopes_it_is_trained_with() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    let mut rows = String::from("shop,item,x,y\n");
    for i in 0..240 {
        let shop = ["a", "b", "", "c"][i % 4];
        let item = if shop == "b" || i % 7 == 0 { "" } else { ["p", "q"][i % 2] };
        rows += &format!("{shop},{item},{i},{}\n", (i * i) % 101);
    }
    let source = stack.write("rows.csv", rows);
    stack.add_model(&format!(
        "name = \"m\"\n[data]\nsource = \"{}\"\n[scope]\ndimensions = [\"shop\", \"item\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\nalgorithm = \"linear\"\nmin_rows = 10\n",
        source.display()
    )).await;
    let list = |fits: Value| fits.as_array().expect("a list").clone();
    let all = ["train", "m", "--scope", "shop=*,item=*", "--scope", "shop=*", "--levels", "--wait"];
    let closed = stack.ask(&all).await;
    assert_eq!(closed["outcomes"], serde_json::json!({"trained": 6}), "{closed}");
    let together = list(stack.ask(&["fits", "m"]).await);
    for fit in &together {
        let scope = fit["scope"].as_str().expect("a scope");
        stack.ask(&["train", "m", "--scope", scope, "--force", "--wait"]).await;
        let alone = list(stack.ask(&["fits", "m", "--scope", scope]).await).remove(0);
        assert_eq!(fit["fingerprint"], alone["fingerprint"]);
        for path in ["/parameters/intercept", "/parameters/coefficients/x", "/metrics/rmse"] {
            let (together, alone) = (number(fit, path), number(&alone, path));
            assert!((together - alone).abs() < 1e-9, "{scope} {path}: {together} with others, {alone} alone");
        }
    }
}

#[tokio::test]
async fn campaigns_are_listed_newest_first() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    let mut ordered = Vec::new();
    for _ in 0..5 {
        let campaign = stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA"]).await;
        ordered.insert(0, campaign["id"].as_str().expect("an id").to_owned());
    }
    let listed = stack.ask(&["campaign", "list"]).await;
    let listed: Vec<&str> =
        listed.as_array().expect("a list").iter().filter_map(|c| c["id"].as_str()).collect();
    assert_eq!(listed, ordered);
}

/// Only the scopes that hold changed rows are trained again: the changed one, and the levels above it.
#[tokio::test]
async fn changed_rows_retrain_exactly_the_scopes_that_contain_them() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    let rows = |changed: usize| {
        let row = |i: usize| {
            let y = if i == changed { 999 } else { 3 * i % 31 };
            format!("{},{},{i},{y}\n", ["a", "b"][i % 2], ["p", "q", "r"][i % 3])
        };
        String::from("shop,item,x,y\n") + &(0..300).map(row).collect::<String>()
    };
    let source = stack.write("rows.csv", rows(usize::MAX));
    stack.add_model(&format!(
        "name = \"m\"\n[data]\nsource = \"{}\"\n[scope]\ndimensions = [\"shop\", \"item\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\n",
        source.display()
    )).await;
    let all = ["train", "m", "--scope", "shop=*,item=*", "--levels", "--wait"];
    assert_eq!(stack.ask(&all).await["outcomes"], serde_json::json!({"trained": 9}));
    // Row 7 is of shop b and item q.
    stack.write("rows.csv", rows(7));
    assert_eq!(stack.ask(&all).await["outcomes"], serde_json::json!({"trained": 3, "unchanged": 6}));
    let fits = stack.ask(&["fits", "m"]).await;
    let trained: Vec<&str> = fits
        .as_array()
        .expect("a list")
        .iter()
        .filter(|fit| fit["outcome"] == "trained")
        .filter_map(|fit| fit["scope"].as_str())
        .collect();
    assert_eq!(trained.len(), 3);
    assert!(["", "shop=b", "shop=b,item=q"].iter().all(|scope| trained.contains(scope)), "{trained:?}");
}

/// A store that was emptied: what looks unchanged has no bytes any more, and is trained again.
#[tokio::test]
async fn scopes_whose_blobs_are_gone_are_trained_again() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    let order = ["train", "arrival_delay", "--scope", "carrier=*", "--wait"];
    stack.ask(&order).await;
    std::fs::remove_dir_all(stack.store_folder()).expect("the store");
    assert_eq!(stack.ask(&order).await["outcomes"], serde_json::json!({"trained": 15, "too_few_rows": 1}));
}

/// The work of a campaign is measured pack by pack, and the next plan follows what was measured.
#[tokio::test]
async fn a_campaign_teaches_the_next_plan_what_its_scopes_take() {
    let stack = Stack::start(Setup { gateway: false, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    let order = ["arrival_delay", "--scope", "carrier=*", "--algorithm", "forest", "--param", "trees=4"];
    let plan = async || number(&stack.ask(&[&["plan"], &order[..]].concat()).await, "/estimated_seconds");
    let before = plan().await;
    let done = stack.ask(&[&["train", "--wait"], &order[..]].concat()).await;
    assert_eq!(done["packs_measured"], done["packs"], "{done}");
    let (estimated, learned) = (number(&done, "/estimated_seconds"), number(&done, "/learn_seconds"));
    assert!(estimated == before && learned > 0.0, "{done}");
    // The campaign is closed with its lessons before `train --wait` ends.
    let after = plan().await;
    assert!(after != before && (0.3..3.0).contains(&(after / learned)), "{before}, {after}: {done}");
    // A campaign of unchanged scopes teaches nothing.
    stack.ask(&[&["train", "--wait"], &order[..]].concat()).await;
    assert_eq!(plan().await, after);
}
