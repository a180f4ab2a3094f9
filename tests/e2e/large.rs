//! A source that is larger than the memory for it, as it is and clustered.

use serde_json::json;
use tests::{Setup, Stack, flights};

const FINEST: [&str; 5] = ["train", "arrival_delay", "--scope", flights::SCOPES, "--wait"];

/// Six MiB for two threads: a pack's rows do not fit, some of its scopes' do.
const LITTLE: [(&str, &str); 2] = [("SCOPEFORGE_DATA_CACHE_MIB", "6"), ("SCOPEFORGE_LOG", "worker=debug")];

#[tokio::test]
async fn slices_of_a_large_source_and_of_a_clustered_one_train_the_same_fits() {
    let setup = Setup { predictors: 0, gateway: false, ..Setup::default() };
    let mut stack = Stack::start(setup).await;
    stack.add_model(&flights::spec()).await;
    let all = ["train", "arrival_delay", "--scope", flights::SCOPES, "--levels", "--wait"];
    let known = json!({"trained": 403, "too_few_rows": 88});
    assert_eq!(stack.ask(&all).await["outcomes"], known);

    // Nothing but equal fingerprints makes scopes unchanged.
    stack.trainers.remove(0).stop().await;
    stack.add_faulty_trainer(&LITTLE).await;
    let same = json!({"unchanged": 354, "too_few_rows": 85});
    assert_eq!(stack.ask(&FINEST).await["outcomes"], same);
    let done = stack.enqueue(&["train", "arrival_delay", "--scope", "carrier=UA|OO", "--wait"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    let failed = stack.ask(&["campaign", "list"]).await[0].clone();
    assert_eq!(failed["outcomes"], json!({"failed": 1, "too_few_rows": 1}), "{failed}");
    let reason = failed["failed"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("more than 3 MiB") && reason.contains("--data-cache-mib"), "{reason}");

    let out = stack.folder.path().join("flights.clustered.parquet");
    let out = out.to_str().expect("a path");
    let made = stack.ask(&["cluster", "arrival_delay", "--out", out, "--memory-mib", "16"]).await;
    assert_eq!((&made["rows"], &made["source"]), (&json!(336_776), &json!(out)));
    assert!(made["runs"].as_u64().expect("a count") > 1, "{made}");
    let spec = flights::spec();
    let before = spec.split('"').find(|part| part.ends_with(".parquet")).expect("a source");
    stack.add_model(&spec.replace(before, out)).await;
    assert_eq!(stack.ask(&FINEST).await["outcomes"], same);
    assert!(stack.trainers[0].log().contains("fetched_bytes"), "{}", stack.trainers[0].log());
    // Read whole, all levels are the same, too: equal times have kept their order.
    stack.trainers.remove(0).stop().await;
    stack.add_trainer().await;
    assert_eq!(stack.ask(&all).await["outcomes"], json!({"unchanged": 403, "too_few_rows": 88}));
}

#[tokio::test]
async fn what_cannot_be_clustered_is_wrong_usage_or_said() {
    let stack = Stack::start(Setup { trainers: 0, predictors: 0, gateway: false, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    let error = async |out: &str| {
        let done = stack.enqueue(&["cluster", "arrival_delay", "--out", out]).await;
        assert_ne!(done.code, 0, "{done:?}");
        done.err
    };
    assert!(error("x.csv").await.contains("must end in .parquet"));
    let there = stack.write("there.parquet", "something").display().to_string();
    assert!(error(&there).await.contains("is there already; --force replaces it"));
    assert_eq!(std::fs::read_to_string(&there).expect("the file"), "something");
    let source = tests::program::root().join("tests/data/flights.parquet").display().to_string();
    let done = stack.enqueue(&["cluster", "arrival_delay", "--out", &source, "--force"]).await;
    assert!(done.code != 0 && done.err.contains("is part of the source"), "{done:?}");
    assert!(error("/proc/none/x.parquet").await.contains("cannot be written"));
}
