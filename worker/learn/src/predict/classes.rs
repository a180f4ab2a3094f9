//! Probabilities of classes.

use schemas::classifier::{Classifier, Link};
use schemas::instances::Neighbours;
use schemas::trees::Trees;

use super::{PredictError, by_kernel, by_line, by_trees, check_neighbours};
use crate::block::Block;
use crate::logistic::sigmoid;
use crate::neighbours::nearest;
use crate::trees::Descent;

/// Writes the probabilities of the classes, row by row; `out` is cleared first.
///
/// # Errors
/// As [`super::predict`].
pub(super) fn predict(
    classifier: &Classifier,
    block: &Block,
    out: &mut Vec<f64>,
) -> Result<(), PredictError> {
    match classifier {
        Classifier::Constant { probabilities } => {
            *out = probabilities.repeat(block.rows());
            Ok(())
        }
        Classifier::Linear { link, intercepts, coefficients } => {
            let functions = intercepts.len();
            if coefficients.len() != functions * block.width() {
                let expected = coefficients.len() / functions.max(1);
                return Err(PredictError::Width { expected, found: block.width() });
            }
            let own = |at: usize| &coefficients[at * block.width()..][..block.width()];
            let line = |at: usize, out: &mut Vec<f64>| by_line(intercepts[at], own(at), block, out);
            link_columns(*link, functions, block.rows(), line, out)
        }
        Classifier::Boosted { link, functions } => {
            let sum = |at: usize, out: &mut Vec<f64>| by_trees(&functions[at], block, out);
            link_columns(*link, functions.len(), block.rows(), sum, out)
        }
        Classifier::Kernel { link, kernel } => {
            let mut values = Vec::new();
            by_kernel(kernel, block, &mut values)?;
            out.clear();
            values.chunks_exact(kernel.intercepts.len().max(1)).for_each(|f| linked(*link, f, out));
            Ok(())
        }
        Classifier::GaussianBayes { log_priors, means, variances } => {
            by_normals(log_priors, (means, variances), block, out)
        }
        Classifier::Forest { trees, shares, classes } => {
            by_forest(trees, (shares, *classes as usize), block, out)
        }
        Classifier::Neighbours { rows, classes } => by_neighbours(rows, *classes as usize, block, out),
    }
}

/// Links functions that `column` computes one by one for all rows.
fn link_columns(
    link: Link,
    functions: usize,
    rows: usize,
    column: impl Fn(usize, &mut Vec<f64>) -> Result<(), PredictError>,
    out: &mut Vec<f64>,
) -> Result<(), PredictError> {
    let mut columns = vec![Vec::new(); functions];
    for (at, values) in columns.iter_mut().enumerate() {
        column(at, values)?;
    }
    out.clear();
    let mut f = Vec::with_capacity(functions);
    for row in 0..rows {
        f.clear();
        f.extend(columns.iter().map(|values| values[row]));
        linked(link, &f, out);
    }
    Ok(())
}

/// Appends the probabilities that the functions' values of one row stand for.
fn linked(link: Link, f: &[f64], out: &mut Vec<f64>) {
    match link {
        Link::Logistic => out.extend([sigmoid(-f[0]), sigmoid(f[0])]),
        Link::Softmax => softmax(f, out),
        Link::OneVersusRest => {
            // In logarithms, as all of them may be too small for a number.
            let logarithms: Vec<f64> = f.iter().map(|f| f.min(0.0) - (-f.abs()).exp().ln_1p()).collect();
            softmax(&logarithms, out);
        }
    }
}

fn softmax(f: &[f64], out: &mut Vec<f64>) {
    let most = f.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let from = out.len();
    out.extend(f.iter().map(|f| (f - most).exp()));
    let total: f64 = out[from..].iter().sum();
    out[from..].iter_mut().for_each(|p| *p /= total);
}

fn by_normals(
    log_priors: &[f64],
    (means, variances): (&[f64], &[f64]),
    block: &Block,
    out: &mut Vec<f64>,
) -> Result<(), PredictError> {
    let (classes, width) = (log_priors.len(), block.width());
    if means.len() != classes * width || variances.len() != classes * width {
        return Err(PredictError::Torn { found: width });
    }
    let normal = |class: usize, out: &mut Vec<f64>| {
        let own = class * width..(class + 1) * width;
        let (means, variances) = (&means[own.clone()], &variances[own]);
        let spread: f64 = variances.iter().map(|variance| variance.ln()).sum();
        out.clear();
        out.resize(block.rows(), log_priors[class] - spread / 2.0);
        for (i, (mean, variance)) in means.iter().zip(variances).enumerate() {
            let column = block.column(i).iter();
            out.iter_mut()
                .zip(column)
                .for_each(|(out, x)| *out -= (x - mean) * ((x - mean) / variance) / 2.0);
        }
        Ok(())
    };
    link_columns(Link::Softmax, classes, block.rows(), normal, out)
}

fn by_forest(
    trees: &Trees,
    (shares, classes): (&[f64], usize),
    block: &Block,
    out: &mut Vec<f64>,
) -> Result<(), PredictError> {
    let torn = PredictError::Trees { found: block.width() };
    if classes == 0 {
        return Err(torn);
    }
    out.clear();
    out.resize(block.rows() * classes, 0.0);
    let add = |own: &mut [f64], leaf: f64| {
        let from = (leaf as usize).checked_mul(classes)?;
        let shares = shares.get(from..from.checked_add(classes)?)?;
        own.iter_mut().zip(shares).for_each(|(p, share)| *p += share * trees.scale);
        Some(())
    };
    Descent::all(trees).each(block, out, add).ok_or(torn)
}

fn by_neighbours(
    kept: &Neighbours,
    classes: usize,
    block: &Block,
    out: &mut Vec<f64>,
) -> Result<(), PredictError> {
    check_neighbours(kept, block)?;
    if !kept.targets.iter().all(|class| (*class as usize) < classes) {
        return Err(PredictError::Torn { found: block.width() });
    }
    out.clear();
    let share = 1.0 / (kept.k as usize).clamp(1, kept.targets.len()) as f64;
    nearest(kept, block, |targets| {
        let from = out.len();
        out.resize(from + classes, 0.0);
        targets.for_each(|class| out[from + class as usize] += share);
    });
    Ok(())
}
