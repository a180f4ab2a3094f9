//! Classes instead of numbers, from the spec to the answer over HTTP.

use serde_json::{Value, json};
use tests::{Setup, Stack, until};

/// Rows of two shops; `kind`, `grade` and `sold` follow x but for every eleventh row. Shop c sells one kind only.
fn csv() -> String {
    let row = |i: usize| {
        let shop = ["a", "b", "c"][i % 3];
        let class = if i.is_multiple_of(11) { (i / 11) % 3 } else { (i / 3) % 3 };
        let kind = if shop == "c" { "plum" } else { ["apple", "pear", "fig, dried"][class] };
        let (x, z) = ((i / 3) % 3 * 10 + i % 7, (i * 37) % 50);
        let at = format!("2020-01-{:02}T{:02}:{:02}:00Z", 1 + i / 1440, i / 60 % 24, i % 60);
        format!("{shop},{at},{x},{z},\"{kind}\",{},{}\n", class * 5, class > 0)
    };
    String::from("shop,at,x,z,kind,grade,sold\n") + &(0..900).map(row).collect::<String>()
}

fn spec(source: &std::path::Path, learn: &str) -> String {
    format!(
        "name = \"fruit\"\n[data]\nsource = \"{}\"\ntime = \"at\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntask = \"classification\"\nfeatures = [\"x\", \"z\"]\n{learn}\n",
        source.display()
    )
}

/// Trains anew and predicts by what was trained.
async fn answer(stack: &Stack, spec: &str, rows: Value) -> Value {
    stack.add_model(spec).await;
    let closed = stack.ask(&["train", "fruit", "--scope", "shop=*", "--levels", "--wait", "--force"]).await;
    assert_eq!(closed["outcomes"], json!({"trained": 4}), "{spec}");
    until("the new fits answering", || async {
        let (status, answer) = stack.predict("fruit", json!({ "rows": rows }).to_string()).await;
        let fits = answer["fits"]
            .as_array()
            .is_some_and(|fits| fits.iter().all(|fit| fit["campaign"] == closed["id"]));
        (status == 200 && fits).then_some(answer)
    })
    .await
}

fn row(shop: &str, x: f64) -> Value {
    json!({"shop": shop, "x": x, "z": 25})
}

async fn stack() -> (Stack, std::path::PathBuf) {
    let stack = Stack::start(Setup::default()).await;
    let source = stack.write("fruit.csv", csv());
    (stack, source)
}

#[tokio::test]
async fn every_classifier_answers_with_labels_and_their_probabilities() {
    let (stack, source) = stack().await;
    for algorithm in [
        "logistic",
        "naive_bayes",
        "linear_svm",
        "kernel_svm",
        "knn",
        "tree",
        "forest",
        "extra_trees",
        "boosting",
    ] {
        // Leaves of single rows would remember the odd ones.
        let params = if ["tree", "forest", "extra_trees"].contains(&algorithm) { "min_leaf = 8" } else { "" };
        let spec = spec(
            &source,
            &format!("target = \"kind\"\nalgorithm = \"{algorithm}\"\nparams = {{ {params} }}"),
        );
        let rows = json!([row("a", 3.0), row("a", 13.0), {"shop": "a", "x": "?", "z": 1}, row("b", 23.0), row("new", 3.0)]);
        let answer = answer(&stack, &spec, rows).await;
        let expected = json!(["apple", "pear", null, "fig, dried"]);
        assert_eq!(
            answer["predictions"].as_array().expect("predictions")[..4],
            *expected.as_array().expect("a list"),
            "{algorithm}: {answer}"
        );
        assert_eq!(answer["fits"][answer["fit_of"][4].as_u64().expect("a fit") as usize]["scope"], "");
        let probabilities = answer["probabilities"].as_array().expect("probabilities");
        assert!(probabilities[2].is_null());
        for (place, label) in [(0, "apple"), (1, "pear"), (3, "fig, dried")] {
            let own = probabilities[place].as_object().expect("an object");
            let p = |label: &str| own[label].as_f64().expect("a number");
            assert_eq!(own.keys().collect::<Vec<_>>(), ["apple", "fig, dried", "pear"]);
            assert!((p("apple") + p("pear") + p("fig, dried") - 1.0).abs() < 1e-9);
            assert!(p(label) >= 1.0 / 3.0 && own.values().all(|other| other.as_f64() <= Some(p(label))));
        }
        let fits = stack.ask(&["fits", "fruit", "--scope", "shop=a", "--scope", "shop=c"]).await;
        let metrics = &fits[0]["metrics"];
        assert!(metrics["accuracy"].as_f64() > Some(0.8), "{algorithm}: {metrics}");
        assert!(metrics["log_loss"].as_f64() < Some(5.0) && metrics["auc"].as_f64() > Some(0.9), "{metrics}");
        assert_eq!(fits[0]["parameters"]["classes"], json!(["apple", "fig, dried", "pear"]));
        // One class: a fit that always says it.
        assert_eq!(fits[1]["parameters"]["classes"], json!(["plum"]));
        assert_eq!(fits[1]["metrics"]["accuracy"], 1.0);
        assert!(stack.enqueue(&["fits", "fruit"]).await.ok().out.contains("log loss"));
    }
}

