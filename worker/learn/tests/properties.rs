//! What must hold of every fit, whatever the rows.

use learn::{Block, Moments, mean, predict, ridge};
use proptest::prelude::*;
use schemas::fit::Parameters;

/// Columns and target.
#[derive(Debug, Clone)]
struct Table {
    columns: Vec<Vec<f64>>,
    target: Vec<f64>,
}

impl Table {
    fn block(&self) -> Block {
        let columns: Vec<&[f64]> = self.columns.iter().map(Vec::as_slice).collect();
        Block::from_columns(self.target.len(), &columns)
    }

    fn moments(&self) -> Moments {
        Moments::of(&self.block(), &self.target)
    }

    fn rows(&self, range: std::ops::Range<usize>) -> Table {
        let columns = self.columns.iter().map(|column| column[range.clone()].to_vec()).collect();
        Table { columns, target: self.target[range].to_vec() }
    }

    /// Moments of the parts between `cuts`, merged from the left.
    fn merged(&self, cuts: &[usize]) -> Moments {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (self.target.len() + 1)).collect();
        ends.extend([0, self.target.len()]);
        ends.sort_unstable();
        let mut total = Moments::empty(self.columns.len());
        ends.windows(2).for_each(|ends| total.merge(&self.rows(ends[0]..ends[1]).moments()));
        total
    }
}

