//! Fits of small data sets against scikit-learn's; `reference.py` made `reference.json`.

use learn::{Block, ElasticNetParams, LogLinearParams, Method, Moments, Ridge, elastic_net, log_linear};
use schemas::fit::Parameters;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn fit(expected: &Value, block: &Block, y: &[f64]) -> Parameters {
    let param = |name: &str| expected[name].as_f64().expect("a number");
    let method = match expected["algorithm"].as_str().expect("a name") {
        "linear" => Method::Linear,
        "ridge" => Method::Ridge(Ridge { alpha: param("alpha") }),
        "elastic_net" => Method::ElasticNet(ElasticNetParams {
            alpha: param("alpha"),
            l1_ratio: param("l1_ratio"),
            tolerance: 1e-12,
            max_iterations: 1_000_000,
        }),
        "lasso" => Method::ElasticNet(ElasticNetParams {
            alpha: param("alpha"),
            l1_ratio: 1.0,
            tolerance: 1e-12,
            max_iterations: 1_000_000,
        }),
        "poisson" | "gamma" | "tweedie" => {
            Method::LogLinear(LogLinearParams { power: param("power"), alpha: param("alpha") })
        }
        other => panic!("no algorithm {other}"),
    };
    match method {
        Method::LogLinear(params) => log_linear(block, y, params).expect("convergence"),
        Method::ElasticNet(params) => elastic_net(&Moments::of(block, y), params).expect("convergence"),
        method => method.solve(&Moments::of(block, y)).expect("a mergeable method").expect("a fit"),
    }
}

#[test]
fn fits_agree_with_scikit_learn() {
    let all: Value = serde_json::from_str(include_str!("reference.json")).unwrap();
    let cases = all["cases"].as_array().unwrap();
    let mut compared = 0;
    for case in cases {
        let columns: Vec<Vec<f64>> = case["columns"].as_array().unwrap().iter().map(numbers).collect();
        let y = numbers(&case["target"]);
        let block = Block::from_columns(y.len(), &columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for expected in case["fits"].as_array().unwrap() {
            let (Parameters::Linear { intercept, coefficients }
            | Parameters::LogLinear { intercept, coefficients }) = fit(expected, &block, &y)
            else {
                panic!("a linear fit")
            };
            let relative = match expected["algorithm"].as_str() {
                Some("linear" | "ridge") => 1e-8,
                _ => 1e-6,
            };
            let own: Vec<f64> = coefficients.iter().copied().chain([intercept]).collect();
            let mut theirs = numbers(&expected["coefficients"]);
            theirs.push(expected["intercept"].as_f64().unwrap());
            assert_eq!(own.len(), theirs.len());
            for (own, theirs) in own.iter().zip(&theirs) {
                let close = (own - theirs).abs() <= relative * theirs.abs().max(1e-3);
                assert!(close, "{}: {own} is not {theirs} in {expected}", case["name"]);
                compared += 1;
            }
        }
    }
    // Three powers need positive targets, which half of the data sets have.
    let (any, counts, positive) = (10, 14, 18);
    assert_eq!(compared, any * (4 + 6 + 5 + 25) + counts * 4 + positive * (7 + 11 + 13 + 7));
}
