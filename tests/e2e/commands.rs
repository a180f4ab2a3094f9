//! Commands: plans, and bad input with exit code 2.

use tests::flights::{self, SCOPES};
use tests::{Setup, Stack};

async fn broker_only() -> Stack {
    Stack::start(Setup { trainers: 0, predictors: 0, gateway: false, ..Setup::default() }).await
}

/// Runs a command that must be refused with exit code 2 and a message that has `expected` in it.
async fn refused(stack: &Stack, arguments: &[&str], expected: &str) {
    let done = stack.enqueue(arguments).await;
    assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
    assert!(done.err.contains(expected), "{arguments:?}: {expected:?} is not in {}", done.err);
}

#[tokio::test]
async fn a_plan_counts_without_publishing() {
    let stack = broker_only().await;
    stack.add_model(&flights::spec()).await;
    let plan = stack.ask(&["plan", "arrival_delay", "--scope", SCOPES, "--levels"]).await;
    assert_eq!(plan["scopes"], 491);
    let levels: Vec<u64> = plan["levels"]
        .as_array()
        .expect("levels")
        .iter()
        .map(|l| l["scopes"].as_u64().expect("a count"))
        .collect();
    assert_eq!(levels, [439, 35, 16, 1]);
    assert_eq!(
        (&plan["levels"][3]["rows_largest"], &plan["levels"][0]["rows_smallest"]),
        (&336_776.into(), &1.into())
    );
    let text = stack.enqueue(&["plan", "arrival_delay", "--scope", "carrier=UA|DL"]).await.ok().out;
    assert!(text.contains("2 scopes in 1 pack,") && text.contains("58,665"), "{text}");
    let lag = stack.ask(&["lag"]).await;
    assert_eq!(
        (&lag["pending"], stack.ask(&["campaign", "list"]).await.as_array().map(Vec::len)),
        (&0.into(), Some(0))
    );
}

#[tokio::test]
async fn patterns_add_up_and_scopes_are_planned_once() {
    let stack = broker_only().await;
    stack.add_model(&flights::spec()).await;
    let scopes = |patterns: &'static [&'static str]| {
        let stack = &stack;
        async move {
            let mut arguments = vec!["plan", "arrival_delay"];
            patterns.iter().for_each(|pattern| arguments.extend(["--scope", *pattern]));
            stack.ask(&arguments).await["scopes"].as_u64().expect("a count")
        }
    };
    assert_eq!(scopes(&["carrier=UA", "carrier=*", "carrier=UA|DL"]).await, 16);
    assert_eq!(scopes(&[""]).await, 1);
    assert_eq!(scopes(&["carrier=UA,time=2013-01|2013-02|last:30d"]).await, 3);
    assert_eq!(scopes(&["origin=*,dest=IAH"]).await, 3);
}

