//! Bad requests over HTTP: each is a clear problem, and the gateway lives on.

use serde_json::{Value, json};
use tests::{Setup, Stack, flights};

fn good() -> Value {
    json!({"carrier": "UA", "origin": "EWR", "dest": "IAH", "dep_delay": 12, "distance": 1400, "hour": 9,
           "month": 12, "day": 3, "time_hour": "2013-12-03T14:00:00Z"})
}

fn with(field: &str, value: Value) -> String {
    let mut row = good();
    row[field] = value;
    json!({"rows": [row]}).to_string()
}

#[tokio::test]
async fn each_bad_request_is_a_clear_problem() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", "", "--wait"]).await;
    let whole = json!({"rows": [good()]}).to_string();
    tests::until("the fit answering", || async {
        (stack.predict("arrival_delay", whole.clone()).await.0 == 200).then_some(())
    })
    .await;
    let mut lacking = good();
    lacking.as_object_mut().expect("a row").remove("distance");
    let many = format!("{{\"rows\":[{}{{}}]}}", "{},".repeat(100_000));
    let cases: Vec<(&str, String, u16, &str)> = vec![
        ("not JSON", "rows".into(), 400, "rows"),
        ("nothing", String::new(), 400, "rows"),
        ("cut off", whole[..40].into(), 400, "rows"),
        ("trailing bytes", format!("{whole}x"), 400, "trailing"),
        ("a list", "[]".into(), 400, "rows"),
        ("no rows", "{\"rows\": []}".into(), 400, "no rows"),
        ("no rows at all", "{}".into(), 400, "no rows"),
        ("a row that is none", "{\"rows\": [3]}".into(), 400, "row"),
        ("rows twice", "{\"rows\": [{}], \"rows\": [{}]}".into(), 400, "stands twice"),
        ("an unknown key", "{\"row\": []}".into(), 400, "did you mean `rows`?"),
        ("a missing feature", json!({"rows": [lacking]}).to_string(), 422, "missing"),
        ("a null feature", with("distance", Value::Null), 422, "missing"),
        ("a string for a number", with("distance", json!("far")), 422, "a number is required"),
        ("a NaN in a string", with("distance", json!("NaN")), 422, "a number is required"),
        ("a NaN", whole.replace("1400", "NaN"), 400, "rows"),
        ("an infinite number", whole.replace("1400", "1e999"), 400, "out of range"),
        ("a list for a number", with("distance", json!([1])), 422, "an array"),
        ("a bad time", with("time_hour", json!("yesterday")), 422, "yesterday"),
        ("too many rows", many, 413, "100000"),
        ("a bad channel", json!({"rows": [good()], "channel": "a.b"}).to_string(), 400, "channel"),
    ];
    for (what, body, status, expected) in cases {
        let (found, problem) = stack.predict("arrival_delay", body).await;
        assert_eq!(found, status, "{what}: {problem}");
        assert_eq!(problem["status"], status, "{what}: {problem}");
        assert!(problem.to_string().contains(expected), "{what}: {problem}");
    }
    let strange = stack.get("/v1/models/%ff").await;
    assert!(strange.0 == 400 && strange.1.contains("\"status\":400"), "{strange:?}");
    let field = stack.predict("arrival_delay", with("distance", json!("far"))).await.1;
    assert_eq!((&field["errors"][0]["row"], &field["errors"][0]["field"]), (&json!(0), &json!("distance")));
    let (status, problem) = stack.predict("arival_delay", whole.clone()).await;
    assert!(status == 404 && problem.to_string().contains("did you mean `arrival_delay`?"), "{problem}");
    for (path, status) in [
        ("/v1/modls", 404),
        ("/v1/campaigns/none", 404),
        ("/v1/models/arrival_delay/predict", 405),
        ("/v1/models/arrival_delay/fits?scope=carier%3DUA", 400),
        ("/v1/models/arrival_delay/fits?scop=", 400),
    ] {
        let (found, body) = stack.get(path).await;
        assert_eq!(found, status, "{path}: {body}");
        assert!(serde_json::from_str::<Value>(&body).expect("JSON")["detail"].is_string(), "{path}: {body}");
    }
    assert_eq!(stack.predict("arrival_delay", whole).await.0, 200);
}

