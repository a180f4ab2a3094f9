//! Predictions taken apart: what trees give each column are Shapley values, and they add up.

use learn::{
    Block, BoostingParams, ClassMethod, Explainer, ForestParams, MaxFeatures, Sums, boosting, classify,
    forest, predict,
};
use proptest::prelude::*;
use schemas::fit::Parameters;
use schemas::predict::Link;
use schemas::trees::{LEAF, Trees, column_of};

mod shapes;

const FOREST: ForestParams = ForestParams {
    trees: 4,
    max_depth: 64,
    max_features: MaxFeatures::Share(0.5),
    bootstrap: true,
    seed: 5,
    ..shapes::TREE
};
const BOOSTING: BoostingParams =
    BoostingParams { iterations: 4, max_leaves: 12, l2: 0.1, ..shapes::BOOSTING };

fn sums(parameters: &Parameters, block: &Block) -> Option<(Link, Vec<Sums>)> {
    let explainer = Explainer::new(parameters)?;
    let all: Vec<Sums> = explainer.sums(block).collect::<Option<_>>()?;
    assert_eq!(explainer.functions(), all.len());
    Some((explainer.link, all))
}

fn of_trees(trees: &Trees, block: &Block) -> Option<Sums> {
    sums(&Parameters::Trees(trees.clone()), block)?.1.pop()
}

/// The sums of the rows, from base and contributions.
fn totals(sums: &Sums, block: &Block) -> Vec<f64> {
    let rows = sums.contributions.chunks(block.width());
    rows.map(|row| sums.base + row.iter().sum::<f64>()).collect()
}

fn predicted(parameters: &Parameters, block: &Block) -> Vec<f64> {
    let mut out = Vec::new();
    predict(parameters, block, &mut out).expect("predictions");
    out
}

fn row_of(block: &Block, row: usize) -> Vec<f64> {
    (0..block.width()).map(|column| block.column(column)[row]).collect()
}

/// What trees predict for a row of which only some columns are known, straight from the definition.
struct Game<'a> {
    trees: &'a Trees,
    /// Per leaf its place among the leaves.
    leaves: Vec<usize>,
    row: Vec<f64>,
}

impl Game<'_> {
    fn new(trees: &Trees, row: Vec<f64>) -> Game<'_> {
        let count = |leaves: &mut usize, column: &u32| {
            *leaves += usize::from(*column == LEAF);
            Some(leaves.saturating_sub(1))
        };
        Game { trees, leaves: trees.columns.iter().scan(0, count).collect(), row }
    }

    fn weight(&self, at: usize) -> f64 {
        match self.trees.columns[at] {
            LEAF => f64::from(self.trees.covers[self.leaves[at]]),
            _ => self.weight(at + 1) + self.weight(self.trees.rights[at] as usize),
        }
    }

    fn mean(&self, at: usize, known: usize) -> f64 {
        let (column, right) = (self.trees.columns[at], self.trees.rights[at] as usize);
        match column {
            LEAF => self.trees.values[at],
            _ if known & (1 << column_of(column)) != 0 => {
                self.mean(self.trees.child(at, &self.row).expect("a child"), known)
            }
            _ => {
                let weights = [self.weight(at + 1), self.weight(right)];
                let sum = weights[0] * self.mean(at + 1, known) + weights[1] * self.mean(right, known);
                sum / (weights[0] + weights[1])
            }
        }
    }

    fn value(&self, known: usize) -> f64 {
        let sum: f64 = self.trees.roots.iter().map(|root| self.mean(*root as usize, known)).sum();
        self.trees.base + self.trees.scale * sum
    }

    /// The mean, over all orders in which columns become known, of what each one changes.
    fn shapley(&self) -> Vec<f64> {
        let width = self.row.len();
        let values: Vec<f64> = (0..1 << width).map(|known| self.value(known)).collect();
        let factorial = |n: usize| (1..=n).map(|n| n as f64).product::<f64>();
        let share =
            |known: u32| factorial(known as usize) * factorial(width - 1 - known as usize) / factorial(width);
        let of_column = |column: usize| {
            let others = (0..1usize << width).filter(|known| known & (1 << column) == 0);
            others
                .map(|known| share(known.count_ones()) * (values[known | (1 << column)] - values[known]))
                .sum()
        };
        (0..width).map(of_column).collect()
    }
}

fn assert_shapley(trees: &Trees, block: &Block) -> Result<(), TestCaseError> {
    let found = of_trees(trees, block).expect("an explanation");
    let predictions = predicted(&Parameters::Trees(trees.clone()), block);
    let size = trees.values.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
    for (row, total) in totals(&found, block).iter().enumerate() {
        prop_assert!((total - predictions[row]).abs() <= 1e-9 * size, "{} for {}", total, predictions[row]);
        let game = Game::new(trees, row_of(block, row));
        prop_assert!((found.base - game.value(0)).abs() <= 1e-9 * size);
        let own = &found.contributions[row * block.width()..(row + 1) * block.width()];
        for (found, expected) in own.iter().zip(game.shapley()) {
            prop_assert!((found - expected).abs() <= 1e-9 * size, "{} is not {}", found, expected);
        }
    }
    Ok(())
}

