//! Rows that count differently: against scikit-learn (`weights.py` made `weights.json`), and against repeated rows.

use std::sync::Arc;

use learn::{Block, Design, LearnError, Method, Moments, Scratch, Target, predict, score, score_classes};
use proptest::prelude::*;
use schemas::algorithm::{Algorithm, Params};
use schemas::classifier::Classifier;
use schemas::column::Column;
use schemas::feature::Feature;
use schemas::fit::{Input, Parameters};
use schemas::metrics::Metrics;
use schemas::task::Task;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

struct Case {
    columns: Vec<Vec<f64>>,
    classes: Vec<f64>,
    weights: Vec<f64>,
    figures: Value,
}

impl Case {
    fn all() -> Vec<Case> {
        let data: Value = serde_json::from_str(include_str!("classifiers.json")).expect("as it was made");
        let data = data["cases"].as_array().expect("cases");
        let figures: Value = serde_json::from_str(include_str!("weights.json")).expect("as it was made");
        let case = |figures: &Value| {
            let data = data.iter().find(|data| data["name"] == figures["name"]).expect("its rows");
            let columns: Vec<Vec<f64>> =
                data["columns"].as_array().expect("columns").iter().map(numbers).collect();
            let weights = (0..columns[0].len()).map(|row| (row * 7 % 5) as f64).collect();
            Case { columns, classes: numbers(&data["target"]), weights, figures: figures.clone() }
        };
        figures["cases"].as_array().expect("cases").iter().map(case).collect()
    }

    fn rows(&self, is_test: bool) -> Vec<u32> {
        (0..self.weights.len() as u32).filter(|row| (row % 5 == 1) == is_test).collect()
    }

    fn of(&self, values: &[f64], rows: &[u32]) -> Vec<f64> {
        rows.iter().map(|row| values[*row as usize]).collect()
    }

    /// What `method` makes of four rows of five, from the columns from `first` on, and what that predicts for the others.
    fn learned(&self, method: &Method, first: usize, y: &[f64]) -> (Parameters, Vec<f64>) {
        let design = design(&self.columns[first..]);
        let target = Target { y, weights: Some(&self.weights) };
        let fit = method.fit(&design, target, &self.rows(false), &mut Scratch::default()).expect("a fit");
        let (mut block, mut predicted) = (Block::default(), Vec::new());
        design.block(&self.rows(true), &mut block);
        predict(&fit, &block, &mut predicted).expect("predictions");
        (fit, predicted)
    }

    fn figure(&self, place: &str) -> f64 {
        self.figures.pointer(place).and_then(Value::as_f64).expect("a figure")
    }

    /// Whether functions of the columns are the figures of this name.
    fn holds(&self, name: &str, intercepts: &[f64], coefficients: &[f64]) {
        for (own, part) in [(intercepts, "intercepts"), (coefficients, "coefficients")] {
            let expected = numbers(&self.figures[name][part]);
            let same = own.len() == expected.len()
                && own.iter().zip(&expected).all(|(own, other)| close(*own, *other, 1e-6));
            assert!(same, "{} {name} {part}: {own:?}, not {expected:?}", self.figures["name"]);
        }
    }

    fn rmse(&self, predicted: &[f64]) -> f64 {
        let rows = self.rows(true);
        let scores = score(&self.of(&self.columns[0], &rows), predicted, &self.of(&self.weights, &rows));
        scores.and_then(|scores| scores.regression()).expect("scores").rmse
    }
}

fn design(columns: &[Vec<f64>]) -> Design {
    let inputs: Vec<Input> = (0..columns.len())
        .map(|i| Input::Number(Feature::parse(&format!("x{i}")).expect("a feature")))
        .collect();
    let column = |input: &Input| {
        let place: usize = input.column()[1..].parse().expect("a number");
        Some(Arc::new(Column::Number(columns[place].clone())))
    };
    Design::new(&inputs, columns[0].len(), column).expect("a design")
}

fn method(task: Task, algorithm: Algorithm, params: &[(&str, f64)]) -> Method {
    let params: Params = params.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Method::from_spec(task, algorithm, &params)
}

