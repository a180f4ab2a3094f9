//! Rows that count differently, by a column of the source.

use serde_json::json;
use tests::{Setup, Stack};

fn spec(source: &str, learn: &str) -> String {
    format!(
        "name = \"m\"\n[data]\nsource = \"{source}\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntarget = \"y\"\nweight = \"w\"\n{learn}\n"
    )
}

#[tokio::test]
async fn rows_count_what_their_weight_says() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    let mut csv = String::from("shop,x,y,w\n");
    for i in 0..40 {
        // Rows that count three times as much are 4 higher; one of shop b counts less than nothing, one has no weight.
        csv += &format!("a,{i},{},{}\n", if i % 2 == 0 { 10 } else { 14 }, if i % 2 == 0 { 1 } else { 3 });
        csv += &format!("b,{i},1,{}\n", if i == 20 { -1 } else { 1 });
        csv += &format!("c,{i},5,{}\n", if i == 7 { "" } else { "0.5" });
    }
    let source = stack.write("rows.csv", csv).display().to_string();
    stack.add_model(&spec(&source, "algorithm = \"mean\"\nholdout = 0.5")).await;
    let ended = stack.enqueue(&["--json", "train", "m", "--scope", "shop=*", "--wait"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let done = ended.json();
    assert_eq!(done["outcomes"], json!({"trained": 2, "failed": 1}), "{done}");
    assert_eq!(done["failed"][0]["scope"], "shop=b");
    let reason = done["failed"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("weight -1") && reason.contains("0 or more"), "{reason}");
    let fits = stack.ask(&["fits", "m"]).await;
    let a = &fits[0];
    assert_eq!(a["parameters"]["intercept"], 13.0, "{a}");
    // √((1 · 3² + 3 · 1²)/4), and (1 · 3 + 3 · 1)/4.
    assert!((a["metrics"]["rmse"].as_f64().expect("a score") - 3f64.sqrt()).abs() < 1e-12, "{a}");
    assert_eq!(a["metrics"]["mae"], 1.5, "{a}");
    let c = fits.as_array().expect("fits").iter().find(|fit| fit["scope"] == "shop=c").expect("shop c");
    assert_eq!((&c["rows"], &c["complete_rows"]), (&json!(40), &json!(39)));

    for (learn, words) in [
        (
            "algorithm = \"svr\"\nfeatures = [\"x\"]",
            "`svr` takes no weights; these do: mean, linear, ridge, lasso",
        ),
        (
            "algorithm = \"ridge\"\nfeatures = [\"x\"]\n[learn.search]\nalgorithms = [\"ridge\", \"knn\"]",
            "`knn` takes no weights",
        ),
    ] {
        stack.refuses_model(&spec(&source, learn), words).await;
    }
}

/// A search weighs its errors too: the candidate that is right where it matters wins.
#[tokio::test]
async fn searches_weigh_errors() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    let mut csv = String::from("shop,x,y,w\n");
    for i in 0..100 {
        // Rows that count little are far off.
        let noise = if i % 5 == 0 { 1_000 * (i % 3) } else { 0 };
        csv += &format!("a,{i},{},{}\n", 2 * i + noise, if i % 5 == 0 { 0.0 } else { 1.0 });
    }
    let source = stack.write("rows.csv", csv).display().to_string();
    let search = "features = [\"x\"]\n[learn.search]\nalgorithms = [\"mean\", \"linear\"]";
    stack.add_model(&spec(&source, search)).await;
    stack.ask(&["train", "m", "--scope", "shop=a", "--wait"]).await;
    let fit = stack.ask(&["fits", "m"]).await[0].clone();
    assert_eq!(fit["algorithm"], "linear", "{fit}");
    assert!(fit["candidates"][1]["error"].as_f64() < Some(1e-6), "{fit}");
    assert!(fit["metrics"]["rmse"].as_f64() < Some(1e-6), "{fit}");
}
