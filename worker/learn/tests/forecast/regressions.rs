//! Regressions on the series before: whatever the algorithm, its columns and steps are those made by hand.

use std::sync::Arc;

use learn::forecast::Forecaster;
use learn::{Block, Design, Method, Scratch, predict};
use schemas::algorithm::{Algorithm, Params};
use schemas::column::Column;
use schemas::feature::Feature;
use schemas::fit::{Input, Parameters};
use schemas::spec::ModelSpec;
use schemas::task::Task;
use schemas::time::parse_instant;

/// Two lags, a rolling mean and the weekday.
const COLUMNS: usize = 4;
const REACH: usize = 9;
const HORIZON: usize = 15;

fn spec(algorithm: &str, params: &str) -> ModelSpec {
    let text = format!(
        r#"
name = "sales"
[data]
source = "sales.parquet"
time = "day"
[learn]
target = "sales"
features = ["weekday(day)"]
algorithm = "{algorithm}"
{params}
[learn.series]
step = "1d"
horizon = {HORIZON}
lags = [1, 7]
rolling_means = [9]
"#
    );
    ModelSpec::parse(&text).expect("a spec")
}

/// The columns of the point after `past`, whose first is of a Tuesday.
fn row(past: &[f64]) -> [f64; COLUMNS] {
    let mean = past[past.len() - REACH..].iter().sum::<f64>() / REACH as f64;
    [past[past.len() - 1], past[past.len() - 7], mean, ((past.len() + 1) % 7) as f64]
}

/// A weekly wave that grows, with noise.
fn series() -> Vec<f64> {
    let noise = |at: usize| ((at * 7_919) % 31) as f64 / 10.0;
    (0..200).map(|at| 40.0 + 0.05 * at as f64 + 8.0 * ((at % 7) as f64 - 3.0).abs() + noise(at)).collect()
}

/// A fit of the rows made by hand.
fn learned(algorithm: Algorithm, params: &Params, y: &[f64]) -> Parameters {
    let rows: Vec<[f64; COLUMNS]> = (REACH..y.len()).map(|at| row(&y[..at])).collect();
    let inputs: Vec<Input> =
        ["a", "b", "c", "d"].map(|name| Input::Number(Feature::parse(name).expect("a feature"))).to_vec();
    let column = |input: &Input| {
        let place = inputs.iter().position(|own| own == input)?;
        Some(Arc::new(Column::Number(rows.iter().map(|row| row[place]).collect())))
    };
    let design = Design::new(&inputs, rows.len(), column).expect("a design");
    let method = Method::from_spec(Task::Regression, algorithm, params);
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    method.fit(&design, &y[REACH..], &all, &mut Scratch::default()).expect("a fit")
}

/// The points after `y`, each of which stands for the true one in those after it.
fn foretold(parameters: &Parameters, y: &[f64]) -> Vec<f64> {
    let mut past = y.to_vec();
    for _ in 0..HORIZON {
        let columns = row(&past).map(|value| vec![value]);
        let mut point = Vec::new();
        let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        predict(parameters, &Block::from_columns(1, &slices), &mut point).expect("a prediction");
        past.extend(point);
    }
    past.split_off(y.len())
}

#[test]
fn every_regression_goes_on_from_lags_rolling_means_and_the_calendar() {
    let y = series();
    for (algorithm, params) in [
        ("linear", ""),
        ("ridge", "params = { alpha = 3.0 }"),
        ("lasso", "params = { alpha = 0.1 }"),
        ("poisson", ""),
        ("tree", "params = { min_leaf = 4 }"),
        ("forest", "params = { trees = 20, seed = 5 }"),
        ("extra_trees", "params = { trees = 20 }"),
        ("boosting", "params = { min_leaf = 5 }"),
        ("svr", "params = { c = 10.0 }"),
        ("knn", "params = { k = 3 }"),
    ] {
        let spec = spec(algorithm, params);
        let candidate = &spec.learn.candidates().expect("candidates")[0];
        let forecaster = Forecaster::from_spec(candidate, &spec).expect("a forecaster");
        let step = spec.learn.series.as_ref().expect("a series").step;
        let first = step.number(parse_instant("2013-01-01").expect("a day"));
        let outlook = forecaster.forecast(first, &y, HORIZON, &[80.0]).expect("a forecast");
        let expected = foretold(&learned(candidate.algorithm, &candidate.params, &y), &y);
        for (own, expected) in outlook.values.iter().zip(&expected) {
            assert!((own - expected).abs() < 1e-9 * expected.abs(), "{algorithm}: {own} is not {expected}");
        }
        let band = &outlook.bands[0];
        assert!(band.lower.iter().zip(&band.upper).all(|(lower, upper)| lower < upper), "{algorithm}");
    }
}