fn close(found: f64, expected: f64, within: f64) -> bool {
    (found - expected).abs() <= within * expected.abs().max(1e-6)
}

#[test]
fn weighted_ridge_and_its_scores_are_those_of_scikit_learn() {
    for case in Case::all() {
        let ridge = method(Task::Regression, Algorithm::Ridge, &[("alpha", 1.0)]);
        let (fit, predicted) = case.learned(&ridge, 1, &case.columns[0]);
        let Parameters::Linear { intercept, coefficients } = fit else { panic!("{fit:?}") };
        assert!(close(intercept, case.figure("/ridge/intercept"), 1e-6));
        let expected = numbers(&case.figures["ridge"]["coefficients"]);
        assert!(coefficients.iter().zip(expected).all(|(own, theirs)| close(*own, theirs, 1e-6)));
        let rows = case.rows(true);
        let scores = score(&case.of(&case.columns[0], &rows), &predicted, &case.of(&case.weights, &rows))
            .expect("scores");
        let scores = scores.regression().expect("scores");
        for (own, name) in [(scores.rmse, "rmse"), (scores.mae, "mae"), (scores.r2, "r2")] {
            assert!(close(own, case.figure(&format!("/scores/{name}")), 1e-6), "{name} {own}");
        }
    }
}

#[test]
fn weighted_log_linear_models_are_those_of_scikit_learn() {
    for case in Case::all() {
        for (algorithm, name) in [(Algorithm::Poisson, "poisson"), (Algorithm::Gamma, "gamma")] {
            let (fit, _) =
                case.learned(&method(Task::Regression, algorithm, &[("alpha", 0.1)]), 1, &case.columns[0]);
            let Parameters::LogLinear { intercept, coefficients } = fit else { panic!("{fit:?}") };
            case.holds(name, &[intercept], &coefficients);
        }
    }
}

#[test]
fn weighted_logistic_regression_and_naive_bayes_are_those_of_scikit_learn() {
    for case in Case::all() {
        let (fit, _) =
            case.learned(&method(Task::Classification, Algorithm::Logistic, &[]), 0, &case.classes);
        let Parameters::Classifier(Classifier::Linear { intercepts, coefficients, .. }) = fit else {
            panic!("{fit:?}")
        };
        case.holds("logistic", &intercepts, &coefficients);
        let bayes = method(Task::Classification, Algorithm::NaiveBayes, &[]);
        let (_, p) = case.learned(&bayes, 0, &case.classes);
        let expected = numbers(&case.figures["naive_bayes"]);
        assert!(
            p.len() == expected.len()
                && p.iter().zip(&expected).all(|(own, theirs)| (own - theirs).abs() < 1e-6)
        );
    }
}

/// A class may only have rows that count nothing.
#[test]
fn a_class_that_counts_nothing_is_hardly_likely() {
    let case = Case::all().swap_remove(0);
    let weights: Vec<f64> = case.classes.iter().map(|class| f64::from(u8::from(*class < 2.0))).collect();
    let case = Case { weights, ..case };
    let (_, p) = case.learned(&method(Task::Classification, Algorithm::NaiveBayes, &[]), 0, &case.classes);
    assert!(p.iter().all(|p| p.is_finite()) && p.chunks(3).all(|p| p[2] < 1e-100));
}

#[test]
fn weighted_scores_of_classes_are_those_of_scikit_learn() {
    for case in Case::all() {
        let p = numbers(&case.figures["probabilities"]);
        let classes: Vec<f64> = (0..p.len() / case.classes.len()).map(|class| class as f64).collect();
        let scores = score_classes(&case.classes, &classes, &p, &case.weights).expect("scores");
        let scores = scores.classification().expect("scores");
        for (own, name) in [
            (scores.log_loss, "log_loss"),
            (scores.accuracy, "accuracy"),
            (scores.f1, "f1"),
            (scores.brier, "brier"),
            (scores.auc, "auc"),
        ] {
            let expected = case.figure(&format!("/class_scores/{name}"));
            assert!(close(own, expected, 1e-6), "{} {name}: {own}, not {expected}", case.figures["name"]);
        }
    }
}

