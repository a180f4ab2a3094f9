//! What operators do to campaigns and to the queue.

use std::time::Duration;

use async_nats::jetstream;
use futures::StreamExt;
use schemas::subjects;
use serde_json::json;
use tests::flights::{self, SCOPES};
use tests::{Setup, Stack, until};

async fn stack(trainers: usize) -> Stack {
    let stack = Stack::start(Setup { trainers, gateway: false, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    stack
}

const ORDER: [&str; 5] = ["train", "arrival_delay", "--scope", SCOPES, "--levels"];

#[tokio::test]
async fn a_cancelled_campaign_ends_at_once_with_every_scope_accounted_for() {
    let mut stack = stack(0).await;
    let queued = stack.ask(&ORDER).await;
    let id = queued["id"].as_str().expect("an id");
    let ended = stack.ask(&["campaign", "cancel", id]).await;
    assert_eq!((&ended["state"], &ended["outcomes"]), (&json!("cancelled"), &json!({"cancelled": 491})));
    assert_eq!(stack.ask(&["lag"]).await["pending"], 0);
    let twice = stack.enqueue(&["campaign", "cancel", id]).await;
    assert_eq!(twice.code, 2, "{twice:?}");
    let again = stack.ask(&["campaign", "retry", id]).await;
    assert_eq!((&again["planned"], &again["retry_of"]), (&json!(491), &json!(id)));
    stack.ask(&["campaign", "cancel", again["id"].as_str().expect("an id")]).await;
    // One whose learners are at work: they are ended, and the trainer takes the next campaign.
    stack.add_faulty_trainer(&[("FAULT_POISON", "loop:carrier=UA")]).await;
    let running = stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA"]).await;
    let id = running["id"].as_str().expect("an id");
    until("the pack being out", || async { (stack.ask(&["lag"]).await["in_flight"] == 1).then_some(()) })
        .await;
    let ended = stack.ask(&["campaign", "cancel", id]).await;
    assert_eq!((&ended["state"], &ended["outcomes"]), (&json!("cancelled"), &json!({"cancelled": 1})));
    let next = stack.ask(&["train", "arrival_delay", "--scope", "carrier=DL|AA|B6", "--wait"]).await;
    assert_eq!(next["outcomes"], json!({"trained": 3}));
    let finished = stack.enqueue(&["campaign", "cancel", next["id"].as_str().expect("an id")]).await;
    assert!(finished.code == 2 && finished.err.contains("complete already"), "{finished:?}");
}

#[tokio::test]
async fn a_held_queue_hands_out_nothing_until_it_is_released() {
    let stack = stack(1).await;
    stack.ask(&["pause"]).await;
    let ordered = stack.ask(&ORDER).await;
    let lag = stack.ask(&["lag"]).await;
    assert_eq!((&lag["paused"], &lag["pending"]), (&json!(true), &ordered["packs"]));
    let id = ordered["id"].as_str().expect("an id");
    let waited = stack.enqueue(&["campaign", "watch", id, "--wait-seconds", "3"]).await;
    assert_eq!(waited.code, 1, "{waited:?}");
    stack.ask(&["resume"]).await;
    let closed = stack.ask(&["campaign", "watch", id]).await;
    assert_eq!(closed["outcomes"], json!({"trained": 403, "too_few_rows": 88}));
}

/// Whatever the queue or the producer loses, a keeper finds: the packs of a campaign on record are queued again.
#[tokio::test]
async fn packs_that_the_queue_lost_are_queued_again() {
    let mut stack = stack(0).await;
    let ordered = stack.ask(&ORDER).await;
    let js = jetstream::new(stack.nats.client().await);
    let queue = js.get_stream(subjects::JOBS_STREAM).await.expect("the queue");
    queue.purge().await.expect("an empty queue");
    stack.add_trainer().await;
    let closed = stack.ask(&["campaign", "watch", ordered["id"].as_str().expect("an id")]).await;
    assert_eq!(closed["outcomes"], json!({"trained": 403, "too_few_rows": 88}));
    // Its packs are no more needed.
    until("the packs being forgotten", || async {
        let mut plans = js.get_stream(subjects::PLANS_STREAM).await.expect("the plans");
        (plans.info().await.expect("its state").state.messages == 0).then_some(())
    })
    .await;
}

/// A message that nobody lives to answer is set aside by a keeper, and its scopes end.
#[tokio::test]
async fn packs_that_were_delivered_too_often_end_failed_and_can_be_retried() {
    let mut stack = stack(0).await;
    let ordered = stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA|DL"]).await;
    let id = ordered["id"].as_str().expect("an id");
    let js = jetstream::new(stack.nats.client().await);
    let queue = js.get_stream(subjects::JOBS_STREAM).await.expect("the queue");
    let name = subjects::Priority::Normal.consumer();
    let consumer: jetstream::consumer::PullConsumer = queue.get_consumer(&name).await.expect("the consumer");
    let kept = consumer.cached_info().config.clone();
    queue
        .update_consumer(jetstream::consumer::pull::Config {
            durable_name: Some(name.clone()),
            filter_subject: kept.filter_subject,
            max_ack_pending: kept.max_ack_pending,
            max_waiting: kept.max_waiting,
            max_deliver: 2,
            ack_wait: Duration::from_millis(100),
            ..jetstream::consumer::pull::Config::default()
        })
        .await
        .expect("other settings");
    until("all deliveries being used up", || async {
        let mut taken = consumer.fetch().max_messages(100).messages().await.expect("packs");
        let mut seen = 0;
        while let Some(message) = taken.next().await {
            message.expect("a pack");
            seen += 1;
        }
        let info = queue.consumer_info(&name).await.expect("the consumer");
        (seen == 0 && info.num_ack_pending == 0 && info.num_pending == 0).then_some(())
    })
    .await;
    stack.add_trainer().await;
    let closed = until("the campaign ending", || async {
        let shown = stack.ask(&["campaign", "show", id]).await;
        (shown["state"] == "complete").then_some(shown)
    })
    .await;
    assert_eq!(closed["outcomes"], json!({"failed": 2}), "{closed}");
    let dead = stack.ask(&["dead", "list"]).await;
    let place = dead[0]["id"].as_u64().expect("an id").to_string();
    assert!(dead[0]["reason"].as_str().is_some_and(|reason| reason.contains("no trainer lived")), "{dead}");
    let shown = stack.ask(&["dead", "show", &place]).await;
    assert_eq!(shown["pack"]["campaign"], id, "{shown}");
    // A dead pack does not stand in the way of a new campaign on its scopes; and it can be trained again itself.
    let again = stack.ask(&["dead", "retry", &place]).await;
    let again = stack.ask(&["campaign", "watch", again.as_str().expect("an id")]).await;
    assert_eq!(again["retry_of"], id);
    let next = stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA|DL", "--wait"]).await;
    assert_eq!(next["outcomes"].as_object().map(|ends| ends.contains_key("failed")), Some(false), "{next}");
    assert_eq!(stack.enqueue(&["dead", "show", &place]).await.code, 2);
}

#[tokio::test]
async fn dead_messages_are_listed_shown_queued_again_and_dropped() {
    let stack = stack(1).await;
    let js = jetstream::new(stack.nats.client().await);
    let subject = subjects::Priority::High.job("bad", 0);
    js.publish(subject.clone(), "garbage".into()).await.expect("sent").await.expect("stored");
    let count = |wanted: usize| {
        let stack = &stack;
        until("the dead being counted", move || async move {
            let dead = stack.ask(&["dead", "list"]).await;
            (dead.as_array().map(Vec::len) == Some(wanted)).then_some(dead)
        })
    };
    let dead = count(1).await;
    let place = dead[0]["id"].as_u64().expect("an id");
    let shown = stack.ask(&["dead", "show", &place.to_string()]).await;
    assert_eq!((&shown["subject"], &shown["payload"]), (&json!(subject), &json!("garbage")));
    stack.ask(&["dead", "retry", &place.to_string()]).await;
    // It is no better the second time: set aside again, under its new place.
    let dead = until("it being set aside again", || async {
        let dead = stack.ask(&["dead", "list"]).await;
        dead[0]["id"].as_u64().filter(|again| *again != place)
    })
    .await;
    stack.ask(&["dead", "drop", &dead.to_string()]).await;
    count(0).await;
    assert_eq!(stack.enqueue(&["dead", "drop", "99"]).await.code, 2);
}

/// A trainer that is told to end hands back what it cannot finish in its grace: no lease has to run out.
#[tokio::test]
async fn a_leaving_trainer_hands_back_what_it_cannot_finish_and_a_second_signal_ends_it_at_once() {
    let mut stack = stack(0).await;
    // The lease is longer than any test waits.
    let faults = [
        ("FAULT_POISON", "loop:carrier=UA"),
        ("SCOPEFORGE_GRACE_SECONDS", "1"),
        ("SCOPEFORGE_LEASE_SECONDS", "600"),
    ];
    stack.add_faulty_trainer(&faults).await;
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA"]).await;
    let out = || async { (stack.ask(&["lag"]).await["in_flight"] == 1).then_some(()) };
    until("the pack being out", out).await;
    let leaving = stack.trainers.pop().expect("a trainer");
    assert_eq!(leaving.stop().await, 0);
    let mut next = stack.command("faulty-worker");
    next.args(["train", "--threads", "1"]).env("FAULT_POISON", "loop:carrier=UA");
    let mut next = tests::Program::start(next);
    next.says("training").await;
    next.says("redelivered").await;
    tests::program::signal(next.id(), "TERM").await;
    next.says("ending").await;
    tests::program::signal(next.id(), "TERM").await;
    assert_eq!(next.wait().await, 130);
}

/// A trainer that dies between writing and landing leaves a blob that nothing names; a sweep removes it, and nothing else.
#[tokio::test]
async fn a_sweep_removes_what_nothing_names_and_tells_what_is_missing() {
    let mut stack = stack(0).await;
    stack.add_faulty_trainer(&[("FAULT_KILL", "AfterBlob"), ("SCOPEFORGE_LEASE_SECONDS", "1")]).await;
    let ordered = stack.ask(&["train", "arrival_delay", "--scope", "carrier=*"]).await;
    assert_eq!(stack.trainers.pop().expect("a trainer").wait().await, -1);
    stack.add_trainer().await;
    stack.ask(&["campaign", "watch", ordered["id"].as_str().expect("an id")]).await;
    let before = stack.ask(&["fits", "arrival_delay"]).await;
    stack.write("store/notes.txt", "not ours");
    let young = stack.ask(&["sweep"]).await;
    assert_eq!((young["removed"].as_u64(), young["orphans"].as_u64() >= Some(2)), (Some(0), true), "{young}");
    let swept = stack.ask(&["sweep", "--older-than-seconds", "0"]).await;
    assert_eq!(swept["removed"].as_u64(), young["orphans"].as_u64().map(|orphans| orphans - 1), "{swept}");
    assert_eq!(stack.ask(&["fits", "arrival_delay"]).await, before);
    assert!(stack.store_folder().join("notes.txt").is_file());
    for blob in std::fs::read_dir(stack.store_folder()).expect("the store").flatten() {
        std::fs::remove_file(blob.path()).expect("removed");
    }
    let missing = stack.enqueue(&["--json", "sweep"]).await;
    assert_eq!(missing.code, 1, "{missing:?}");
    assert_eq!(
        missing.json()["missing"].as_array().map(Vec::len),
        swept["named"].as_u64().map(|n| n as usize)
    );
}
