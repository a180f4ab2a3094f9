//! Fits that rest in a blob: what comes back is what went in, bit for bit, and predicts the same.

use std::sync::Arc;

use learn::forecast::ForecastMethod;
use learn::{Block, Classes, Design, Method, Moments, Scratch, predict};
use proptest::prelude::*;
use schemas::algorithm::{Algorithm, Params};
use schemas::blob::{Blob, name, write};
use schemas::column::{Column, TextColumn};
use schemas::encoding::Missing;
use schemas::feature::Feature;
use schemas::fit::{Counts, Fit, Input, Parameters};
use schemas::forecast::Forecast;
use schemas::label::Label;
use schemas::scope::Scope;
use schemas::step::Step;
use schemas::sums::Sums;
use schemas::task::Task;
use schemas::window::Window;

fn fit(algorithm: Algorithm, inputs: &[Input], parameters: Parameters) -> Fit {
    Fit {
        scope: Scope::new([("carrier", "UA")]),
        window: Window::ALL,
        fingerprint: "f".repeat(32),
        target: "y".into(),
        classes: Vec::new(),
        inputs: inputs.to_vec(),
        missing: Missing::Drop,
        algorithm,
        params: small(algorithm),
        parameters,
        counts: Counts { rows: 9, complete_rows: 8, train_rows: 7, holdout_rows: 1 },
        metrics: None,
        continues: Some("e".repeat(32)),
        sums: None,
    }
}

