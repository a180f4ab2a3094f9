//! What is found without a target: against scikit-learn (`structure.py` made `structure.json`), and whatever the rows.

use learn::{
    Block, IsolationParams, KMeansParams, LearnError, MixtureParams, Moments, isolation, kmeans, mixture,
    pca, predict, score_structure,
};
use proptest::prelude::*;
use schemas::fit::Parameters;
use schemas::metrics::{Metrics, StructureMetrics};
use schemas::structure::Structure;
use serde_json::Value;

const KMEANS: KMeansParams = KMeansParams {
    clusters: 3,
    starts: 3,
    max_iterations: 300,
    tolerance: 1e-4,
    standardise: false,
    seed: 0,
};
const ISOLATION: IsolationParams = IsolationParams { trees: 100, sample: 256, seed: 0 };

fn mixture_of(start: KMeansParams, diagonal: bool) -> MixtureParams {
    MixtureParams { start, max_iterations: 100, tolerance: 1e-3, regularisation: 1e-6, diagonal }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

/// Each data set's rows and targets, with scikit-learn's figures.
fn cases() -> Vec<(Block, Vec<f64>, Value)> {
    let data: Value = serde_json::from_str(include_str!("classifiers.json")).expect("as it was made");
    let data = data["cases"].as_array().expect("cases").clone();
    let figures: Value = serde_json::from_str(include_str!("structure.json")).expect("as it was made");
    let figures = figures["cases"].as_array().expect("cases").clone();
    let case = |(data, figures): (Value, Value)| {
        assert_eq!(data["name"], figures["name"]);
        let columns: Vec<Vec<f64>> =
            data["columns"].as_array().expect("columns").iter().map(numbers).collect();
        let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        (Block::from_columns(columns[0].len(), &slices), numbers(&data["target"]), figures)
    };
    data.into_iter().zip(figures).map(case).collect()
}

fn predicted(structure: &Structure, block: &Block) -> Vec<f64> {
    let mut out = Vec::new();
    predict(&Parameters::Structure(structure.clone()), block, &mut out).expect("predictions");
    out
}

fn scores(structure: &Structure, block: &Block) -> StructureMetrics {
    match score_structure(structure, block, &predicted(structure, block)).expect("scores") {
        Some(Metrics::Structure(scores)) => scores,
        other => panic!("{other:?}"),
    }
}

fn close(found: f64, expected: f64, within: f64) -> bool {
    (found - expected).abs() <= within * expected.abs().max(1e-3)
}

#[test]
fn components_are_those_of_scikit_learn() {
    for (block, _, figures) in cases() {
        let moments = Moments::of(&block, &vec![0.0; block.rows()]);
        let found = pca(&moments, 3, false).expect("components");
        let Structure::Components { scaling, directions, variances, total_variance } = &found else {
            panic!()
        };
        let expected = &figures["components"];
        for (at, variance) in numbers(&expected["variances"]).into_iter().enumerate() {
            assert!(close(variances[at], variance, 1e-6), "{} {variance}", variances[at]);
            let ratio = numbers(&expected["ratios"])[at];
            assert!(close(variances[at] / total_variance, ratio, 1e-6), "of all directions");
            let own = &directions[at * scaling.width()..][..scaling.width()];
            // Columns that do not vary have no place in ours, and no loading in theirs.
            let theirs = numbers(&expected["directions"][at]);
            let varying = theirs.iter().zip(&scaling.deviations).filter(|(_, d)| **d > 0.0).map(|(v, _)| *v);
            assert!(
                own.iter().zip(varying).all(|(own, theirs)| (own - theirs).abs() < 1e-6),
                "{own:?} {theirs:?}"
            );
        }
        let standardised = pca(&moments, 3, true).expect("components");
        let Structure::Components { variances, .. } = &standardised else { panic!() };
        let expected = numbers(&figures["standardised_components"]["variances"]);
        assert!(
            variances.iter().zip(expected).all(|(own, theirs)| close(*own, theirs, 1e-6)),
            "{variances:?}"
        );
        // On the rows themselves, the share is that of the variances.
        let share: f64 = numbers(&figures["components"]["ratios"]).iter().sum();
        assert!(close(scores(&found, &block).explained_variance, share, 1e-6));
    }
}

/// The mean of five seeds.
fn mean(of: impl Fn(u64) -> f64) -> f64 {
    (0..5).map(of).sum::<f64>() / 5.0
}

#[test]
fn clusters_are_no_worse_than_those_of_scikit_learn() {
    let mut silhouettes = Vec::new();
    for (block, _, figures) in cases() {
        for (key, standardise) in [("centres", false), ("standardised_centres", true)] {
            let expected = &figures[key];
            let clusters = expected["clusters"].as_u64().expect("a number") as u32;
            let found = |seed| {
                let params = KMeansParams { clusters, standardise, seed, ..KMEANS };
                scores(&kmeans(&block, &params).expect("clusters"), &block)
            };
            let inertia = expected["inertia"].as_f64().expect("a number");
            let own = mean(|seed| found(seed).inertia);
            assert!(own <= 1.01 * inertia, "{} {key}: {own}, not {inertia}", figures["name"]);
            // Where there is one best clustering, the silhouette is that of scikit-learn.
            if clusters == 3 && close(own, inertia, 1e-3) && figures["name"] != "iris" {
                let silhouette = expected["silhouette"].as_f64().expect("a number");
                let own = mean(|seed| found(seed).silhouette);
                assert!(close(own, silhouette, 0.02), "{} {key}: {own}, not {silhouette}", figures["name"]);
                silhouettes.push(format!("{} {key}", figures["name"].as_str().expect("a name")));
            }
        }
    }
    // Where nothing was compared, nothing would be found.
    assert_eq!(
        silhouettes,
        ["wine centres", "wine standardised_centres", "breast_cancer standardised_centres"]
    );
}

#[test]
fn mixtures_are_no_less_likely_than_those_of_scikit_learn() {
    for (block, _, figures) in cases() {
        let expected = &figures["mixture"];
        let clusters = expected["clusters"].as_u64().expect("a number") as u32;
        let diagonal = expected["diagonal"].as_bool().expect("a flag");
        let own = mean(|seed| {
            let start = KMeansParams { clusters, starts: 1, standardise: true, seed, ..KMEANS };
            let found = mixture(&block, &mixture_of(start, diagonal)).expect("a mixture");
            let Structure::Mixture { scaling, .. } = &found else { panic!() };
            // Theirs is that of standardised columns.
            let unit: f64 = scaling.deviations.iter().filter(|d| **d > 0.0).map(|d| d.ln()).sum();
            scores(&found, &block).log_likelihood + unit
        });
        let likelihood = expected["log_likelihood"].as_f64().expect("a number");
        assert!(own >= likelihood - 0.01 * likelihood.abs(), "{}: {own}, not {likelihood}", figures["name"]);
    }
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    order.iter().enumerate().for_each(|(rank, row)| ranks[*row] = rank as f64);
    ranks
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let products = |x: &[f64], mx: f64, y: &[f64], my: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum()
    };
    products(a, mean_a, b, mean_b) / (products(a, mean_a, a, mean_a) * products(b, mean_b, b, mean_b)).sqrt()
}

