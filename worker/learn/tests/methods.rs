//! Methods by name, where they end in an error, and scores.

use std::sync::Arc;

use learn::{
    Block, Design, ElasticNetParams, LearnError, LogLinearParams, Method, Moments, Ridge, Scratch,
    elastic_net, ridge, score,
};
use schemas::algorithm::{Algorithm, Params};
use schemas::column::Column;
use schemas::feature::Feature;
use schemas::fit::{Input, Parameters};
use schemas::task::Task;

const NET: ElasticNetParams =
    ElasticNetParams { alpha: 0.1, l1_ratio: 0.5, tolerance: 1e-12, max_iterations: 10_000 };

fn columns() -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let a: Vec<f64> = (0..60).map(|row| f64::from(row * 37 % 61)).collect();
    let b: Vec<f64> = a.iter().enumerate().map(|(row, a)| a + (row % 5) as f64).collect();
    let y = a.iter().zip(&b).enumerate().map(|(row, (a, b))| 3.0 * a - 2.0 * b + (row % 7) as f64).collect();
    (a, b, y)
}

fn coefficients(parameters: &Parameters) -> &[f64] {
    let Parameters::Linear { coefficients, .. } = parameters else { panic!("a linear fit") };
    coefficients
}

#[test]
fn specs_name_methods_with_defaults() {
    let params = Params::from([("alpha".to_owned(), 2.5)]);
    assert_eq!(Method::from_spec(Task::Regression, Algorithm::Mean, &Params::new()), Method::Mean);
    assert_eq!(Method::from_spec(Task::Regression, Algorithm::Linear, &Params::new()), Method::Linear);
    assert_eq!(
        Method::from_spec(Task::Regression, Algorithm::Ridge, &params),
        Method::Ridge(Ridge { alpha: 2.5 })
    );
    let defaults = ElasticNetParams { alpha: 2.5, l1_ratio: 0.5, tolerance: 1e-6, max_iterations: 1_000 };
    assert_eq!(
        Method::from_spec(Task::Regression, Algorithm::ElasticNet, &params),
        Method::ElasticNet(defaults)
    );
    let lasso = ElasticNetParams { l1_ratio: 1.0, ..defaults };
    assert_eq!(Method::from_spec(Task::Regression, Algorithm::Lasso, &params), Method::ElasticNet(lasso));
    let powers = [(Algorithm::Poisson, 1.0), (Algorithm::Tweedie, 1.5), (Algorithm::Gamma, 2.0)];
    for (algorithm, power) in powers {
        let method = Method::LogLinear(LogLinearParams { power, alpha: 2.5 });
        assert_eq!(Method::from_spec(Task::Regression, algorithm, &params), method);
    }
}

#[test]
fn a_method_solves_moments_exactly_when_its_algorithm_is_mergeable() {
    let (a, b, y) = columns();
    let moments = Moments::of(&Block::from_columns(60, &[&a, &b]), &y);
    // Forecasts learn no rows but series.
    let learns_rows = |(algorithm, _): &(Algorithm, _)| !algorithm.is_forecast();
    for (algorithm, _) in Algorithm::ALL.into_iter().filter(learns_rows) {
        let solved = Method::from_spec(Task::Regression, algorithm, &Params::new()).solve(&moments);
        assert_eq!(solved.is_some(), algorithm.is_mergeable(), "{algorithm:?}");
    }
}

#[test]
fn every_method_fits_chosen_rows_of_a_table() {
    let (a, b, y) = columns();
    let table = [Column::Number(a), Column::Number(b)].map(Arc::new);
    let inputs = ["0", "1"].map(|name| Input::Number(Feature::Column(name.to_owned())));
    let design =
        Design::new(&inputs, 60, |input| table.get(input.column().parse::<usize>().unwrap()).cloned())
            .unwrap();
    let rows: Vec<u32> = (10..50).collect();
    let (mut scratch, mut block) = (Scratch::default(), Block::default());
    design.block(&rows, &mut block);
    let moments = Moments::of(&block, &y[10..50]);
    for method in [Method::Mean, Method::Linear, Method::Ridge(Ridge { alpha: 3.0 }), Method::ElasticNet(NET)]
    {
        let expected = method.solve(&moments).expect("out of moments");
        assert_eq!(method.fit(&design, &y, &rows, &mut scratch), expected, "{method:?}");
    }
}

