//! Predictions by columns.

mod classes;
mod structure;

pub use self::structure::{explained_squares, score_structure};

use schemas::fit::Parameters;
use schemas::instances::{Kernel, Neighbours, Scaling};
use schemas::trees::{TOGETHER, Trees};

use crate::block::Block;
use crate::neighbours::{nearest, squared_distance};
use crate::scaled::standardise;
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

/// Up to [`TOGETHER`] rows of a block, one after the other; says how many there are.
fn some_rows(block: &Block, first: usize, values: &mut [f64]) -> usize {
    let rows = TOGETHER.min(block.rows() - first);
    for column in 0..block.width() {
        let own = &block.column(column)[first..first + rows];
        own.iter().enumerate().for_each(|(row, value)| values[row * block.width() + column] = *value);
    }
    rows
}

pub(crate) fn by_trees(trees: &Trees, block: &Block, out: &mut Vec<f64>) -> Result<(), PredictError> {
    if !trees.is_whole(block.width()) {
        return Err(PredictError::Trees { found: block.width() });
    }
    out.clear();
    let mut values = vec![0.0; block.width() * TOGETHER];
    for first in (0..block.rows()).step_by(TOGETHER) {
        let rows = some_rows(block, first, &mut values);
        let mut sums = [0.0; TOGETHER];
        for root in &trees.roots {
            let leaves = trees.leaves(*root, &values, block.width());
            sums.iter_mut().zip(leaves).for_each(|(sum, leaf)| *sum += leaf);
        }
        out.extend(sums[..rows].iter().map(|leaves| trees.base + trees.scale * leaves));
    }
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
