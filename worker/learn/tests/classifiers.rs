//! Classifiers, neighbours and support vectors against scikit-learn's; `classifiers.py` made `classifiers.json`.

use learn::{Block, ClassMethod, Classes, Method, SvrParams, neighbours, predict, score_classes, svr};
use schemas::algorithm::{Algorithm, Params};
use schemas::classifier::Classifier;
use schemas::fit::{ClassificationMetrics, Parameters};
use schemas::task::Task;
use serde_json::Value;

/// A data set in two parts.
struct Case {
    name: String,
    columns: Vec<Vec<f64>>,
    target: Vec<f64>,
    train: usize,
    figures: Value,
}

impl Case {
    fn all() -> Vec<Case> {
        let all: Value = serde_json::from_str(include_str!("classifiers.json")).expect("as it was made");
        let case = |figures: &Value| Case {
            name: figures["name"].as_str().expect("as it was made").to_owned(),
            columns: figures["columns"].as_array().expect("as it was made").iter().map(numbers).collect(),
            target: numbers(&figures["target"]),
            train: figures["train"].as_u64().expect("as it was made") as usize,
            figures: figures.clone(),
        };
        all["cases"].as_array().expect("as it was made").iter().map(case).collect()
    }

    fn block(&self, rows: std::ops::Range<usize>) -> Block {
        let cut: Vec<&[f64]> = self.columns.iter().map(|column| &column[rows.clone()]).collect();
        Block::from_columns(rows.len(), &cut)
    }

    fn learned(&self) -> Block {
        self.block(0..self.train)
    }

    fn truth(&self) -> &[f64] {
        &self.target[self.train..]
    }

    fn list(&self, name: &str) -> &[Value] {
        self.figures[name].as_array().expect("as it was made")
    }

    /// The fit of the first part.
    fn fit(&self, figures: &Value) -> Classifier {
        let method = method(figures, 0);
        learn::classify(&self.learned(), &self.target[..self.train], &method).expect("a fit")
    }

    /// The log loss on every fifth row, from the seed's on, of what was learned from the others; the seed turns the columns.
    fn loss(&self, figures: &Value, seed: usize) -> f64 {
        let part = |is_test: bool| {
            let rows: Vec<usize> =
                (0..self.target.len()).filter(|row| (row % 5 == seed) == is_test).collect();
            let of = |column: &Vec<f64>| rows.iter().map(|row| column[*row]).collect::<Vec<f64>>();
            let mut columns: Vec<Vec<f64>> = self.columns.iter().map(of).collect();
            columns.rotate_left(seed * self.columns.len() / 5);
            let cut: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            (Block::from_columns(rows.len(), &cut), of(&self.target))
        };
        let ((learned, y), (test, truth)) = (part(false), part(true));
        let classifier = learn::classify(&learned, &y, &method(figures, seed)).expect("a fit");
        let p = predictions(&Parameters::Classifier(classifier), &test);
        let classes = Classes::of(&y).expect("as it was made");
        score_classes(&truth, classes.values(), &p, &[])
            .expect("as it was made")
            .classification()
            .expect("as it was made")
            .log_loss
    }

    fn scores(&self, classifier: Classifier) -> ClassificationMetrics {
        let classes = Classes::of(&self.target[..self.train]).expect("as it was made");
        let p = predictions(&Parameters::Classifier(classifier), &self.block(self.train..self.target.len()));
        score_classes(self.truth(), classes.values(), &p, &[])
            .expect("as it was made")
            .classification()
            .expect("as it was made")
    }
}

/// What a spec with these figures' parameters and a seed asks for.
fn method(figures: &Value, seed: usize) -> ClassMethod {
    let algorithm =
        Algorithm::parse(figures["algorithm"].as_str().expect("as it was made")).expect("as it was made");
    let takes = |name: &&String| algorithm.params().iter().any(|spec| spec.name == **name);
    let named = figures.as_object().expect("as it was made").iter().filter(|(name, _)| takes(name));
    let mut params: Params =
        named.map(|(name, value)| (name.clone(), value.as_f64().expect("as it was made"))).collect();
    if takes(&&"seed".to_owned()) {
        params.insert("seed".into(), seed as f64);
    }
    algorithm.check(&params).expect("as it was made");
    let Method::Classify(method) = Method::from_spec(Task::Classification, algorithm, &params) else {
        panic!("{} classifies", algorithm.name())
    };
    method
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().expect("as it was made")],
    }
}