#[tokio::test]
async fn integers_and_booleans_are_answered_as_such() {
    let (stack, source) = stack().await;
    let rows = json!([row("a", 3.0), row("b", 23.0)]);
    let grades = spec(&source, "target = \"grade\"\nalgorithm = \"logistic\"\nparams = { c = 100.0 }");
    let answered = answer(&stack, &grades, rows.clone()).await;
    assert_eq!(answered["predictions"], json!([0, 10]));
    let fits = stack.ask(&["fits", "fruit", "--scope", "shop=a"]).await;
    assert_eq!(fits[0]["parameters"]["classes"], json!([0, 5, 10]), "in the order of numbers");
    assert_eq!(answered["probabilities"][0].as_object().expect("an object").len(), 3);
    let sold = spec(&source, "target = \"sold\"\nalgorithm = \"logistic\"");
    let answered = answer(&stack, &sold, rows).await;
    assert_eq!(answered["predictions"], json!([false, true]));
    // The probability of the second class by hand, from what `fits` says.
    let fits = stack.ask(&["fits", "fruit", "--scope", "shop=a"]).await;
    let function = &fits[0]["parameters"]["functions"][0];
    let number = |value: &Value| value.as_f64().expect("a number");
    let f = number(&function["intercept"])
        + 3.0 * number(&function["coefficients"]["x"])
        + 25.0 * number(&function["coefficients"]["z"]);
    let p = number(&answered["probabilities"][0]["true"]);
    assert!((p - 1.0 / (1.0 + (-f).exp())).abs() < 1e-12, "{p} is not that of {f}");
}

#[tokio::test]
async fn searches_choose_classifiers_by_their_log_loss() {
    let (stack, source) = stack().await;
    let learn = "target = \"kind\"\nalgorithm = \"logistic\"\n[learn.search]\nalgorithms = [\"logistic\", \"naive_bayes\", \"forest\"]\nparams = { c = [1e-9, 1.0], trees = [10] }\nfolds = 3";
    let answered = answer(&stack, &spec(&source, learn), json!([row("a", 13.0)])).await;
    assert_eq!(answered["predictions"], json!(["pear"]));
    let fits = stack.ask(&["fits", "fruit", "--scope", "shop=a"]).await;
    let candidates = fits[0]["candidates"].as_array().expect("candidates");
    let errors: Vec<f64> = candidates.iter().map(|one| one["error"].as_f64().expect("an error")).collect();
    assert_eq!(errors.len(), 4);
    // Without any weight all classes are alike: ln 3. With it they are not.
    assert!((errors[0] - 3f64.ln()).abs() < 0.05 && errors[1] < 0.8, "{errors:?}");
    let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
    let chosen = candidates.iter().find(|one| one["error"] == least).expect("the best");
    assert_eq!((&fits[0]["algorithm"], &fits[0]["params"]), (&chosen["algorithm"], &chosen["params"]));
}

