//! Regression trees in one set of arrays.

use serde::{Deserialize, Serialize};

/// ŷ = base + scale · Σ leaf of each tree. Nodes stand in preorder: the left child of a node is the next one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trees {
    /// The prediction before any tree.
    pub base: f64,
    /// What each leaf counts: 1 for sums of trees, 1 / trees for their mean.
    pub scale: f64,
    /// Where each tree begins.
    #[serde(with = "crate::packed")]
    pub roots: Vec<u32>,
    /// Per node the design column it asks for, or [`LEAF`].
    #[serde(with = "crate::packed")]
    pub columns: Vec<u32>,
    /// Per node its threshold (rows with a value up to it go left), or the leaf's value.
    #[serde(with = "crate::packed")]
    pub values: Vec<f64>,
    /// Per node its right child; for a leaf, the leaf itself.
    #[serde(with = "crate::packed")]
    pub rights: Vec<u32>,
}

/// In [`Trees::columns`]: a leaf.
pub const LEAF: u32 = u32::MAX;

impl Trees {
    /// Whether every path from a root ends in a leaf, and reads only columns below `width`.
    pub fn is_whole(&self, width: usize) -> bool {
        let nodes = self.columns.len();
        let child = |at: usize| {
            let right = self.rights[at] as usize;
            // Children stand behind their parent, so no path can turn in a circle.
            self.columns[at] == LEAF
                || ((self.columns[at] as usize) < width && at + 1 < right && right < nodes)
        };
        self.values.len() == nodes
            && self.rights.len() == nodes
            && self.roots.iter().all(|root| (*root as usize) < nodes)
            && (0..nodes).all(child)
    }
}
