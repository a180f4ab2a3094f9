//! Predictions by columns.

mod classes;
mod structure;

pub use self::structure::{explained_squares, score_structure};

use schemas::fit::Parameters;
use schemas::instances::{Kernel, Neighbours, Scaling};
use schemas::trees::Trees;

use crate::block::Block;
use crate::neighbours::{nearest, squared_distance};
use crate::scaled::standardise;
use crate::trees::{Descent, with_team};
use crate::vector::{add_scaled, dot};

/// Why a block has no predictions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PredictError {
    /// The block was not made from the fit's inputs.
    #[error(
        "the fit has {expected} coefficients, the rows {found} design columns; gather them with the fit's own inputs"
    )]
    Width {
        /// Coefficients of the fit.
        expected: usize,
        /// Columns of the block.
        found: usize,
    },
    /// The fit's parts do not belong together.
    #[error("the fit contradicts itself, or does not belong to rows of {found} design columns")]
    Torn {
        /// Columns of the block.
        found: usize,
    },
    /// The fit is a table of forecasts.
    #[error("a forecast is looked up by its time, not by features")]
    Forecast,
    /// The fit's trees lead nowhere, or read columns that the rows do not have.
    #[error("the fit's trees do not belong to rows of {found} design columns")]
    Trees {
        /// Columns of the block.
        found: usize,
    },
}

/// Writes one prediction per row of the block, or for a classifier the probabilities of its classes, row by row; `out` is
/// cleared first. A fit without coefficients answers any block with its intercept. A row's prediction does not depend on
/// the rows beside it.
///
/// # Errors
/// [`PredictError`] when the block was not made from the fit's inputs, or the fit is torn.
pub fn predict(parameters: &Parameters, block: &Block, out: &mut Vec<f64>) -> Result<(), PredictError> {
    match parameters {
        Parameters::Linear { intercept, coefficients } => by_line(*intercept, coefficients, block, out),
        Parameters::LogLinear { intercept, coefficients } => {
            by_line(*intercept, coefficients, block, out)?;
            out.iter_mut().for_each(|out| *out = out.exp());
            Ok(())
        }
        Parameters::Trees(trees) => by_trees(trees, block, out),
        Parameters::Kernel(kernel) => by_kernel(kernel, block, out),
        Parameters::Neighbours(kept) => by_neighbours(kept, block, out),
        Parameters::Classifier(classifier) => classes::predict(classifier, block, out),
        Parameters::Structure(own) => structure::predict(own, block, out),
        Parameters::Forecast(_) => Err(PredictError::Forecast),
    }
}

/// As [`predict`], where trees have many rows to answer by so many threads.
///
/// # Errors
/// As [`predict`].
pub fn predict_on(
    threads: u32,
    parameters: &Parameters,
    block: &Block,
    out: &mut Vec<f64>,
) -> Result<(), PredictError> {
    let has_trees = matches!(parameters, Parameters::Trees(_) | Parameters::Classifier(_));
    let threads = if has_trees { threads } else { 1 };
    with_team((threads, block.rows()), || predict(parameters, block, out))
}

pub(crate) fn by_line(
    intercept: f64,
    coefficients: &[f64],
    block: &Block,
    out: &mut Vec<f64>,
) -> Result<(), PredictError> {
    if !coefficients.is_empty() && coefficients.len() != block.width() {
        return Err(PredictError::Width { expected: coefficients.len(), found: block.width() });
    }
    out.clear();
    out.resize(block.rows(), intercept);
    for (i, coefficient) in coefficients.iter().enumerate() {
        add_scaled(out, *coefficient, block.column(i));
    }
    Ok(())
}

pub(crate) fn by_trees(trees: &Trees, block: &Block, out: &mut Vec<f64>) -> Result<(), PredictError> {
    out.clear();
    out.resize(block.rows(), 0.0);
    let add = |own: &mut [f64], leaf: f64| own.first_mut().map(|sum| *sum += leaf);
    Descent::all(trees).each(block, out, add).ok_or(PredictError::Trees { found: block.width() })?;
    out.iter_mut().for_each(|sum| *sum = trees.base + trees.scale * *sum);
    Ok(())
}

/// The functions' values row by row: as many numbers per row as there are functions.
pub(crate) fn by_kernel(kernel: &Kernel, block: &Block, out: &mut Vec<f64>) -> Result<(), PredictError> {
    let width = kernel.scaling.width();
    let count = kernel.weights.len() / kernel.intercepts.len().max(1);
    let is_whole = is_scaled(&kernel.scaling, block)
        && kernel.rows.len() == count * width
        && kernel.weights.len() == count * kernel.intercepts.len();
    if !is_whole {
        return Err(PredictError::Torn { found: block.width() });
    }
    out.clear();
    let (mut z, mut similar) = (Vec::new(), Vec::new());
    for row in 0..block.rows() {
        standardise(&kernel.scaling, block, row, &mut z);
        similar.clear();
        let distance = |place: usize| squared_distance(&z, &kernel.rows[place * width..][..width]);
        similar.extend((0..count).map(|place| (-kernel.gamma * distance(place)).exp()));
        let functions = kernel.intercepts.iter().enumerate();
        out.extend(
            functions
                .map(|(at, intercept)| intercept + dot(&kernel.weights[at * count..][..count], &similar)),
        );
    }
    Ok(())
}

fn by_neighbours(kept: &Neighbours, block: &Block, out: &mut Vec<f64>) -> Result<(), PredictError> {
    check_neighbours(kept, block)?;
    out.clear();
    nearest(kept, block, |targets| {
        let (sum, count) = targets.fold((0.0, 0.0), |(sum, count), target| (sum + target, count + 1.0));
        out.push(sum / count);
    });
    Ok(())
}

/// # Errors
/// [`PredictError::Torn`] when the rows do not belong together or to the block.
pub(crate) fn check_neighbours(kept: &Neighbours, block: &Block) -> Result<(), PredictError> {
    let is_whole = is_scaled(&kept.scaling, block)
        && !kept.targets.is_empty()
        && kept.rows.len() == kept.targets.len() * kept.scaling.width();
    if is_whole { Ok(()) } else { Err(PredictError::Torn { found: block.width() }) }
}

fn is_scaled(scaling: &Scaling, block: &Block) -> bool {
    scaling.means.len() == block.width() && scaling.deviations.len() == block.width()
}