#[tokio::test]
async fn a_task_that_does_not_fit_is_refused_by_name() {
    let (stack, source) = stack().await;
    let refused = async |learn: &str| {
        let file = stack.write("model.toml", spec(&source, learn));
        let finished = stack.enqueue(&["model", "add", &file.to_string_lossy()]).await;
        assert_eq!(finished.code, 2, "{finished:?}");
        finished.err
    };
    let error = refused("target = \"kind\"\nalgorithm = \"ridge\"").await;
    assert!(error.contains("`ridge` does no classification"), "{error}");
    let error =
        refused("target = \"kind\"\nalgorithm = \"logistic\"\n[learn.search]\nmetric = \"rmse\"").await;
    assert!(error.contains("metric: compares regression, but the task is classification"), "{error}");
}

/// The model predicts numbers by now, and shop b has a fit of classes still: where an answer's form has no room for both, that
/// is said.
#[tokio::test]
async fn fits_of_another_kind_answer_where_they_can_and_are_errors_elsewhere() {
    let (stack, source) = stack().await;
    let classes = spec(&source, "target = \"kind\"\nalgorithm = \"tree\"");
    let rows = json!([row("a", 3.0), row("b", 3.0)]);
    let before = answer(&stack, &classes, rows.clone()).await;
    let numbers = spec(&source, "target = \"grade\"\nalgorithm = \"ridge\"");
    stack.add_model(&numbers.replace("task = \"classification\"\n", "")).await;
    let closed = stack.ask(&["train", "fruit", "--scope", "shop=a", "--wait"]).await;
    let both = until("the number answering", || async {
        let (_, answer) = stack.predict("fruit", json!({ "rows": rows }).to_string()).await;
        (answer["fits"][0]["campaign"] == closed["id"]).then_some(answer)
    })
    .await;
    assert!(both["predictions"][0].is_number(), "{both}");
    assert_eq!(both["predictions"][1], before["predictions"][1], "the older fit answers on");

    let tensor = |name: &str, datatype: &str, data: Value| json!({"name": name, "shape": [2], "datatype": datatype, "data": data});
    let inputs = json!({"inputs": [tensor("shop", "BYTES", json!(["a", "b"])), tensor("x", "FP64", json!([3, 3])),
        tensor("z", "FP64", json!([25, 25]))]});
    let url = stack.url("/v2/models/fruit/infer");
    let sent = reqwest::Client::new().post(url).json(&inputs).send().await.expect("an answer");
    let tensors: Value = sent.json().await.expect("JSON");
    let output = |name: &str| {
        let all = tensors["outputs"].as_array().expect("outputs");
        all.iter().find(|output| output["name"] == name).unwrap_or_else(|| panic!("{tensors}"))["data"]
            .clone()
    };
    assert_eq!(output("predictions"), json!([both["predictions"][0], null]));
    let errors = output("error");
    assert!(
        errors[0] == "" && errors[1].as_str().is_some_and(|error| error.contains("predicts classes")),
        "{errors}"
    );

    let file = stack.write("in.csv", "shop,x,z\na,3,25\nb,3,25\n").display().to_string();
    let out = stack.folder.path().join("out.csv").display().to_string();
    let predicted = stack.enqueue(&["predict", "fruit", &file, "--out", &out]).await;
    assert!(
        predicted.code == 1 && predicted.out.contains("1 of 2 rows failed, the first is row 2"),
        "{predicted:?}"
    );
    let written = std::fs::read_to_string(&out).expect("an output");
    assert!(
        written
            .lines()
            .nth(2)
            .is_some_and(|line| line.starts_with("b,3,25,,") && line.contains("predicts classes")),
        "{written}"
    );
}