#[test]
fn weighted_trees_are_no_worse_than_those_of_scikit_learn() {
    let (mut own, mut theirs) = ([0.0; 3], [0.0; 3]);
    for case in Case::all() {
        let boosting = method(Task::Regression, Algorithm::Boosting, &[]);
        own[0] += case.rmse(&case.learned(&boosting, 1, &case.columns[0]).1) / case.figure("/boosting_rmse");
        let forest = |seed| {
            let forest = method(Task::Regression, Algorithm::Forest, &[("seed", seed)]);
            case.rmse(&case.learned(&forest, 1, &case.columns[0]).1)
        };
        own[1] += (0..5).map(|seed| forest(f64::from(seed))).sum::<f64>() / 5.0 / case.figure("/forest_rmse");
        let boosting = method(Task::Classification, Algorithm::Boosting, &[]);
        let (_, p) = case.learned(&boosting, 0, &case.classes);
        let rows = case.rows(true);
        let classes: Vec<f64> = (0..p.len() / rows.len()).map(|class| class as f64).collect();
        let scores =
            score_classes(&case.of(&case.classes, &rows), &classes, &p, &case.of(&case.weights, &rows));
        own[2] += scores.and_then(|s| s.classification()).expect("scores").log_loss
            / case.figure("/boosting_log_loss");
        theirs.iter_mut().for_each(|sum| *sum += 1.0);
    }
    for (own, theirs) in own.iter().zip(theirs) {
        assert!(own / theirs < 1.01, "{own} of {theirs}");
    }
}

#[test]
fn what_takes_no_weights_says_so() {
    let case = &Case::all()[0];
    let target = Target { y: &case.classes, weights: Some(&case.weights) };
    let few = [("trees", 3.0), ("iterations", 3.0)];
    for (algorithm, _) in Algorithm::ALL.into_iter().filter(|(algorithm, _)| !algorithm.is_forecast()) {
        for task in algorithm.tasks() {
            let (design, rows) = (design(&case.columns), case.rows(false));
            let fit = method(*task, algorithm, &few).fit(&design, target, &rows, &mut Scratch::default());
            assert_eq!(fit == Err(LearnError::Weights), !algorithm.takes_weights(), "{algorithm:?} {task:?}");
        }
    }
    // Rows that count nothing teach nothing.
    let nothing = vec![0.0; case.weights.len()];
    let target = Target { y: &case.classes, weights: Some(&nothing) };
    for algorithm in
        [Algorithm::Mean, Algorithm::Ridge, Algorithm::Poisson, Algorithm::Forest, Algorithm::Boosting]
    {
        let method = method(Task::Regression, algorithm, &[("trees", 3.0)]);
        let fit = method.fit(&design(&case.columns), target, &case.rows(false), &mut Scratch::default());
        assert_eq!(fit, Err(LearnError::NoRows), "{algorithm:?}");
    }
}

