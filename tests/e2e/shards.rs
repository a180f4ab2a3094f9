//! The work on a large scope, cut into jobs of their own: the same fit, once, whatever crashes.

use std::time::Duration;

use runtime::broker::{Broker, ConnectRequest};
use runtime::{bucket, jobs, ledger, plans};
use schemas::envelope;
use schemas::outcome::{Landing, OutcomeKind};
use schemas::pack::Pack;
use schemas::shard::Work;
use serde_json::{Value, json};
use tests::{Setup, Stack, flights, until};
use tokio_util::sync::CancellationToken;

const FOREST: [&str; 6] = ["--algorithm", "forest", "--param", "trees=9", "--param", "max_depth=6"];
const TWO: [&str; 2] = ["--scope", "carrier=B6|UA"];

/// The flights' spec, by which scopes of any size are cut.
fn cutting() -> String {
    flights::spec() + "\n[limits]\nshard_seconds = 0.001\n"
}

fn words<'a>(command: &'a str, parts: &[&[&'a str]]) -> Vec<&'a str> {
    [&[command, "arrival_delay"][..], &parts.concat()].concat()
}

/// A stack without trainers, where the packs of a dead one are soon another's.
async fn bare() -> Stack {
    let lease = vec![("SCOPEFORGE_LEASE_SECONDS", "1".to_owned())];
    Stack::start(Setup { trainers: 0, predictors: 0, gateway: false, environment: lease, ..Setup::default() })
        .await
}

/// What of a fit does not depend on when it was made.
fn facts(fits: &Value) -> Vec<Value> {
    let one = |fit: &Value| {
        json!([fit["scope"], fit["fingerprint"], fit["metrics"], fit["candidates"], fit["algorithm"]])
    };
    fits.as_array().expect("fits").iter().map(one).collect()
}

#[tokio::test]
async fn a_forest_in_shards_is_the_forest_at_once() {
    let stack = Stack::start(Setup { trainers: 2, ..Setup::default() }).await;
    stack.add_model(&cutting()).await;
    let plan = stack.ask(&words("plan", &[&TWO, &FOREST])).await;
    assert_eq!(
        (&plan["scopes"], &plan["sharded_scopes"], &plan["sharded_by"]),
        (&json!(2), &json!(2), &json!("trees"))
    );
    let shards = plan["shards"].as_u64().expect("a number");
    assert_eq!((shards > 4, plan["packs"].as_u64()), (true, Some(shards + 2)), "{plan}");
    let done = stack.ask(&words("train", &[&TWO, &FOREST, &["--wait"]])).await;
    assert_eq!((&done["outcomes"], &done["packs"]), (&json!({"trained": 2}), &plan["packs"]));
    let in_shards = stack.ask(&["fits", "arrival_delay"]).await;
    let rows = |carrier: &str| {
        json!({"carrier": carrier, "origin": "JFK", "dest": "LAX", "dep_delay": 12, "distance": 2475,
        "hour": 9, "month": 12, "day": 3, "time_hour": "2013-12-03T14:00:00Z"})
    };
    let body = json!({"rows": [rows("B6"), rows("UA")]}).to_string();
    let (_, answer) = stack.predict("arrival_delay", body.clone()).await;
    assert!(answer["predictions"][1].is_f64(), "{answer}");

    let again = stack.ask(&words("train", &[&TWO, &FOREST, &["--wait"]])).await;
    assert_eq!(again["outcomes"], json!({"unchanged": 2}), "{again}");

    stack.add_model(&flights::spec()).await;
    let whole = stack.ask(&words("train", &[&TWO, &FOREST, &["--wait", "--force"]])).await;
    assert_eq!((&whole["outcomes"], whole["packs"].as_u64() < Some(shards)), (&json!({"trained": 2}), true));
    assert_eq!(facts(&in_shards), facts(&stack.ask(&["fits", "arrival_delay"]).await));
    let (_, at_once) = stack.predict("arrival_delay", body).await;
    assert_eq!(answer["predictions"], at_once["predictions"]);
    assert_ne!(answer["fits"][0]["campaign"], at_once["fits"][0]["campaign"]);
}

#[tokio::test]
async fn a_search_in_shards_chooses_as_one_at_once() {
    let stack = Stack::start(Setup { trainers: 2, predictors: 0, gateway: false, ..Setup::default() }).await;
    let search = ["--algorithm", "mean|ridge|tree", "--param", "alpha=1|300", "--wait", "--force"];
    let mut seen = Vec::new();
    // Four candidates on five folds each, and the merge.
    for (spec, packs) in [(cutting(), 2 * (20 + 1)), (flights::spec(), 1)] {
        stack.add_model(&spec).await;
        let done = stack.ask(&words("train", &[&TWO, &search])).await;
        assert_eq!(done["outcomes"], json!({"trained": 2}));
        assert!(done["packs"].as_u64() >= Some(packs), "{done}");
        seen.push(facts(&stack.ask(&["fits", "arrival_delay"]).await));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0][0][3].as_array().map(Vec::len), Some(4), "{}", seen[0][0]);
}

/// The same to rounding: sums that are added up in another order.
fn assert_alike(parts: &Value, whole: &Value, tolerance: f64) {
    let exact = |fit: &Value| {
        let counts =
            ["scope", "window", "fingerprint", "rows", "complete_rows", "train_rows", "holdout_rows"];
        counts.map(|name| fit[name].clone())
    };
    assert_eq!(exact(parts), exact(whole));
    let close = |own: &Value, other: &Value, what: &str| {
        let (own, other) = (own.as_f64().expect(what), other.as_f64().expect(what));
        assert!((own - other).abs() <= tolerance * other.abs().max(1.0), "{what}: {own}, at once {other}");
    };
    let coefficients = |fit: &Value| fit["parameters"]["coefficients"].as_object().expect("a line").clone();
    let (own, other) = (coefficients(parts), coefficients(whole));
    assert!(own.keys().eq(other.keys()), "{own:?}, at once {other:?}");
    own.iter().for_each(|(name, own)| close(own, &other[name], name));
    close(&parts["parameters"]["intercept"], &whole["parameters"]["intercept"], "the intercept");
    for name in ["rmse", "mae", "r2"].into_iter().filter(|_| !whole["metrics"].is_null()) {
        close(&parts["metrics"][name], &whole["metrics"][name], name);
    }
}

#[tokio::test]
async fn components_of_rows_in_shards_are_those_of_the_rows_at_once() {
    let stack = Stack::start(Setup { trainers: 2, predictors: 0, gateway: false, ..Setup::default() }).await;
    let whole = flights::spec()
        .replace("target = \"arr_delay\"", "# none")
        .replace("categorical = []", "categorical = [\"dest\"]")
        .replace("algorithm = \"ridge\"", "algorithm = \"pca\"")
        .replace("alpha = 1.0", "components = 3");
    let mut seen = Vec::new();
    for spec in [format!("{whole}\n[limits]\nshard_seconds = 0.001\n"), whole] {
        stack.add_model(&spec).await;
        let done = stack.ask(&words("train", &[&TWO, &["--wait", "--force"]])).await;
        assert_eq!(done["outcomes"], json!({"trained": 2}), "{done}");
        let fits = stack.ask(&["fits", "arrival_delay"]).await;
        seen.push((done["packs"].as_u64().expect("packs"), fits));
    }
    assert!(seen[0].0 > 4 && seen[1].0 <= 2, "{} packs, and {}", seen[0].0, seen[1].0);
    for (parts, whole) in seen[0].1.as_array().expect("fits").iter().zip(seen[1].1.as_array().expect("fits"))
    {
        assert_eq!((&parts["scope"], &parts["fingerprint"]), (&whole["scope"], &whole["fingerprint"]));
        for path in ["/metrics/explained_variance", "/parameters/explained_variance_ratio/0"] {
            let value = |fit: &Value| fit.pointer(path).and_then(Value::as_f64).expect(path);
            assert!((value(parts) - value(whole)).abs() < 1e-9, "{path}: {parts}, at once {whole}");
        }
    }
}

/// Whatever the hold-out is, and whichever categories a stretch of rows has.
#[tokio::test]
async fn rows_in_shards_are_the_rows_at_once() {
    let stack = Stack::start(Setup { trainers: 2, ..Setup::default() }).await;
    let one_hot = |spec: String, more: &str| {
        spec.replace("categorical = []", "categorical = [\"dest\"]").replace("holdout = 0.2", more)
    };
    let weighted = "weight = \"month\"\nholdout = 0.2";
    for (at, more) in
        ["holdout = 0.2", "holdout = 0", "refit = true\nholdout = 0.9", weighted].into_iter().enumerate()
    {
        stack.add_model(&one_hot(cutting(), more)).await;
        let exact = ["--param", "tolerance=1e-13"];
        let algorithm = ["--algorithm", ["ridge", "lasso", "linear", "ridge"][at]];
        let algorithm = [&algorithm[..], if at == 1 { &exact } else { &[] }].concat();
        let plan = stack.ask(&words("plan", &[&TWO, &algorithm])).await;
        assert_eq!((&plan["sharded_by"], &plan["sharded_scopes"]), (&json!("rows"), &json!(2)), "{plan}");
        assert!(plan["shards"].as_u64() > Some(4), "{plan}");
        let done = stack.ask(&words("train", &[&TWO, &algorithm, &["--wait"]])).await;
        assert_eq!((&done["outcomes"], &done["packs"]), (&json!({"trained": 2}), &plan["packs"]), "{done}");
        let parts = stack.ask(&["fits", "arrival_delay"]).await;
        let again = stack.ask(&words("train", &[&TWO, &algorithm, &["--wait"]])).await;
        assert_eq!(again["outcomes"], json!({"unchanged": 2}), "{again}");
        stack.add_model(&one_hot(flights::spec(), more)).await;
        let whole = stack.ask(&words("train", &[&TWO, &algorithm, &["--wait", "--force"]])).await;
        assert_eq!((&whole["outcomes"], &whole["packs"]), (&json!({"trained": 2}), &json!(2)), "{whole}");
        let whole = stack.ask(&["fits", "arrival_delay"]).await;
        // Sums in another order differ in their last digits, and a rare category's weight is many times as sensitive.
        (0..2).for_each(|at| assert_alike(&parts[at], &whole[at], 1e-6));
    }
}

/// A window of a scope is cut within; what has too few rows is not learned, in however many stretches.
#[tokio::test]
async fn windows_are_cut_within_and_too_few_rows_stay_too_few() {
    let stack = Stack::start(Setup { trainers: 2, predictors: 0, gateway: false, ..Setup::default() }).await;
    let scope = ["--scope", "carrier=UA,time=2013-02-10..2013-09-20", "--wait"];
    let fine = || cutting().replace("shard_seconds = 0.001", "shard_seconds = 0.0002");
    stack.add_model(&fine()).await;
    let done = stack.ask(&words("train", &[&scope])).await;
    assert!(done["packs"].as_u64() > Some(3) && done["outcomes"] == json!({"trained": 1}), "{done}");
    let parts = stack.ask(&["fits", "arrival_delay"]).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&words("train", &[&scope, &["--force"]])).await;
    assert_alike(&parts[0], &stack.ask(&["fits", "arrival_delay"]).await[0], 1e-6);
    stack.add_model(&fine().replace("min_rows = 30", "min_rows = 10000000")).await;
    let done = stack.ask(&words("train", &[&["--scope", "", "--wait"]])).await;
    assert!(done["packs"].as_u64() > Some(3) && done["outcomes"] == json!({"too_few_rows": 1}), "{done}");
}

