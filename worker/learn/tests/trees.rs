//! Trees, forests and boosting.

use learn::{
    Block, BoostingParams, ForestParams, LearnError, MaxFeatures, PredictError, boosting, forest, join,
    predict, score,
};
use proptest::prelude::*;
use schemas::fit::Parameters;
use schemas::trees::Trees;

mod shapes;

const TREE: ForestParams = ForestParams { seed: 0, ..shapes::TREE };
const FOREST: ForestParams = ForestParams { trees: 60, bootstrap: true, ..TREE };
const BOOSTING: BoostingParams =
    BoostingParams { iterations: 100, learning_rate: 0.1, max_leaves: 31, min_leaf: 20, ..shapes::BOOSTING };

/// Friedman's first function, without noise: y = 10 sin(π x0 x1) + 20 (x2 − ½)² + 10 x3 + 5 x4.
fn friedman(rows: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let columns: Vec<Vec<f64>> = (0..6).map(|_| (0..rows).map(|_| random()).collect()).collect();
    let y = (0..rows).map(|row| {
        let x = |column: usize| columns[column][row];
        let waves = 10.0 * (std::f64::consts::PI * x(0) * x(1)).sin();
        waves + 20.0 * (x(2) - 0.5).powi(2) + 10.0 * x(3) + 5.0 * x(4)
    });
    let y = y.collect();
    (columns, y)
}

fn block(columns: &[Vec<f64>], rows: std::ops::Range<usize>) -> Block {
    let cut: Vec<&[f64]> = columns.iter().map(|column| &column[rows.clone()]).collect();
    Block::from_columns(rows.len(), &cut)
}

fn predicted(trees: &Trees, block: &Block) -> Vec<f64> {
    let mut out = Vec::new();
    predict(&Parameters::Trees(trees.clone()), block, &mut out).expect("predictions");
    out
}

#[test]
fn each_method_learns_a_curved_function() {
    let (columns, y) = friedman(6_000);
    let (train, test) = (block(&columns, 0..4_000), block(&columns, 4_000..6_000));
    let r2 = |trees: &Trees| {
        score(&y[4_000..], &predicted(trees, &test), &[])
            .expect("scores")
            .regression()
            .expect("of numbers")
            .r2
    };
    let tree = r2(&forest(&train, &y[..4_000], &TREE).expect("a tree"));
    let bagged = r2(&forest(&train, &y[..4_000], &FOREST).expect("a forest"));
    let extra = ForestParams { random_cuts: true, bootstrap: false, ..FOREST };
    let extra = r2(&forest(&train, &y[..4_000], &extra).expect("extra trees"));
    let boosted = r2(&boosting(&train, &y[..4_000], &BOOSTING).expect("boosting"));
    assert!(
        tree > 0.80 && bagged > 0.93 && extra > 0.95 && boosted > 0.97,
        "{tree} {bagged} {extra} {boosted}"
    );
    assert!(bagged > tree + 0.05);
}

#[test]
fn a_deep_tree_remembers_distinct_rows() {
    let (columns, y) = friedman(200);
    let all = block(&columns, 0..200);
    let tree = forest(&all, &y, &TREE).expect("a tree");
    predicted(&tree, &all).iter().zip(&y).for_each(|(found, y)| assert!((found - y).abs() < 1e-9));
    let shallow = forest(&all, &y, &ForestParams { max_depth: 3, ..TREE }).expect("a tree");
    assert!(shallow.columns.len() <= 15, "{}", shallow.columns.len());
    let stout = forest(&all, &y, &ForestParams { min_leaf: 50, ..TREE }).expect("a tree");
    assert!(stout.columns.len() <= 7, "{}", stout.columns.len());
    let few = boosting(&all, &y, &BoostingParams { max_leaves: 4, min_leaf: 1, ..BOOSTING }).expect("trees");
    assert!(few.columns.len() <= 7 * few.roots.len());
}

