//! Scopes whose learners crash: the guilty ones end `failed` with what happened, all others land, the trainer lives on.

use serde_json::{Value, json};
use tests::{Setup, Stack};

const KINDS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// Forty rows for each kind.
fn rows() -> String {
    let row = |i: usize| format!("{},{i},{}\n", KINDS[i % KINDS.len()], 3 * i % 17);
    String::from("kind,x,y\n") + &(0..KINDS.len() * 40).map(row).collect::<String>()
}

async fn stack(limits: &str) -> Stack {
    let setup = Setup { trainers: 0, gateway: false, predictors: 0, ..Setup::default() };
    let stack = Stack::start(setup).await;
    let source = stack.write("rows.csv", rows());
    stack.add_model(&format!(
        "name = \"m\"\n[data]\nsource = \"{}\"\n[scope]\ndimensions = [\"kind\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\n[limits]\n{limits}\n",
        source.display()
    )).await;
    stack
}

fn reason<'a>(closed: &'a Value, scope: &str) -> &'a str {
    let failed = closed["failed"].as_array().expect("failures");
    let one =
        failed.iter().find(|one| one["scope"] == scope).unwrap_or_else(|| panic!("{scope} in {closed}"));
    one["reason"].as_str().expect("a reason")
}

#[tokio::test]
async fn each_poisoned_scope_fails_alone_with_what_happened() {
    let mut stack = stack("scope_seconds = 1\nscope_mib = 512").await;
    let poison = "panic:kind=b;loop:kind=d;stack:kind=e;memory:kind=g;signal:kind=h;exit:kind=k";
    stack.add_faulty_trainer(&[("FAULT_POISON", poison)]).await;
    let arguments = ["--json", "train", "m", "--scope", "kind=*", "--levels", "--wait"];
    let done = stack.enqueue(&arguments).await;
    assert_eq!(done.code, 1, "{done:?}");
    let closed = done.json();
    assert_eq!(closed["outcomes"], json!({"trained": 7, "failed": 6}), "{closed}");
    for (scope, words) in [
        ("kind=b", "the learner panicked: poisoned kind=b"),
        ("kind=d", "no end after 1 s"),
        ("kind=e", "stack overflow"),
        ("kind=g", "out of memory, the limit scope_mib is 512: memory allocation of 21474836480"),
        ("kind=h", "signal 4"),
        ("kind=k", "code 3"),
    ] {
        let reason = reason(&closed, scope);
        assert!(reason.contains(words), "{scope}: {reason}");
        assert!(scope == "kind=b" || reason.contains("peak memory"), "{scope}: {reason}");
    }
    let lag = stack.ask(&["lag"]).await;
    assert_eq!(
        (&lag["pending"], &lag["in_flight"], &lag["dead"]),
        (&json!(0), &json!(0), &json!(0)),
        "{lag}"
    );
    assert!(stack.trainers[0].is_alive(), "{}", stack.trainers[0].log());
    // The same again, by another trainer that is not poisoned: only what failed is trained.
    let failed = closed["id"].as_str().expect("an id");
    stack.trainers.pop().expect("a trainer").stop().await;
    stack.add_trainer().await;
    let again = stack.ask(&["campaign", "retry", failed, "--wait"]).await;
    assert_eq!((&again["outcomes"], &again["retry_of"]), (&json!({"trained": 6}), &closed["id"]));
    let whole = stack.ask(&["train", "m", "--scope", "kind=*", "--wait"]).await;
    assert_eq!(whole["outcomes"], json!({"unchanged": 12}));
    let none = stack.enqueue(&["campaign", "retry", again["id"].as_str().expect("an id")]).await;
    assert_eq!(none.code, 2, "{none:?}");
}

/// A source may have a million columns, a design matrix may not; neither troubles other models.
#[tokio::test]
async fn a_million_columns_train_and_a_million_categories_are_refused() {
    let mut stack = stack("attempts = 10").await;
    stack.add_trainer().await;
    let source = stack.write("wide.csv", tests::wide::csv());
    stack.add_model(&tests::wide::spec(&source)).await;
    let closed = stack.ask(&["train", "wide", "--scope", "shop=*", "--wait"]).await;
    assert_eq!(closed["outcomes"], json!({"trained": 2}), "{closed}");
    let many: String = (0..1_000_000).map(|i| format!("{},t{i},{i}\n", ["a", "b"][i % 2])).collect();
    let source = stack.write("many.csv", format!("shop,x,y\n{many}"));
    let spec = tests::wide::spec(&source).replace("features = [\"x\"]", "categorical = [\"x\"]");
    stack.add_model(&spec.replace("\"wide\"", "\"many\"")).await;
    let done = stack.enqueue(&["--json", "train", "many", "--scope", "shop=*", "--wait"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    let closed = done.json();
    assert_eq!(closed["outcomes"], json!({"failed": 2}), "{closed}");
    let reason = reason(&closed, "shop=a");
    assert!(
        reason.contains("one-hot encoding makes") && reason.contains("fewer distinct values"),
        "{reason}"
    );
    let other = stack.ask(&["train", "m", "--scope", "kind=*", "--wait"]).await;
    assert_eq!(other["outcomes"], json!({"trained": 12}));
}

/// A trainer that dies at each step of a pack's life: another one brings the campaign to its end, and each pack lands once.
#[tokio::test]
async fn a_trainer_killed_at_any_step_loses_and_doubles_nothing() {
    let mut stack = stack("attempts = 10").await;
    let steps = ["BeforeFit", "AfterFit", "AfterBlob", "AfterLand", "BeforeConfirm", "AfterConfirm"];
    for step in steps {
        stack.add_faulty_trainer(&[("FAULT_KILL", step), ("SCOPEFORGE_LEASE_SECONDS", "1")]).await;
        let ordered = stack.ask(&["train", "m", "--scope", "kind=*", "--levels", "--force"]).await;
        assert_eq!(stack.trainers.pop().expect("a trainer").wait().await, -1, "killed {step}");
        stack.add_trainer().await;
        let id = ordered["id"].as_str().expect("an id");
        let closed = stack.ask(&["campaign", "watch", id]).await;
        assert_eq!(closed["outcomes"], json!({"trained": 13}), "{step}: {closed}");
        assert_eq!(stack.trainers.pop().expect("a trainer").stop().await, 0);
    }
}
