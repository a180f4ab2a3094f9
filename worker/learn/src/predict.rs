//! Predictions by columns.

use schemas::fit::Parameters;

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
}

/// Writes one prediction per row of the block; `out` is cleared first. A fit without coefficients answers any block with
/// its intercept. A row's prediction does not depend on the rows beside it.
///
/// # Errors
/// [`PredictError::Width`].
pub fn predict(parameters: &Parameters, block: &Block, out: &mut Vec<f64>) -> Result<(), PredictError> {
    let Parameters::Linear { intercept, coefficients } = parameters;
    if !coefficients.is_empty() && coefficients.len() != block.width() {
        return Err(PredictError::Width { expected: coefficients.len(), found: block.width() });
    }
    out.clear();
    out.resize(block.rows(), *intercept);
    for (i, coefficient) in coefficients.iter().enumerate() {
        add_scaled(out, *coefficient, block.column(i));
    }
    Ok(())
}