/// Five numbers, some of them missing, a category and a target.
type Row = ([Option<i32>; 5], Option<u8>, f64);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let number = || proptest::option::weighted(0.85, -4i32..4);
    let numbers = [number(), number(), number(), number(), number()];
    proptest::collection::vec((numbers, proptest::option::weighted(0.9, 0u8..7), -1e3f64..1e3), 1..70)
}

fn block_of(rows: &[Row]) -> (Block, Vec<f64>) {
    let number = |value: Option<i32>| value.map_or(f64::NAN, f64::from);
    let mut columns: Vec<Vec<f64>> =
        (0..5).map(|column| rows.iter().map(|row| number(row.0[column])).collect()).collect();
    columns.push(rows.iter().map(|row| row.1.map_or(f64::NAN, f64::from)).collect());
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let block = Block::from_columns(rows.len(), &columns).with(true, &[5]);
    (block, rows.iter().map(|row| row.2).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn contributions_of_trees_are_shapley_values(
        train in rows(),
        others in rows(),
        depth in 1u32..9,
        random_cuts in any::<bool>(),
        leaves in 2u32..20,
    ) {
        let (block, y) = block_of(&train);
        let (others, _) = block_of(&others[..others.len().min(4)]);
        let params = ForestParams { max_depth: depth, random_cuts, ..FOREST };
        assert_shapley(&forest(&block, &y, &params).expect("a forest"), &others)?;
        let params = BoostingParams { max_leaves: leaves, ..BOOSTING };
        assert_shapley(&boosting(&block, &y, &params).expect("boosting"), &others)?;
    }

    /// Whatever the classes: each function's sums, linked, are the probabilities.
    #[test]
    fn sums_of_classes_become_their_probabilities(train in rows(), classes in 2usize..5) {
        let (block, _) = block_of(&train);
        let y: Vec<f64> = (0..train.len()).map(|row| (row * 7 % 5 % classes) as f64).collect();
        let methods = [
            ClassMethod::Forest(FOREST),
            ClassMethod::Forest(ForestParams { random_cuts: true, ..FOREST }),
            ClassMethod::Boosting(BOOSTING),
        ];
        for method in methods {
            let fit = Parameters::Classifier(classify(&block, &y, &method).expect("a classifier"));
            // A single class is always the answer, and needs no explanation.
            let Some((link, sums)) = sums(&fit, &block) else { continue };
            let totals: Vec<Vec<f64>> = sums.iter().map(|own| totals(own, &block)).collect();
            let width = fit.outputs();
            for (row, expected) in predicted(&fit, &block).chunks(width).enumerate() {
                let own: Vec<f64> = totals.iter().map(|function| function[row]).collect();
                for (found, expected) in linked(link, &own).iter().zip(expected) {
                    prop_assert!((found - expected).abs() < 1e-9, "{:?}: {} is not {}", link, found, expected);
                }
            }
        }
    }
}

/// The probabilities that a row's sums stand for, as the documentation says.
fn linked(link: Link, sums: &[f64]) -> Vec<f64> {
    let share = |each: &dyn Fn(f64) -> f64| {
        let total: f64 = sums.iter().map(|sum| each(*sum)).sum();
        sums.iter().map(|sum| each(*sum) / total).collect()
    };
    let logistic = |sum: f64| 1.0 / (1.0 + (-sum).exp());
    match (link, sums) {
        (Link::Probability, [second]) => vec![1.0 - second, *second],
        (Link::Probability, all) => all.to_vec(),
        (Link::Logit, all) => vec![1.0 - logistic(all[0]), logistic(all[0])],
        (Link::Softmax, _) => share(&f64::exp),
        (Link::OneVersusRest, _) => share(&logistic),
        (Link::Identity | Link::Log, _) => Vec::new(),
    }
}

/// Waves that no row shares with another one.
fn waves(rows: usize, width: usize) -> (Block, Vec<f64>) {
    let column = |column: usize| -> Vec<f64> {
        (0..rows).map(|row| (row as f64 * (1.37 + 0.61 * column as f64)).sin()).collect()
    };
    let columns: Vec<Vec<f64>> = (0..width).map(column).collect();
    let y = (0..rows).map(|row| {
        let sum: f64 = columns.iter().map(|column| column[row]).sum();
        1e6 + 1e3 * sum + columns[0][row] * columns[1][row]
    });
    let y = y.collect();
    (Block::from_columns(rows, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>()), y)
}

#[test]
fn functions_of_lines_become_probabilities_too() {
    let (block, _) = waves(90, 3);
    let y: Vec<f64> =
        (0..90).map(|row| f64::from(u8::from(block.column(0)[row] > 0.2)) + (row % 2) as f64).collect();
    for (method, expected) in [
        (ClassMethod::Logistic { c: 1.0 }, Link::Softmax),
        (ClassMethod::LinearSvm { c: 1.0 }, Link::OneVersusRest),
    ] {
        let fit = Parameters::Classifier(classify(&block, &y, &method).expect("a classifier"));
        let (link, sums) = sums(&fit, &block).expect("sums");
        assert_eq!((link, sums.len()), (expected, 3));
        let totals: Vec<Vec<f64>> = sums.iter().map(|own| totals(own, &block)).collect();
        for (row, expected) in predicted(&fit, &block).chunks(3).enumerate() {
            let own: Vec<f64> = totals.iter().map(|function| function[row]).collect();
            linked(link, &own).iter().zip(expected).for_each(|(found, p)| assert!((found - p).abs() < 1e-12));
        }
    }
}

/// Paths of more than thirty cuts in as many columns: what is small must not swamp what is large.
#[test]
fn deep_trees_lose_no_digits() {
    let (block, y) = waves(2_000, 40);
    let params =
        ForestParams { random_cuts: true, max_features: MaxFeatures::Share(0.03), trees: 3, ..FOREST };
    let trees = forest(&block, &y, &params).expect("a forest");
    let few: Vec<Vec<f64>> = (0..40).map(|column| block.column(column)[..20].to_vec()).collect();
    let few = Block::from_columns(20, &few.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let found = of_trees(&trees, &few).expect("an explanation");
    for (total, prediction) in totals(&found, &few).iter().zip(predicted(&Parameters::Trees(trees), &few)) {
        assert!((total - prediction).abs() < 1e-12 * prediction.abs(), "{total} is not {prediction}");
    }
    assert!(found.contributions.iter().all(|own| own.is_finite() && own.abs() < 1e5));
}

/// 1 where both columns are above ½, else 0, over four equal quarters of the rows.
fn both() -> Trees {
    Trees {
        base: 0.0,
        scale: 1.0,
        roots: vec![0],
        columns: vec![0, LEAF, 1, LEAF, LEAF],
        values: vec![0.5, 0.0, 0.5, 0.0, 1.0],
        rights: vec![2, 1, 4, 3, 4],
        sets: Vec::new(),
        covers: vec![2.0, 1.0, 1.0],
    }
}

#[test]
fn columns_that_do_the_same_get_the_same() {
    let block = Block::from_columns(2, &[&[1.0, 0.0], &[1.0, 0.0], &[7.0, 7.0]]);
    let found = of_trees(&both(), &block).expect("an explanation");
    assert!((found.base - 0.25).abs() < 1e-12);
    let expected = [0.375, 0.375, 0.0, -0.125, -0.125, 0.0];
    found
        .contributions
        .iter()
        .zip(expected)
        .for_each(|(own, expected)| assert!((own - expected).abs() < 1e-12));
}

#[test]
fn a_constant_tree_is_all_base() {
    let block = Block::from_columns(2, &[&[1.0, 2.0]]);
    let trees = forest(&block, &[3.0, 3.0], &ForestParams { trees: 2, ..FOREST }).expect("a forest");
    let found = of_trees(&trees, &block).expect("an explanation");
    assert_eq!((found.base, found.contributions), (3.0, vec![0.0, 0.0]));
}

/// Fits without covers are as good as ever, but cannot be explained; torn ones are not either, and end.
#[test]
fn trees_without_whole_covers_are_not_explained() {
    let block = Block::from_columns(1, &[&[1.0], &[1.0]]);
    assert!(of_trees(&both(), &block).is_some());
    for covers in [vec![], vec![1.0], vec![1.0; 4], vec![1.0, 0.0, 1.0], vec![1.0, f32::NAN, 1.0]] {
        assert_eq!(of_trees(&Trees { covers, ..both() }, &block), None);
    }
    // Deeper than any that is grown: what is not bounded could exhaust the stack.
    let chain = |depth: usize| {
        let leaves = depth + 1;
        let cut = |at: usize| if at < depth { 0 } else { LEAF };
        let right = |at: usize| if at < depth { leaves + depth - 1 - at } else { at };
        Trees {
            columns: (0..depth + leaves).map(cut).collect(),
            values: vec![0.5; depth + leaves],
            rights: (0..depth + leaves).map(|at| right(at) as u32).collect(),
            covers: vec![1.0; leaves],
            ..both()
        }
    };
    assert!(of_trees(&chain(64), &block).is_some() && of_trees(&chain(65), &block).is_none());
    // Both children of each node are the same one: so many paths would never end.
    let nodes = 200u32;
    let twice = |at: u32| if at + 2 < nodes { at + 2 } else { at };
    let knot = Trees {
        columns: (0..nodes).map(|at| if at + 2 < nodes { 0 } else { LEAF }).collect(),
        values: vec![0.5; nodes as usize],
        rights: (0..nodes).map(twice).collect(),
        covers: vec![1.0; 2],
        ..both()
    };
    assert!(knot.is_whole(2) && of_trees(&knot, &block).is_none());
    assert_eq!(of_trees(&both(), &Block::from_columns(1, &[&[1.0]])), None, "columns of other rows");
}
