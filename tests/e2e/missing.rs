//! Rows without some values, and categories in bins: from a spec to HTTP.

use serde_json::{Value, json};
use tests::{Setup, Stack};

/// What a shop sells by region; where the price is not known, it sells 100.
fn rows() -> String {
    let mut csv = String::from("shop,price,region,sold\n");
    for i in 0..120 {
        let (price, region) = (i % 9, ["north", "south", "east", "west", "far"][i % 5]);
        let sold = if matches!(region, "south" | "far") { 40 } else { 10 };
        match i % 4 {
            3 => csv += &format!("a,,{region},{}\n", sold + 100),
            1 if i % 8 == 1 => csv += &format!("a,{price},,{price}\n"),
            _ => csv += &format!("a,{price},{region},{}\n", sold + price),
        }
    }
    csv
}

fn spec(source: &str, learn: &str) -> String {
    format!(
        "name = \"m\"\n[data]\nsource = \"{source}\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntarget = \"sold\"\nfeatures = [\"price\"]\ncategorical = [\"region\"]\nholdout = 0\n{learn}\n"
    )
}

async fn trained(stack: &Stack, source: &str, learn: &str) -> Value {
    stack.add_model(&spec(source, learn)).await;
    let done = stack.ask(&["train", "m", "--scope", "shop=*", "--wait"]).await;
    assert_eq!(done["outcomes"], json!({"trained": 1}), "{done}");
    stack.ask(&["fits", "m"]).await[0].clone()
}

#[tokio::test]
async fn trees_learn_from_rows_without_some_values_and_answer_such_rows() {
    let stack = Stack::start(Setup::default()).await;
    let source = stack.write("rows.csv", rows()).display().to_string();
    for encoding in ["one_hot", "bins"] {
        let learn = format!("algorithm = \"tree\"\nmissing = \"keep\"\nencoding = \"{encoding}\"");
        let fit = trained(&stack, &source, &learn).await;
        assert_eq!((&fit["rows"], &fit["complete_rows"]), (&json!(120), &json!(120)), "{fit}");
        let row = |price: Value, region: Value| json!({"shop": "a", "price": price, "region": region});
        let rows = json!({"rows": [
            row(json!(2), json!("south")),
            row(Value::Null, json!("north")),
            row(json!(3), Value::Null),
            {"shop": "a", "region": "far"},
        ]});
        let (status, answer) = stack.predict("m", rows.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        let values: Vec<f64> = answer["predictions"]
            .as_array()
            .expect("predictions")
            .iter()
            .map(|one| one.as_f64().expect("a value"))
            .collect();
        let close = |own: &f64, expected: f64| (own - expected).abs() < 1e-9;
        let expected = [42.0, 110.0, 3.0, 140.0];
        assert!(values.iter().zip(expected).all(|(own, expected)| close(own, expected)), "{answer}");
        // A region that was never seen is one that is missing.
        let rows = json!({"rows": [row(json!(3), json!("nowhere")), row(json!(1e300), json!("west"))]});
        let (status, answer) = stack.predict("m", rows.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        if encoding == "bins" {
            assert!(close(&answer["predictions"][0].as_f64().expect("a value"), 3.0), "{answer}");
        }
    }
    // Without `missing`, the same rows are incomplete, and not answered.
    let fit = trained(&stack, &source, "algorithm = \"tree\"").await;
    assert_eq!((&fit["rows"], &fit["complete_rows"]), (&json!(120), &json!(75)), "{fit}");
    let (status, answer) = stack
        .predict("m", json!({"rows": [{"shop": "a", "price": null, "region": "far"}]}).to_string())
        .await;
    assert_eq!(status, 422, "{answer}");
    assert!(answer.to_string().contains("the field is missing"), "{answer}");
    for (learn, words) in [
        ("algorithm = \"ridge\"\nmissing = \"keep\"", "`keep` is for tree, forest, extra_trees and boosting"),
        ("algorithm = \"svr\"\nencoding = \"bins\"", "`svr` takes no such columns"),
        ("algorithm = \"tree\"\nmissing = \"fill\"", "fill"),
        (
            "algorithm = \"tree\"\nencoding = \"bins\"\n[learn.search]\nalgorithms = [\"tree\", \"knn\"]",
            "`knn` takes no such columns",
        ),
    ] {
        stack.refuses_model(&spec(&source, learn), words).await;
    }
}
