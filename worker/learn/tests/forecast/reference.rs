//! Forecasts of real series against statsforecast's; `reference.py` made `reference.json`.

use learn::forecast::{ForecastMethod, Forecaster, Form, Outlook, fit_form};
use schemas::spec::ModelSpec;
use schemas::time::parse_instant;
use serde_json::Value;

const LEVELS: [f64; 2] = [80.0, 95.0];

struct Case {
    name: String,
    season: usize,
    past: Vec<f64>,
    future: Vec<f64>,
    expected: Value,
    forms: Value,
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn cases() -> Vec<Case> {
    let all: Value = serde_json::from_str(include_str!("reference.json")).expect("JSON");
    let case = |case: &Value| Case {
        name: case["name"].as_str().expect("a name").to_owned(),
        season: case["season"].as_u64().expect("a count") as usize,
        past: numbers(&case["past"]),
        future: numbers(&case["future"]),
        expected: case["forecasts"].clone(),
        forms: case["forms"].clone(),
    };
    all["series"].as_array().expect("a list").iter().map(case).collect()
}

fn forecast(case: &Case, method: ForecastMethod) -> Outlook {
    method.forecast(&case.past, case.future.len(), &LEVELS).expect("a forecast")
}

fn rmse(a: &[f64], b: &[f64]) -> f64 {
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

/// The largest difference, as a share of the series' mean magnitude.
fn distance(case: &Case, a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let size = case.past.iter().map(|y| y.abs()).sum::<f64>() / case.past.len() as f64;
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size
}

#[test]
fn naive_methods_and_their_intervals_are_the_same() {
    for case in cases() {
        let methods = [
            ("naive", ForecastMethod::Naive),
            ("seasonal_naive", ForecastMethod::SeasonalNaive { season: case.season }),
            ("drift", ForecastMethod::Drift),
        ];
        for (name, method) in methods {
            let outlook = forecast(&case, method);
            let expected = &case.expected[name];
            let same = |own: &[f64], key: &str| {
                let difference = distance(&case, own, &numbers(&expected[key]));
                assert!(difference < 1e-9, "{name} of {}, {key}: {difference:e}", case.name);
            };
            same(&outlook.values, "mean");
            for band in &outlook.bands {
                same(&band.lower, &format!("lower_{}", band.level));
                same(&band.upper, &format!("upper_{}", band.level));
            }
        }
    }
}

#[test]
fn theta_is_the_same_to_where_their_search_ends() {
    for case in cases() {
        let own = forecast(&case, ForecastMethod::Theta { season: case.season }).values;
        let difference = distance(&case, &own, &numbers(&case.expected["theta"]["mean"]));
        assert!(difference < 1e-3, "{}: {difference:e}", case.name);
    }
}

#[test]
fn mstl_is_the_same_where_both_smooth_the_rest_alike() {
    for case in cases() {
        let own = forecast(&case, ForecastMethod::Mstl { season: case.season, second: None }).values;
        let theirs = numbers(&case.expected["mstl"]["mean"]);
        let difference = distance(&case, &own, &theirs);
        // Of HA, a flight a day, both find other parameters of nearly the same likelihood.
        assert!(difference < 1e-3 || case.name == "flights of HA", "{}: {difference:e}", case.name);
        no_worse(&case, &own, &theirs);
    }
}

const REGRESSION: &str = r#"
name = "flights"
[data]
source = "flights.parquet"
time = "day"
[learn]
target = "flights"
features = ["weekday(day)"]
algorithm = "linear"
[learn.series]
step = "1d"
horizon = 28
lags = [1, 7]
rolling_means = [28]
"#;

#[test]
fn a_regression_on_the_series_before_is_that_of_numpy() {
    let spec = ModelSpec::parse(REGRESSION).expect("a spec");
    let candidate = &spec.learn.candidates().expect("candidates")[0];
    let forecaster = Forecaster::from_spec(candidate, &spec).expect("a forecaster");
    let step = spec.learn.series.as_ref().expect("a series").step;
    let first = step.number(parse_instant("2013-01-01").expect("a day"));
    let mut compared = 0;
    for case in cases().iter().filter(|case| case.expected["regression"].is_object()) {
        let outlook = forecaster.forecast(first, &case.past, case.future.len(), &LEVELS).expect("a forecast");
        let difference = distance(case, &outlook.values, &numbers(&case.expected["regression"]["mean"]));
        assert!(difference < 1e-9, "{}: {difference:e}", case.name);
        for band in &outlook.bands {
            let ends = band.lower.iter().zip(&band.upper).zip(&case.future);
            let inside = ends.filter(|((lower, upper), truth)| (*lower..=*upper).contains(truth)).count();
            assert!(inside * 2 > case.future.len(), "{}: {inside} inside {}", case.name, band.level);
        }
        compared += 1;
    }
    assert_eq!(compared, 7);
}

#[test]
fn ets_finds_likelihoods_as_large_and_forecasts_as_good() {
    let mut compared = 0;
    for case in cases() {
        let scale = 512.0;
        let y: Vec<f64> = case.past.iter().map(|y| y / scale).collect();
        let in_own_units = 2.0 * y.len() as f64 * f64::ln(scale);
        for form in Form::all() {
            let Some(theirs) = case.forms[form.to_string()].as_f64() else { continue };
            let own = fit_form(&y, case.season, form).expect("a fit").aicc + in_own_units;
            assert!(own < theirs + 2.5, "{form} of {}: {own} is not {theirs}", case.name);
            compared += 1;
        }
        let outlook = forecast(&case, ForecastMethod::Ets { season: case.season });
        let fits = Form::all().filter_map(|form| fit_form(&y, case.season, form));
        let best = fits.min_by(|a, b| a.aicc.total_cmp(&b.aicc)).expect("a fit");
        assert_eq!(outlook.model, best.form.to_string(), "forms that were given up early would not have won");
        let best = best.aicc + in_own_units;
        let theirs = case.expected["ets"]["aicc"].as_f64().expect("a number");
        assert!(best < theirs + 0.01, "{}: {best} is above {theirs}", case.name);
        let mean = numbers(&case.expected["ets"]["mean"]);
        no_worse(&case, &outlook.values, &mean);
        if case.expected["ets"]["method"] == outlook.model.as_str() {
            let difference = distance(&case, &outlook.values, &mean);
            assert!(difference < 1e-2, "{}: {difference:e}", case.name);
        }
    }
    assert!(compared > 90, "only {compared} forms compared");
}

/// How wide the intervals are, each as a share of theirs.
fn widths(outlook: &Outlook, theirs: &Value) -> Vec<f64> {
    let bands = outlook.bands.iter().flat_map(|band| {
        let [lower, upper] = ["lower", "upper"].map(|end| numbers(&theirs[format!("{end}_{}", band.level)]));
        let own = band.upper.iter().zip(&band.lower).map(|(upper, lower)| upper - lower);
        own.zip(upper.into_iter().zip(lower))
            .map(|(own, (upper, lower))| own / (upper - lower))
            .collect::<Vec<_>>()
    });
    bands.collect()
}

/// Theirs of ETS with seasons are no measure: one step ahead they are up to a third wider than the root of their own σ².
#[test]
fn intervals_of_theta_and_mstl_are_as_wide_in_the_mean() {
    let mut compared = 0;
    for case in cases() {
        let season = case.season;
        let theta = ("theta", ForecastMethod::Theta { season });
        for (name, method) in [theta, ("mstl", ForecastMethod::Mstl { season, second: None })] {
            let ratios = widths(&forecast(&case, method), &case.expected[name]);
            let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
            assert!((mean - 1.0).abs() < 0.1, "{name} of {}: {mean} of theirs", case.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 16);
}

/// Forecasts of the newest points whose error is at most a hundredth above theirs.
fn no_worse(case: &Case, own: &[f64], theirs: &[f64]) {
    let (own, theirs) = (rmse(own, &case.future), rmse(theirs, &case.future));
    assert!(own <= 1.01 * theirs, "{}: an RMSE of {own} is above {theirs}", case.name);
}
