//! What must hold of every regression, whatever the rows: a fit with finite predictions or a named error.

use learn::{
    Block, ElasticNetParams, ForestParams, LearnError, LogLinearParams, Moments, SvrParams, boosting,
    elastic_net, forest, log_linear, neighbours, predict, ridge, svr,
};
use proptest::prelude::*;
use schemas::fit::Parameters;

mod shapes;

use shapes::{BOOSTING, TREE};

const NET: ElasticNetParams =
    ElasticNetParams { alpha: 0.1, l1_ratio: 0.5, tolerance: 1e-12, max_iterations: 10_000 };
const SVR: SvrParams = SvrParams { c: 1.0, gamma: 0.0, epsilon: 0.1 };

/// A regression by its name, as it is called.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Regression {
    Ridge(f64),
    Net(f64),
    Forest(ForestParams),
    Boosting,
    Svr,
    Neighbours,
}

impl Regression {
    fn all() -> Vec<Regression> {
        let bagged = ForestParams { trees: 5, bootstrap: true, ..TREE };
        let extra = ForestParams { trees: 5, random_cuts: true, ..TREE };
        let trees = [TREE, bagged, extra].map(Regression::Forest);
        let linear = [0.0, 1.0].map(Regression::Ridge).into_iter().chain([0.5, 1.0].map(Regression::Net));
        let others = [Regression::Boosting, Regression::Svr, Regression::Neighbours];
        linear.chain(trees).chain(others).collect()
    }

    fn fit(self, block: &Block, y: &[f64]) -> Result<Parameters, LearnError> {
        match self {
            Regression::Ridge(alpha) => ridge(&Moments::of(block, y), alpha),
            Regression::Net(l1_ratio) => {
                elastic_net(&Moments::of(block, y), ElasticNetParams { l1_ratio, ..NET })
            }
            Regression::Forest(params) => forest(block, y, &params).map(Parameters::Trees),
            Regression::Boosting => boosting(block, y, &BOOSTING).map(Parameters::Trees),
            Regression::Svr => svr(block, y, SVR).map(Parameters::Kernel),
            Regression::Neighbours => neighbours(block, y.to_vec(), 3).map(Parameters::Neighbours),
        }
    }

    /// What it predicts for the rows that it learned from.
    fn learned(self, table: &Table) -> Result<Vec<f64>, LearnError> {
        let block = table.block();
        let mut out = Vec::new();
        predict(&self.fit(&block, &table.y)?, &block, &mut out).expect("predictions");
        Ok(out)
    }

    /// Whether another order of the rows makes the same fit but for rounding.
    fn survives_order(self) -> bool {
        !matches!(self, Regression::Forest(params) if params.bootstrap || params.random_cuts)
    }

    fn standardises(self) -> bool {
        !matches!(self, Regression::Forest(_) | Regression::Boosting)
    }
}

/// Columns and target.
#[derive(Debug, Clone)]
struct Table {
    columns: Vec<Vec<f64>>,
    y: Vec<f64>,
}