fn predictions(parameters: &Parameters, block: &Block) -> Vec<f64> {
    let mut out = Vec::new();
    predict(parameters, block, &mut out).expect("as it was made");
    out
}

/// Whether all numbers agree to `tolerance`, relative to the largest of them.
fn assert_close(own: &[f64], theirs: &[f64], tolerance: f64, what: &str) {
    assert_eq!(own.len(), theirs.len(), "{what}");
    let largest = theirs.iter().fold(1e-3f64, |largest, value| largest.max(value.abs()));
    for (own, theirs) in own.iter().zip(theirs) {
        assert!((own - theirs).abs() <= tolerance * largest, "{what}: {own} is not {theirs}");
    }
}

/// As scikit-learn leaves them, the intercepts of many classes add up to no particular number.
fn centred(intercepts: &[f64]) -> Vec<f64> {
    let mean = intercepts.iter().sum::<f64>() / intercepts.len() as f64;
    let centre = if intercepts.len() > 1 { mean } else { 0.0 };
    intercepts.iter().map(|intercept| intercept - centre).collect()
}

/// Each column's coefficients in units of its spread: in their own units, the largest would hide the others.
fn spread(case: &Case, coefficients: &[f64]) -> Vec<f64> {
    let deviations = case.columns.iter().map(|column| {
        let column = &column[..case.train];
        let mean = column.iter().sum::<f64>() / column.len() as f64;
        (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / column.len() as f64).sqrt()
    });
    let deviations: Vec<f64> = deviations.collect();
    coefficients.iter().zip(deviations.iter().cycle()).map(|(c, deviation)| c * deviation).collect()
}

/// Divided by its length, each function's weights; Platt's method stretches them.
fn directions(coefficients: &[f64], width: usize) -> Vec<f64> {
    let direction = |own: &[f64]| {
        let length = own.iter().map(|c| c * c).sum::<f64>().sqrt();
        own.iter().map(|c| c / length).collect::<Vec<_>>()
    };
    coefficients.chunks(width).flat_map(direction).collect()
}

