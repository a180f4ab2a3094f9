//! What must hold of every classifier, whatever the rows.

use learn::{
    Block, BoostingParams, ClassMethod, Classes, ForestParams, KernelSvmParams, LearnError, MaxFeatures,
    PredictError, classify, most_probable, predict, score_classes,
};
use proptest::prelude::*;
use schemas::classifier::Classifier;
use schemas::fit::Parameters;

mod shapes;

use shapes::{BOOSTING, TREE};

const FOREST: ForestParams =
    ForestParams { trees: 7, max_features: MaxFeatures::SquareRoot, bootstrap: true, ..TREE };

fn methods() -> Vec<ClassMethod> {
    vec![
        ClassMethod::Logistic { c: 1.0 },
        ClassMethod::NaiveBayes { smoothing: 1e-9 },
        ClassMethod::LinearSvm { c: 1.0 },
        ClassMethod::KernelSvm(KernelSvmParams { c: 1.0, gamma: 0.0 }),
        ClassMethod::Neighbours { k: 3 },
        ClassMethod::Forest(FOREST),
        ClassMethod::Forest(ForestParams { random_cuts: true, bootstrap: false, ..FOREST }),
        ClassMethod::Boosting(BOOSTING),
    ]
}

fn block(columns: &[Vec<f64>], rows: usize) -> Block {
    Block::from_columns(rows, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn probabilities(classifier: &Classifier, block: &Block) -> Vec<f64> {
    let mut out = Vec::new();
    predict(&Parameters::Classifier(classifier.clone()), block, &mut out).expect("as it was made");
    out
}

/// Two columns in which classes stand on a circle, but for every ninth row.
fn easy(rows: usize, classes: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
    let wave = |row: usize, step: usize| (row * step % 101) as f64 / 101.0;
    let class = |row: usize| (if row.is_multiple_of(9) { row / 9 } else { row }) % classes;
    let angle = |row: usize| (row % classes) as f64 / classes as f64 * std::f64::consts::TAU;
    let first = (0..rows).map(|row| 2.0 * angle(row).cos() + wave(row, 37)).collect();
    let second = (0..rows).map(|row| 2.0 * angle(row).sin() + wave(row, 53)).collect();
    (vec![first, second], (0..rows).map(|row| 10.0 + class(row) as f64).collect())
}

#[test]
fn every_method_tells_classes_apart() {
    for classes in [2, 3, 6] {
        let (columns, y) = easy(180, classes);
        let all = block(&columns, 180);
        for method in methods() {
            let p = probabilities(&classify(&all, &y, &method).unwrap(), &all);
            let known = Classes::of(&y).unwrap();
            let scores = score_classes(&y, known.values(), &p, &[]).unwrap().classification().unwrap();
            let what = format!("{method:?} of {classes} classes: {scores:?}");
            assert!(scores.accuracy > 0.85 && scores.f1 > 0.85 && scores.auc > 0.9, "{what}");
            assert!(scores.log_loss < 0.7 * (classes as f64).ln(), "{what}");
        }
    }
}

#[test]
fn rows_of_one_class_get_a_fit_that_always_says_it() {
    for method in methods() {
        for rows in [1, 5] {
            let x = vec![(0..rows).map(f64::from).collect::<Vec<_>>()];
            let all = block(&x, rows as usize);
            let classifier = classify(&all, &vec![4.0; rows as usize], &method).unwrap();
            assert_eq!(probabilities(&classifier, &all), vec![1.0; rows as usize]);
        }
    }
}

#[test]
fn columns_that_tell_nothing_leave_the_shares() {
    let columns = vec![vec![7.1; 40]];
    let y: Vec<f64> = (0..40).map(|row| f64::from(u8::from(row % 4 == 0))).collect();
    for method in methods() {
        let p = probabilities(&classify(&block(&columns, 40), &y, &method).unwrap(), &block(&columns, 40));
        let most = if let ClassMethod::Neighbours { .. } = method { 1.0 } else { 0.85 };
        assert!(p.chunks(2).all(|p| p[0] > 0.6 && p[0] <= most), "{method:?}: {:?}", &p[..2]);
    }
}

#[test]
fn what_cannot_be_learned_is_an_error() {
    let many: Vec<f64> = (0..300).map(f64::from).collect();
    let all = block(std::slice::from_ref(&many), 300);
    for method in methods() {
        assert_eq!(classify(&all, &many, &method), Err(LearnError::Classes { found: 300 }));
        assert_eq!(classify(&block(&[vec![]], 0), &[], &method), Err(LearnError::NoRows));
        let hole = block(&[vec![1.0, f64::NAN, 2.0]], 3);
        assert_eq!(classify(&hole, &[0.0, 1.0, 1.0], &method), Err(LearnError::NotFinite), "{method:?}");
        assert_eq!(classify(&block(&[vec![1.0]], 1), &[f64::NAN], &method), Err(LearnError::NotFinite));
    }
    let wide = vec![vec![0.5; 600]; 2_000];
    let y: Vec<f64> = (0..600).map(|row| f64::from(row % 2)).collect();
    let kept = classify(&block(&wide, 600), &y, &ClassMethod::Neighbours { k: 1 });
    assert!(matches!(kept, Err(LearnError::TooLarge { values: 1_200_600 })));
}

#[test]
fn ten_thousand_columns_are_no_trouble() {
    let column = |i: usize| (0..24).map(|row| ((row * 31 + i * 17) % 29) as f64).collect::<Vec<_>>();
    let columns: Vec<Vec<f64>> = (0..10_000).map(column).collect();
    let y: Vec<f64> = (0..24).map(|row| f64::from(row % 3)).collect();
    let all = block(&columns, 24);
    for method in methods() {
        let p = probabilities(&classify(&all, &y, &method).unwrap(), &all);
        assert!(p.len() == 72 && p.iter().all(|p| p.is_finite()), "{method:?}");
    }
}

/// A fit out of a torn blob is refused.
#[test]
fn classifiers_that_contradict_themselves_are_refused() {
    let (columns, y) = easy(60, 3);
    let all = block(&columns, 60);
    let narrow = block(&columns[..1], 60);
    for method in methods() {
        let classifier = Parameters::Classifier(classify(&all, &y, &method).unwrap());
        let refused = predict(&classifier, &narrow, &mut Vec::new());
        assert!(refused.is_err(), "{method:?}");
    }
    let Classifier::Forest { trees, shares, classes } =
        classify(&all, &y, &ClassMethod::Forest(FOREST)).unwrap()
    else {
        panic!("a forest")
    };
    let torn = Classifier::Forest { trees, shares: shares[3..].to_vec(), classes };
    let refused = predict(&Parameters::Classifier(torn), &all, &mut Vec::new());
    assert_eq!(refused, Err(PredictError::Trees { found: 2 }));
}

fn rows() -> impl Strategy<Value = Vec<(i32, f64, u8)>> {
    prop::collection::vec((-20i32..20, -1e3f64..1e3, 0u8..4), 1..50)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn probabilities_are_probabilities_and_survive_scaling_and_order(
        rows in rows(),
        scale in -3i32..4,
        turn in any::<usize>(),
    ) {
        let count = rows.len();
        let x: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
        let columns = vec![x.clone(), rows.iter().map(|row| row.1).collect(), vec![3.3; count], x];
        let y: Vec<f64> = rows.iter().map(|row| f64::from(row.2)).collect();
        let all = block(&columns, count);
        let scaled: Vec<Vec<f64>> =
            columns.iter().map(|column| column.iter().map(|x| 5.0 + x * 10f64.powi(scale)).collect()).collect();
        let order: Vec<usize> = (0..count).map(|row| (row + turn % count) % count).collect();
        let turned: Vec<Vec<f64>> =
            columns.iter().map(|column| order.iter().map(|row| column[*row]).collect()).collect();
        let turned_y: Vec<f64> = order.iter().map(|row| y[*row]).collect();
        for method in methods() {
            let p = probabilities(&classify(&all, &y, &method).unwrap(), &all);
            let classes = Classes::of(&y).unwrap().values().len();
            prop_assert_eq!(p.len(), count * classes);
            for p in p.chunks(classes) {
                prop_assert!(p.iter().all(|p| (0.0..=1.0 + 1e-12).contains(p)), "{:?}: {:?}", method, p);
                prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            }
            let smooth = matches!(method, ClassMethod::Logistic { .. } | ClassMethod::NaiveBayes { .. });
            if smooth && classes > 1 {
                let other = block(&scaled, count);
                let q = probabilities(&classify(&other, &y, &method).unwrap(), &other);
                prop_assert!(p.iter().zip(&q).all(|(p, q)| (p - q).abs() < 1e-5), "{:?}", method);
                let other = classify(&block(&turned, count), &turned_y, &method).unwrap();
                let q = probabilities(&other, &all);
                prop_assert!(p.iter().zip(&q).all(|(p, q)| (p - q).abs() < 1e-6), "{:?}", method);
            }
        }
    }

    /// Numbers of any size: a fit or a named error.
    #[test]
    fn extreme_magnitudes_do_no_harm(
        rows in prop::collection::vec((-1.0f64..1.0, -308i32..308, 0u8..3), 2..30),
    ) {
        let columns = vec![rows.iter().map(|row| row.0 * 10f64.powi(row.1)).collect::<Vec<_>>()];
        let y: Vec<f64> = rows.iter().map(|row| f64::from(row.2)).collect();
        let all = block(&columns, rows.len());
        for method in methods() {
            if let Ok(classifier) = classify(&all, &y, &method) {
                let p = probabilities(&classifier, &all);
                prop_assert!(p.iter().all(|p| !p.is_nan()), "{:?}", method);
                most_probable(&p);
            }
        }
    }

    #[test]
    fn fits_repeat_bit_for_bit(rows in rows()) {
        let columns = vec![rows.iter().map(|row| row.1).collect::<Vec<_>>()];
        let y: Vec<f64> = rows.iter().map(|row| f64::from(row.2)).collect();
        let all = block(&columns, rows.len());
        for method in methods() {
            prop_assert_eq!(classify(&all, &y, &method), classify(&all, &y, &method));
        }
    }
}

#[test]
fn a_forest_of_classes_is_the_same_by_threads_and_by_parts() {
    let column = |k: usize| (0..240).map(|row| ((row * (k + 3)) % 17) as f64).collect::<Vec<f64>>();
    let columns: Vec<Vec<f64>> = (0..4).map(column).collect();
    let block = Block::from_columns(240, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let y: Vec<f64> = (0..240).map(|row| ((row * row) % 3) as f64).collect();
    let grown = |params: ForestParams| classify(&block, &y, &ClassMethod::Forest(params)).expect("a forest");
    let whole = grown(FOREST);
    assert_eq!(grown(ForestParams { threads: 3, ..FOREST }), whole);
    let part = |from, to| Parameters::Classifier(grown(ForestParams { part: Some((from, to)), ..FOREST }));
    assert_eq!(learn::join(vec![part(0, 2), part(2, 3), part(3, 7)]), Some(Parameters::Classifier(whole)));
}

#[test]
fn boosting_of_classes_is_the_same_however_many_threads_grow_it() {
    let rows = 40_000;
    let column = |k: usize| (0..rows).map(|row| ((row * (k + 3)) % 1_009) as f64).collect::<Vec<f64>>();
    let columns: Vec<Vec<f64>> = (0..3).map(column).collect();
    let block = Block::from_columns(rows, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
    for classes in [2, 3] {
        let y: Vec<f64> = (0..rows).map(|row| ((row / 7) % classes) as f64).collect();
        let grown = |threads| {
            let params = BoostingParams { iterations: 3, threads, ..BOOSTING };
            classify(&block, &y, &ClassMethod::Boosting(params)).expect("a fit")
        };
        assert_eq!(grown(1), grown(3));
    }
}

#[test]
fn boosting_of_classes_stops_where_more_trees_do_not_pay() {
    let state = |i: usize| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let x: Vec<f64> = (0..600).map(|i| (state(i) % 1_000) as f64).collect();
    let block = Block::from_columns(600, &[&x]);
    for classes in [2.0, 3.0] {
        // A third of the rows says nothing of its class.
        let class = |(i, x): (usize, &f64)| {
            if i % 3 == 0 { (state(i + 7_000) % 6) as f64 % classes } else { (x / 1_000.0 * classes).floor() }
        };
        let y: Vec<f64> = x.iter().enumerate().map(class).collect();
        let all = BoostingParams { iterations: 150, validation: 0.2, ..BOOSTING };
        let trees = |params| match classify(&block, &y, &ClassMethod::Boosting(params)).expect("a fit") {
            Classifier::Boosted { functions, .. } => functions[0].roots.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(trees(all), 150);
        let stopped = trees(BoostingParams { early_stopping_rounds: 10, ..all });
        assert!((1..60).contains(&stopped), "{stopped} trees of {classes} classes");
    }
}
