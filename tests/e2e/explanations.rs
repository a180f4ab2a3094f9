//! Predictions taken apart into what each feature adds.

use serde_json::{Value, json};
use tests::shops::{name, row};
use tests::{Setup, Stack, until};

/// Waits until a campaign answers for one of some rows; gives the answer to all of them.
async fn answer(stack: &Stack, model: &str, campaign: &Value, place: usize, rows: &[Value]) -> Value {
    let body = json!({"rows": rows, "explain": true}).to_string();
    until("the fit answering", || async {
        let (status, answer) = stack.predict(model, body.clone()).await;
        let fit = answer["fit_of"][place].as_u64()?;
        (status == 200 && answer["fits"][fit as usize]["campaign"] == campaign["id"]).then_some(answer)
    })
    .await
}

/// Base and contributions, added up.
fn sum(explanation: &Value) -> f64 {
    let parts = explanation["contributions"].as_object().expect("contributions").values();
    explanation["base"].as_f64().expect("a base")
        + parts.map(|part| part.as_f64().expect("a number")).sum::<f64>()
}

async fn train(stack: &Stack, algorithm: &str, shop: usize, params: &[&str]) -> Value {
    let scope = format!("shop={}", name(shop));
    let arguments = ["train", "shops", "--wait", "--scope", &scope, "--algorithm", algorithm];
    let params: Vec<&str> = params.iter().flat_map(|param| ["--param", param]).collect();
    stack.ask(&[&arguments[..], &params].concat()).await
}

#[tokio::test]
async fn contributions_add_up_where_a_fit_is_a_sum_and_are_null_elsewhere() {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    stack.add_shops(5, "").await;
    let rows = [
        row(&name(0), 3.0),
        row(&name(1), 4.0),
        json!({"shop": name(0), "x": "much"}),
        row(&name(2), 5.0),
        row("nobody", 1.0),
        row(&name(0), 30.0),
        row(&name(3), 6.0),
        row(&name(4), 7.0),
    ];
    let mut last = Value::Null;
    for (shop, place, algorithm, params) in [
        (0, 0, "ridge", &[][..]),
        (1, 1, "forest", &["trees=10"]),
        (2, 3, "poisson", &[]),
        (3, 6, "boosting", &["iterations=20", "min_leaf=3"]),
        (4, 7, "knn", &[]),
    ] {
        let campaign = train(&stack, algorithm, shop, params).await;
        last = answer(&stack, "shops", &campaign, place, &rows).await;
    }
    let explanations = last["explanations"].as_array().expect("explanations");
    let value = |place: usize| last["predictions"][place].as_f64().expect("a prediction");
    assert_eq!(explanations.len(), rows.len(), "{last}");
    for place in [0, 1, 5, 6] {
        assert!((sum(&explanations[place]) - value(place)).abs() < 1e-9 * value(place).abs(), "{last}");
        let own = explanations[place]["contributions"]["x"].as_f64();
        assert!(own != Some(0.0) && own.is_some() && explanations[place]["link"].is_null(), "{last}");
    }
    assert_eq!(explanations[3]["link"], "log", "{last}");
    assert!((sum(&explanations[3]).exp() - value(3)).abs() < 1e-9 * value(3), "{last}");
    for place in [2, 4, 7] {
        assert!(explanations[place].is_null(), "{place}: {last}");
    }
    // Nobody pays for what nobody asks for.
    let (_, plain) = stack.predict("shops", json!({ "rows": rows }).to_string()).await;
    assert!(plain["explanations"].is_null() && plain["predictions"] == last["predictions"], "{plain}");
}

/// More than a predictor may explain at once comes in parts, and in order.
#[tokio::test]
async fn many_rows_of_a_forest_are_explained_part_by_part() {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    stack.add_shops(1, "").await;
    let campaign = train(&stack, "forest", 0, &["trees=300"]).await;
    let rows: Vec<Value> = (0..5_000).map(|at| row(&name(0), f64::from(at % 40))).collect();
    let answer = answer(&stack, "shops", &campaign, 0, &rows).await;
    let pairs = answer["explanations"].as_array().expect("explanations").iter();
    let pairs: Vec<(&Value, &Value)> =
        pairs.zip(answer["predictions"].as_array().expect("predictions")).collect();
    assert_eq!(pairs.len(), rows.len());
    for (explanation, prediction) in pairs {
        let prediction = prediction.as_f64().expect("a prediction");
        assert!((sum(explanation) - prediction).abs() < 1e-9 * (1.0 + prediction), "{explanation}");
    }
}

