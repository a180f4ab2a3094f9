//! Classifiers of trees.

use std::collections::HashMap;

use schemas::classifier::{Classifier, Link};
use schemas::fit::Parameters;
use schemas::trees::Trees;

use super::bin::{Counts, Gradient};
use super::binned::Binned;
use super::boosting::{BoostingParams, boosting_grower};
use super::check::{check, finite, positive};
use super::forest::{ForestParams, grow_forest, mean_of};
use super::grow::Grower;
use super::join::{in_stretches, join};
use super::random::Random;
use super::stopping::{Watch, log_loss, older};
use super::team::with_team;
use crate::block::Block;
use crate::classes::Classes;
use crate::error::LearnError;
use crate::logistic::sigmoid;
use crate::target::weight_of;

/// The mean over trees of the classes' shares in leaves; cuts lower the Gini impurity.
///
/// # Errors
/// [`LearnError::NotFinite`] for features that are not.
pub(crate) fn class_forest(
    block: &Block,
    classes: &Classes,
    weights: &[f64],
    params: &ForestParams,
) -> Result<Classifier, LearnError> {
    check(block, &[0.0])?;
    let weights = &positive(weights)?;
    let binned = Binned::new(block);
    // The engine is compiled for a few sizes: classes beyond their number count as empty.
    match classes.count() {
        0..=2 => forest_of::<2>(&binned, (classes, weights), params),
        3..=4 => forest_of::<4>(&binned, (classes, weights), params),
        5..=8 => forest_of::<8>(&binned, (classes, weights), params),
        9..=16 => forest_of::<16>(&binned, (classes, weights), params),
        17..=64 => forest_of::<64>(&binned, (classes, weights), params),
        _ => forest_of::<256>(&binned, (classes, weights), params),
    }
}

const _: () = assert!(schemas::limits::CLASSES_MAX <= 256, "the largest size of the engine");

fn forest_of<const K: usize>(
    binned: &Binned,
    (classes, weights): (&Classes, &[f64]),
    params: &ForestParams,
) -> Result<Classifier, LearnError> {
    let one = |row: usize, weight: f64| (classes.of_row()[row], weight * weight_of(weights, row));
    let parts = in_stretches((params, binned.rows()), |numbers| {
        let mut trees = mean_of(params);
        let mut leaves = Leaves { classes: classes.count(), places: HashMap::new(), shares: Vec::new() };
        grow_forest::<Counts<K>>(binned, (params, numbers), (one, weights), |grown| {
            grown.lay_out(binned, &mut trees, |leaf| leaves.place(&leaf.0));
        });
        let classes = classes.count() as u32;
        Parameters::Classifier(Classifier::Forest { trees, shares: leaves.shares, classes })
    });
    match join(parts) {
        Some(Parameters::Classifier(forest)) => Ok(forest),
        _ => unreachable!("stretches of a forest make a forest"),
    }
}

/// Distinct shares of classes: many leaves are alike.
struct Leaves {
    classes: usize,
    places: HashMap<Vec<u64>, usize>,
    shares: Vec<f64>,
}

impl Leaves {
    fn place(&mut self, weights: &[f64]) -> f64 {
        let total: f64 = weights.iter().sum();
        let shares: Vec<f64> = weights[..self.classes].iter().map(|weight| weight / total).collect();
        let key = shares.iter().map(|share| share.to_bits()).collect();
        let place = *self.places.entry(key).or_insert_with(|| {
            self.shares.extend(&shares);
            self.shares.len() / self.classes - 1
        });
        place as f64
    }
}

/// Sums of trees whose logistic function (two classes) or softmax (more) are the probabilities: each tree makes a step of
/// Newton's method down the log loss, as in scikit-learn's `HistGradientBoostingClassifier`.
///
/// # Errors
/// [`LearnError::NotFinite`] for features that are not, or when a sum overflows.
pub(crate) fn class_boosting(
    block: &Block,
    classes: &Classes,
    weights: &[f64],
    params: &BoostingParams,
) -> Result<Classifier, LearnError> {
    with_team((params.threads, block.rows()), || boosting_stopped(block, classes, weights, params))
}

/// As [`class_boosting`], by whatever threads there are.
fn boosting_stopped(
    block: &Block,
    classes: &Classes,
    weights: &[f64],
    params: &BoostingParams,
) -> Result<Classifier, LearnError> {
    check(block, &[0.0])?;
    let weights = positive(weights)?;
    let mut iterations = params.iterations;
    if let Some(older) = older(params, block.rows())
        && let Some(head) = classes.head(older)
    {
        let newer = weights.get(older..).unwrap_or_default();
        let loss = |values: &[Vec<f64>]| log_loss(&classes.of_row()[older..], newer, values);
        let mut watch = Watch::new(block, older, params.early_stopping_rounds, &loss);
        let own = weights.get(..older).unwrap_or_default();
        functions(&block.part(0..older), (&head, own), params, |functions| {
            watch.after(functions.iter().map(|function| &function.trees))
        });
        iterations = watch.best();
    }
    let params = BoostingParams { iterations, ..*params };
    let functions = functions(block, (classes, &weights), &params, |_| true);
    let functions = functions.into_iter().map(finite).collect::<Result<Vec<_>, _>>()?;
    let link = if functions.len() == 1 { Link::Logistic } else { Link::Softmax };
    Ok(Classifier::Boosted { link, functions })
}