proptest! {
    /// A row that counts n is n rows.
    #[test]
    fn weights_are_repetitions(seed in 0u64..1_000, rows in 4usize..40) {
        let random = |i: usize| ((i as u64 + 1).wrapping_mul(2 * seed + 0x9e37_79b9_7f4a_7c15) >> 50) as f64;
        let column = |c: usize| (0..rows).map(|row| random(c * 101 + row)).collect::<Vec<f64>>();
        let (columns, y) = ([column(0), column(1)], column(2));
        let weights: Vec<f64> = (0..rows).map(|row| (random(900 + row) as u64 % 4) as f64).collect();
        prop_assume!(weights.iter().sum::<f64>() >= 2.0);
        let repeated = |values: &[f64]| -> Vec<f64> {
            let times = values.iter().zip(&weights);
            times.flat_map(|(value, weight)| std::iter::repeat_n(*value, *weight as usize)).collect()
        };
        let block = |columns: &[Vec<f64>], rows: usize| {
            Block::from_columns(rows, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        let weighted = Moments::weighted(&block(&columns, rows), &y, &weights);
        let all = repeated(&y).len();
        let twice = Moments::of(&block(&[repeated(&columns[0]), repeated(&columns[1])], all), &repeated(&y));
        prop_assert_eq!(weighted.weight(), twice.weight());
        let input = |name: &str| Input::Number(Feature::parse(name).expect("a feature"));
        let mut sums = weighted.to_sums(&[input("a"), input("b")]);
        prop_assert_eq!(Moments::from_sums(&sums), Some(weighted.clone()));
        sums.second.pop();
        prop_assert_eq!(Moments::from_sums(&sums), None);
        // However the rows are cut.
        let cut = rows / 2;
        let part = |from: usize, to: usize| {
            let columns: Vec<Vec<f64>> = columns.iter().map(|column| column[from..to].to_vec()).collect();
            Moments::weighted(&block(&columns, to - from), &y[from..to], &weights[from..to])
        };
        let mut merged = part(0, cut);
        merged.merge(&part(cut, rows));
        prop_assert_eq!(merged.count(), rows as u64);
        for i in 0..3 {
            prop_assert!(close(weighted.mean(i), twice.mean(i), 1e-9) && close(merged.mean(i), twice.mean(i), 1e-9));
            for j in 0..3 {
                let scale = (twice.second(i, i) * twice.second(j, j)).sqrt();
                prop_assert!((weighted.second(i, j) - twice.second(i, j)).abs() <= 1e-9 * scale.max(1.0));
                prop_assert!((merged.second(i, j) - twice.second(i, j)).abs() <= 1e-9 * scale.max(1.0));
            }
        }
    }

    /// All scores of numbers, also where truths are 0, which shares leave out.
    #[test]
    fn scores_count_a_row_as_often_as_it_weighs(
        rows in prop::collection::vec((-3i32..4, -3i32..4, 0u32..4), 2..40),
    ) {
        let column = |of: fn(&(i32, i32, u32)) -> f64| rows.iter().map(of).collect::<Vec<f64>>();
        let (truth, predicted) = (column(|row| f64::from(row.0)), column(|row| f64::from(row.1)));
        let weights = column(|row| f64::from(row.2));
        let repeated = |values: &[f64]| -> Vec<f64> {
            let times = values.iter().zip(&rows);
            times.flat_map(|(value, row)| std::iter::repeat_n(*value, row.2 as usize)).collect()
        };
        prop_assume!(weights.iter().any(|weight| *weight > 0.0));
        let figures = |scores: Option<Metrics>| {
            let scores = scores.expect("scores");
            let scores = scores.regression().expect("scores of numbers");
            [scores.rmse, scores.mae, scores.r2, scores.mape, scores.smape]
        };
        let weighted = figures(score(&truth, &predicted, &weights));
        let plain = figures(score(&repeated(&truth), &repeated(&predicted), &[]));
        for (weighted, plain) in weighted.into_iter().zip(plain) {
            prop_assert!((weighted.is_nan() && plain.is_nan()) || close(weighted, plain, 1e-9), "{weighted} {plain}");
        }
    }
}

/// Weights are relative: those that have no sum mean the same as smaller ones.
#[test]
fn scores_are_the_same_for_weights_of_any_size() {
    let (truth, predicted) = ([1.0, 2.0, 4.0, 7.0], [1.5, 2.0, 3.0, 9.0]);
    let probabilities = [0.9, 0.1, 0.4, 0.6, 0.2, 0.8, 0.7, 0.3];
    let of = |size: f64| {
        let weights = [1.0, 0.5, 0.25, 1.0].map(|weight| weight * size);
        let classes = score_classes(&[0.0, 1.0, 1.0, 1.0], &[0.0, 1.0], &probabilities, &weights);
        [score(&truth, &predicted, &weights), classes]
            .map(|scores| format!("{:.9?}", scores.expect("scores")))
    };
    let ordinary = of(1.0);
    assert!(ordinary.iter().all(|scores| !scores.contains("NaN")), "{ordinary:?}");
    assert_eq!(of(1e306), ordinary);
    assert_eq!(of(1.7e308), ordinary);
}
