//! Predictions by columns.

use schemas::fit::Parameters;
use schemas::trees::{LEAF, Trees};

use crate::block::Block;
use crate::vector::add_scaled;

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

/// Writes one prediction per row of the block; `out` is cleared first. A fit without coefficients answers any block with
/// its intercept. A row's prediction does not depend on the rows beside it.
///
/// # Errors
/// [`PredictError::Width`].
pub fn predict(parameters: &Parameters, block: &Block, out: &mut Vec<f64>) -> Result<(), PredictError> {
    match parameters {
        Parameters::Linear { intercept, coefficients } => by_line(*intercept, coefficients, block, out),
        Parameters::LogLinear { intercept, coefficients } => {
            by_line(*intercept, coefficients, block, out)?;
            out.iter_mut().for_each(|out| *out = out.exp());
            Ok(())
        }
        Parameters::Trees(trees) => by_trees(trees, block, out),
        Parameters::Forecast(_) => Err(PredictError::Forecast),
    }
}

fn by_line(
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

fn by_trees(trees: &Trees, block: &Block, out: &mut Vec<f64>) -> Result<(), PredictError> {
    if !trees.is_whole(block.width()) {
        return Err(PredictError::Trees { found: block.width() });
    }
    out.clear();
    let mut values = vec![0.0; block.width()];
    for row in 0..block.rows() {
        values.iter_mut().enumerate().for_each(|(column, value)| *value = block.column(column)[row]);
        let leaves: f64 = trees.roots.iter().map(|root| leaf(trees, *root as usize, &values)).sum();
        out.push(trees.base + trees.scale * leaves);
    }
    Ok(())
}

/// The value of the leaf that a row falls into; `trees` are whole.
fn leaf(trees: &Trees, root: usize, values: &[f64]) -> f64 {
    let mut at = root;
    while trees.columns[at] != LEAF {
        let goes_left = values[trees.columns[at] as usize] <= trees.values[at];
        at = if goes_left { at + 1 } else { trees.rights[at] as usize };
    }
    trees.values[at]
}
