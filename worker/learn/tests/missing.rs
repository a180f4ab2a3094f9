//! Trees on rows with missing values and on categories: against scikit-learn (`missing.py` made `missing.json`), and what
//! must hold of any data.

use std::sync::Arc;

use learn::{Block, Design, Method, Scratch, predict, prune_categories, score, score_classes};
use proptest::prelude::*;
use schemas::algorithm::{Algorithm, Params};
use schemas::column::{Column, TextColumn};
use schemas::encoding::Missing;
use schemas::feature::Feature;
use schemas::fit::{Input, Parameters};
use schemas::task::Task;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

/// Every seventh value is missing; and every other one of the second column where the target is above its mean.
fn with_gaps(columns: &[Vec<f64>], y: &[f64]) -> Vec<Column> {
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let value = |column: usize, row: usize| {
        let tells = column == 1 && row.is_multiple_of(2) && y[row] > mean;
        if (row * 31 + column * 17).is_multiple_of(7) || tells { f64::NAN } else { columns[column][row] }
    };
    let column = |at: usize| Column::Number((0..y.len()).map(|row| value(at, row)).collect());
    (0..columns.len()).map(column).collect()
}

/// The first two columns become the numbers of their deciles, shuffled.
fn with_categories(columns: &[Vec<f64>]) -> Vec<Column> {
    let texts = |values: &Vec<f64>| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let mut codes = vec![0; values.len()];
        order.iter().enumerate().for_each(|(rank, row)| {
            codes[*row] = ((rank * 10 / values.len() * 7 + 3) % 10) as u32;
        });
        Column::Text(TextColumn { codes, values: (0..10).map(|category| category.to_string()).collect() })
    };
    let columns = columns.iter().enumerate();
    columns.map(|(at, column)| if at < 2 { texts(column) } else { Column::Number(column.clone()) }).collect()
}

/// A design of these columns, from number `first` on and around.
fn design(columns: &[Column], first: usize) -> (Vec<Input>, Design) {
    let input = |at: usize| match &columns[at] {
        Column::Text(text) => Input::Category { column: format!("x{at}"), categories: text.values.clone() },
        _ => Input::Number(Feature::parse(&format!("x{at}")).expect("a feature")),
    };
    let inputs: Vec<Input> = (0..columns.len()).map(|at| input((at + first) % columns.len())).collect();
    let column =
        |input: &Input| columns.get(input.column()[1..].parse::<usize>().ok()?).cloned().map(Arc::new);
    let design =
        Design::new(&inputs, columns[0].len(), column).expect("a design").with_missing(Missing::Keep);
    (inputs, design)
}

fn method(task: Task, algorithm: Algorithm, params: &[(&str, f64)]) -> Method {
    let params: Params = params.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Method::from_spec(task, algorithm, &params)
}

/// The mean score of five times what is learned from four rows of five: each time of others, with the columns in another
/// order, and by another seed.
fn mean(
    (task, algorithm): (Task, Algorithm),
    columns: &[Column],
    y: &[f64],
    score: impl Fn(&[f64], &[f64]) -> f64,
) -> f64 {
    let one = |k: usize| {
        let rows = |is_test: bool| -> Vec<u32> {
            (0..y.len() as u32).filter(|row| (*row as usize % 5 == k) == is_test).collect()
        };
        let (_, design) = design(columns, k * columns.len() / 5);
        let method = method(task, algorithm, &[("seed", k as f64)]);
        let fit = method.fit(&design, y, &rows(false), &mut Scratch::default()).expect("a fit");
        let (mut block, mut predicted) = (Block::default(), Vec::new());
        design.block(&rows(true), &mut block);
        predict(&fit, &block, &mut predicted).expect("predictions");
        let truth: Vec<f64> = rows(true).iter().map(|row| y[*row as usize]).collect();
        score(&truth, &predicted)
    };
    (0..5).map(one).sum::<f64>() / 5.0
}

