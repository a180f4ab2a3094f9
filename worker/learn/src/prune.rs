//! Fits without the categories that their rows do not have.

use schemas::classifier::Classifier;
use schemas::fit::{Input, Parameters};

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
            Input::Number(_) => {
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
