//! Fits without the categories that their rows do not have.

use std::collections::BTreeSet;

use schemas::classifier::Classifier;
use schemas::fit::{Input, Parameters};
use schemas::trees::{IN_SET, LEAF, Trees, categories, column_of};

/// Drops the one-hot categories that never occur in the training rows, so that a fit carries only its own; a fit without
/// coefficients keeps no inputs. Predictions stay the same: a dropped category had weight 0. `occurs` tells of a design
/// column whether a training row has another value than 0 in it.
pub fn prune(
    inputs: &[Input],
    parameters: Parameters,
    occurs: impl Fn(usize) -> bool,
) -> (Vec<Input>, Parameters) {
    match parameters {
        Parameters::Linear { intercept, coefficients } => {
            let (inputs, coefficients) = prune_linear(inputs, coefficients, occurs);
            (inputs, Parameters::Linear { intercept, coefficients })
        }
        Parameters::LogLinear { intercept, coefficients } => {
            let (inputs, coefficients) = prune_linear(inputs, coefficients, occurs);
            (inputs, Parameters::LogLinear { intercept, coefficients })
        }
        Parameters::Classifier(Classifier::Linear { link, intercepts, coefficients }) => {
            let (inputs, coefficients) = prune_functions(inputs, &coefficients, intercepts.len());
            (inputs, Parameters::Classifier(Classifier::Linear { link, intercepts, coefficients }))
        }
        Parameters::Classifier(Classifier::Constant { .. }) => (Vec::new(), parameters),
        // The others name columns by their places.
        _ => (inputs.to_vec(), parameters),
    }
}

/// Drops the categories that are in no set of any tree, which go where texts go that were never seen.
pub fn prune_categories(inputs: &[Input], parameters: &mut Parameters) -> Vec<Input> {
    let mut trees = trees(parameters);
    let mut kept = Vec::with_capacity(inputs.len());
    let mut at = 0;
    for input in inputs {
        kept.push(match input {
            Input::Category { column, categories } => {
                let own = in_sets(&trees, at);
                trees.iter_mut().for_each(|trees| renumber(trees, at, &own));
                let categories = own.iter().filter_map(|category| categories.get(*category as usize));
                Input::Category { column: column.clone(), categories: categories.cloned().collect() }
            }
            other => other.clone(),
        });
        at += input.width();
    }
    // The sets as they were are no longer asked for.
    trees.into_iter().for_each(compact);
    kept
}

fn trees(parameters: &mut Parameters) -> Vec<&mut Trees> {
    match parameters {
        Parameters::Trees(trees) | Parameters::Classifier(Classifier::Forest { trees, .. }) => vec![trees],
        Parameters::Classifier(Classifier::Boosted { functions, .. }) => functions.iter_mut().collect(),
        _ => Vec::new(),
    }
}

fn asks_for(node: u32, column: usize) -> bool {
    node != LEAF && node & IN_SET != 0 && column_of(node) == column
}

/// The categories of a column that are in some set, ascending.
fn in_sets(trees: &[&mut Trees], column: usize) -> Vec<u32> {
    let sets = trees.iter().flat_map(|trees| {
        let nodes = trees.columns.iter().zip(&trees.values);
        nodes.filter(|(node, _)| asks_for(**node, column)).filter_map(|(_, place)| trees.set(*place))
    });
    let all: BTreeSet<u32> = sets.flat_map(categories).collect();
    all.into_iter().collect()
}

/// Names the categories of a column by their places in `own`.
fn renumber(trees: &mut Trees, column: usize, own: &[u32]) {
    for at in 0..trees.columns.len() {
        if asks_for(trees.columns[at], column) {
            let set = trees.set(trees.values[at]).unwrap_or_default();
            let places: Vec<u32> = categories(set)
                .map(|category| own.partition_point(|other| *other < category) as u32)
                .collect();
            trees.values[at] = trees.add_set(places.into_iter());
        }
    }
}

/// Keeps only the sets that nodes ask for.
fn compact(trees: &mut Trees) {
    let old = Trees { sets: std::mem::take(&mut trees.sets), ..Trees::default() };
    for at in 0..trees.columns.len() {
        if trees.columns[at] != LEAF && trees.columns[at] & IN_SET != 0 {
            let set = old.set(trees.values[at]).unwrap_or_default();
            trees.values[at] = trees.add_set(categories(set));
        }
    }
}

/// Drops the categories that no function gives any weight, as it is with those that never occur.
fn prune_functions(inputs: &[Input], coefficients: &[f64], functions: usize) -> (Vec<Input>, Vec<f64>) {
    let width = coefficients.len() / functions.max(1);
    let weighs =
        |column: usize| coefficients[column..].iter().step_by(width.max(1)).any(|weight| *weight != 0.0);
    let own = |function: &[f64]| prune_linear(inputs, function.to_vec(), weighs);
    let pruned: Vec<_> = coefficients.chunks(width.max(1)).map(own).collect();
    let kept = pruned.first().map(|(kept, _)| kept.clone()).unwrap_or_default();
    (kept, pruned.into_iter().flat_map(|(_, coefficients)| coefficients).collect())
}

fn prune_linear(
    inputs: &[Input],
    coefficients: Vec<f64>,
    occurs: impl Fn(usize) -> bool,
) -> (Vec<Input>, Vec<f64>) {
    if coefficients.is_empty() {
        return (Vec::new(), coefficients);
    }
    let (mut kept, mut kept_coefficients, mut at) = (Vec::new(), Vec::new(), 0);
    for input in inputs {
        let columns = at..at + input.width();
        at = columns.end;
        match input {
            Input::Number(_) | Input::Category { .. } => {
                kept.push(input.clone());
                kept_coefficients.extend_from_slice(&coefficients[columns]);
            }
            Input::OneHot { column, categories } => {
                let own = || columns.clone().zip(categories).filter(|(i, _)| occurs(*i));
                let categories = own().map(|(_, category)| category.clone()).collect();
                kept.push(Input::OneHot { column: column.clone(), categories });
                kept_coefficients.extend(own().map(|(i, _)| coefficients[i]));
            }
        }
    }
    (kept, kept_coefficients)
}