fn rmse(algorithm: Algorithm, columns: &[Column], y: &[f64]) -> f64 {
    mean((Task::Regression, algorithm), columns, y, |truth, predicted| {
        score(truth, predicted, &[]).and_then(|scores| scores.regression()).expect("scores").rmse
    })
}

fn log_loss(algorithm: Algorithm, columns: &[Column], y: &[f64]) -> f64 {
    mean((Task::Classification, algorithm), columns, y, |truth, p| {
        let classes: Vec<f64> = (0..p.len() / truth.len()).map(|class| class as f64).collect();
        let scores = score_classes(truth, &classes, p, &[]);
        scores.and_then(|scores| scores.classification()).expect("scores").log_loss
    })
}

#[test]
fn trees_with_gaps_and_categories_are_no_worse_than_those_of_scikit_learn() {
    let data: Value = serde_json::from_str(include_str!("classifiers.json")).expect("as it was made");
    let data = data["cases"].as_array().expect("cases").clone();
    let figures: Value = serde_json::from_str(include_str!("missing.json")).expect("as it was made");
    let mut ratios: Vec<(&str, Vec<f64>)> = Vec::new();
    for expected in figures["cases"].as_array().expect("cases") {
        let case = data.iter().find(|data| data["name"] == expected["name"]).expect("its rows");
        let columns: Vec<Vec<f64>> =
            case["columns"].as_array().expect("columns").iter().map(numbers).collect();
        let (y, classes) = (&columns[0], &numbers(&case["target"]));
        let gaps = with_gaps(&columns[1..], y);
        let class_gaps = with_gaps(&columns, classes);
        let categories = with_categories(&columns[1..]);
        let class_categories = with_categories(&columns);
        for (name, own) in [
            ("missing_boosting", rmse(Algorithm::Boosting, &gaps, y)),
            ("missing_forest", rmse(Algorithm::Forest, &gaps, y)),
            ("missing_extra_trees", rmse(Algorithm::ExtraTrees, &gaps, y)),
            ("missing_classes_boosting", log_loss(Algorithm::Boosting, &class_gaps, classes)),
            ("missing_classes_forest", log_loss(Algorithm::Forest, &class_gaps, classes)),
            ("categories_boosting", rmse(Algorithm::Boosting, &categories, y)),
            ("categories_classes_boosting", log_loss(Algorithm::Boosting, &class_categories, classes)),
        ] {
            let Some(theirs) = expected[name].as_f64() else { continue };
            let ratio = own / theirs;
            match ratios.iter_mut().find(|(known, _)| *known == name) {
                Some((_, ratios)) => ratios.push(ratio),
                None => ratios.push((name, vec![ratio])),
            }
        }
    }
    for (name, ratios) in ratios {
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        assert!(mean < 1.01, "{name}: {mean} of scikit-learn's in the mean of {ratios:?}");
    }
}

fn fit_and_predict(method: &Method, design: &Design, y: &[f64]) -> (Parameters, Vec<f64>) {
    let rows: Vec<u32> = (0..y.len() as u32).collect();
    let fit = method.fit(design, y, &rows, &mut Scratch::default()).expect("a fit");
    let (mut block, mut predicted) = (Block::default(), Vec::new());
    design.block(&rows, &mut block);
    predict(&fit, &block, &mut predicted).expect("predictions");
    (fit, predicted)
}