/// Fruit by where they grew, with some values missing; ripe or not, and of three grades.
fn fruit() -> String {
    let mut csv = String::from("shop,x,z,region,ripe,grade\n");
    for i in 0..300 {
        let (x, z, region) = (i % 31, i * 7 % 43, ["north", "south", "east", "west"][i * i % 4 + i % 3]);
        let points = x + z / 2 + if region == "south" { 20 } else { i % 5 };
        let x = if i % 13 == 5 { String::new() } else { x.to_string() };
        csv += &format!("a,{x},{z},{region},{},{}\n", points > 30, ["low", "mid", "top"][points / 25]);
    }
    csv
}

/// The probabilities that the sums of a row stand for.
fn linked(explanation: &Value) -> Vec<f64> {
    let link = explanation["link"].as_str().expect("a link");
    if explanation["classes"].is_null() {
        let second = if link == "logit" { 1.0 / (1.0 + (-sum(explanation)).exp()) } else { sum(explanation) };
        assert!(["logit", "probability"].contains(&link), "{link}");
        return vec![1.0 - second, second];
    }
    let sums = explanation["classes"].as_object().expect("classes").values().map(sum);
    match link {
        "probability" => sums.collect(),
        "softmax" => {
            let own: Vec<f64> = sums.map(f64::exp).collect();
            own.iter().map(|one| one / own.iter().sum::<f64>()).collect()
        }
        other => panic!("{other} is no link of classes"),
    }
}

#[tokio::test]
async fn classes_are_explained_up_to_their_probabilities() {
    let stack = Stack::start(Setup::default()).await;
    let source = stack.write("fruit.csv", fruit()).display().to_string();
    let whole = json!({"shop": "a", "x": 3, "z": 40, "region": "south"});
    let rows = [whole, json!({"shop": "a", "x": null, "z": 9, "region": "never seen"})];
    for (target, algorithm, params) in [
        ("ripe", "forest", "trees = 10"),
        ("ripe", "boosting", "iterations = 10"),
        ("grade", "tree", "min_leaf = 5"),
        ("grade", "extra_trees", "trees = 10"),
        ("grade", "boosting", "iterations = 10"),
        ("grade", "logistic", ""),
    ] {
        let trees = algorithm != "logistic";
        let keep = if trees { "missing = \"keep\"\nencoding = \"bins\"" } else { "" };
        stack
            .add_model(&format!(
                "name = \"fruit\"\n[data]\nsource = \"{source}\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntask = \"classification\"\nfeatures = [\"x\", \"z\"]\ncategorical = [\"region\"]\ntarget = \"{target}\"\nalgorithm = \"{algorithm}\"\nparams = {{ {params} }}\n{keep}\n"
            ))
            .await;
        let campaign = stack.ask(&["train", "fruit", "--scope", "shop=a", "--wait"]).await;
        let rows = if trees { &rows[..] } else { &rows[..1] };
        let answer = answer(&stack, "fruit", &campaign, 0, rows).await;
        for place in 0..rows.len() {
            let explanation = &answer["explanations"][place];
            let probabilities = answer["probabilities"][place].as_object().expect("probabilities");
            if let Some(classes) = explanation["classes"].as_object() {
                assert!(classes.keys().eq(probabilities.keys()), "{answer}");
            }
            let found = linked(explanation);
            assert_eq!((found.len(), target == "ripe"), (probabilities.len(), found.len() == 2), "{answer}");
            for (found, expected) in found.iter().zip(probabilities.values()) {
                let expected = expected.as_f64().expect("a number");
                assert!((found - expected).abs() < 1e-9, "{algorithm}: {found} is not {expected}: {answer}");
            }
            let one = if target == "ripe" { explanation } else { &explanation["classes"]["top"] };
            let features: Vec<&String> = one["contributions"].as_object().expect("features").keys().collect();
            assert_eq!(features, ["region", "x", "z"], "{answer}");
        }
    }
}
