//! The queue under redelivery, garbage and death.

use std::time::Duration;

use async_nats::jetstream;
use futures::StreamExt;
use schemas::envelope;
use schemas::pack::Pack;
use schemas::subjects::{self, Priority};
use tests::flights::{self, SCOPES};
use tests::{Setup, Stack, until};

async fn trainer_only(trainers: usize) -> Stack {
    let stack = Stack::start(Setup { trainers, gateway: false, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    stack
}

/// The packs that wait in the queue, without taking them.
async fn packs(stack: &Stack) -> Vec<bytes::Bytes> {
    let js = jetstream::new(stack.nats.client().await);
    let mut stream = js.get_stream(subjects::JOBS_STREAM).await.expect("the queue");
    let last = stream.info().await.expect("its state").state.clone();
    let mut packs = Vec::new();
    for sequence in last.first_sequence..=last.last_sequence {
        packs.push(stream.get_raw_message(sequence).await.expect("a pack").payload);
    }
    packs
}

async fn landings(stack: &Stack) -> u64 {
    let js = jetstream::new(stack.nats.client().await);
    let mut stream = js.get_stream(subjects::LEDGER_STREAM).await.expect("the ledger");
    stream.info().await.expect("its state").state.messages
}

async fn drained(stack: &Stack) {
    until("an empty queue", || async {
        let lag = stack.ask(&["lag"]).await;
        (lag["pending"] == 0 && lag["in_flight"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_redelivered_pack_trains_nothing_twice() {
    // Another trainer declares the queue; the campaign is published while none is alive.
    let mut stack = trainer_only(1).await;
    stack.trainers.pop().expect("a trainer").stop().await;
    let ordered = stack.ask(&["train", "arrival_delay", "--scope", SCOPES, "--levels"]).await;
    let (id, planned) =
        (ordered["id"].as_str().expect("an id").to_owned(), ordered["packs"].as_u64().expect("packs"));
    let waiting = packs(&stack).await;
    assert_eq!(waiting.len() as u64, planned);
    stack.add_trainer().await;
    drained(&stack).await;
    assert_eq!(landings(&stack).await, planned);
    let before = stack.ask(&["fits", "arrival_delay"]).await;
    // The same packs once more, while the campaign is still open for them: as after a lost acknowledgement.
    let client = stack.nats.client().await;
    let js = jetstream::new(client);
    for (place, pack) in (0..).zip(&waiting) {
        js.publish(Priority::Normal.job("again", place), pack.clone())
            .await
            .expect("sent")
            .await
            .expect("stored");
    }
    drained(&stack).await;
    assert_eq!(landings(&stack).await, planned);
    assert_eq!(stack.ask(&["fits", "arrival_delay"]).await, before);
    let shown = stack.ask(&["campaign", "show", &id]).await;
    assert_eq!(shown["outcomes"], serde_json::json!({"trained": 403, "too_few_rows": 88}));
}

/// Two trainers get the very same pack at the same time: the ledger admits one landing.
#[tokio::test]
async fn the_ledger_admits_one_landing_of_each_pack() {
    let mut stack = trainer_only(1).await;
    stack.trainers.pop().expect("a trainer").stop().await;
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=*"]).await;
    let waiting = packs(&stack).await;
    let js = jetstream::new(stack.nats.client().await);
    for (place, pack) in (0..).zip(waiting.iter().cycle().take(waiting.len() * 5)) {
        js.publish(Priority::Normal.job("again", place), pack.clone())
            .await
            .expect("sent")
            .await
            .expect("stored");
    }
    stack.add_trainer().await;
    stack.add_trainer().await;
    drained(&stack).await;
    assert_eq!(landings(&stack).await, waiting.len() as u64);
}

#[tokio::test]
async fn the_packs_of_a_killed_trainer_go_to_another() {
    let mut stack = trainer_only(1).await;
    stack.trainers.pop().expect("a trainer").kill().await;
    let js = jetstream::new(stack.nats.client().await);
    let queue = js.get_stream(subjects::JOBS_STREAM).await.expect("the queue");
    let name = Priority::Normal.consumer();
    let consumer: jetstream::consumer::PullConsumer = queue.get_consumer(&name).await.expect("the consumer");
    // What a trainer holds when it is killed: taken, and never answered.
    let ordered = stack.ask(&["train", "arrival_delay", "--scope", "carrier=*"]).await;
    let mut taken = consumer.fetch().max_messages(100).messages().await.expect("packs");
    let mut held = 0;
    while let Some(message) = taken.next().await {
        message.expect("a pack");
        held += 1;
    }
    assert_eq!(Some(held), ordered["packs"].as_u64());
    stack.add_trainer().await;
    // A shorter lease, so that the test need not wait for the usual one.
    let config = jetstream::consumer::pull::Config {
        durable_name: Some(name.clone()),
        filter_subject: Priority::Normal.subjects(),
        ack_wait: Duration::from_millis(500),
        ..jetstream::consumer::pull::Config::default()
    };
    let kept = consumer.cached_info().config.clone();
    let config = jetstream::consumer::pull::Config {
        max_deliver: kept.max_deliver,
        max_ack_pending: kept.max_ack_pending,
        max_waiting: kept.max_waiting,
        ..config
    };
    queue.update_consumer(config).await.expect("a shorter lease");
    let id = ordered["id"].as_str().expect("an id").to_owned();
    until("the campaign closing", || async {
        (stack.ask(&["campaign", "show", &id]).await["state"] == "complete").then_some(())
    })
    .await;
}

#[tokio::test]
async fn garbage_and_messages_of_the_future_are_set_aside_and_the_trainer_lives_on() {
    let mut stack = trainer_only(1).await;
    let js = jetstream::new(stack.nats.client().await);
    let future = {
        let mut bytes =
            envelope::encode(&Pack { campaign: "c".into(), model: "m".into(), ..Pack::default() })
                .expect("a pack");
        assert_eq!(bytes[3], 1, "the envelope's version");
        bytes[3] = 99;
        bytes
    };
    let orphan = envelope::encode(&Pack { campaign: "nobody".into(), model: "m".into(), ..Pack::default() });
    let bad = [b"garbage".to_vec(), future, Vec::new(), orphan.expect("a pack")];
    for (place, payload) in (0..).zip(&bad) {
        js.publish(Priority::High.job("bad", place), payload.clone().into())
            .await
            .expect("sent")
            .await
            .expect("stored");
    }
    let lag = until("all four being set aside", || async {
        let lag = stack.ask(&["lag"]).await;
        (lag["dead"] == 4 && lag["in_flight"] == 0).then_some(lag)
    })
    .await;
    assert_eq!(lag["pending"], 0);
    stack.trainers[0].says("version 99").await;
    stack.trainers[0].says("no campaign nobody").await;
    assert!(stack.trainers[0].is_alive());
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA", "--wait"]).await;
}

#[tokio::test]
async fn lag_counts_what_waits_and_who_is_there() {
    let mut stack = trainer_only(2).await;
    let lag = stack.ask(&["lag"]).await;
    assert_eq!(
        (lag["trainers"].as_u64(), lag["predictors"].as_u64(), lag["dead"].as_u64()),
        (Some(2), Some(0), Some(0))
    );
    for trainer in stack.trainers.drain(..) {
        assert_eq!(trainer.stop().await, 0);
    }
    let ordered = stack.ask(&["train", "arrival_delay", "--scope", SCOPES, "--priority", "low"]).await;
    let lag = stack.ask(&["lag"]).await;
    assert_eq!(lag["pending"], ordered["packs"]);
    assert_eq!(lag["trainers"], 0);
    assert!(
        lag["seconds_of_work"].as_f64().is_some_and(|s| s > 0.0)
            && lag["oldest_seconds"].as_f64().is_some_and(|s| s > 0.0),
        "{lag}"
    );
    let text = stack.enqueue(&["lag"]).await.ok().out;
    assert!(text.contains("pending") && text.contains("trainers 0"), "{text}");
    let gone = stack
        .enqueue(&["train", "arrival_delay", "--scope", "carrier=UA", "--wait", "--wait-seconds", "1"])
        .await;
    assert_eq!(gone.code, 1);
    assert!(gone.err.contains("no trainer is alive") && gone.err.contains("no news"), "{gone:?}");
}

#[tokio::test]
async fn urgent_packs_go_first() {
    let mut stack = trainer_only(1).await;
    stack.trainers.pop().expect("a trainer").stop().await;
    let mut ids = Vec::new();
    for priority in ["low", "normal", "high"] {
        let ordered =
            stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA", "--priority", priority]).await;
        ids.push(ordered["id"].as_str().expect("an id").to_owned());
    }
    let js = jetstream::new(stack.nats.client().await);
    let mut command = stack.command("worker");
    command.args(["train", "--threads", "1"]);
    let _trainer = tests::Program::start(command);
    drained(&stack).await;
    let ledger = js.get_stream(subjects::LEDGER_STREAM).await.expect("the ledger");
    for (sequence, id) in (1..).zip(ids.iter().rev()) {
        let landing = ledger.get_raw_message(sequence).await.expect("a landing");
        assert!(landing.subject.contains(id.as_str()), "{} at place {sequence}", landing.subject);
    }
}
