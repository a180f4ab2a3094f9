//! Servers that are not there.

use tests::servers::free_port;
use tests::{Nats, Program, Setup, Stack, flights, program, until};
use tokio::process::Command;

fn command(name: &str, nats: &str, store: &str) -> Command {
    let mut command = tests::program::clean(Command::new(program(name)));
    command.env("SCOPEFORGE_NATS_URL", nats).env("SCOPEFORGE_STORE", store);
    command.env("SCOPEFORGE_STATE", "/nonexistent");
    command
}

#[tokio::test]
async fn an_absent_broker_is_named_and_given_up_after_the_stated_time() {
    let address = format!("127.0.0.1:{}", free_port());
    for name in ["enqueue", "worker", "gateway"] {
        let mut command = command(name, &format!("nats://me:secret@{address}"), "memory:");
        match name {
            "enqueue" => command.args(["lag"]),
            "worker" => command.args(["train"]),
            _ => command.args(["--listen", "127.0.0.1:0"]),
        };
        command.args(["--connect-wait-seconds", "1"]);
        let done = tests::program::finish(command).await;
        assert_eq!(done.code, 1, "{name}: {done:?}");
        assert!(done.err.contains(&address) && done.err.contains("no broker answers"), "{name}: {done:?}");
        assert!(!done.err.contains("secret") && !done.out.contains("secret"), "{name}: {done:?}");
    }
}

/// One server cannot keep three copies, and says so: whoever comes first has asked it for them.
#[tokio::test]
async fn every_program_that_comes_first_asks_for_as_many_copies_as_it_is_told() {
    for (name, arguments) in
        [("enqueue", ["lag"].as_slice()), ("worker", &["infer"]), ("gateway", &["--listen", "127.0.0.1:0"])]
    {
        let nats = Nats::start().await;
        let mut command = command(name, &nats.url(), "memory:");
        command.args(arguments).args(["--replicas", "3", "--connect-wait-seconds", "1"]);
        let done = tests::program::finish(command).await;
        assert_eq!(done.code, 1, "{name}: {done:?}");
        assert!(done.err.contains("replicas > 1 not supported"), "{name}: {done:?}");
    }
}

#[tokio::test]
async fn a_worker_waits_for_a_broker_that_comes_later() {
    let mut nats = Nats::start().await;
    nats.kill().await;
    let mut worker = command("worker", &nats.url(), "memory:");
    worker.arg("train");
    let mut worker = Program::start(worker);
    worker.says("trying again").await;
    nats.resume().await;
    worker.says("training").await;
    assert_eq!(worker.stop().await, 0);
}

#[tokio::test]
async fn an_absent_store_is_named() {
    let nats = Nats::start().await;
    let store = format!("redis://user:secret@127.0.0.1:{}", free_port());
    let mut worker = command("worker", &nats.url(), &store);
    worker.args(["infer", "--connect-wait-seconds", "1"]);
    let done = tests::program::finish(worker).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("no store answers at redis://127.0.0.1"), "{done:?}");
    assert!(!done.err.contains("secret"), "{done:?}");
    let mut worker = command("worker", &nats.url(), "ftp://x");
    worker.arg("train");
    assert!(tests::program::finish(worker).await.err.contains("names no store"));
}

#[tokio::test]
async fn a_broker_that_restarts_is_found_again() {
    let mut stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA", "--wait"]).await;
    stack.nats.kill().await;
    stack.nats.resume().await;
    until("readiness", || async { (stack.get("/readyz").await.0 == 200).then_some(()) }).await;
    let again = stack.ask(&["train", "arrival_delay", "--scope", "carrier=DL", "--wait"]).await;
    assert_eq!(again["outcomes"], serde_json::json!({"trained": 1}));
    let row = "{\"carrier\":\"DL\",\"dep_delay\":1,\"distance\":1,\"hour\":1,\"month\":1,\"day\":1,\"time_hour\":\"2013-12-03\"}";
    let body = format!("{{\"rows\":[{row}]}}");
    until("the new fit answering", || async {
        (stack.predict("arrival_delay", body.clone()).await.0 == 200).then_some(())
    })
    .await;
}