#[test]
fn no_rows_and_overflow_are_errors_of_every_method() {
    let empty = Block::from_columns(0, &[&[]]);
    let huge = Block::from_columns(2, &[&[1e200, -1e200]]);
    let torn = Block::from_columns(2, &[&[1.0, f64::NAN]]);
    for method in [Method::Linear, Method::Ridge(Ridge { alpha: 1.0 })] {
        let solve = |block: &Block, y: &[f64]| method.solve(&Moments::of(block, y)).unwrap();
        assert_eq!(solve(&empty, &[]), Err(LearnError::NoRows));
        assert_eq!(solve(&huge, &[1.0, 2.0]), Err(LearnError::NotFinite));
        assert_eq!(solve(&torn, &[1.0, 2.0]), Err(LearnError::NotFinite));
    }
    assert_eq!(elastic_net(&Moments::of(&empty, &[]), NET), Err(LearnError::NoRows));
    assert_eq!(elastic_net(&Moments::of(&huge, &[1.0, 2.0]), NET), Err(LearnError::NotFinite));
    assert_eq!(learn::mean(&Moments::empty(3)), Err(LearnError::NoRows));
    assert_eq!(learn::mean(&Moments::of(&torn, &[f64::NAN, 1.0])), Err(LearnError::NotFinite));
}

#[test]
fn an_elastic_net_without_l1_penalty_is_a_ridge() {
    let (a, b, y) = columns();
    let block = Block::from_columns(60, &[&a, &b]);
    let moments = Moments::of(&block, &y);
    assert_eq!(
        elastic_net(&Moments::of(&block, &y), ElasticNetParams { alpha: 0.0, ..NET }),
        ridge(&moments, 0.0)
    );
    assert_eq!(
        elastic_net(&Moments::of(&block, &y), ElasticNetParams { l1_ratio: 0.0, ..NET }),
        ridge(&moments, 0.1 * 60.0)
    );
}

#[test]
fn an_elastic_net_gives_constant_columns_no_weight_and_a_constant_target_no_weights() {
    let (a, b, y) = columns();
    let without = elastic_net(&Moments::of(&Block::from_columns(60, &[&a, &b]), &y), NET).unwrap();
    let block = Block::from_columns(60, &[&a, &[0.1; 60], &b]);
    let with = elastic_net(&Moments::of(&block, &y), NET).unwrap();
    let expected = [coefficients(&without)[0], 0.0, coefficients(&without)[1]];
    assert_eq!(coefficients(&with), expected);
    assert_eq!(coefficients(&elastic_net(&Moments::of(&block, &[0.1; 60]), NET).unwrap()), [0.0; 3]);
}

#[test]
fn the_unit_of_the_target_does_not_matter_to_an_elastic_net() {
    let (a, b, y) = columns();
    let block = Block::from_columns(60, &[&a, &b]);
    let net = ElasticNetParams { l1_ratio: 1.0, ..NET };
    let expected = elastic_net(&Moments::of(&block, &y), net).unwrap();
    let unit = 2f64.powi(-80);
    let small: Vec<f64> = y.iter().map(|y| y * unit).collect();
    let fitted =
        elastic_net(&Moments::of(&block, &small), ElasticNetParams { alpha: net.alpha * unit, ..net })
            .unwrap();
    for (fitted, expected) in coefficients(&fitted).iter().zip(coefficients(&expected)) {
        assert!((fitted / unit - expected).abs() <= 1e-9 * expected.abs(), "{fitted} {expected}");
    }
}