/// Each of the first trainers dies when a shard has landed, before anybody looks whether it was the last; then those that merge.
#[tokio::test]
async fn a_merge_comes_once_though_all_trainers_of_shards_and_merge_die() {
    let mut stack = bare().await;
    stack.add_model(&cutting()).await;
    let order = [&TWO[..1], &["carrier=UA"], &FOREST].concat();
    let ordered = stack.ask(&words("train", &[&order])).await;
    let (id, packs) =
        (ordered["id"].as_str().expect("an id").to_owned(), ordered["packs"].as_u64().expect("packs"));
    assert!(packs > 2, "{ordered}");
    let landed = |shown: &Value| shown["landed_packs"].as_u64().expect("a number");
    let mut shown = stack.ask(&["campaign", "show", &id]).await;
    while landed(&shown) < packs - 1 {
        stack.add_faulty_trainer(&[("FAULT_KILL", "AfterLand")]).await;
        stack.trainers.pop().expect("a trainer").wait().await;
        shown = stack.ask(&["campaign", "show", &id]).await;
    }
    assert_eq!((&shown["state"], &shown["outcomes"]), (&json!("running"), &json!({})), "{shown}");
    for step in ["AfterFit", "AfterBlob", "AfterLand"] {
        stack.add_faulty_trainer(&[("FAULT_KILL", step)]).await;
        stack.trainers.pop().expect("a trainer").wait().await;
    }
    stack.add_trainer().await;
    let done = until("the merge", || async {
        let shown = stack.ask(&["campaign", "show", &id]).await;
        (shown["state"] == "complete").then_some(shown)
    })
    .await;
    assert_eq!((&done["outcomes"], &done["landed_packs"]), (&json!({"trained": 1}), &json!(packs)), "{done}");
    assert_eq!(stack.ask(&["fits", "arrival_delay"]).await.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_scope_whose_shards_fail_ends_failed_with_the_reason() {
    let mut stack =
        Stack::start(Setup { trainers: 0, predictors: 0, gateway: false, ..Setup::default() }).await;
    stack.add_model(&cutting()).await;
    stack.add_faulty_trainer(&[("FAULT_POISON", "panic:carrier=B6")]).await;
    let ended =
        stack.enqueue(&[&["--json"][..], &words("train", &[&TWO, &FOREST, &["--wait"]])].concat()).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let done = ended.json();
    assert_eq!(done["outcomes"], json!({"trained": 1, "failed": 1}));
    assert!(
        done["failed"][0]["reason"].as_str().expect("a reason").contains("poisoned carrier=B6"),
        "{done}"
    );
}

/// A stack without trainers with a campaign of one scope in shards, and a connection such as a keeper has.
async fn ordered() -> (Stack, Broker, String, Vec<Pack>) {
    let stack = bare().await;
    stack.add_model(&cutting()).await;
    let order = [&TWO[..1], &["carrier=UA"], &FOREST].concat();
    let ordered = stack.ask(&words("train", &[&order])).await;
    let id = ordered["id"].as_str().expect("an id").to_owned();
    let patience = Some(Duration::from_secs(10));
    let request = ConnectRequest { url: stack.nats.url(), name: "test".into(), patience };
    let broker = Broker::connect(&request, &CancellationToken::new()).await.expect("a broker");
    let mut packs = Vec::new();
    while let Some(payload) = plans::get(&broker, &id, packs.len() as u32).await.expect("read") {
        packs.push(envelope::decode(&payload).expect("a pack"));
    }
    (stack, broker, id, packs)
}

#[tokio::test]
async fn only_shards_are_queued_and_a_cancelled_merge_ends_the_scope() {
    let (mut stack, broker, id, packs) = ordered().await;
    let (merge, shards) = packs.split_last().expect("packs");
    assert!(
        matches!(&merge.work, Work::Merge { shards: all, .. } if *all == (0..shards.len() as u32)),
        "{merge:?}"
    );
    let mut queued = jobs::waiting(&broker, &id).await.expect("looked");
    queued.sort_unstable();
    assert_eq!(queued, (0..shards.len() as u32).collect::<Vec<_>>());
    let record =
        bucket::campaigns(&broker).await.expect("the bucket").get(&id).await.expect("read").expect("there");
    let landing = Landing::without_fits(
        &record.value.spec,
        &shards[0],
        (OutcomeKind::Failed, "by the test"),
        "test",
        1,
    );
    assert_eq!((landing.outcomes.len(), landing.partial.is_some()), (0, true));
    assert!(ledger::land(&broker, &landing).await.expect("landed").first);
    stack.ask(&["campaign", "cancel", &id]).await;
    stack.add_trainer().await;
    let done = until("the end", || async {
        let shown = stack.ask(&["campaign", "show", &id]).await;
        (shown["state"] == "cancelled" && shown["landed_packs"] == shown["packs"]).then_some(shown)
    })
    .await;
    assert_eq!(done["outcomes"], json!({"cancelled": 1}), "{done}");
}

/// What a shard left is gone from the store: the merge learns the scope whole.
#[tokio::test]
async fn a_lost_piece_costs_time_and_no_fit() {
    let (mut stack, broker, id, packs) = ordered().await;
    stack.add_faulty_trainer(&[("FAULT_STOP", "AfterLand")]).await;
    let first = until("a landed shard", || async {
        for shard in 0..packs.len() as u32 - 1 {
            if let Some(landing) = ledger::landing(&broker, "arrival_delay", &id, shard).await.expect("read")
            {
                return Some(landing);
            }
        }
        None
    })
    .await;
    let blob = first.partial.and_then(|partial| partial.0.fit).expect("a piece").blob;
    let mut stack_store = walk(stack.store_folder());
    stack_store.retain(|path| path.to_string_lossy().contains(&blob));
    assert_eq!(stack_store.len(), 1, "{stack_store:?}");
    std::fs::remove_file(&stack_store[0]).expect("removed");
    stack.trainers.pop().expect("a trainer").kill().await;
    stack.add_trainer().await;
    let done = until("the end", || async {
        let shown = stack.ask(&["campaign", "show", &id]).await;
        (shown["state"] == "complete").then_some(shown)
    })
    .await;
    assert_eq!(
        (&done["outcomes"], &done["landed_packs"]),
        (&json!({"trained": 1}), &json!(packs.len())),
        "{done}"
    );
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
