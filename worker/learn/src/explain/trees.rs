//! Shapley values of sums of trees.
//!
//! What a tree predicts where only the columns of a set S are known is Σ value · Π over the leaves: a column on the way to a
//! leaf multiplies by 1 or 0 when it is known (the row goes there or not), else by the share of the training rows that went
//! there. These are the values of path-dependent TreeSHAP (Lundberg, Erion and Lee, "Consistent Individualized Feature
//! Attribution for Tree Ensembles", 2018). The mean over all orders in which columns become known is an integral (Owen,
//! "Multilinear Extensions of Games", 1972), for column i with `known` k and `unknown` u
//!
//! φᵢ = Σ value · (kᵢ − uᵢ) · ∫ Π over j ≠ i of (t kⱼ + (1 − t) uⱼ) dt from 0 to 1,
//!
//! of polynomials, so that a few points give it exactly; all that is multiplied is positive, so that deep trees lose no digits.
//! As in Yu, Xu, Zhou and Chen, "Linear TreeShap" (2022), each edge takes the sum of all leaves below it at once: a row takes
//! time in proportion to nodes · points (see [`super::walk`]).

use schemas::trees::{LEAF, Trees};

use super::Sums;
use super::walk::Walk;
use crate::block::Block;

/// Cuts on a path, as `max_depth` allows.
const HEIGHT_MAX: usize = 64;

/// What each column adds to the sum of trees whose leaves' values `leaf` tells. `None` where the trees or their covers are
/// torn, or do not belong to such rows.
pub(super) fn explain(trees: &Trees, leaf: &dyn Fn(f64) -> Option<f64>, block: &Block) -> Option<Sums> {
    if !trees.is_whole(block.width()) {
        return None;
    }
    let shape = Shape::of(trees, leaf)?;
    let contributions = match shape.height.min(block.width()) {
        0..=4 => contributions::<2>(trees, &shape, leaf, block),
        5..=8 => contributions::<4>(trees, &shape, leaf, block),
        9..=16 => contributions::<8>(trees, &shape, leaf, block),
        17..=32 => contributions::<16>(trees, &shape, leaf, block),
        _ => contributions::<{ HEIGHT_MAX / 2 }>(trees, &shape, leaf, block),
    };
    Some(Sums { base: trees.base + trees.scale * shape.means, contributions })
}

/// Row by row, by so many points.
fn contributions<const POINTS: usize>(
    trees: &Trees,
    shape: &Shape,
    leaf: &dyn Fn(f64) -> Option<f64>,
    block: &Block,
) -> Vec<f64> {
    let mut walk = Walk::<POINTS>::new((trees, &shape.shares), leaf, block.width());
    let mut all = Vec::with_capacity(block.rows() * block.width());
    for row in 0..block.rows() {
        let added = walk.row(|column| block.column(column)[row]);
        all.extend(added.iter().map(|added| trees.scale * added));
    }
    all
}

/// What trees are like, whatever the row.
struct Shape {
    /// Per node the share of its parent's training rows that it has.
    shares: Vec<f64>,
    /// The trees' mean values over the training rows, added up.
    means: f64,
    /// Cuts on the longest path.
    height: usize,
}

/// A node and all that is below it.
struct Part {
    root: usize,
    weight: f64,
    mean: f64,
    height: usize,
}

impl Shape {
    /// `None` where nodes do not stand in preorder, each in one tree, or covers are not one for each leaf.
    fn of(trees: &Trees, leaf: &dyn Fn(f64) -> Option<f64>) -> Option<Shape> {
        let mut covers = trees.covers.iter().rev().map(|cover| f64::from(*cover));
        let mut shares = vec![1.0; trees.columns.len()];
        // From the last node to the first, children come before their parent, the left one last.
        let mut parts: Vec<Part> = Vec::new();
        for root in (0..trees.columns.len()).rev() {
            if trees.columns[root] == LEAF {
                let weight = covers.next().filter(|cover| *cover > 0.0 && cover.is_finite())?;
                parts.push(Part { root, weight, mean: leaf(trees.values[root])?, height: 0 });
                continue;
            }
            let (left, right) = (parts.pop()?, parts.pop()?);
            if left.root != root + 1 || right.root != trees.rights[root] as usize {
                return None;
            }
            let weight = left.weight + right.weight;
            shares[left.root] = left.weight / weight;
            shares[right.root] = right.weight / weight;
            let mean = shares[left.root] * left.mean + shares[right.root] * right.mean;
            parts.push(Part { root, weight, mean, height: 1 + left.height.max(right.height) });
        }
        let roots = parts.iter().rev().map(|part| part.root as u32);
        let height = parts.iter().map(|part| part.height).max().unwrap_or_default();
        let is_whole = roots.eq(trees.roots.iter().copied()) && covers.next().is_none();
        let means = parts.iter().map(|part| part.mean).sum();
        (is_whole && height <= HEIGHT_MAX).then_some(Shape { shares, means, height })
    }
}
