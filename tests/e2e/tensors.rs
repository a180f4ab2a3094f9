//! Requests of the inference protocol that contradict themselves: each is refused with the reason.

use serde_json::{Value, json};
use tests::shops::{name, sold};
use tests::{Setup, Stack};

async fn stack() -> Stack {
    let stack = Stack::start(Setup::default()).await;
    stack.add_shops(2, "").await;
    stack.train_shops("shop=*", 2).await;
    stack
}

/// POSTs to a path of the protocol; status and JSON.
async fn post(stack: &Stack, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, Value) {
    let mut request = reqwest::Client::new().post(stack.url(path)).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

async fn infer(stack: &Stack, body: Value) -> (u16, Value) {
    post(stack, "/v2/models/shops/infer", &[], body.to_string().into_bytes()).await
}

/// Two rows: the shops' names, and a number each.
fn tensors() -> [Value; 2] {
    [
        json!({"name": "shop", "shape": [2], "datatype": "BYTES", "data": [name(0), name(1)]}),
        json!({"name": "x", "shape": [2], "datatype": "FP64", "data": [3.0, 4.0]}),
    ]
}

/// The second tensor with some of its keys changed.
fn changed(keys: Value) -> Value {
    let [shop, mut x] = tensors();
    for (key, value) in keys.as_object().expect("keys") {
        match value.is_null() {
            true => _ = x.as_object_mut().expect("a tensor").remove(key),
            false => x[key] = value.clone(),
        }
    }
    json!({"inputs": [shop, x]})
}

async fn all_are_refused(stack: &Stack, cases: Vec<(Value, u16, &str)>) {
    for (body, status, words) in cases {
        let (found, refusal) = infer(stack, body.clone()).await;
        let error = refusal["error"].as_str().unwrap_or_default();
        assert!(found == status && error.contains(words), "{body}: {found} {refusal}, not {words}");
    }
    let (status, answer) = infer(stack, json!({"inputs": tensors()})).await;
    assert!(status == 200, "{answer}");
    let values = answer["outputs"][0]["data"].as_array().expect("numbers");
    let near = |place: usize, x| (values[place].as_f64().expect("a number") - sold(place, x)).abs() < 1e-6;
    assert!(near(0, 3.0) && near(1, 4.0), "{answer}");
}

#[tokio::test]
async fn names_of_nothing_are_refused() {
    let stack = stack().await;
    let with = |more: Value| {
        let mut body = json!({"inputs": tensors()});
        body.as_object_mut().expect("a body").extend(more.as_object().expect("keys").clone());
        body
    };
    let cases = vec![
        (changed(json!({"name": "y"})), 400, "`y`: the model reads no such field"),
        (changed(json!({"name": "shopp"})), 400, "did you mean `shop`?"),
        (changed(json!({"name": "shop"})), 400, "it stands twice"),
        (changed(json!({"datatype": "FP16"})), 400, "`FP16` is not taken"),
        (changed(json!({"datatype": "fp64"})), 400, "`fp64` is not taken"),
        (with(json!({"outputs": [{"name": "prediction"}]})), 400, "did you mean `predictions`?"),
        (with(json!({"parameters": {"channel": "a.b"}})), 400, "channel"),
        (with(json!({"parameters": {"channel": 3}})), 400, "not a text"),
        (with(json!({"parameters": {"channel": "lvie"}})), 404, "did you mean `live`?"),
        (with(json!({"parameters": {"explain": true}})), 400, "`\"explain\": true` at /v1/models"),
        (with(json!({"parameters": {"explain": "yes"}})), 400, "`explain`"),
    ];
    all_are_refused(&stack, cases).await;
    let (status, answer) = infer(&stack, with(json!({"parameters": {"explain": false}}))).await;
    assert_eq!(status, 200, "{answer}");
    for (path, wanted, words) in [
        ("/v2/models/shop/infer", 404, "did you mean `shops`?"),
        ("/v2/models/shops/versions/1/infer", 404, "no `1`"),
        ("/v2/models/shops/infers", 404, "no route /v2/models/shops/infers"),
        ("/v2/models/shops", 405, "does not take POST"),
        ("/v2/models/%ff/infer", 400, "UTF-8"),
    ] {
        let body = json!({"inputs": tensors()}).to_string().into_bytes();
        let (status, refusal) = post(&stack, path, &[], body).await;
        assert!(
            status == wanted && refusal["error"].to_string().contains(words),
            "{path}: {status} {refusal}"
        );
    }
}

#[tokio::test]
async fn shapes_that_do_not_match_the_data_are_refused() {
    let stack = stack().await;
    let cases = vec![
        (changed(json!({"shape": [3]})), 400, "`x` has the shape [3]"),
        (changed(json!({"shape": [2, 2]})), 400, "`x` has the shape [2, 2]"),
        (changed(json!({"shape": []})), 400, "`x` has the shape []"),
        (changed(json!({"shape": [-1]})), 400, "-1"),
        (changed(json!({"shape": [u64::MAX]})), 400, "`x` has the shape"),
        (changed(json!({"data": [3.0]})), 400, "its data has 1"),
        (changed(json!({"data": [[3.0], [4.0], [5.0]]})), 400, "its data has 3"),
        (changed(json!({"data": 3.0})), 400, "its data has 1"),
        (changed(json!({"data": [3.0, "4"]})), 400, "no element of this datatype"),
        (changed(json!({"data": {"3": 4}})), 400, "no element of this datatype"),
        (changed(json!({"data": null})), 400, "neither `data` nor"),
        (json!({"inputs": []}), 400, "no inputs"),
        (json!({}), 400, "inputs"),
        (json!([]), 400, "inputs"),
        (json!({"inputs": [{"name": "x", "shape": [0], "datatype": "FP64", "data": []}]}), 400, "no rows"),
        (
            json!({"inputs": [{"name": "x", "shape": [u64::MAX], "datatype": "FP64", "data": []}]}),
            413,
            "100000",
        ),
    ];
    all_are_refused(&stack, cases).await;
}

#[tokio::test]
async fn binary_data_that_is_not_as_declared_is_refused() {
    let stack = stack().await;
    let binary = |size: Value| {
        let mut body = changed(json!({"data": null, "parameters": {"binary_data_size": 0}}));
        body["inputs"][1]["parameters"]["binary_data_size"] = size;
        body.to_string()
    };
    let numbers: Vec<u8> = [3.0f64, 4.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    let short = &numbers[..12];
    let long = [numbers.as_slice(), &[0; 4]].concat();
    let (whole, both) = (binary(json!(16)), changed(json!({"parameters": {"binary_data_size": 16}})));
    for (body, tail, length, status, words) in [
        (whole.clone(), numbers.as_slice(), None, 200, ""),
        (whole.clone(), short, None, 400, "declares 16 bytes of binary data, of which 12 are left"),
        (whole.clone(), &long, None, 400, "4 bytes of binary data belong to no input"),
        (binary(json!(12)), &numbers, None, 400, "no whole number"),
        (binary(json!(8)), &numbers, None, 400, "its data has 1"),
        (binary(json!(-1)), &numbers, None, 400, "no number of bytes"),
        (binary(json!(u64::MAX)), &numbers, None, 400, "of which 16 are left"),
        (both.to_string(), &numbers, None, 400, "both"),
        (whole.clone(), &numbers, Some("999999"), 400, "no place within the body"),
        (whole.clone(), &numbers, Some("-1"), 400, "no place within the body"),
        (whole.clone(), &numbers, Some("eleven"), 400, "no place within the body"),
        (whole.clone(), &numbers, Some("0"), 400, "not of the form"),
        (whole.clone(), &numbers, Some("20"), 400, "not of the form"),
    ] {
        let length = length.map_or(body.len().to_string(), str::to_owned);
        let headers = [("inference-header-content-length", length.as_str())];
        let sent = [body.as_bytes(), tail].concat();
        let (found, refusal) = post(&stack, "/v2/models/shops/infer", &headers, sent).await;
        let error = refusal["error"].as_str().unwrap_or_default();
        assert!(found == status && error.contains(words), "{body} {length}: {found} {refusal}");
    }
}

/// A row is at fault by itself where only its value is.
#[tokio::test]
async fn numbers_that_are_none_are_their_rows_errors() {
    let stack = stack().await;
    let (status, refusal) = post(
        &stack,
        "/v2/models/shops/infer",
        &[],
        changed(json!({})).to_string().replace("3.0", "1e400").into_bytes(),
    )
    .await;
    assert!(status == 400 && refusal["error"].to_string().contains("out of range"), "{refusal}");
    let mut body = changed(json!({"data": null, "parameters": {"binary_data_size": 16}}));
    body["outputs"] = json!([{"name": "predictions"}, {"name": "error"}]);
    for (number, words) in [(f64::NAN, "missing"), (f64::INFINITY, "too large")] {
        let body = body.to_string();
        let length = body.len().to_string();
        let headers = [("inference-header-content-length", length.as_str())];
        let tail: Vec<u8> = [number, 4.0].iter().flat_map(|number| number.to_le_bytes()).collect();
        let sent = [body.as_bytes(), &tail].concat();
        let (status, answer) = post(&stack, "/v2/models/shops/infer", &headers, sent).await;
        assert_eq!(status, 200, "{number}: {answer}");
        assert!(answer["outputs"][0]["data"][0].is_null() && answer["outputs"][0]["data"][1].is_f64());
        let error = answer["outputs"][1]["data"][0].as_str().expect("a text");
        assert!(error.contains(words), "{number}: {answer}");
    }
}