/// Parameters that make small fits.
fn small(algorithm: Algorithm) -> Params {
    let wanted = [("trees", 3.0), ("iterations", 3.0), ("min_leaf", 2.0), ("clusters", 2.0), ("season", 3.0)];
    let known = |(name, _): &(&str, f64)| algorithm.params().iter().any(|spec| spec.name == *name);
    wanted.into_iter().filter(known).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What comes out of a blob that `sent` went into, which is written as the same bytes again.
fn read_back(sent: &Fit) -> Fit {
    let bytes = write(std::slice::from_ref(sent), "attempt").expect("a blob");
    let read = Blob::verify(&name(&bytes), &bytes).expect("a whole blob").fit(0).expect("a fit");
    assert_eq!(write(std::slice::from_ref(&read), "attempt").expect("a blob"), bytes, "{:?}", sent.algorithm);
    read
}

fn predictions(parameters: &Parameters, block: &Block) -> Vec<u64> {
    let mut out = Vec::new();
    predict(parameters, block, &mut out).expect("predictions");
    out.into_iter().map(f64::to_bits).collect()
}

/// Two columns of numbers and one of texts; trees take the texts as they are.
fn design(rows: &[(f64, f64, u8)], algorithm: Algorithm) -> (Vec<Input>, Design) {
    let categories: Vec<String> = (0..4).map(|category| category.to_string()).collect();
    let (column, known) = ("c".to_owned(), categories.clone());
    let texts = match algorithm {
        Algorithm::Tree | Algorithm::Forest | Algorithm::Boosting => {
            Input::Category { column, categories: known }
        }
        _ => Input::OneHot { column, categories: known },
    };
    let number = |name: &str| Input::Number(Feature::parse(name).expect("a feature"));
    let inputs = vec![number("a"), number("b"), texts];
    let column = |input: &Input| {
        Some(Arc::new(match input.column() {
            "a" => Column::Number(rows.iter().map(|row| row.0).collect()),
            "b" => Column::Number(rows.iter().map(|row| row.1).collect()),
            _ => {
                let codes = rows.iter().map(|row| u32::from(row.2)).collect();
                Column::Text(TextColumn { codes, values: categories.clone() })
            }
        }))
    };
    let design = Design::new(&inputs, rows.len(), column).expect("a design");
    (inputs, design)
}

/// Each algorithm of rows with each of its tasks.
fn learners() -> impl Iterator<Item = (Algorithm, Task)> {
    let of_rows = Algorithm::ALL.into_iter().map(|(algorithm, _)| algorithm).filter(|own| !own.is_forecast());
    of_rows.flat_map(|algorithm| algorithm.tasks().iter().map(move |task| (algorithm, *task)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_fit_predicts_the_same_after_its_time_in_a_blob(
        rows in prop::collection::vec((-1e6f64..1e6, -1e-3f64..1e-3, 0u8..4), 6..40),
    ) {
        let (mut kinds, all) = (Vec::new(), (0..rows.len() as u32).collect::<Vec<_>>());
        for (algorithm, task) in learners() {
            let (inputs, design) = design(&rows, algorithm);
            let positive = |row: &(f64, f64, u8)| (row.0 / 1e5).abs() + f64::from(row.2) + 0.1;
            let y: Vec<f64> = match task {
                Task::Classification => rows.iter().map(|row| f64::from(row.2 % 3)).collect(),
                _ => rows.iter().map(positive).collect(),
            };
            let method = Method::from_spec(task, algorithm, &small(algorithm));
            let Ok(parameters) = method.fit(&design, y.as_slice(), &all, &mut Scratch::default()) else { continue };
            let mut sent = fit(algorithm, &inputs, parameters);
            if task == Task::Classification {
                let classes = Classes::of(&y).expect("few classes");
                sent.classes = classes.values().iter().map(|class| Label::Integer(*class as i64)).collect();
            }
            if algorithm.is_mergeable() {
                let moments = Moments::over(&design, y.as_slice(), &all, &mut Scratch::default());
                sent.sums = Some(Sums { digest: [7; 16], ..moments.to_sums(&inputs) });
            }
            let read = read_back(&sent);
            prop_assert_eq!(&read, &sent);
            let mut block = Block::default();
            design.block(&all, &mut block);
            prop_assert_eq!(predictions(&read.parameters, &block), predictions(&sent.parameters, &block));
            let moments = |fit: &Fit| fit.sums.as_ref().map(|sums| Moments::from_sums(sums).expect("whole sums"));
            prop_assert_eq!(moments(&read), moments(&sent));
            kinds.push((algorithm, task));
        }
        prop_assert!(kinds.len() + 3 >= learners().count(), "only {:?}", kinds);
    }

    #[test]
    fn every_forecast_is_the_same_after_its_time_in_a_blob(
        y in prop::collection::vec(-1e3f64..1e3, 30..60),
        last in any::<i32>(),
    ) {
        for (algorithm, _) in Algorithm::ALL.into_iter().filter(|(own, _)| own.is_forecast()) {
            let method = ForecastMethod::from_spec(algorithm, &small(algorithm)).expect("a method");
            let outlook = method.forecast(&y, 7, &[80.0, 95.0]).expect("a forecast");
            let forecast = Forecast {
                time: "day".into(),
                step: Step::parse("1d").expect("a step"),
                last: last.into(),
                model: outlook.model,
                settings: outlook.settings,
                values: outlook.values,
                bands: outlook.bands,
            };
            let sent = fit(algorithm, &[], Parameters::Forecast(forecast));
            prop_assert_eq!(read_back(&sent), sent);
        }
    }
}

/// The numbers that a careless form would lose: signs of zeros, the smallest and largest, and what is missing.
#[test]
fn odd_numbers_come_back_bit_for_bit() {
    let odd = vec![-0.0, 0.1 + 0.2, f64::MIN_POSITIVE / 3.0, f64::MAX, f64::NAN, f64::NEG_INFINITY];
    let parameters = Parameters::Linear { intercept: -0.0, coefficients: odd.clone() };
    let Parameters::Linear { intercept, coefficients } =
        read_back(&fit(Algorithm::Linear, &[], parameters)).parameters
    else {
        panic!("a linear fit")
    };
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!((intercept.to_bits(), bits(&coefficients)), ((-0.0f64).to_bits(), bits(&odd)));
}
