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
    /// Per node [`LEAF`], or the design column it asks for, with [`MISSING_LEFT`] or [`IN_SET`] where they hold.
    #[serde(with = "crate::packed")]
    pub columns: Vec<u32>,
    /// Per node its threshold (rows with a value up to it go left), the place of its set, or the leaf's value.
    #[serde(with = "crate::packed")]
    pub values: Vec<f64>,
    /// Per node its right child; for a leaf, the leaf itself.
    #[serde(with = "crate::packed")]
    pub rights: Vec<u32>,
    /// Sets of categories: a number of words, then that many words with a bit for each category.
    #[serde(default, with = "crate::packed", skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<u32>,
    /// Per leaf, in the leaves' order, what the training rows that fell into it weigh: their number, where rows have no weights
    /// or classes are boosted. Fits of early trainers have none, and cannot be explained.
    #[serde(default, with = "crate::packed", skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<f32>,
}

/// In [`Trees::columns`]: a leaf.
pub const LEAF: u32 = u32::MAX;
/// In [`Trees::columns`]: rows without a value (NaN) go left; otherwise they go right.
pub const MISSING_LEFT: u32 = 1 << 31;
/// In [`Trees::columns`]: rows whose category is in a set go left; others go right, also those without one.
pub const IN_SET: u32 = 1 << 30;

/// The design column that an inner node asks for.
pub fn column_of(node: u32) -> usize {
    (node & !(MISSING_LEFT | IN_SET)) as usize
}

impl Trees {
    /// The value of the leaf that a row falls into; `None` where its path leaves the trees, or could turn in a circle.
    pub fn leaf(&self, root: u32, row: &[f64]) -> Option<f64> {
        let mut at = root as usize;
        while *self.columns.get(at)? != LEAF {
            let next = self.child(at, row)?;
            // Children stand behind their parent.
            at = (next > at).then_some(next)?;
        }
        self.values.get(at).copied()
    }

    /// The child of an inner node that a row goes to; `None` where it asks for what is not there.
    #[inline]
    pub fn child(&self, at: usize, row: &[f64]) -> Option<usize> {
        let (node, threshold) = (*self.columns.get(at)?, *self.values.get(at)?);
        // Read whether or not it is needed: either way is as likely, and a wrong guess costs more.
        let right = *self.rights.get(at)? as usize;
        let value = *row.get(column_of(node))?;
        Some(if self.goes_left(node, threshold, value) { at + 1 } else { right })
    }

    /// Whether a value goes left at an inner node with such entries in [`Trees::columns`] and [`Trees::values`].
    #[inline]
    pub fn goes_left(&self, node: u32, threshold: f64, value: f64) -> bool {
        match node & IN_SET {
            0 => (value <= threshold) | (value.is_nan() & (node & MISSING_LEFT != 0)),
            _ => self.set(threshold).is_some_and(|words| contains(words, value)),
        }
    }

    /// The words of the set at a place; `None` where there is none.
    pub fn set(&self, place: f64) -> Option<&[u32]> {
        let place = place as usize;
        let words = *self.sets.get(place)? as usize;
        self.sets.get(place + 1..)?.get(..words)
    }

    /// Adds a set of categories; says its place.
    pub fn add_set(&mut self, categories: impl Iterator<Item = u32>) -> f64 {
        let place = self.sets.len();
        self.sets.push(0);
        for category in categories {
            let word = place + 1 + category as usize / 32;
            if self.sets.len() <= word {
                self.sets.resize(word + 1, 0);
            }
            self.sets[word] |= 1 << (category % 32);
        }
        self.sets[place] = (self.sets.len() - place - 1) as u32;
        place as f64
    }

    /// Bytes that its arrays have in memory.
    pub fn size_bytes(&self) -> usize {
        let Trees { roots, columns, values, rights, sets, covers, .. } = self;
        let numbers: usize =
            [roots, columns, rights, sets].iter().map(|each| size_of_val(each.as_slice())).sum();
        numbers + size_of_val(values.as_slice()) + size_of_val(covers.as_slice())
    }

    /// Whether every path from a root ends in a leaf, and reads only columns below `width` and sets that are there.
    pub fn is_whole(&self, width: usize) -> bool {
        let nodes = self.columns.len();
        self.values.len() == nodes
            && self.rights.len() == nodes
            && self.roots.iter().all(|root| (*root as usize) < nodes)
            && (0..nodes).all(|at| self.columns[at] == LEAF || self.is_inner(at, nodes, width))
    }

    /// Whether a node asks for what is there, and both of its children stand between it and `end`: so that no path can turn in a
    /// circle.
    #[inline]
    pub fn is_inner(&self, at: usize, end: usize, width: usize) -> bool {
        let (Some(node), Some(value), Some(right)) =
            (self.columns.get(at), self.values.get(at), self.rights.get(at))
        else {
            return false;
        };
        let right = *right as usize;
        column_of(*node) < width
            && at + 1 < right
            && right < end
            && (node & IN_SET == 0 || self.set(*value).is_some())
    }
}

/// Whether a set has the category whose number is `value`; NaN is none.
fn contains(words: &[u32], value: f64) -> bool {
    let category = value as usize;
    value >= 0.0 && words.get(category / 32).is_some_and(|word| word & (1 << (category % 32)) != 0)
}

/// The categories in a set's words, ascending.
pub fn categories(words: &[u32]) -> impl Iterator<Item = u32> {
    let bits = |(place, word): (u32, &u32)| {
        let word = *word;
        (0..32).filter(move |bit| word & (1 << bit) != 0).map(move |bit| place * 32 + bit)
    };
    (0u32..).zip(words).flat_map(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trees as they were written before there were covers.
    #[derive(Serialize)]
    struct Early {
        base: f64,
        scale: f64,
        #[serde(with = "crate::packed")]
        roots: Vec<u32>,
        #[serde(with = "crate::packed")]
        columns: Vec<u32>,
        #[serde(with = "crate::packed")]
        values: Vec<f64>,
        #[serde(with = "crate::packed")]
        rights: Vec<u32>,
    }

    #[test]
    fn trees_without_covers_are_read_and_written_as_ever() {
        let early = Early {
            base: 1.0,
            scale: 0.5,
            roots: vec![0],
            columns: vec![0, LEAF, LEAF],
            values: vec![0.5, 1.0, 2.0],
            rights: vec![2, 1, 2],
        };
        let bytes = rmp_serde::to_vec_named(&early).unwrap();
        let trees: Trees = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!((trees.leaf(0, &[0.5]), trees.covers.len()), (Some(1.0), 0));
        assert_eq!(rmp_serde::to_vec_named(&trees).unwrap(), bytes);
        let covered = Trees { covers: vec![3.0, 0.25], ..trees };
        let bytes = rmp_serde::to_vec_named(&covered).unwrap();
        assert_eq!(rmp_serde::from_slice::<Trees>(&bytes).unwrap(), covered);
    }
}