#[tokio::test]
async fn bad_orders_are_refused_with_the_right_name() {
    let stack = broker_only().await;
    refused(&stack, &["plan", "arrival_delay", "--scope", ""], "there are none yet").await;
    stack.add_model(&flights::spec()).await;
    let order = |rest: &[&'static str]| [&["train", "arrival_delay"][..], rest].concat();
    refused(&stack, &["plan", "arival_delay", "--scope", ""], "did you mean `arrival_delay`?").await;
    refused(&stack, &["plan", "../x", "--scope", ""], "has '.' in it").await;
    refused(&stack, &order(&["--scope", "carier=UA"]), "did you mean `carrier`?").await;
    refused(&stack, &order(&["--scope", "carrier=ZZ"]), "matches nothing").await;
    let planned = stack.enqueue(&["plan", "arrival_delay", "--scope", "carrier=UA|DLL"]).await;
    assert!(
        planned.code == 0 && planned.err.contains("`carrier` is never `DLL`; did you mean `DL`?"),
        "{planned:?}"
    );
    let many: Vec<String> = (0..500).map(|value| format!("no{value}")).collect();
    let scope = format!("carrier=UA|{}", many.join("|"));
    let planned = stack.enqueue(&["--json", "plan", "arrival_delay", "--scope", &scope]).await;
    assert!(planned.code == 0 && planned.err.contains("`no9` and 490 more"), "{planned:?}");
    assert_eq!(planned.json()["scopes"], 1);
    refused(&stack, &order(&["--scope", "carrier=UA,time=2020"]), "matches nothing").await;
    let planned = stack.enqueue(&["plan", "arrival_delay", "--scope", "carrier=UA,time=2013-01|2020"]).await;
    assert!(planned.code == 0 && planned.err.contains("no row lies within time=2020-01-01T"), "{planned:?}");
    assert!(!planned.err.contains("time=2013"), "{planned:?}");
    refused(&stack, &order(&["--scope", "time=2013-07..2013-01"]), "ends before it starts").await;
    refused(&stack, &order(&["--scope", "carrier=UA", "--algorithm", "rigde"]), "did you mean `ridge`?")
        .await;
    refused(&stack, &order(&["--scope", "carrier=UA", "--param", "alfa=1"]), "did you mean `alpha`?").await;
    refused(&stack, &order(&["--scope", "carrier=UA", "--param", "alpha=-1"]), "between").await;
    refused(&stack, &order(&["--scope", "carrier=UA", "--param", "alpha"]), "NAME=VALUE").await;
    refused(&stack, &order(&[]), "--scope").await;
    refused(&stack, &["campaign", "show", "none"], "no campaign `none`").await;
    refused(&stack, &["fits", "arrival_delay", "--scope", "carrier=*"], "patterns").await;
    refused(&stack, &["model", "add", "no/such/file.toml"], "no/such/file.toml").await;
    assert_eq!(stack.ask(&["campaign", "list"]).await, serde_json::json!([]));
}

#[tokio::test]
async fn bad_specs_and_sources_are_refused() {
    let stack = broker_only().await;
    let add = |name: &str, spec: String| {
        let file = stack.write(name, spec);
        let stack = &stack;
        async move { stack.enqueue(&["model", "add", &file.to_string_lossy()]).await }
    };
    let spec = flights::spec();
    let source = spec.split('"').find(|part| part.ends_with(".parquet")).expect("a source").to_owned();
    let long = "x".repeat(300);
    let torn = {
        let whole = std::fs::read(&source).expect("the data");
        stack.write("torn.parquet", &whole[..whole.len() / 2])
    };
    let text = stack.write("text.parquet", "carrier,origin\nUA,EWR\n");
    let empty = stack.write("empty.parquet", "");
    let path = |file: &std::path::PathBuf| file.to_string_lossy().into_owned();
    let cases: Vec<(&str, &str, String, &str)> = vec![
        ("a slash", "arrival_delay", "a/b".into(), "'/'"),
        ("dots", "arrival_delay", "..".into(), "'.'"),
        ("a space", "arrival_delay", "a b".into(), "' '"),
        ("300 characters", "arrival_delay", long, "300"),
        ("an unknown column", "\"distance\"", "\"distanse\"".into(), "did you mean `distance`?"),
        ("an unknown dimension", "\"carrier\"", "\"carier\"".into(), "did you mean `carrier`?"),
        ("a text target", "target = \"arr_delay\"", "target = \"carrier\"".into(), "holds texts"),
        ("an unknown key", "min_rows", "min_row".into(), "min_row"),
        ("no such source", source.as_str(), "/no/such/file.parquet".into(), "no such file"),
        ("an empty source", source.as_str(), path(&empty), "empty"),
        ("a torn source", source.as_str(), path(&torn), "torn.parquet"),
        ("no parquet", source.as_str(), path(&text), "text.parquet"),
    ];
    let header = "carrier,origin,dest,dep_delay,distance,hour,month,day,time_hour,arr_delay";
    let line = |delay: &str| format!("UA,EWR,IAH,{delay},1400,9,12,3,2013-12-03T14:00:00Z,3\n");
    let twice = stack.write("twice.csv", format!("{header},hour\n{}", line("12").replace(",3\n", ",3,4\n")));
    let number = stack.write("number.csv", format!("{header}\n{}{}{}", line("1"), line("x7"), line("2")));
    let cases = cases.into_iter().chain([
        ("two columns of a name", source.as_str(), path(&twice), "two columns `hour`"),
        ("a text among numbers", source.as_str(), path(&number), "row 2"),
        ("a text among numbers", source.as_str(), path(&number), "x7"),
    ]);
    for (what, from, to, expected) in cases {
        assert!(spec.contains(from), "{what}: {from} is not in the spec");
        let done = add("bad.toml", spec.replace(from, &to)).await;
        assert_eq!(done.code, 2, "{what}: {done:?}");
        assert!(done.err.contains(expected), "{what}: {expected:?} is not in {}", done.err);
    }
    assert_eq!(stack.ask(&["model", "list"]).await, serde_json::json!([]));
    // A model can be added before its data is there; then the order is refused.
    let file = stack.write("later.toml", spec.replace(&source, "/no/such/file.parquet"));
    stack.enqueue(&["model", "add", "--unchecked", &file.to_string_lossy()]).await.ok();
    refused(&stack, &["plan", "arrival_delay", "--scope", ""], "no such file").await;
}

/// A source that is damaged after the campaign was planned: its scopes end `failed`, named, and the trainer lives on.
#[tokio::test]
async fn a_source_that_breaks_later_fails_its_scopes() {
    let mut stack = broker_only().await;
    let original =
        flights::spec().split('"').find(|part| part.ends_with(".parquet")).expect("a source").to_owned();
    let copy = stack.write("copy.parquet", std::fs::read(&original).expect("the data"));
    stack.add_model(&flights::spec().replace(&original, &copy.to_string_lossy())).await;
    let ordered = stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA|DL"]).await;
    std::fs::write(&copy, "not parquet at all").expect("the file can be written");
    stack.add_trainer().await;
    let watched =
        stack.enqueue(&["--json", "campaign", "watch", ordered["id"].as_str().expect("an id")]).await;
    assert_eq!(watched.code, 1, "{watched:?}");
    let closed = watched.json();
    assert_eq!(closed["outcomes"], serde_json::json!({"failed": 2}));
    assert!(closed["failed"][0]["reason"].as_str().expect("a reason").contains("copy.parquet"), "{closed}");
    assert!(stack.trainers[0].is_alive());
}

#[tokio::test]
async fn every_command_has_help_with_an_example() {
    let stack = broker_only().await;
    let commands: [&[&str]; 13] = [
        &[],
        &["model"],
        &["model", "add"],
        &["model", "list"],
        &["model", "show"],
        &["plan"],
        &["train"],
        &["campaign", "list"],
        &["campaign", "show"],
        &["campaign", "watch"],
        &["lag"],
        &["fits"],
        &["dev"],
    ];
    for command in commands {
        let help = stack.enqueue(&[command, &["--help"]].concat()).await.ok().out;
        assert!(help.contains("Usage:"), "{command:?}: {help}");
        if command != ["model"] {
            assert!(
                help.contains("enqueue ") && (help.contains("Example") || help.contains("Begin with")),
                "{command:?}: {help}"
            );
        }
    }
}

/// Compose and Kubernetes hand on variables that nobody has filled in.
#[tokio::test]
async fn variables_that_are_set_to_nothing_count_as_not_set() {
    let names = [
        "SCOPEFORGE_REPLICAS",
        "SCOPEFORGE_CONNECT_WAIT_SECONDS",
        "SCOPEFORGE_LOG_FORMAT",
        "SCOPEFORGE_JSON",
        "SCOPEFORGE_THREADS",
        "SCOPEFORGE_GRACE_SECONDS",
        "SCOPEFORGE_FIT_CACHE_MIB",
        "SCOPEFORGE_DATA_CACHE_MIB",
        "SCOPEFORGE_DEADLINE_MS",
        "SCOPEFORGE_PREDICT_HERE",
    ];
    let environment = names.map(|name| (name, String::new())).to_vec();
    let stack = Stack::start(Setup { environment, ..Setup::default() }).await;
    stack.add_shops(2, "").await;
    stack.train_shops("shop=*", 2).await;
}