fn tables(widths: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> impl Strategy<Value = Table> {
    (widths, rows).prop_flat_map(|(width, rows)| {
        let column = (-1e3..1e3, -3i32..4).prop_flat_map(move |(shift, exponent)| {
            let scale = 10f64.powi(exponent);
            prop::collection::vec((-1.0..1.0).prop_map(move |value: f64| shift + scale * value), rows)
        });
        (prop::collection::vec(column.clone(), width), column)
            .prop_map(|(columns, target)| Table { columns, target })
    })
}

fn linear(parameters: Parameters) -> (f64, Vec<f64>) {
    let Parameters::Linear { intercept, coefficients } = parameters else { panic!("a linear fit") };
    (intercept, coefficients)
}

fn predictions(parameters: &Parameters, block: &Block) -> Vec<f64> {
    let mut out = Vec::new();
    assert_eq!(predict(parameters, block, &mut out), Ok(()));
    out
}

/// The largest difference, over the largest magnitude.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(f64::MIN_POSITIVE, |scale, b| scale.max(b.abs()));
    a.iter().zip(b).fold(0.0, |largest: f64, (a, b)| largest.max((a - b).abs())) / scale
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Both ways of multiplying: by pairs, and for many columns by matrix products.
    #[test]
    fn moments_of_any_split_are_those_of_the_whole(
        table in prop_oneof![tables(0..8, 1..80), tables(14..70, 1..40)],
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let (whole, merged) = (table.moments(), table.merged(&cuts));
        prop_assert_eq!(whole.count(), merged.count());
        for i in 0..=whole.width() {
            prop_assert!((whole.mean(i) - merged.mean(i)).abs() <= 1e-10 * whole.mean(i).abs().max(1.0));
            for j in 0..=whole.width() {
                let scale = (whole.second(i, i) * whole.second(j, j)).sqrt();
                prop_assert!((whole.second(i, j) - merged.second(i, j)).abs() <= 1e-10 * scale);
            }
        }
    }

    #[test]
    fn moments_are_what_they_are_called(table in prop_oneof![tables(1..5, 1..40), tables(16..20, 1..40)]) {
        let moments = table.moments();
        let variables: Vec<&Vec<f64>> = table.columns.iter().chain([&table.target]).collect();
        let means: Vec<f64> = variables.iter().map(|v| v.iter().sum::<f64>() / v.len() as f64).collect();
        for (i, a) in variables.iter().enumerate() {
            prop_assert!((moments.mean(i) - means[i]).abs() <= 1e-10 * means[i].abs().max(1.0));
            for (j, b) in variables.iter().enumerate() {
                let products = a.iter().zip(*b).map(|(a, b)| (a - means[i]) * (b - means[j]));
                let scale = (moments.second(i, i) * moments.second(j, j)).sqrt();
                prop_assert!((moments.second(i, j) - products.sum::<f64>()).abs() <= 1e-9 * scale);
            }
        }
    }

    #[test]
    fn ridge_of_merged_moments_is_ridge_of_the_whole(
        table in tables(1..6, 10..80),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
        alpha in 0.1..100.0,
    ) {
        let block = table.block();
        let whole = predictions(&ridge(&table.moments(), alpha).unwrap(), &block);
        let merged = predictions(&ridge(&table.merged(&cuts), alpha).unwrap(), &block);
        prop_assert!(distance(&merged, &whole) < 1e-9);
    }

    #[test]
    fn ridge_satisfies_its_normal_equations(table in tables(1..20, 2..60), alpha in 0.01..100.0) {
        let moments = table.moments();
        let parameters = ridge(&moments, alpha).unwrap();
        let predicted = predictions(&parameters, &table.block());
        let errors: Vec<f64> = table.target.iter().zip(&predicted).map(|(y, p)| y - p).collect();
        let size = (moments.second(moments.width(), moments.width()) * errors.len() as f64).sqrt();
        prop_assert!(errors.iter().sum::<f64>().abs() <= 1e-8 * size.max(1.0), "the errors' mean is not 0");
        for (i, coefficient) in linear(parameters).1.iter().enumerate() {
            let deviation = moments.variance(i).sqrt();
            let products = table.columns[i].iter().zip(&errors).map(|(x, e)| (x - moments.mean(i)) / deviation * e);
            let gradient = products.sum::<f64>() - alpha * coefficient * deviation;
            prop_assert!(gradient.abs() <= 1e-7 * size.max(1.0), "gradient {} of column {}", gradient, i);
        }
    }

    #[test]
    fn a_prediction_does_not_depend_on_the_rows_beside_it(table in tables(1..6, 2..60), cut in any::<usize>()) {
        let parameters = ridge(&table.moments(), 1.0).unwrap();
        let cut = cut % table.target.len();
        let mut parts = predictions(&parameters, &table.rows(0..cut).block());
        parts.extend(predictions(&parameters, &table.rows(cut..table.target.len()).block()));
        prop_assert_eq!(parts, predictions(&parameters, &table.block()));
    }

    #[test]
    fn a_constant_column_weighs_exactly_nothing(
        mut table in prop_oneof![tables(1..6, 2..60), tables(16..20, 2..60)],
        value in -1e6..1e6,
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let without = linear(ridge(&table.merged(&cuts), 1.0).unwrap());
        table.columns.insert(0, vec![value; table.target.len()]);
        let moments = table.merged(&cuts);
        for j in 0..=moments.width() {
            prop_assert_eq!(moments.second(0, j), 0.0);
        }
        let (intercept, coefficients) = linear(ridge(&moments, 1.0).unwrap());
        prop_assert_eq!(coefficients[0], 0.0);
        prop_assert!(distance(&coefficients[1..], &without.1) < 1e-9);
        prop_assert!((intercept - without.0).abs() <= 1e-9 * without.0.abs().max(1.0));
    }

    #[test]
    fn a_doubled_column_shares_its_weight(table in tables(1..12, 30..60), factor in 0.5..3.0f64) {
        let well_posed = ridge(&table.moments(), 0.0).unwrap();
        let mut doubled = table.clone();
        doubled.columns.push(table.columns[0].iter().map(|value| value * factor).collect());
        let fitted = ridge(&doubled.moments(), 0.0).unwrap();
        let expected = predictions(&well_posed, &table.block());
        prop_assert!(distance(&predictions(&fitted, &doubled.block()), &expected) < 1e-8);
        let (first, last) = (linear(well_posed).1[0], linear(fitted).1);
        // Equal on standardised columns, so inverse to their scales.
        prop_assert!((last[0] - first / 2.0).abs() <= 1e-6 * first.abs());
        prop_assert!((last[table.columns.len()] * factor - first / 2.0).abs() <= 1e-6 * first.abs());
    }

    #[test]
    fn shifting_the_target_shifts_only_the_intercept(table in tables(1..6, 10..60), shift in -1e3..1e3f64) {
        let moments = table.moments();
        let (intercept, coefficients) = linear(ridge(&moments, 1.0).unwrap());
        let mut shifted = table.clone();
        shifted.target.iter_mut().for_each(|y| *y += shift);
        let (moved, same) = linear(ridge(&shifted.moments(), 1.0).unwrap());
        // The shifted target has lost digits: up to 3e-13 of each.
        let mut change = 1e-12;
        for (i, (same, own)) in same.iter().zip(&coefficients).enumerate() {
            let deviation = moments.variance(i).sqrt();
            prop_assert!((same - own).abs() * deviation <= 1e-10, "{} is not {}", same, own);
            change += 1e-10 * (moments.mean(i) / deviation).abs();
        }
        prop_assert!((moved - intercept - shift).abs() <= change + 1e-12 * intercept.abs());
    }

    // Rows are multiples of 2⁻²⁰, so that the shift itself is exact.
    #[test]
    fn columns_far_from_zero_keep_their_digits(
        rows in prop::collection::vec((-2_000_000i32..2_000_000, -1.0..1.0), 30..200),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let near: Vec<f64> = rows.iter().map(|(x, _)| f64::from(*x) / 1_048_576.0).collect();
        let target = rows.iter().zip(&near).map(|((_, noise), x)| 2.0 * x + 3.0 + noise).collect();
        let far = near.iter().map(|x| x + 1e9).collect();
        let near = Table { columns: vec![near], target };
        let far = Table { columns: vec![far], target: near.target.clone() };
        let expected = ridge(&near.moments(), 0.0).unwrap();
        let fitted = ridge(&far.merged(&cuts), 0.0).unwrap();
        let predicted = predictions(&fitted, &far.block());
        prop_assert!(distance(&predicted, &predictions(&expected, &near.block())) < 1e-6);
        prop_assert!(distance(&linear(fitted).1, &linear(expected).1) < 1e-9);
    }

    #[test]
    fn the_mean_is_the_targets_mean(table in tables(0..3, 1..60)) {
        let (intercept, coefficients) = linear(mean(&table.moments()).unwrap());
        let expected = table.target.iter().sum::<f64>() / table.target.len() as f64;
        prop_assert!((intercept - expected).abs() <= 1e-10 * expected.abs().max(1.0));
        prop_assert!(coefficients.is_empty());
    }
}
