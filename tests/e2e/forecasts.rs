//! Forecasts of daily flights, one series for each carrier.

use serde_json::{Value, json};
use tests::program::root;
use tests::{Setup, Stack, flights, until};

/// The series up to 2013-12-04, and what statsforecast foretells of the 28 days after.
const REFERENCE: &str = include_str!("../../worker/learn/tests/forecast/reference.json");

/// A scope of the reference's past.
const UNITED: &str = "carrier=UA,time=..2013-12-05";

fn spec(algorithm: &str) -> String {
    let source = root().join("tests/data/flights.parquet");
    format!(
        "name = \"daily_flights\"\n[data]\nsource = {source:?}\ntime = \"time_hour\"\n[scope]\ndimensions = [\"carrier\"]\n\
         [learn]\ntarget = \"distance\"\nalgorithm = {algorithm:?}\nparams = {{ season = 7 }}\n\
         [learn.series]\nstep = \"1d\"\nhorizon = 28\naggregate = \"count\"\ngaps = \"zero\"\n"
    )
}

fn reference(method: &str, key: &str) -> Vec<f64> {
    let all: Value = serde_json::from_str(REFERENCE).expect("JSON");
    let series = all["series"].as_array().expect("series");
    let united = series.iter().find(|series| series["name"] == "flights of UA").expect("United's");
    numbers(&united["forecasts"][method][key])
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

/// The 28 days after 2013-12-04; each as a moment somewhere in the day.
fn days() -> Vec<Value> {
    let december = (5..=31).map(|day| format!("2013-12-{day:02}T{:02}:30:00Z", day % 24));
    let days = december.chain(["2014-01-01".to_owned()]);
    days.map(|day| json!({"carrier": "UA", "time_hour": day})).collect()
}

/// The answer of the campaign's fit, once the predictor knows it.
async fn answer(stack: &Stack, campaign: &Value, rows: &[Value]) -> Value {
    until("the fit answering", || async {
        let (status, answer) = stack.predict("daily_flights", json!({ "rows": rows }).to_string()).await;
        (status == 200 && answer["fits"][0]["campaign"] == campaign["id"]).then_some(answer)
    })
    .await
}

fn ends(answer: &Value, level: &str, end: usize) -> Vec<f64> {
    let rows = answer["intervals"].as_array().expect("intervals");
    rows.iter().map(|row| row[level][end].as_f64().expect("an end")).collect()
}

fn agree(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * expected.abs(), "{found} is not {expected}");
    }
}

#[tokio::test]
async fn forecasts_and_their_intervals_are_those_of_statsforecast() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&spec("seasonal_naive")).await;
    let closed = stack.ask(&["train", "daily_flights", "--scope", UNITED, "--wait"]).await;
    let naive = answer(&stack, &closed, &days()).await;
    agree(&numbers(&naive["predictions"]), &reference("seasonal_naive", "mean"), 1e-9);
    for level in ["80", "95"] {
        agree(&ends(&naive, level, 0), &reference("seasonal_naive", &format!("lower_{level}")), 1e-9);
        agree(&ends(&naive, level, 1), &reference("seasonal_naive", &format!("upper_{level}")), 1e-9);
    }

    stack.add_model(&spec("ets")).await;
    let closed = stack.ask(&["train", "daily_flights", "--scope", UNITED, "--wait"]).await;
    let ets = answer(&stack, &closed, &days()).await;
    agree(&numbers(&ets["predictions"]), &reference("ets", "mean"), 1e-3);
    let inside = ends(&ets, "95", 0).iter().zip(ends(&ets, "80", 0)).all(|(wide, narrow)| *wide < narrow);
    assert!(inside, "{ets}");
    let fit = &stack.ask(&["fits", "daily_flights"]).await[0];
    assert_eq!(fit["parameters"]["model"], "ETS(A,N,A)", "{fit}");
    assert_eq!(
        (&fit["parameters"]["last"], &fit["parameters"]["horizon"]),
        (&json!("2013-12-04T00:00:00Z"), &json!(28))
    );
    let rmse = fit["metrics"]["rmse"].as_f64().expect("a score");
    assert!((5.0..60.0).contains(&rmse) && fit["holdout_rows"].as_u64() > Some(0), "{fit}");
}

