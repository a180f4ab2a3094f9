//! `enqueue dev`.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tests::program::{Finished, clean, finish, root, signal};
use tests::{Program, flights, program, servers, until};
use tokio::process::Command;

fn command(state: &Path) -> Command {
    let mut command = clean(Command::new(program("enqueue")));
    command
        .env("SCOPEFORGE_STATE", state)
        .env("SCOPEFORGE_NATS_SERVER", servers::nats_server())
        .current_dir(root());
    command
}

async fn enqueue(state: &Path, arguments: &[&str]) -> Finished {
    let mut command = command(state);
    command.args(arguments);
    finish(command).await
}

async fn dev(state: &Path) -> (Program, Value) {
    let mut starting = command(state);
    starting.args(["dev", "--listen", "127.0.0.1:0", "--trainers", "1"]);
    let process = Program::start(starting);
    let file = state.join("dev.json");
    let addresses = until("dev.json", || async {
        let addresses: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        (addresses["pid"] == process.id()).then_some(addresses)
    })
    .await;
    (process, addresses)
}

/// The processes whose command line has `mark` in it.
fn processes(mark: &str) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").expect("the process list").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let marked = |id: &u32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let arguments = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        !arguments.is_empty()
            && [environment, arguments].iter().any(|text| String::from_utf8_lossy(text).contains(mark))
    };
    ids.filter(marked).collect()
}

#[tokio::test]
async fn a_restart_keeps_models_and_fits() {
    let folder = TempDir::new().expect("a folder");
    let state = folder.path().join("state");
    let spec = folder.path().join("model.toml");
    std::fs::write(&spec, flights::spec()).expect("the spec");
    let (first, addresses) = dev(&state).await;
    for key in ["gateway", "nats", "store"] {
        assert!(addresses[key].is_string(), "{addresses}");
    }
    enqueue(&state, &["model", "add", &spec.to_string_lossy()]).await.ok();
    enqueue(&state, &["train", "arrival_delay", "--scope", "carrier=UA", "--wait"]).await.ok();
    let before = enqueue(&state, &["--json", "fits", "arrival_delay"]).await.ok().json();
    let second = enqueue(&state, &["dev"]).await;
    assert_eq!(second.code, 2, "two stacks must not share a folder: {second:?}");
    assert_eq!(first.stop().await, 0);
    assert!(!state.join("dev.json").exists());
    let (second, addresses) = dev(&state).await;
    assert_eq!(enqueue(&state, &["--json", "fits", "arrival_delay"]).await.ok().json(), before);
    let url =
        format!("{}/v1/models/arrival_delay/predict", addresses["gateway"].as_str().expect("an address"));
    let row = "{\"carrier\":\"UA\",\"dep_delay\":1,\"distance\":1,\"hour\":1,\"month\":1,\"day\":1,\"time_hour\":\"2013-12-03\"}";
    let body = format!("{{\"rows\":[{row}]}}");
    runtime::objects::install_tls();
    until("the kept fit answering", || async {
        let answer = reqwest::Client::new().post(&url).body(body.clone()).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    assert_eq!(second.stop().await, 0);
    assert_eq!(processes(&state.to_string_lossy()), Vec::<u32>::new());
}

#[tokio::test]
async fn children_do_not_outlive_a_killed_stack() {
    let folder = TempDir::new().expect("a folder");
    let mark = folder.path().to_string_lossy().into_owned();
    let (process, _) = dev(folder.path()).await;
    // The stack itself, broker, trainer, predictor, gateway.
    assert_eq!(processes(&mark).len(), 5);
    process.kill().await;
    until("all children ending", || async { processes(&mark).is_empty().then_some(()) }).await;
}

#[tokio::test]
async fn a_worker_that_ends_is_started_again() {
    let folder = TempDir::new().expect("a folder");
    let (mut process, _) = dev(folder.path()).await;
    let is_trainer = |id: &u32| {
        let arguments = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains("train\0")
    };
    let mark = folder.path().to_string_lossy().into_owned();
    let trainer = processes(&mark).into_iter().find(is_trainer).expect("a trainer");
    signal(trainer, "KILL").await;
    process.says("trainer-1 was killed by signal 9").await;
    until("a new trainer", || async {
        let lag = enqueue(folder.path(), &["--json", "lag"]).await.ok().json();
        (lag["trainers"] == 1).then_some(())
    })
    .await;
    assert_eq!(process.stop().await, 0);
}

#[tokio::test]
async fn an_old_broker_is_named_with_what_is_needed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().expect("a folder");
    let old = folder.path().join("nats-server");
    std::fs::write(&old, "#!/bin/sh\necho 'nats-server: v2.9.10'\n").expect("a program");
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).expect("a program");
    let mut command = command(folder.path());
    command.env("SCOPEFORGE_NATS_SERVER", &old).arg("dev");
    let done = finish(command).await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("2.9.10") && done.err.contains("2.14.5"), "{done:?}");
}