#[test]
fn descent_that_needs_more_steps_says_so() {
    let (a, b, y) = columns();
    let block = Block::from_columns(60, &[&a, &b]);
    for max_iterations in [1, 2, 3] {
        let net = ElasticNetParams { max_iterations, alpha: 1e-3, ..NET };
        match elastic_net(&Moments::of(&block, &y), net) {
            Err(LearnError::NotConverged { iterations, gap, tolerance }) => {
                assert_eq!(iterations, max_iterations);
                assert!(gap >= tolerance && gap < 1.0, "{gap}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        elastic_net(
            &Moments::of(&block, &y),
            ElasticNetParams { alpha: 1e-3, max_iterations: 100_000, ..NET }
        )
        .is_ok()
    );
}

/// One-hot columns add up to 1, so that descent trades their weights in ever smaller steps.
#[test]
fn a_lasso_of_one_hot_columns_converges() {
    let rows = 2_000usize;
    let random = |row: usize, salt: usize| ((row * 7_919 + salt * 104_729) % 10_007) as f64 / 10_007.0;
    let category = |row: usize| (random(row, 1) * 6.0) as usize;
    let mut columns: Vec<Vec<f64>> =
        (0..6).map(|own| (0..rows).map(|row| f64::from(u8::from(category(row) == own))).collect()).collect();
    columns.push((0..rows).map(|row| random(row, 2) * 100.0).collect());
    columns.push(columns[6].iter().map(|x| x * 0.02 + 1.0).collect());
    let y: Vec<f64> =
        (0..rows).map(|row| 30.0 * category(row) as f64 + columns[6][row] + random(row, 3)).collect();
    let block = Block::from_columns(rows, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let moments = Moments::of(&block, &y);
    for (alpha, l1_ratio) in [(0.1, 1.0), (1e-3, 1.0), (0.01, 0.5), (1e-5, 0.9)] {
        let params = ElasticNetParams { alpha, l1_ratio, tolerance: 1e-9, max_iterations: 1_000 };
        let fit = elastic_net(&moments, params).expect("convergence");
        let Parameters::Linear { intercept, coefficients } = &fit else { panic!("{fit:?}") };
        let squares = learn::residual_squares(*intercept, coefficients, &moments);
        assert!(squares < 1.1 * rows as f64, "{alpha}: {squares}");
    }
}

#[test]
fn columns_that_depend_on_each_other_stay_finite_at_any_penalty() {
    let (a, _, y) = columns();
    let sum: Vec<f64> = a.iter().map(|a| 0.3 * a - 7.0).collect();
    let block = Block::from_columns(60, &[&a, &sum, &a]);
    let single = Moments::of(&Block::from_columns(60, &[&a]), &y);
    // Between no penalty and a real one, the weights' shares carry rounding over alpha / n.
    for (alpha, relative) in [(0.0, 1e-9), (1e-300, 1e-9), (1e-15, 1e-9), (1e-9, 1e-3), (1e-6, 1e-6)] {
        let fitted = ridge(&Moments::of(&block, &y), alpha).unwrap();
        let [first, second, third] = coefficients(&fitted) else { panic!("three columns") };
        let whole = coefficients(&ridge(&single, alpha).unwrap())[0];
        for share in [*first, 0.3 * second, *third] {
            assert!((share - whole / 3.0).abs() <= relative * whole.abs(), "{alpha}: {share} of {whole}");
        }
    }
}

#[test]
fn scores_follow_their_definitions() {
    let metrics = score(&[1.0, 2.0, 3.0, 6.0], &[1.0, 1.0, 5.0, 6.0], &[]).unwrap().regression().unwrap();
    assert!((metrics.rmse - (5.0f64 / 4.0).sqrt()).abs() < 1e-15);
    assert!((metrics.mae - 0.75).abs() < 1e-15);
    assert!((metrics.r2 - (1.0 - 5.0 / 14.0)).abs() < 1e-15);
    assert!((metrics.mape - (0.5 + 2.0 / 3.0) / 4.0).abs() < 1e-15);
    assert!((metrics.smape - (2.0 / 3.0 + 0.5) / 4.0).abs() < 1e-15);
    assert_eq!(score(&[], &[], &[]), None);
    let still = score(&[0.1; 7], &[0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1], &[]).unwrap().regression().unwrap();
    assert!(still.r2.is_nan() && still.mae > 0.0);
    // A target of 0 has no share of itself to be wrong by.
    let zeros = score(&[0.0, 2.0], &[0.0, 1.0], &[]).unwrap().regression().unwrap();
    assert_eq!((zeros.mape, zeros.smape), (0.5, 1.0 / 3.0));
    assert!(score(&[0.0], &[1.0], &[]).unwrap().regression().unwrap().mape.is_nan());
}

#[test]
fn a_column_that_varies_by_rounding_only_weighs_nothing() {
    let (a, _, y) = columns();
    let rounding: Vec<f64> = a.iter().map(|a| if *a > 30.0 { 1e9 } else { 1e9f64.next_up() }).collect();
    let fitted = ridge(&Moments::of(&Block::from_columns(60, &[&a, &rounding]), &y), 0.0).unwrap();
    assert_eq!(coefficients(&fitted)[1], 0.0);
    assert_ne!(coefficients(&fitted)[0], 0.0);
}