#[tokio::test]
async fn a_time_that_is_not_foretold_is_an_error_at_its_row() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&spec("ets")).await;
    let closed = stack.ask(&["train", "daily_flights", "--scope", "carrier=*", "--levels", "--wait"]).await;
    assert_eq!(closed["outcomes"], json!({"trained": 17}));
    let row = |time: Value| json!({"carrier": "AA", "time_hour": time});
    let rows = [
        row(json!("2014-01-03")),
        row(json!("2013-12-31")),
        row(json!("2014-03-01")),
        row(json!(null)),
        row(json!("soon")),
        // What all carriers have flown together is no forecast of one of them.
        json!({"carrier": "ZZ", "time_hour": "2014-01-03"}),
    ];
    let answer = answer(&stack, &closed, &rows).await;
    let errors = answer["errors"].as_array().expect("errors");
    let told: Vec<_> = errors.iter().map(|error| (error["row"].as_u64(), error["field"].as_str())).collect();
    let time = Some("time_hour");
    assert_eq!(told, [(Some(1), time), (Some(2), time), (Some(3), time), (Some(4), time), (Some(5), None)]);
    let message = |at: usize| errors[at]["message"].as_str().expect("a message");
    assert!(message(0).contains("is not ahead"), "{}", message(0));
    assert!(message(1).contains("past the horizon of 28 steps"), "{}", message(1));
    let answered: Vec<bool> = numbers_or_null(&answer["predictions"]);
    assert_eq!(answered, [true, false, false, false, false, false]);
    assert!(answer["intervals"][0]["80"][0].is_number() && answer["intervals"][1].is_null(), "{answer}");
    let all =
        stack.predict("daily_flights", json!({"rows": [{"time_hour": "2014-01-03"}]}).to_string()).await;
    assert!(all.0 == 200 && all.1["predictions"][0].as_f64() > Some(500.0), "{all:?}");
    let (status, refused) = stack.predict("daily_flights", json!({"rows": [rows[2]]}).to_string()).await;
    assert_eq!(status, 422, "{refused}");
}

fn numbers_or_null(value: &Value) -> Vec<bool> {
    value.as_array().expect("a list").iter().map(Value::is_number).collect()
}

#[tokio::test]
async fn each_scope_takes_the_method_that_foretold_best() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    stack.add_model(&spec("ets")).await;
    let methods = ["--algorithm", "ets|seasonal_naive|theta|naive|mstl", "--param", "season=7"];
    let order = [&["train", "daily_flights", "--scope", "carrier=*", "--wait"], &methods[..]].concat();
    assert_eq!(stack.ask(&order).await["outcomes"], json!({"trained": 16}));
    let fits = stack.ask(&["fits", "daily_flights"]).await;
    let fits = fits.as_array().expect("fits");
    for fit in fits {
        let candidates = fit["candidates"].as_array().expect("candidates");
        let error = |candidate: &Value| candidate["error"].as_f64().unwrap_or(f64::INFINITY);
        let best = candidates.iter().min_by(|a, b| error(a).total_cmp(&error(b))).expect("a candidate");
        assert_eq!((candidates.len(), &best["algorithm"]), (5, &fit["algorithm"]), "{fit}");
    }
    assert!(fits.iter().any(|fit| fit["algorithm"] != fits[0]["algorithm"]), "all chose alike");
    assert_eq!(stack.ask(&order).await["outcomes"], json!({"unchanged": 16}));
}

#[tokio::test]
async fn series_that_cannot_be_learned_say_why() {
    let stack = Stack::start(Setup { predictors: 0, gateway: false, ..Setup::default() }).await;
    stack.add_model(&spec("ets").replace("\"zero\"", "\"error\"")).await;
    let finished = stack.enqueue(&["train", "daily_flights", "--scope", "carrier=OO|UA", "--wait"]).await;
    assert_eq!(finished.code, 1);
    let fits = stack.ask(&["fits", "daily_flights"]).await;
    assert_eq!((&fits[0]["scope"], &fits[0]["outcome"]), (&json!("carrier=OO"), &json!("failed")));
    let reason = fits[0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("no row in the step of 2013-"), "{reason}");
    assert_eq!(fits[1]["outcome"], "trained");

    stack.add_model(&spec("ets").replace("\"1d\"", "\"1y\"")).await;
    let closed = stack.ask(&["train", "daily_flights", "--scope", "carrier=UA", "--wait"]).await;
    assert_eq!(closed["outcomes"], json!({"too_few_rows": 1}));
}

/// Other models answer as they always did.
#[tokio::test]
async fn a_model_without_a_series_answers_without_intervals() {
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", "carrier=UA", "--wait"]).await;
    let row = json!({"carrier": "UA", "dep_delay": 12, "distance": 1400, "hour": 9, "month": 12, "day": 3,
        "time_hour": "2013-12-03T14:00:00Z"});
    let answer = until("the fit answering", || async {
        let (status, answer) = stack.predict("arrival_delay", json!({ "rows": [row] }).to_string()).await;
        (status == 200).then_some(answer)
    })
    .await;
    let keys: Vec<&str> = answer.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["fit_of", "fits", "predictions"]);
}
