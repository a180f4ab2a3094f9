//! Fits that keep training rows.

use serde::{Deserialize, Serialize};

/// How design columns become those that distances are taken in: z = (x − mean) / deviation. A column with deviation 0 did
/// not vary, and is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// One per design column.
    #[serde(with = "crate::packed")]
    pub means: Vec<f64>,
    /// One per design column.
    #[serde(with = "crate::packed")]
    pub deviations: Vec<f64>,
}

impl Scaling {
    /// Columns that distances are taken in.
    pub fn width(&self) -> usize {
        self.deviations.iter().filter(|deviation| **deviation != 0.0).count()
    }
}

/// Functions f = intercept + Σ weight · exp(−gamma · ‖z − row‖²).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// From design columns to z.
    pub scaling: Scaling,
    /// Width of the kernel.
    pub gamma: f64,
    /// The rows that carry weight (support vectors), row by row.
    #[serde(with = "crate::packed")]
    pub rows: Vec<f64>,
    /// One per function and row, function by function.
    #[serde(with = "crate::packed")]
    pub weights: Vec<f64>,
    /// One per function.
    #[serde(with = "crate::packed")]
    pub intercepts: Vec<f64>,
}

/// All training rows, to look for the nearest ones among.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbours {
    /// How many are looked for.
    pub k: u32,
    /// From design columns to z.
    pub scaling: Scaling,
    /// The rows, row by row.
    #[serde(with = "crate::packed")]
    pub rows: Vec<f64>,
    /// One per row.
    #[serde(with = "crate::packed")]
    pub targets: Vec<f64>,
}