#[test]
fn seeds_decide_forests() {
    let (columns, y) = friedman(500);
    let all = block(&columns, 0..500);
    let of = |seed| {
        forest(&all, &y, &ForestParams { max_features: MaxFeatures::Share(0.5), seed, ..FOREST })
            .expect("a forest")
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

#[test]
fn what_cannot_be_learned_is_an_error() {
    let empty = Block::from_columns(0, &[&[]]);
    assert_eq!(forest(&empty, &[], &FOREST), Err(LearnError::NoRows));
    let hole = Block::from_columns(2, &[&[1.0, f64::NAN]]);
    assert_eq!(forest(&hole, &[1.0, 2.0], &FOREST), Err(LearnError::NotFinite));
    let fine = Block::from_columns(2, &[&[1.0, 2.0]]);
    assert_eq!(boosting(&fine, &[1.0, f64::INFINITY], &BOOSTING), Err(LearnError::NotFinite));
    let huge = [f64::MAX, f64::MAX / 2.0, -f64::MAX, f64::MAX];
    let found = forest(&Block::from_columns(4, &[&[1.0, 2.0, 3.0, 4.0]]), &huge, &TREE);
    assert!(matches!(found, Ok(_) | Err(LearnError::NotFinite)));
}

/// Trees out of a torn fit are refused: no path may leave the arrays or turn in a circle.
#[test]
fn trees_that_lead_nowhere_are_refused() {
    let whole = Trees {
        base: 0.0,
        scale: 1.0,
        roots: vec![0],
        columns: vec![0, u32::MAX, u32::MAX],
        values: vec![0.5, 1.0, 2.0],
        rights: vec![2, 1, 2],
        sets: Vec::new(),
        covers: Vec::new(),
    };
    let rows = Block::from_columns(2, &[&[0.0, 1.0]]);
    assert_eq!(predicted(&whole, &rows), [1.0, 2.0]);
    for torn in [
        Trees { rights: vec![0, 1, 2], ..whole.clone() },
        Trees { rights: vec![9, 1, 2], ..whole.clone() },
        Trees { columns: vec![1, u32::MAX, u32::MAX], ..whole.clone() },
        Trees { roots: vec![3], ..whole.clone() },
        Trees { values: vec![0.5], ..whole.clone() },
    ] {
        let refused = predict(&Parameters::Trees(torn), &rows, &mut Vec::new());
        assert_eq!(refused, Err(PredictError::Trees { found: 1 }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the rows: a fit whose predictions lie within the targets' range.
    #[test]
    fn predictions_stay_within_the_targets(
        rows in proptest::collection::vec((-20i32..20, -1e6f64..1e6, -1e9f64..1e9), 1..150),
        depth in 1u32..12,
        bootstrap in any::<bool>(),
        random_cuts in any::<bool>(),
    ) {
        let first: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
        let second: Vec<f64> = rows.iter().map(|row| row.1).collect();
        let y: Vec<f64> = rows.iter().map(|row| row.2).collect();
        let block = Block::from_columns(rows.len(), &[&first, &second, &vec![7.0; rows.len()]]);
        let params = ForestParams { trees: 5, max_depth: depth, bootstrap, random_cuts, ..TREE };
        let (least, most) = y.iter().fold((f64::MAX, f64::MIN), |(a, b), y| (a.min(*y), b.max(*y)));
        let slack = 1e-6 * (most.abs() + least.abs() + 1.0);
        let trees = forest(&block, &y, &params).expect("a forest");
        prop_assert!(trees.is_whole(3) && !trees.is_whole(0) || trees.columns.iter().all(|c| *c == u32::MAX));
        for value in predicted(&trees, &block) {
            prop_assert!(least - slack <= value && value <= most + slack);
        }
        let boosted = boosting(&block, &y, &BoostingParams { iterations: 10, min_leaf: 1, ..BOOSTING });
        prop_assert!(boosted.expect("trees").is_whole(3));
    }

    /// Stretching a column in any increasing way changes no prediction of the training rows.
    #[test]
    fn trees_see_only_the_order_of_values(values in proptest::collection::vec(-50i32..50, 2..120)) {
        let x: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
        let stretched: Vec<f64> = x.iter().map(|x| (x / 10.0).exp()).collect();
        let y: Vec<f64> = x.iter().map(|x| (x / 7.0).sin()).collect();
        let of = |column: &[f64]| {
            let block = Block::from_columns(column.len(), &[column]);
            predicted(&forest(&block, &y, &ForestParams { max_depth: 4, ..TREE }).expect("a tree"), &block)
        };
        prop_assert_eq!(of(&x), of(&stretched));
    }
}

#[test]
fn a_forest_is_the_same_by_threads_and_by_parts() {
    let (columns, y) = friedman(300);
    let block = Block::from_columns(300, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let params = ForestParams { trees: 11, max_features: MaxFeatures::Share(0.5), ..FOREST };
    let whole = forest(&block, &y, &params).expect("a forest");
    let threads = forest(&block, &y, &ForestParams { threads: 4, ..params }).expect("a forest");
    assert_eq!(threads, whole);
    let part = |from, to| {
        let part = ForestParams { part: Some((from, to)), threads: 2, ..params };
        Parameters::Trees(forest(&block, &y, &part).expect("some trees"))
    };
    let joined = join(vec![part(0, 1), part(1, 7), part(7, 7), part(7, 11)]);
    assert_eq!(joined, Some(Parameters::Trees(whole)));
}

/// Rows enough that several threads have something to do.
#[test]
fn a_tree_is_the_same_however_many_threads_grow_it() {
    let (columns, y) = friedman(50_000);
    let block = Block::from_columns(y.len(), &columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let one = |threads| forest(&block, &y, &ForestParams { threads, ..TREE }).expect("a tree");
    assert_eq!(one(1), one(3));
    let sum = |threads| {
        let params = BoostingParams { iterations: 5, early_stopping_rounds: 2, threads, ..BOOSTING };
        boosting(&block, &y, &params).expect("a sum")
    };
    assert_eq!(sum(1), sum(3));
}

#[test]
fn parts_of_different_fits_are_not_joined() {
    let linear = Parameters::Linear { intercept: 0.0, coefficients: Vec::new() };
    assert_eq!(join(vec![linear.clone(), linear]), None);
    assert_eq!(join(Vec::new()), None);
}

/// Past what can be learned, more trees only learn the noise: stopping keeps to the number that was best on newer rows.
#[test]
fn boosting_stops_where_more_trees_do_not_pay() {
    let (columns, clean) = friedman(1_200);
    let noisy: Vec<f64> =
        clean.iter().enumerate().map(|(i, y)| y + ((i * 7_919) % 31) as f64 - 15.0).collect();
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let block = Block::from_columns(1_200, &columns);
    let rate = BoostingParams { learning_rate: 0.3, iterations: 200, min_leaf: 5, ..BOOSTING };
    let stopping = BoostingParams { early_stopping_rounds: 10, validation: 0.2, ..rate };
    let trees = boosting(&block, &noisy, &stopping).expect("trees");
    assert!((2..60).contains(&trees.roots.len()), "{} trees", trees.roots.len());
    let exactly = BoostingParams { iterations: trees.roots.len() as u32, ..rate };
    assert_eq!(trees, boosting(&block, &noisy, &exactly).expect("trees"), "learned from all rows in the end");
    // The target without noise tells who learned it better.
    let error = |params: &BoostingParams| {
        let fit = Parameters::Trees(boosting(&block, &noisy, params).expect("trees"));
        let mut predicted = Vec::new();
        predict(&fit, &block, &mut predicted).expect("predictions");
        score(&clean, &predicted, &[]).and_then(|scores| scores.regression()).expect("scores").rmse
    };
    assert!(error(&stopping) < 0.8 * error(&rate), "{} {}", error(&stopping), error(&rate));
}

#[test]
fn stopping_survives_too_few_rows() {
    let block = Block::from_columns(1, &[&[1.0]]);
    let params = BoostingParams { early_stopping_rounds: 3, ..BOOSTING };
    assert_eq!(boosting(&block, &[5.0], &params).expect("trees").base, 5.0);
}
