//! What is found in features alone, without a target: groups, directions, outliers.

use serde::{Deserialize, Serialize};

use crate::instances::Scaling;
use crate::trees::Trees;

/// What a learner without a target found. z is a row's design columns by the scaling; columns that did not vary are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Structure {
    /// A row belongs to the nearest centre.
    Centres {
        /// From design columns to z.
        scaling: Scaling,
        /// One per cluster, cluster by cluster, in z.
        #[serde(with = "crate::packed")]
        centres: Vec<f64>,
        /// Number of clusters.
        clusters: u32,
    },
    /// Each cluster is a normal distribution.
    Mixture {
        /// From design columns to z.
        scaling: Scaling,
        /// ln of each cluster's share, less ½ ln |Σ| and the constants of its density.
        #[serde(with = "crate::packed")]
        offsets: Vec<f64>,
        /// One per cluster, cluster by cluster, in z.
        #[serde(with = "crate::packed")]
        means: Vec<f64>,
        /// Per cluster the lower triangle L⁻¹ row by row, with Σ = L Lᵀ: (z − mean)ᵀ Σ⁻¹ (z − mean) = ‖L⁻¹(z − mean)‖².
        #[serde(with = "crate::packed")]
        factors: Vec<f64>,
    },
    /// A row's scores are its projections on these directions.
    Components {
        /// From design columns to z.
        scaling: Scaling,
        /// Orthonormal, component by component, in z.
        #[serde(with = "crate::packed")]
        directions: Vec<f64>,
        /// Variance along each, descending; over n − 1.
        #[serde(with = "crate::packed")]
        variances: Vec<f64>,
        /// Variance in all directions.
        total_variance: f64,
    },
    /// A row's score is 2^(−mean path / normal): towards 1 for those that few cuts isolate.
    Isolation {
        /// Leaves hold path lengths.
        trees: Trees,
        /// The mean path among as many rows as a tree saw.
        normal: f64,
    },
}

impl Structure {
    /// Numbers that a row gets.
    pub fn outputs(&self) -> usize {
        match self {
            Structure::Centres { clusters, .. } => *clusters as usize,
            Structure::Mixture { offsets, .. } => offsets.len(),
            Structure::Components { variances, .. } => variances.len(),
            Structure::Isolation { .. } => 1,
        }
    }

    /// Clusters that rows belong to; 0 where it is none of that kind.
    pub fn clusters(&self) -> usize {
        match self {
            Structure::Centres { .. } | Structure::Mixture { .. } => self.outputs(),
            Structure::Components { .. } | Structure::Isolation { .. } => 0,
        }
    }
}