#[test]
fn the_linear_family_and_neighbours_are_scikit_learns() {
    let mut compared = 0;
    for case in Case::all() {
        for figures in case.list("exact") {
            let what = format!("{} {} {}", case.name, figures["algorithm"], figures["c"]);
            let theirs = |name: &str| numbers(&figures[name]);
            let tested = case.block(case.train..case.train + 20);
            match figures["algorithm"].as_str().unwrap() {
                "logistic" => {
                    let Classifier::Linear { intercepts, coefficients, .. } = case.fit(figures) else {
                        panic!("a linear classifier")
                    };
                    let expected = spread(&case, &theirs("coefficients"));
                    assert_close(&spread(&case, &coefficients), &expected, 1e-6, &what);
                    assert_close(&centred(&intercepts), &centred(&theirs("intercepts")), 1e-6, &what);
                }
                "linear_svm" => {
                    let Classifier::Linear { coefficients, .. } = case.fit(figures) else {
                        panic!("a linear classifier")
                    };
                    let of = |c: &[f64]| directions(&spread(&case, c), case.columns.len());
                    assert_close(&of(&coefficients), &of(&theirs("coefficients")), 1e-6, &what);
                }
                "naive_bayes" => {
                    let own = predictions(&Parameters::Classifier(case.fit(figures)), &tested);
                    assert_close(&own, &theirs("probabilities"), 1e-6, &what);
                }
                "knn" => {
                    let own = predictions(&Parameters::Classifier(case.fit(figures)), &tested);
                    assert_close(&own, &theirs("probabilities"), 1e-9, &what);
                    let k = figures["k"].as_u64().unwrap() as u32;
                    let first = case.columns[0][..case.train].to_vec();
                    let kept = neighbours(&case.learned(), first, k).unwrap();
                    assert_close(
                        &predictions(&Parameters::Neighbours(kept), &tested),
                        &theirs("numbers"),
                        1e-9,
                        &what,
                    );
                }
                "svr" => {
                    let param = |name: &str| figures[name].as_f64().unwrap();
                    let params =
                        SvrParams { c: param("c"), gamma: param("gamma"), epsilon: param("epsilon") };
                    let kernel = svr(&case.learned(), &case.columns[0][..case.train], params).unwrap();
                    assert_close(
                        &predictions(&Parameters::Kernel(kernel), &tested),
                        &theirs("numbers"),
                        2e-3,
                        &what,
                    );
                }
                "kernel_svm" => {
                    let own = predictions(&Parameters::Classifier(case.fit(figures)), &tested);
                    let odds: Vec<f64> = own.chunks(2).map(|p| (p[1] / p[0]).ln()).collect();
                    assert_affine(&odds, &theirs("margins"), &what);
                }
                other => panic!("no algorithm {other}"),
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 4 * (3 + 2 + 2 + 2 + 2) + 2);
}

/// Whether log odds are a linear function of margins: to 1 % of their spread, as both are optimal to 1e-3.
fn assert_affine(odds: &[f64], margins: &[f64], what: &str) {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (odds_mean, margins_mean) = (mean(odds), mean(margins));
    let products: f64 = odds.iter().zip(margins).map(|(o, m)| (o - odds_mean) * (m - margins_mean)).sum();
    let squares: f64 = margins.iter().map(|m| (m - margins_mean).powi(2)).sum();
    let slope = products / squares;
    assert!(slope > 0.0, "{what}");
    let expected: Vec<f64> = margins.iter().map(|m| odds_mean + slope * (m - margins_mean)).collect();
    assert_close(odds, &expected, 1e-2, what);
}

#[test]
fn scores_are_scikit_learns() {
    for case in Case::all() {
        let figures: Value = serde_json::from_str(r#"{"algorithm": "logistic", "c": 1.0}"#).unwrap();
        let own = case.scores(case.fit(&figures));
        let own = [own.log_loss, own.accuracy, own.f1, own.brier, own.auc];
        let theirs = ["log_loss", "accuracy", "f1", "brier", "auc"]
            .map(|name| numbers(&case.figures["scores"][name])[0]);
        assert_close(&own, &theirs, 1e-6, &case.name);
    }
}

/// The log loss of each learner over all data sets and five seeds is at most 1 % above scikit-learn's; and of each data set, as
/// far as five pairs can tell: two standard errors.
#[test]
fn no_classifier_is_worse_than_scikit_learns() {
    let mut worse = Vec::new();
    let mut ratios: Vec<(String, Vec<f64>)> = Vec::new();
    for case in Case::all() {
        for figures in case.list("losses") {
            let theirs = numbers(&figures["log_loss"]);
            let own: Vec<f64> = (0..5).map(|seed| case.loss(figures, seed)).collect();
            let beyond: Vec<f64> = own.iter().zip(&theirs).map(|(own, theirs)| own - 1.01 * theirs).collect();
            let squares: Vec<f64> = beyond.iter().map(|d| (d - mean(&beyond)).powi(2)).collect();
            let error = (mean(&squares) / (beyond.len() - 1) as f64).sqrt();
            let (own, theirs, algorithm) = (mean(&own), mean(&theirs), figures["algorithm"].to_string());
            let told = format!("{} {algorithm}: {own:.4}, scikit-learn {theirs:.4}", case.name);
            if mean(&beyond) > 2.0 * error {
                worse.push(told);
            }
            match ratios.iter_mut().find(|(known, _)| *known == algorithm) {
                Some((_, ratios)) => ratios.push(own / theirs),
                None => ratios.push((algorithm, vec![own / theirs])),
            }
        }
    }
    assert!(worse.is_empty(), "{worse:#?}");
    for (algorithm, ratios) in ratios {
        assert!(mean(&ratios) <= 1.01, "{algorithm}: {ratios:?} of scikit-learn's");
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
