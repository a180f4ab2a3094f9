//! Sufficient statistics at rest: what a linear fit keeps of its training rows, so that newer ones can be added.

use serde::{Deserialize, Serialize};

use crate::fit::Input;

/// Statistics of a fit's training rows over all design columns and, as the last variable, the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// The inputs that the design columns come from; a fit itself may have fewer.
    pub inputs: Vec<Input>,
    /// Rows.
    pub count: u64,
    /// What all rows of the slice hash to, where its rows are added up in parts: a number of 128 bits, least byte first.
    #[serde(default)]
    pub digest: [u8; 16],
    /// What they count.
    pub weight: f64,
    /// A value near the mean, one per variable.
    #[serde(with = "crate::packed")]
    pub origin: Vec<f64>,
    /// Mean less origin.
    #[serde(with = "crate::packed")]
    pub offset: Vec<f64>,
    /// Σ weight (xᵢ − x̄ᵢ)(xⱼ − x̄ⱼ) for i ≤ j, row by row of the upper triangle.
    #[serde(with = "crate::packed")]
    pub second: Vec<f64>,
}