#[test]
fn what_is_missing_goes_the_way_that_it_went_in_training() {
    // Missing means 5, whatever the value says otherwise.
    let x: Vec<f64> = (0..60).map(|row| if row % 3 == 0 { f64::NAN } else { f64::from(row % 7) }).collect();
    let y: Vec<f64> =
        x.iter().map(|x| if x.is_nan() { 5.0 } else { f64::from(u8::from(*x > 3.0)) }).collect();
    let tree = method(Task::Regression, Algorithm::Tree, &[]);
    let (_, own) = design(&[Column::Number(x)], 0);
    assert_eq!(fit_and_predict(&tree, &own, &y).1, y);
    // Categories in any order.
    let codes: Vec<u32> = (0..60).map(|row| if row % 5 == 4 { u32::MAX } else { row * 7 % 4 }).collect();
    let y: Vec<f64> = codes.iter().map(|code| if *code == 1 || *code == 3 { 2.0 } else { -1.0 }).collect();
    let text = |codes: Vec<u32>| {
        Column::Text(TextColumn { codes, values: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec() })
    };
    let (inputs, own) = design(&[text(codes)], 0);
    let (mut fit, predicted) = fit_and_predict(&tree, &own, &y);
    assert_eq!(predicted, y);
    // Without the categories that no set has; a text that was never seen is one that is missing.
    let pruned = prune_categories(&inputs, &mut fit);
    let Input::Category { categories, .. } = &pruned[0] else { panic!("{pruned:?}") };
    assert_eq!(categories, &["b", "d"]);
    let column = |_: &Input| Some(Arc::new(text(vec![0, 1, 2, 3, 4, u32::MAX])));
    let own = Design::new(&pruned, 6, column).expect("a design").with_missing(Missing::Keep);
    let (mut block, mut predicted) = (Block::default(), Vec::new());
    own.block(&[0, 1, 2, 3, 4, 5], &mut block);
    predict(&fit, &block, &mut predicted).expect("predictions");
    assert_eq!(predicted, [-1.0, 2.0, -1.0, 2.0, -1.0, -1.0]);
}

/// Numbers with gaps, texts of which some are missing, and nothing at all.
fn mixed(rows: &[(Option<f64>, u32, f64)]) -> Vec<Column> {
    let numbers = rows.iter().map(|(x, ..)| x.unwrap_or(f64::NAN)).collect();
    let values = (0..390).map(|at| at.to_string()).collect();
    let texts = TextColumn { codes: rows.iter().map(|(_, code, _)| *code).collect(), values };
    vec![Column::Number(numbers), Column::Text(texts), Column::Number(vec![f64::NAN; rows.len()])]
}

proptest! {
    /// Any mixture of numbers, gaps and categories makes a whole fit, which pruning does not change.
    #[test]
    fn any_columns_make_finite_predictions(
        rows in prop::collection::vec((prop::option::of(-1e300f64..1e300), 0u32..400, -1e3f64..1e3), 1..300),
        seed in 0u32..9,
    ) {
        let (inputs, design) = design(&mixed(&rows), seed as usize);
        let classes: Vec<f64> = rows.iter().map(|(.., y)| (y.abs() as u32 % 3).into()).collect();
        let y: Vec<f64> = rows.iter().map(|(.., y)| *y).collect();
        for algorithm in [Algorithm::Tree, Algorithm::Forest, Algorithm::ExtraTrees, Algorithm::Boosting] {
            let params = [("trees", 3.0), ("iterations", 3.0), ("min_leaf", 2.0), ("seed", f64::from(seed))];
            let known = |name: &str| algorithm.params().iter().any(|spec| spec.name == name);
            let params: Vec<(&str, f64)> = params.into_iter().filter(|(name, _)| known(name)).collect();
            for (task, y) in [(Task::Regression, &y), (Task::Classification, &classes)] {
                let (mut fit, predicted) = fit_and_predict(&method(task, algorithm, &params), &design, y);
                prop_assert!(predicted.iter().all(|value| value.is_finite()));
                let pruned = prune_categories(&inputs, &mut fit);
                let column = |input: &Input| {
                    mixed(&rows).into_iter().nth(input.column()[1..].parse().ok()?).map(Arc::new)
                };
                let own = Design::new(&pruned, rows.len(), column).expect("a design").with_missing(Missing::Keep);
                let (mut block, mut again) = (Block::default(), Vec::new());
                own.block(&(0..rows.len() as u32).collect::<Vec<_>>(), &mut block);
                predict(&fit, &block, &mut again).expect("predictions");
                prop_assert_eq!(&again, &predicted);
            }
        }
    }
}