impl Table {
    fn block(&self) -> Block {
        Block::from_columns(self.y.len(), &self.columns.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    fn map(&self, change: impl Fn(&[f64]) -> Vec<f64>) -> Table {
        Table { columns: self.columns.iter().map(|column| change(column)).collect(), y: change(&self.y) }
    }
}

/// Whole numbers in three columns, and a target that follows them with noise: distinct in all rows.
fn tables(rows: std::ops::Range<usize>) -> impl Strategy<Value = Table> {
    prop::collection::vec((-400i32..400, -400i32..400, -9i32..9, -1.0f64..1.0), rows).prop_map(|rows| {
        let column = |of: fn(&(i32, i32, i32, f64)) -> f64| rows.iter().map(of).collect::<Vec<_>>();
        let y = column(|(a, b, c, noise)| f64::from(*a) - f64::from(b.abs()) + f64::from(*c) + noise);
        let columns = vec![
            column(|row| f64::from(row.0)),
            column(|row| f64::from(row.1)),
            column(|row| f64::from(row.2)),
        ];
        Table { columns, y }
    })
}

/// The largest difference, over the target's spread.
fn distance(a: &[f64], b: &[f64], y: &[f64]) -> f64 {
    let (least, most) = y.iter().fold((f64::MAX, f64::MIN), |(a, b), y| (a.min(*y), b.max(*y)));
    a.iter().zip(b).fold(0.0, |largest: f64, (a, b)| largest.max((a - b).abs())) / (most - least).max(1e-9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Sums that run in another order round otherwise; support vectors are optimal to 1e-3.
    #[test]
    fn the_order_of_rows_does_not_matter(table in tables(8..60), turn in any::<usize>()) {
        let turn = turn % table.y.len();
        let turned = table.map(|values| [&values[turn..], &values[..turn]].concat());
        for regression in Regression::all().into_iter().filter(|regression| regression.survives_order()) {
            let mut own = regression.learned(&table).expect("a fit");
            own.rotate_left(turn);
            let other = regression.learned(&turned).expect("a fit");
            let within = match regression {
                Regression::Svr => 1e-2,
                Regression::Net(_) => 1e-5,
                _ => 1e-7,
            };
            let apart = distance(&own, &other, &table.y);
            prop_assert!(apart < within, "{:?}: {:e}", regression, apart);
        }
    }

    #[test]
    fn what_is_standardised_does_not_know_its_units(table in tables(8..60), scale in -6i32..7, shift in -9.0f64..9.0) {
        let mut other = table.clone();
        other.columns[1].iter_mut().for_each(|x| *x = (*x + shift) * 10f64.powi(scale));
        for regression in Regression::all().into_iter().filter(|regression| regression.standardises()) {
            let apart = distance(&regression.learned(&table).expect("a fit"), &regression.learned(&other).expect("a fit"), &table.y);
            let within = if regression == Regression::Svr { 1e-2 } else { 1e-5 };
            prop_assert!(apart < within, "{:?}: {:e}", regression, apart);
        }
    }

    #[test]
    fn a_constant_column_changes_no_prediction(table in tables(8..60), value in -1e6f64..1e6) {
        let mut other = table.clone();
        other.columns.push(vec![value; table.y.len()]);
        for regression in Regression::all() {
            let (own, with) = (regression.learned(&table).expect("a fit"), regression.learned(&other).expect("a fit"));
            let apart = distance(&own, &with, &table.y);
            // Extra trees draw for each column.
            let draws = matches!(regression, Regression::Forest(params) if params.random_cuts);
            prop_assert!(apart < 1e-9 || draws, "{:?}: {:e}", regression, apart);
        }
    }

    /// Doubled columns: a fit, and the same where there is one optimum without a penalty or a tree takes the first best cut.
    #[test]
    fn doubled_columns_do_no_harm(table in tables(8..60)) {
        let mut other = table.clone();
        other.columns.extend(table.columns.clone());
        for regression in Regression::all() {
            let (own, with) = (regression.learned(&table).expect("a fit"), regression.learned(&other).expect("a fit"));
            prop_assert!(with.iter().all(|value| value.is_finite()), "{:?}", regression);
            let one = [Regression::Ridge(0.0), Regression::Net(1.0), Regression::Forest(TREE), Regression::Boosting, Regression::Neighbours];
            let apart = distance(&own, &with, &table.y);
            prop_assert!(!one.contains(&regression) || apart < 1e-5, "{:?}: {:e}", regression, apart);
        }
    }

    #[test]
    fn a_target_that_does_not_vary_is_foretold(mut table in tables(1..40), value in -1e6f64..1e6) {
        table.y.fill(value);
        for regression in Regression::all() {
            let own = regression.learned(&table).expect("a fit");
            // A tube around the target holds it anywhere.
            let within = 1e-9 * value.abs().max(1.0) + if regression == Regression::Svr { SVR.epsilon } else { 0.0 };
            prop_assert!(own.iter().all(|own| (own - value).abs() <= within), "{:?}: {:?}", regression, own);
        }
    }

    /// Numbers of any size: a fit with finite predictions or a named error.
    #[test]
    fn extreme_magnitudes_do_no_harm(
        rows in prop::collection::vec((-1.0f64..1.0, -308i32..308, -1.0f64..1.0, -308i32..308), 1..30),
    ) {
        let of = |value: f64, exponent: i32| value * 10f64.powi(exponent);
        let table = Table {
            columns: vec![rows.iter().map(|row| of(row.0, row.1)).collect()],
            y: rows.iter().map(|row| of(row.2, row.3)).collect(),
        };
        for regression in Regression::all() {
            match regression.learned(&table) {
                Ok(own) => prop_assert!(own.iter().all(|own| !own.is_nan()), "{:?}: {:?}", regression, own),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}

#[test]
fn one_row_is_its_own_prediction() {
    let table = Table { columns: vec![vec![3.0], vec![-7.5]], y: vec![41.0] };
    for regression in Regression::all() {
        let within = if regression == Regression::Svr { SVR.epsilon } else { 1e-12 };
        let own = regression.learned(&table).expect("a fit");
        assert!((own[0] - 41.0).abs() <= within, "{regression:?}: {own:?}");
    }
}

#[test]
fn what_is_missing_and_no_rows_are_named() {
    let hole = Table { columns: vec![vec![1.0, f64::NAN, 2.0]], y: vec![1.0, 2.0, 3.0] };
    let target = Table { columns: vec![vec![1.0, 2.0, 3.0]], y: vec![1.0, f64::NAN, 3.0] };
    let empty = Table { columns: vec![Vec::new()], y: Vec::new() };
    for regression in Regression::all() {
        assert_eq!(regression.learned(&hole), Err(LearnError::NotFinite), "{regression:?}");
        assert_eq!(regression.learned(&target), Err(LearnError::NotFinite), "{regression:?}");
        assert_eq!(regression.learned(&empty), Err(LearnError::NoRows), "{regression:?}");
    }
}

/// What would take the cube of so many columns says so; the others learn.
#[test]
fn ten_thousand_columns_are_no_trouble() {
    let column = |i: usize| (0..24).map(|row| ((row * 31 + i * 17) % 29) as f64).collect::<Vec<_>>();
    let y = (0..24).map(|row| f64::from(row * 7 % 24 + 1)).collect();
    let table = Table { columns: (0..10_000).map(column).collect(), y };
    let block = table.block();
    let wide = |found: Result<Parameters, LearnError>| {
        assert_eq!(found, Err(LearnError::TooWide { columns: 10_000, most: 2_048 }));
    };
    let moments = Moments::of(&block, &table.y);
    wide(ridge(&moments, 0.0));
    wide(ridge(&moments, 1.0));
    wide(elastic_net(&moments, NET));
    wide(log_linear(&block, &table.y, LogLinearParams { power: 1.0, alpha: 1.0 }));
    let solves = |regression: &Regression| matches!(regression, Regression::Ridge(_) | Regression::Net(_));
    for regression in Regression::all().into_iter().filter(|regression| !solves(regression)) {
        let own = regression.learned(&table).expect("a fit");
        assert!(own.iter().all(|own| own.is_finite()), "{regression:?}");
    }
}

/// As many columns as a design may have, of which most depend on each other.
#[test]
fn the_widest_design_is_solved() {
    let column = |i: usize| (0..24).map(|row| ((row * 31 + i * 17) % 29) as f64).collect::<Vec<_>>();
    let y = (0..24).map(|row| f64::from(row * 7 % 24)).collect();
    let table = Table { columns: (0..2_048).map(column).collect(), y };
    for regression in [Regression::Ridge(0.0), Regression::Ridge(1.0)] {
        let own = regression.learned(&table).expect("a fit");
        let exact = regression == Regression::Ridge(0.0);
        assert!(!exact || distance(&own, &table.y, &table.y) < 1e-6, "{own:?}");
        assert!(own.iter().all(|own| own.is_finite()), "{regression:?}");
    }
}
