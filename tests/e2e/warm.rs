//! Going on from yesterday's fit where only newer rows have come.

use serde_json::{Value, json};
use tests::{Setup, Stack};

/// Rows of two shops, hour by hour; `shift` moves all targets.
fn rows(hours: u32, shift: f64) -> String {
    let mut csv = String::from("shop,at,x,z,y\n");
    for hour in 0..hours {
        let at = format!("2024-01-{:02}T{:02}:00:00Z", 1 + hour / 24, hour % 24);
        for shop in ["a", "b"] {
            let (x, z) = (hour * 37 % 101, hour * hour % 53);
            let y = f64::from(3 * x) - 0.5 * f64::from(z) + f64::from(hour * 7 % 5) + shift;
            csv += &format!("{shop},{at},{x},{z},{y}\n");
        }
    }
    csv
}

fn spec(source: &str, learn: &str) -> String {
    format!(
        "name = \"m\"\n[data]\nsource = \"{source}\"\ntime = \"at\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\", \"z\"]\n{learn}\n"
    )
}

async fn train(stack: &Stack, outcomes: Value) -> Vec<Value> {
    let done = stack.ask(&["train", "m", "--scope", "shop=*", "--wait"]).await;
    assert_eq!(done["outcomes"], outcomes, "{done}");
    let fits = stack.ask(&["fits", "m"]).await;
    fits.as_array().expect("fits").clone()
}

fn number(fit: &Value, place: &str) -> f64 {
    fit.pointer(place).and_then(Value::as_f64).unwrap_or_else(|| panic!("{place} in {fit}"))
}

#[tokio::test]
async fn a_linear_fit_goes_on_and_is_that_of_all_rows() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    let source = stack.write("rows.csv", rows(400, 0.0)).display().to_string();
    stack.add_model(&spec(&source, "warm_start = true")).await;
    let first = train(&stack, json!({"trained": 2})).await;
    assert!(first.iter().all(|fit| fit.get("continues").is_none()), "{first:?}");
    train(&stack, json!({"unchanged": 2})).await;

    stack.write("rows.csv", rows(500, 0.0));
    let second = train(&stack, json!({"trained": 2})).await;
    for (fit, before) in second.iter().zip(&first) {
        assert_eq!(fit["continues"], before["fingerprint"]);
        assert_eq!((&fit["rows"], &fit["train_rows"]), (&json!(500), &json!(400)));
    }
    // And on from there.
    stack.write("rows.csv", rows(600, 0.0));
    let third = train(&stack, json!({"trained": 2})).await;
    assert_eq!(third[0]["continues"], second[0]["fingerprint"]);

    stack.add_model(&spec(&source, "")).await;
    for (anew, fit) in train(&stack, json!({"trained": 2})).await.iter().zip(&third) {
        assert_eq!(anew.get("continues"), None);
        for place in [
            "/parameters/intercept",
            "/parameters/coefficients/x",
            "/parameters/coefficients/z",
            "/metrics/rmse",
        ] {
            let (warm, cold) = (number(fit, place), number(anew, place));
            assert!((warm - cold).abs() <= 1e-8 * cold.abs().max(1.0), "{place}: {warm}, not {cold}");
        }
    }
}

#[tokio::test]
async fn other_rows_or_another_spec_start_anew() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    let source = stack.write("rows.csv", rows(400, 0.0)).display().to_string();
    stack.add_model(&spec(&source, "warm_start = true")).await;
    train(&stack, json!({"trained": 2})).await;
    // Older rows changed.
    stack.write("rows.csv", rows(500, 1.0));
    let changed = train(&stack, json!({"trained": 2})).await;
    assert!(changed.iter().all(|fit| fit.get("continues").is_none()), "{changed:?}");
    // The spec changed.
    stack.add_model(&spec(&source, "warm_start = true\nparams = { alpha = 2 }")).await;
    stack.write("rows.csv", rows(600, 1.0));
    let changed = train(&stack, json!({"trained": 2})).await;
    assert!(changed.iter().all(|fit| fit.get("continues").is_none()), "{changed:?}");
    // The blobs are gone.
    for entry in std::fs::read_dir(stack.store_folder()).expect("the store") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
            .expect("removed");
    }
    stack.write("rows.csv", rows(700, 1.0));
    let anew = train(&stack, json!({"trained": 2})).await;
    assert!(anew.iter().all(|fit| fit.get("continues").is_none()), "{anew:?}");
    for (learn, words) in [
        ("warm_start = true\nalgorithm = \"forest\"", "`forest` starts anew"),
        ("warm_start = true\nrefit = true", "goes with none of [learn.search], refit"),
    ] {
        stack.refuses_model(&spec(&source, learn), words).await;
    }
}

#[tokio::test]
async fn boosting_goes_on_with_a_few_more_trees() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    let source = stack.write("rows.csv", rows(600, 0.0)).display().to_string();
    let learn = "algorithm = \"boosting\"\nparams = { iterations = 50, min_leaf = 5 }";
    stack.add_model(&spec(&source, &format!("{learn}\nwarm_start = true"))).await;
    let first = train(&stack, json!({"trained": 2})).await;
    assert_eq!(first[0]["parameters"]["trees"], 50);
    stack.write("rows.csv", rows(660, 0.0));
    let second = train(&stack, json!({"trained": 2})).await;
    assert_eq!(second[0]["continues"], first[0]["fingerprint"]);
    // 48 of 528 training rows are new: 50 · 48/528, rounded up.
    assert_eq!(second[0]["parameters"]["trees"], 55);
    stack.add_model(&spec(&source, learn)).await;
    let anew = train(&stack, json!({"trained": 2})).await;
    let (warm, cold) = (number(&second[0], "/metrics/rmse"), number(&anew[0], "/metrics/rmse"));
    // On few hundred rows, trees of another history are as good up to some noise.
    assert!(warm <= 1.1 * cold, "{warm}, not {cold}");
}
