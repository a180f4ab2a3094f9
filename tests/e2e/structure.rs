//! Models without a target: clusters, components and anomalies, from a spec to HTTP.

use serde_json::{Value, json};
use tests::{Setup, Stack};

/// Two groups of rows in each of two shops, far apart, and one row that is like no other.
fn rows() -> String {
    let mut csv = String::from("shop,price,amount\n");
    for shop in ["a", "b"] {
        for i in 0..60 {
            let (price, amount) =
                if i % 2 == 0 { (10 + i % 5, 100 + i % 7) } else { (50 + i % 5, 20 + i % 7) };
            csv += &format!("{shop},{price},{amount}\n");
        }
        csv += &format!("{shop},900,900\n");
    }
    csv
}

async fn stack() -> (Stack, String) {
    let stack = Stack::start(Setup::default()).await;
    let source = stack.write("rows.csv", rows()).display().to_string();
    (stack, source)
}

fn spec(source: &str, learn: &str) -> String {
    format!(
        "name = \"m\"\n[data]\nsource = \"{source}\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\nfeatures = [\"price\", \"amount\"]\nholdout = 0.25\n{learn}\n"
    )
}

async fn trained(stack: &Stack, source: &str, learn: &str) -> Value {
    stack.add_model(&spec(source, learn)).await;
    let done = stack.ask(&["train", "m", "--scope", "shop=*", "--wait"]).await;
    assert_eq!(done["outcomes"], json!({"trained": 2}), "{done}");
    let again = stack.ask(&["train", "m", "--scope", "shop=*", "--wait"]).await;
    assert_eq!(again["outcomes"], json!({"unchanged": 2}), "{again}");
    stack.ask(&["fits", "m", "--scope", "shop=a"]).await[0].clone()
}

async fn answers(stack: &Stack) -> Value {
    let row = |price: u32, amount: u32| json!({"shop": "a", "price": price, "amount": amount});
    let rows = json!({"rows": [row(11, 101), row(52, 22), row(12, 103), row(900, 900)]});
    let (status, answer) = stack.predict("m", rows.to_string()).await;
    assert_eq!((status, answer["errors"].as_array().is_none_or(Vec::is_empty)), (200, true), "{answer}");
    answer
}

#[tokio::test]
async fn rows_get_the_cluster_they_belong_to() {
    let (stack, source) = stack().await;
    for algorithm in ["kmeans", "gaussian_mixture"] {
        let learn = format!("algorithm = \"{algorithm}\"\nparams = {{ clusters = 2, seed = 1 }}");
        let fit = trained(&stack, &source, &learn).await;
        assert!(fit["metrics"]["silhouette"].is_f64(), "{fit}");
        let centres = fit["parameters"]["centres"].as_array().expect("centres");
        let mut prices: Vec<f64> = centres.iter().map(|c| c["price"].as_f64().expect("a price")).collect();
        prices.sort_by(f64::total_cmp);
        assert!((prices[0] - 12.0).abs() < 1.0 && (prices[1] - 52.0).abs() < 1.0, "{fit}");
        let answer = answers(&stack).await;
        let clusters = answer["predictions"].as_array().expect("predictions");
        assert_eq!(clusters[0], clusters[2]);
        assert_ne!(clusters[0], clusters[1]);
        let own = clusters[0].to_string();
        assert!(answer["probabilities"][0][&own].as_f64() > Some(0.99), "{answer}");
    }
}

#[tokio::test]
async fn rows_get_a_score_for_each_component() {
    let (stack, source) = stack().await;
    let fit = trained(&stack, &source, "algorithm = \"pca\"\nparams = { components = 2 }").await;
    let ratios = fit["parameters"]["explained_variance_ratio"].as_array().expect("ratios");
    let total: f64 = ratios.iter().map(|ratio| ratio.as_f64().expect("a ratio")).sum();
    assert!((total - 1.0).abs() < 1e-9 && ratios[0].as_f64() > Some(0.9), "{fit}");
    let answer = answers(&stack).await;
    assert!(answer["predictions"].as_array().expect("predictions").iter().all(|scores| {
        scores.as_array().is_some_and(|scores| scores.len() == 2 && scores.iter().all(Value::is_f64))
    }));
    let first = |row: usize| answer["predictions"][row][0].as_f64().expect("a score");
    assert!((first(0) - first(2)).abs() < 5.0 && (first(0) - first(1)).abs() > 50.0, "{answer}");
    assert_eq!(answer.get("probabilities"), None);
}

#[tokio::test]
async fn rows_like_no_other_get_a_high_anomaly_score() {
    let (stack, source) = stack().await;
    let fit = trained(&stack, &source, "algorithm = \"isolation_forest\"").await;
    assert!(fit["metrics"]["anomaly_score"].is_f64() && fit["parameters"]["trees"] == 100, "{fit}");
    let answer = answers(&stack).await;
    let score = |row: usize| answer["predictions"][row].as_f64().expect("a score");
    assert!((0..3).all(|row| score(row) < 0.6) && score(3) > 0.6, "{answer}");
}

#[tokio::test]
async fn a_target_or_a_search_is_refused_where_there_is_nothing_to_learn() {
    let (stack, source) = stack().await;
    let cases = [
        ("algorithm = \"kmeans\"\ntarget = \"price\"", "clusters are found in the features alone"),
        (
            "algorithm = \"pca\"\n[learn.search]\nparams = { components = [1, 2] }",
            "no error by which candidates",
        ),
        ("algorithm = \"ridge\"", "[learn] target: names no column"),
        ("algorithm = \"ridge\"\ntask = \"clusters\"", "does no clusters"),
    ];
    for (learn, words) in cases {
        stack.refuses_model(&spec(&source, learn), words).await;
    }
    // A scope with fewer rows than clusters fails alone, with what to do.
    stack
        .add_model(&spec(&source, "min_rows = 10\nalgorithm = \"kmeans\"\nparams = { clusters = 200 }"))
        .await;
    let ended = stack.enqueue(&["--json", "train", "m", "--scope", "shop=a", "--wait"]).await;
    let reason = ended.json()["failed"][0]["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("rows cannot make 200 clusters"), "{reason}");
    let same = stack.write("same.csv", format!("shop,price,amount\n{}", "a,1,2\n".repeat(40)));
    stack.add_model(&spec(&same.display().to_string(), "algorithm = \"pca\"")).await;
    let ended = stack.enqueue(&["--json", "train", "m", "--scope", "shop=a", "--wait"]).await;
    let reason = ended.json()["failed"][0]["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("no feature varies"), "{reason}");
}