#[tokio::test]
async fn a_body_of_65_mib_is_refused() {
    let stack = Stack::start(Setup { trainers: 0, predictors: 0, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    let url = stack.url("/v1/models/arrival_delay/predict");
    let body = vec![b' '; 65 * 1024 * 1024];
    let answer = reqwest::Client::new().post(url).body(body).send().await;
    // The server may close the connection before the body is through; what it says is the same.
    match answer {
        Ok(answer) => assert_eq!(answer.status(), 413),
        Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
    }
    assert_eq!(stack.get("/healthz").await.0, 200);
}

/// 100,000 rows over hundreds of scopes come back whole and in order.
#[tokio::test]
async fn the_largest_request_comes_back_in_order() {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=*", "--levels", "--wait"]).await;
    let carriers = ["UA", "DL", "AA", "nobody"];
    let rows: Vec<Value> = (0..100_000)
        .map(|i| {
            let mut row = good();
            row["carrier"] = json!(carriers[i % 4]);
            row["dep_delay"] = json!(i as f64 / 10.0);
            row
        })
        .collect();
    let body = json!({ "rows": rows }).to_string();
    let answer = tests::until("all fits answering", || async {
        let (status, answer) = stack.predict("arrival_delay", body.clone()).await;
        (status == 200 && answer["fits"].as_array().is_some_and(|fits| fits.len() == 4)).then_some(answer)
    })
    .await;
    let values: Vec<f64> = answer["predictions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| v.as_f64().expect("a number"))
        .collect();
    assert_eq!(values.len(), 100_000);
    for carrier in 0..4 {
        let own: Vec<f64> = values.iter().skip(carrier).step_by(4).copied().collect();
        assert!(own.windows(2).all(|pair| pair[0] < pair[1]), "predictions rise with the departure delay");
        let scope =
            answer["fits"][answer["fit_of"][carrier].as_u64().expect("a fit") as usize]["scope"].as_str();
        assert_eq!(
            scope,
            Some(
                if carrier == 3 { String::new() } else { format!("carrier={}", carriers[carrier]) }.as_str()
            )
        );
    }
}

async fn answers(stack: &Stack, model: &str, row: &Value) -> Value {
    tests::until("the fit answering", || async {
        let (status, answer) = stack.predict(model, json!({"rows": [row]}).to_string()).await;
        (status == 200).then_some(answer)
    })
    .await
}

/// Neighbours among 64-bit integers are one float.
#[tokio::test]
async fn integers_of_any_size_find_their_own_scope() {
    let stack = Stack::start(Setup::default()).await;
    let mut csv = String::from("user,y\n");
    for _ in 0..40 {
        csv += "1234567890123456769,1\n1234567890123456800,999\n18446744073709551615,-5\n";
    }
    let source = stack.write("rows.csv", csv).display().to_string();
    stack.add_model(&format!(
        "name = \"m\"\n[data]\nsource = \"{source}\"\n[scope]\ndimensions = [\"user\"]\n[learn]\ntarget = \"y\"\nalgorithm = \"mean\"\n"
    ))
    .await;
    stack.ask(&["train", "m", "--scope", "user=*", "--wait"]).await;
    for (user, expected) in
        [(1_234_567_890_123_456_769u64, 1.0), (1_234_567_890_123_456_800, 999.0), (u64::MAX, -5.0)]
    {
        let answer = answers(&stack, "m", &json!({"user": user})).await;
        assert_eq!(answer["predictions"], json!([expected]), "{answer}");
        assert_eq!(answer["fits"][0]["scope"], format!("user={user}"));
    }
}

/// Files write whole numbers as `7.0` where a column once was a float; callers write them as they like.
#[tokio::test]
async fn whole_numbers_find_their_scope_and_category_in_either_spelling() {
    let stack = Stack::start(Setup::default()).await;
    let row = |i: usize| {
        let (group, kind) = (7 + i % 2, 1 + i % 3);
        format!("{group}.0,{kind}.0,{i},{}\n", 1_000 * kind + 100 * group)
    };
    let source = stack.write("rows.csv", String::from("g,k,x,y\n") + &(0..120).map(row).collect::<String>());
    stack
        .add_model(&format!(
            "name = \"m\"\n[data]\nsource = \"{}\"\n[scope]\ndimensions = [\"g\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\ncategorical = [\"k\"]\nalgorithm = \"linear\"\n",
            source.display()
        ))
        .await;
    stack.ask(&["train", "m", "--scope", "g=*", "--levels", "--wait"]).await;
    for (group, kind) in [
        (json!(7.0), json!(2.0)),
        (json!(7), json!(2)),
        (json!("7.0"), json!("2")),
        (json!("7"), json!("2.0")),
    ] {
        let row = json!({"g": group, "k": kind, "x": 5});
        let answer = answers(&stack, "m", &row).await;
        let predicted = answer["predictions"][0].as_f64().expect("a number");
        assert!(
            (predicted - 2_700.0).abs() < 1e-6 && answer["fits"][0]["scope"] == "g=7.0",
            "{row}: {answer}"
        );
    }
    let answer = answers(&stack, "m", &json!({"g": 9, "k": 2, "x": 5})).await;
    assert_eq!(answer["fits"][0]["scope"], "", "{answer}");
}

/// A fit needs the fields that it was made with, whatever the spec says by now.
#[tokio::test]
async fn fits_of_an_older_spec_answer_on() {
    let stack = Stack::start(Setup::default()).await;
    let rows: Vec<String> = (0..50).map(|i| format!("{i},{},{}", i * i, 2 * i)).collect();
    let source = stack.write("rows.csv", format!("a,b,y\n{}\n", rows.join("\n"))).display().to_string();
    let spec = |features: &str| {
        format!(
            "name = \"m\"\n[data]\nsource = \"{source}\"\n[learn]\ntarget = \"y\"\nalgorithm = \"linear\"\nfeatures = {features}\n"
        )
    };
    stack.add_model(&spec("[\"a\"]")).await;
    stack.ask(&["train", "m", "--scope", "", "--wait"]).await;
    let before = answers(&stack, "m", &json!({"a": 3})).await;
    for features in ["[\"a\", \"b\"]", "[\"b\"]"] {
        stack.add_model(&spec(features)).await;
        let shown = || async {
            let model = stack.get("/v1/models/m").await.1;
            model.contains("\"b\"").then_some(())
        };
        tests::until("the gateway knowing the new spec", shown).await;
        assert_eq!(answers(&stack, "m", &json!({"a": 3})).await["predictions"], before["predictions"]);
        let (status, problem) = stack.predict("m", json!({"rows": [{"b": 3}]}).to_string()).await;
        assert!(status == 422 && problem["errors"][0]["field"] == "a", "{problem}");
    }
    // An order that fails leaves the fit answering, and listed.
    let order = ["--json", "train", "m", "--scope", "", "--wait", "--algorithm", "gamma"];
    let ended = stack.enqueue(&order).await.json();
    assert_eq!(ended["outcomes"], json!({"failed": 1}), "{ended}");
    let fits = stack.ask(&["fits", "m"]).await;
    assert_eq!((&fits[0]["outcome"], &fits[0]["algorithm"]), (&json!("trained"), &json!("linear")), "{fits}");
}
