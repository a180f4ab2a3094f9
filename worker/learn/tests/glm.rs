//! Generalised linear models: the least loss is found, and bad targets are named.

use learn::{Block, LearnError, LogLinearParams, Moments, log_linear, predict};
use proptest::prelude::*;
use schemas::fit::Parameters;

const POISSON: LogLinearParams = LogLinearParams { power: 1.0, alpha: 0.1 };

fn predictions(parameters: &Parameters, block: &Block) -> Vec<f64> {
    let mut out = Vec::new();
    predict(parameters, block, &mut out).expect("a block of the same width");
    out
}

fn block(columns: &[Vec<f64>], rows: usize) -> Block {
    Block::from_columns(rows, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Columns of some scale, and positive targets.
fn tables() -> impl Strategy<Value = (Vec<Vec<f64>>, Vec<f64>)> {
    (1..6usize, 2..60usize).prop_flat_map(|(width, rows)| {
        let column = (-1e3..1e3, -3i32..4).prop_flat_map(move |(shift, exponent)| {
            let scale = 10f64.powi(exponent);
            prop::collection::vec((-1.0..1.0).prop_map(move |value: f64| shift + scale * value), rows)
        });
        (prop::collection::vec(column, width), prop::collection::vec(0.01..100.0f64, rows))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    // The slope of half the deviance by the linear predictor is (μ − y) μ^(1 − power).
    #[test]
    fn the_gradient_is_zero_at_the_fit(
        (columns, y) in tables(),
        power in prop_oneof![Just(1.0), Just(2.0), Just(3.0), 1.0..3.0f64],
        alpha in 0.01..10.0f64,
    ) {
        let block = block(&columns, y.len());
        let fit = log_linear(&block, &y, LogLinearParams { power, alpha }).unwrap();
        let Parameters::LogLinear { intercept, coefficients } = &fit else { panic!("{fit:?}") };
        let largest = |column: &[f64]| column.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let terms = coefficients.iter().zip(&columns).map(|(weight, column)| weight.abs() * largest(column));
        // The sums that predictions come out of are rounded.
        let tolerance = 1e-7 + 1e-13 * (intercept.abs() + terms.sum::<f64>());
        let means = predictions(&fit, &block);
        let slopes: Vec<f64> = means.iter().zip(&y).map(|(m, y)| (m - y) * m.powf(1.0 - power)).collect();
        let (count, moments) = (y.len() as f64, Moments::of(&block, &y));
        // What the slopes are differences of.
        let size = means.iter().zip(&y).map(|(m, y)| (m + y) * m.powf(1.0 - power)).sum::<f64>() / count;
        prop_assert!((slopes.iter().sum::<f64>() / count).abs() <= tolerance * size);
        for (i, weight) in coefficients.iter().enumerate() {
            let deviation = moments.variance(i).sqrt();
            // As good as constant: left out.
            if deviation <= 1e-9 * moments.mean(i).abs() || deviation == 0.0 {
                continue;
            }
            let products = columns[i].iter().zip(&slopes).map(|(x, s)| (x - moments.mean(i)) / deviation * s);
            let gradient = products.sum::<f64>() / count + alpha * weight * deviation;
            prop_assert!(gradient.abs() <= 10.0 * tolerance * size, "gradient {} of column {}", gradient, i);
        }
    }

    #[test]
    fn the_order_of_rows_and_constant_columns_do_not_matter((columns, y) in tables(), value in -1e6..1e6f64) {
        let straight = log_linear(&block(&columns, y.len()), &y, POISSON).unwrap();
        let turned = |values: &[f64]| values.iter().rev().copied().collect::<Vec<f64>>();
        let mut other: Vec<Vec<f64>> = columns.iter().map(|column| turned(column)).collect();
        other.push(vec![value; y.len()]);
        let other = block(&other, y.len());
        let back = log_linear(&other, &turned(&y), POISSON).unwrap();
        let (one, two) = (predictions(&straight, &block(&columns, y.len())), predictions(&back, &other));
        for (a, b) in one.iter().zip(two.iter().rev()) {
            prop_assert!((a - b).abs() <= 1e-6 * a.abs(), "{} is not {}", b, a);
        }
    }
}

#[test]
fn targets_that_cannot_be_are_named() {
    let x = Block::from_columns(3, &[&[1.0, 2.0, 3.0]]);
    let refused = |y: [f64; 3], power| log_linear(&x, &y, LogLinearParams { power, alpha: 1.0 }).unwrap_err();
    assert_eq!(refused([1.0, -3.0, 0.0], 1.0), LearnError::Target { power: 1.0, found: -3.0 });
    assert!(refused([1.0, -3.0, 0.0], 1.0).to_string().contains("targets are 0 or more"));
    assert!(refused([1.0, 0.0, 2.0], 2.0).to_string().contains("more than 0"));
    assert_eq!(refused([1.0, f64::NAN, 2.0], 1.0), LearnError::NotFinite);
    assert_eq!(log_linear(&Block::from_columns(0, &[&[]]), &[], POISSON), Err(LearnError::NoRows));
}

#[test]
fn nothing_sold_predicts_nothing_and_one_row_itself() {
    let x = Block::from_columns(3, &[&[1.0, 2.0, 3.0]]);
    let none = log_linear(&x, &[0.0; 3], POISSON).unwrap();
    assert_eq!(predictions(&none, &x), [0.0; 3]);
    let one = Block::from_columns(1, &[&[7.0]]);
    let same = log_linear(&one, &[12.5], POISSON).unwrap();
    assert!((predictions(&same, &one)[0] - 12.5).abs() < 1e-9);
    let equal = log_linear(&x, &[4.0; 3], LogLinearParams { power: 1.5, alpha: 0.0 }).unwrap();
    assert!(predictions(&equal, &x).iter().all(|mean| (mean - 4.0).abs() < 1e-9));
}

/// Without a penalty, a feature that tells zeros from the rest has no best weight; doubled columns have no single one.
#[test]
fn the_ill_posed_ends_in_a_fit_or_a_named_error() {
    let told = Block::from_columns(4, &[&[0.0, 0.0, 1.0, 1.0]]);
    let free = LogLinearParams { power: 1.0, alpha: 0.0 };
    match log_linear(&told, &[0.0, 0.0, 3.0, 5.0], free) {
        Ok(fit) => assert!(predictions(&fit, &told).iter().all(|mean| mean.is_finite())),
        Err(error) => assert!(error.to_string().contains("raise `alpha`"), "{error}"),
    }
    let x = [1.0, 2.0, 4.0, 8.0];
    let double = x.map(|x| 3.0 * x + 1.0);
    let doubled = Block::from_columns(4, &[&x, &double]);
    let single = Block::from_columns(4, &[&x]);
    let y = [1.0, 2.0, 2.0, 5.0];
    let expected = predictions(&log_linear(&single, &y, free).unwrap(), &single);
    let found = predictions(&log_linear(&doubled, &y, free).unwrap(), &doubled);
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
    for scale in [1e-100, 1e100] {
        let fit = log_linear(&single, &y.map(|y| y * scale), free).unwrap();
        assert!(predictions(&fit, &single).iter().all(|mean| (0.1..10.0).contains(&(mean / scale))));
    }
    let wide = vec![x.to_vec(); 500];
    assert!(log_linear(&block(&wide, 4), &y, POISSON).is_ok());
}