#[test]
fn outliers_are_those_of_scikit_learn() {
    for (block, target, figures) in cases() {
        let expected = numbers(&figures["isolation"]["scores"]);
        let own: Vec<Vec<f64>> = (0..5)
            .map(|seed| {
                let found = isolation(&block, &IsolationParams { seed, ..ISOLATION }).expect("a forest");
                predicted(&found, &block)
            })
            .collect();
        let means: Vec<f64> =
            (0..block.rows()).map(|row| own.iter().map(|own| own[row]).sum::<f64>() / 5.0).collect();
        let alike = correlation(&ranks(&means), &ranks(&expected));
        assert!(alike > 0.9, "{}: {alike}", figures["name"]);
        let (mean_own, mean_theirs) = (means.iter().sum::<f64>(), expected.iter().sum::<f64>());
        assert!(close(mean_own, mean_theirs, 0.02), "{}: {mean_own}, not {mean_theirs}", figures["name"]);
        if let Some(auc) = figures["isolation"]["auc"].as_f64() {
            // The rank sum of malignant tumours, which are class 0.
            let area = |scores: &Vec<f64>| {
                let ranks = ranks(scores);
                let ill: Vec<f64> =
                    ranks.iter().zip(&target).filter(|(_, y)| **y == 0.0).map(|(rank, _)| *rank).collect();
                let (m, n) = (ill.len() as f64, (ranks.len() - ill.len()) as f64);
                (ill.iter().sum::<f64>() - m * (m - 1.0) / 2.0) / (m * n)
            };
            let own = own.iter().map(area).sum::<f64>() / 5.0;
            assert!(own > 0.99 * auc, "{own}, not {auc}");
        }
    }
}

