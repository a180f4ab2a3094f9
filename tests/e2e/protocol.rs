//! What others make of the gateway: a stock client of the Open Inference Protocol, and a tester that knows its OpenAPI.

use reqwest::Method;
use serde_json::{Value, json};
use tests::program::{Finished, finish, root};
use tests::servers::python_clients;
use tests::{Setup, Stack, flights, until};
use tokio::process::Command;

/// Rows of two scopes with a fit, between them one without.
fn rows() -> Vec<Value> {
    let row = |(carrier, delay): (&str, f64)| {
        json!({"carrier": carrier, "origin": "EWR", "dest": "IAH", "dep_delay": delay, "distance": 1400, "hour": 9,
               "month": 12, "day": 3, "time_hour": "2013-12-03T14:00:00Z"})
    };
    [("UA", 12.5), ("nobody", 1.0), ("DL", -3.0), ("UA", 90.5)].map(row).to_vec()
}

/// A stack whose model answers for two carriers, and the answer to [`rows`].
async fn trained() -> (Stack, Value) {
    let stack = Stack::start(Setup { predictors: 2, ..Setup::default() }).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA|DL", "--wait"]).await;
    let body = json!({ "rows": rows() }).to_string();
    let answer = until("both fits answering", || async {
        let (status, answer) = stack.predict("arrival_delay", body.clone()).await;
        (status == 200 && answer["fits"].as_array().is_some_and(|fits| fits.len() == 2)).then_some(answer)
    })
    .await;
    (stack, answer)
}

/// Runs Python in the stack's folder, where it may leave what it likes.
async fn python(stack: &Stack, arguments: &[&str]) -> Finished {
    let mut command = Command::new(python_clients());
    command.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(stack.folder.path());
    finish(command).await
}

#[tokio::test]
async fn the_stock_client_of_the_inference_protocol_works() {
    let (stack, expected) = trained().await;
    let file = stack.write("rows.json", json!(rows()).to_string());
    let script = root().join("tests/e2e/triton_client.py").display().to_string();
    let address = format!("127.0.0.1:{}", stack.port);
    let told =
        python(&stack, &[&script, &address, "arrival_delay", &file.to_string_lossy()]).await.ok().json();
    let states = ["live", "ready", "model_ready", "nothing_ready"].map(|name| told[name].as_bool());
    assert_eq!(states, [Some(true), Some(true), Some(true), Some(false)]);
    assert_eq!(told["server"]["name"], "scopeforge");
    described(&told["model"]);
    let answers = told["inferred"].as_array().expect("answers");
    assert_eq!(answers.len(), 18);
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], number.to_string());
        inferred(answer, &expected);
    }
    refused(&told["refused"]);
}

fn described(model: &Value) {
    let datatype = |of: &str, name: &str| {
        let tensors = model[of].as_array().expect("tensors");
        tensors.iter().find(|tensor| tensor["name"] == name).expect("the tensor")["datatype"].clone()
    };
    assert_eq!(model["inputs"].as_array().map(Vec::len), Some(9), "{model}");
    assert_eq!([datatype("inputs", "carrier"), datatype("inputs", "dep_delay")], ["BYTES", "FP64"]);
    assert_eq!([datatype("outputs", "predictions"), datatype("outputs", "scope")], ["FP64", "BYTES"]);
}

/// One answer says what `POST /v1/models/arrival_delay/predict` says, row by row.
fn inferred(answer: &Value, expected: &Value) {
    assert_eq!(answer["predictions"], expected["predictions"], "{answer}");
    assert_eq!(answer["predictions"][1], Value::Null);
    assert_eq!(answer["scope"], json!(["carrier=UA", "", "carrier=DL", "carrier=UA"]));
    assert_eq!(answer["level"], json!([2, -1, 2, 2]));
    let error = expected["errors"][0]["message"].as_str().expect("a message");
    assert_eq!(answer["error"], json!(["", error, "", ""]));
    let names = answer["names"].as_array().expect("names").len();
    assert_eq!(names, if answer["named"] == true { 4 } else { 6 }, "{answer}");
}

fn refused(told: &Value) {
    for (what, status, words) in [
        ("model", "404", "did you mean `arrival_delay`?"),
        ("version", "404", "no `9`"),
        ("input", "400", "did you mean `carrier`?"),
        ("datatype", "400", "`FP16` is not taken"),
        ("output", "400", "did you mean `predictions`?"),
        ("channel", "400", "channel"),
        ("no fit", "404", "no row has a fit"),
    ] {
        let (found, message) = (&told[what][0], told[what][1].as_str().unwrap_or_default());
        assert!(found == status && message.contains(words), "{what}: {told}");
    }
}

/// Asks for what the interface describes, well and badly; a file may say which names are good.
async fn finds_nothing(stack: &Stack, examples: &str) {
    let interface = stack.url("/openapi.json");
    let checks =
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    let command = ["-m", "schemathesis.cli", "run", &interface, "--checks", checks, "--no-color"];
    let bounds = ["--phases", "examples,coverage,fuzzing", "--max-examples", examples];
    let found = python(stack, &[&command[..], &bounds, &["--generation-deterministic"]].concat()).await;
    assert_eq!(found.code, 0, "{}\n{}", found.out, found.err);
    // What refers to nothing is not held against anything.
    assert!(!found.out.contains("Unresolvable"), "{}", found.out);
}

#[tokio::test]
async fn a_tester_that_knows_the_interface_finds_nothing() {
    let (stack, _) = trained().await;
    finds_nothing(&stack, "5").await;
    let model: Value = serde_json::from_str(&stack.get("/v2/models/arrival_delay").await.1).expect("JSON");
    let version = &model["versions"][0];
    let good = format!("[parameters]\n\"path.model\" = \"arrival_delay\"\n\"path.version\" = {version}\n");
    stack.write("schemathesis.toml", good);
    finds_nothing(&stack, "20").await;
}

/// Every operation that is described is one, with all that it refers to, and the page that shows them needs nobody else.
#[tokio::test]
async fn every_described_route_exists_and_the_page_is_whole() {
    let (stack, _) = trained().await;
    let text = stack.get("/openapi.json").await.1;
    let interface: Value = serde_json::from_str(&text).expect("JSON");
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let place = reference.split('"').next().expect("a text ends");
        assert!(interface.pointer(place).is_some(), "{place} is nowhere");
    }
    let paths = interface["paths"].as_object().expect("paths");
    assert!(paths.len() > 15, "{interface}");
    for (path, methods) in paths {
        for method in methods.as_object().expect("methods").keys() {
            exists(&stack, method, path).await;
        }
    }
    let (status, page) = stack.get("/docs").await;
    assert!(status == 200 && page.contains("openapi.json"), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src=\"//"), "{page}");
}

async fn exists(stack: &Stack, method: &str, path: &str) {
    let named = path.replace("{model}", "arrival_delay").replace("{id}", "none");
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
    let answer = reqwest::Client::new().request(method, stack.url(&named)).send().await.expect("an answer");
    let (status, body) = (answer.status(), answer.text().await.expect("a body"));
    assert!(status != 405 && !body.contains("no route"), "{path}: {status} {body}");
}