/// Adds a tree to each function while `go_on` says so.
fn functions(
    block: &Block,
    (classes, weights): (&Classes, &[f64]),
    params: &BoostingParams,
    mut go_on: impl FnMut(&[Function]) -> bool,
) -> Vec<Trees> {
    let binned = Binned::new(block);
    let all: Vec<u32> =
        (0..binned.rows() as u32).filter(|row| weight_of(weights, *row as usize) > 0.0).collect();
    let rounds = Rounds {
        binned: &binned,
        params,
        grower: boosting_grower(&binned, params),
        rows: all.clone(),
        all,
        weights,
        random: Random::new(0, 0),
    };
    match classes.count() {
        2 => rounds.of_two(classes, &mut go_on),
        _ => rounds.of_many(classes, &mut go_on),
    }
}

struct Rounds<'a> {
    binned: &'a Binned,
    params: &'a BoostingParams,
    grower: Grower<'a, Gradient>,
    rows: Vec<u32>,
    /// The rows, ascending.
    all: Vec<u32>,
    /// One per row of the block, or none.
    weights: &'a [f64],
    random: Random,
}

impl Rounds<'_> {
    /// A row's negative gradient of −ln p by the own function, and its second derivative.
    fn gradient(&self, row: usize, p: f64, is_own: bool) -> Gradient {
        let weight = weight_of(self.weights, row);
        let sum = f64::from(u8::from(is_own)) - p;
        Gradient { sum: weight * sum, hessian: weight * p * (1.0 - p), count: 1.0 }
    }

    fn of_two(mut self, classes: &Classes, go_on: &mut dyn FnMut(&[Function]) -> bool) -> Vec<Trees> {
        let shares = classes.weighted_shares(self.weights);
        let mut function = Function::new((shares[1] / shares[0]).ln(), self.binned.rows());
        for _ in 0..self.params.iterations {
            let pairs = function.values.iter().zip(classes.of_row()).enumerate();
            let one = |(row, (f, class)): (usize, (&f64, &u32))| self.gradient(row, sigmoid(*f), *class == 1);
            let ones: Vec<Gradient> = pairs.map(one).collect();
            self.step(&mut function, &ones);
            if !go_on(std::slice::from_ref(&function)) {
                break;
            }
        }
        vec![function.trees]
    }

    fn of_many(mut self, classes: &Classes, go_on: &mut dyn FnMut(&[Function]) -> bool) -> Vec<Trees> {
        let logarithms: Vec<f64> =
            classes.weighted_shares(self.weights).iter().map(|share| share.ln()).collect();
        let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
        let count = self.binned.rows();
        let mut functions: Vec<Function> =
            logarithms.iter().map(|logarithm| Function::new(logarithm - mean, count)).collect();
        for _ in 0..self.params.iterations {
            let probabilities = probabilities(&functions, count);
            for ((class, function), p) in (0u32..).zip(&mut functions).zip(probabilities) {
                let pairs = p.iter().zip(classes.of_row()).enumerate();
                let ones: Vec<Gradient> =
                    pairs.map(|(row, (p, own))| self.gradient(row, *p, *own == class)).collect();
                self.step(function, &ones);
            }
            if !go_on(&functions) {
                break;
            }
        }
        functions.into_iter().map(|function| function.trees).collect()
    }

    /// One more tree.
    fn step(&mut self, function: &mut Function, ones: &[Gradient]) {
        let BoostingParams { learning_rate, l2, .. } = *self.params;
        // The least number keeps a leaf without any curvature from dividing by 0.
        let value = |leaf: Gradient| learning_rate * leaf.sum / (leaf.hessian + l2 + 1e-15);
        // In the order in which they lie in memory.
        self.rows.copy_from_slice(&self.all);
        let grown = self.grower.grow(&mut self.rows, ones, &mut self.random);
        for (leaf, span) in &grown.leaves {
            let value = value(grown.total(*leaf));
            self.rows[span.clone()].iter().for_each(|row| function.values[*row as usize] += value);
        }
        grown.lay_out(self.binned, &mut function.trees, value);
    }
}

/// A sum of trees with its value in each row.
struct Function {
    trees: Trees,
    values: Vec<f64>,
}

impl Function {
    fn new(base: f64, rows: usize) -> Function {
        Function { trees: Trees { base, scale: 1.0, ..Trees::default() }, values: vec![base; rows] }
    }
}

/// The softmax of the functions, function by function.
fn probabilities(functions: &[Function], rows: usize) -> Vec<Vec<f64>> {
    let mut most = vec![f64::NEG_INFINITY; rows];
    for function in functions {
        most.iter_mut().zip(&function.values).for_each(|(most, f)| *most = most.max(*f));
    }
    let mut total = vec![0.0; rows];
    let mut all: Vec<Vec<f64>> = Vec::with_capacity(functions.len());
    for function in functions {
        let own: Vec<f64> = function.values.iter().zip(&most).map(|(f, most)| (f - most).exp()).collect();
        total.iter_mut().zip(&own).for_each(|(total, p)| *total += p);
        all.push(own);
    }
    for own in &mut all {
        own.iter_mut().zip(&total).for_each(|(p, total)| *p /= total);
    }
    all
}