/// Everything there is, on these rows: fits or named errors, and finite predictions.
fn all(columns: &[Vec<f64>], rows: usize) -> Vec<Result<Structure, LearnError>> {
    let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let block = Block::from_columns(rows, &slices);
    let start = |standardise| KMeansParams { clusters: 2, standardise, ..KMEANS };
    let found = vec![
        kmeans(&block, &start(false)),
        kmeans(&block, &start(true)),
        mixture(&block, &mixture_of(start(true), false)),
        mixture(&block, &mixture_of(start(false), true)),
        pca(&Moments::of(&block, &vec![0.0; rows]), 2, false),
        pca(&Moments::of(&block, &vec![0.0; rows]), 2, true),
        isolation(&block, &IsolationParams { trees: 5, ..ISOLATION }),
    ];
    for structure in found.iter().flatten() {
        let out = predicted(structure, &block);
        assert_eq!(out.len(), rows * structure.outputs());
        assert!(out.iter().all(|value| value.is_finite()), "{structure:?}");
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_rows_give_fits_or_named_errors(
        rows in 1usize..40,
        seed in 0u64..1_000,
        scale in prop::sample::select(vec![1e-200, 1e-9, 1.0, 1e9, 1e160]),
        kind in 0usize..5,
    ) {
        let value = |i: usize| ((i as u64 + 1).wrapping_mul(seed * 2 + 0x9e37_79b9_7f4a_7c15) >> 52) as f64 * scale;
        let mut columns: Vec<Vec<f64>> = (0..3).map(|c| (0..rows).map(|r| value(c * 97 + r)).collect()).collect();
        match kind {
            0 => columns.push(vec![7.0 * scale; rows]),
            1 => columns.push(columns[0].clone()),
            2 => columns.iter_mut().for_each(|column| column.fill(scale)),
            3 => columns[1][0] = f64::NAN,
            _ => {}
        }
        for found in all(&columns, rows) {
            if kind == 3 {
                prop_assert!(found.is_err());
            }
        }
    }

    /// The same distances in another order of rows, or in other units, make the same components.
    #[test]
    fn components_survive_order_and_units(rows in 5usize..30, seed in 0u64..1_000) {
        let value = |i: usize| ((i as u64 + 1).wrapping_mul(seed * 2 + 0x9e37_79b9_7f4a_7c15) >> 50) as f64;
        let columns: Vec<Vec<f64>> = (0..3).map(|c| (0..rows).map(|r| value(c * 97 + r)).collect()).collect();
        let of = |columns: &[Vec<f64>]| {
            let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let block = Block::from_columns(rows, &slices);
            match pca(&Moments::of(&block, &vec![0.0; rows]), 3, true) {
                Ok(Structure::Components { variances, .. }) => variances,
                other => panic!("{other:?}"),
            }
        };
        let turned: Vec<Vec<f64>> = columns.iter().map(|column| column.iter().rev().map(|v| 1e3 * v + 5.0).collect()).collect();
        for (a, b) in of(&columns).iter().zip(of(&turned)) {
            prop_assert!((a - b).abs() < 1e-8, "{} {}", a, b);
        }
    }
}

/// Three groups far apart are the same whatever row comes first; and outliers, where every tree sees all rows.
#[test]
fn the_order_of_rows_does_not_matter() {
    let random =
        |i: usize| ((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as f64 / (1u64 << 20) as f64;
    let value = |row: usize, column: usize| random(row * 2 + column) + 20.0 * ((row + column) % 3) as f64;
    for turn in [1, 17, 40, 89] {
        let block = |turn: usize| {
            let column = |c: usize| (0..90).map(|row| value((row + turn) % 90, c)).collect::<Vec<_>>();
            Block::from_columns(90, &[&column(0), &column(1)])
        };
        let (first, turned) = (block(0), block(turn));
        let of = |block: &Block, rows: usize| {
            let start = KMeansParams { standardise: true, ..KMEANS };
            let found = [
                kmeans(block, &start).expect("clusters"),
                mixture(block, &mixture_of(start, false)).expect("a mixture"),
                isolation(block, &ISOLATION).expect("a forest"),
            ];
            found.map(|structure| {
                let mut own = predicted(&structure, block);
                let outputs = structure.outputs();
                // Clusters come in any order.
                own.chunks_exact_mut(outputs).for_each(|row| row.sort_unstable_by(f64::total_cmp));
                own.rotate_right(rows * outputs);
                own
            })
        };
        for (own, other) in of(&first, 0).iter().zip(of(&turned, turn)) {
            let apart = own.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart < 1e-9, "{turn}: {apart:e}");
        }
    }
}

#[test]
fn too_few_rows_and_too_many_columns_are_named() {
    let block = Block::from_columns(2, &[&[1.0, 2.0]]);
    assert_eq!(kmeans(&block, &KMEANS), Err(LearnError::FewRows { rows: 2, clusters: 3 }));
    assert_eq!(isolation(&Block::default(), &ISOLATION), Err(LearnError::NoRows));
    let columns: Vec<Vec<f64>> = (0..10_000).map(|i| vec![i as f64, 1.0, -(i as f64)]).collect();
    let found = all(&columns, 3);
    assert!(found[0].is_ok() && found[6].is_ok());
    assert!(
        matches!(found[2], Err(LearnError::TooWide { .. }))
            && matches!(found[4], Err(LearnError::TooWide { .. }))
    );
}

#[test]
fn the_same_seed_gives_the_same_fit() {
    let (block, ..) = cases().remove(1);
    assert_eq!(kmeans(&block, &KMEANS), kmeans(&block, &KMEANS));
    assert_eq!(isolation(&block, &ISOLATION), isolation(&block, &ISOLATION));
    assert_eq!(mixture(&block, &mixture_of(KMEANS, false)), mixture(&block, &mixture_of(KMEANS, false)));
}
