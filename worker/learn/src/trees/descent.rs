//! Rows going down trees. Few rows read a fit's arrays as they are. For many, trees are laid out anew, a few at a time: a node in one
//! place, and a leaf like a node that sends every row to itself, so that rows go down side by side, none waiting for another, and
//! without a branch that could be guessed wrong.

use std::hint::select_unpredictable;

use rayon::prelude::*;
use schemas::trees::{IN_SET, LEAF, MISSING_LEFT, Trees, column_of};

use super::team::is_team;
use crate::block::Block;

/// Rows that go down side by side.
const LANES: usize = 8;

/// Nodes that are laid out at a time, unless one tree has more: so many stay near the core.
const NODES: usize = 1 << 12;

/// Rows that one thread takes down before another takes some.
const STRETCH_ROWS: usize = 1 << 12;

/// Laying out so many nodes takes about as long as it saves for one row and tree.
const NODES_PER_ROW: usize = 16;

/// The trees, and which of a fit's trees they are: those from a number on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descent<'t> {
    trees: &'t Trees,
    from: usize,
}

/// A node of a tree. In a leaf no comparison holds.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Rows with a value up to it go left; for one that asks for a set, the set's place.
    threshold: f64,
    /// The column, with [`MISSING_LEFT`] or [`IN_SET`].
    column: u32,
    /// Where rows go that do not go left, to the next node.
    right: u32,
}

/// Some trees, laid out.
#[derive(Debug)]
struct Layout<'t> {
    trees: &'t Trees,
    nodes: Vec<Node>,
    /// Where its nodes are in the fit's arrays.
    start: usize,
    roots: &'t [u32],
    /// Whether all that nodes do is to compare: none says where rows without a value go, or has a set.
    is_plain: bool,
}

impl<'t> Descent<'t> {
    /// Down all trees.
    pub(crate) fn all(trees: &'t Trees) -> Descent<'t> {
        Descent { trees, from: 0 }
    }

    /// Down the last tree alone.
    pub(crate) fn last(trees: &'t Trees) -> Descent<'t> {
        Descent { trees, from: trees.roots.len().saturating_sub(1) }
    }

    /// Calls `add` with the numbers that `out` has for a row and the value of the leaf that the row falls into, tree after tree.
    /// `None` where a path leaves the trees, or `add` says that there is no such leaf.
    ///
    /// # Panics
    /// When `out` has not as many numbers for each row of the block.
    pub(crate) fn each(
        &self,
        block: &Block,
        out: &mut [f64],
        add: impl Fn(&mut [f64], f64) -> Option<()> + Sync,
    ) -> Option<()> {
        if block.rows() == 0 {
            return Some(());
        }
        assert!(out.len().is_multiple_of(block.rows()), "each row has as many numbers");
        let own = out.len() / block.rows();
        let (nodes, roots) = (self.trees.columns.len() - self.start()?, self.trees.roots.len() - self.from);
        if nodes > NODES_PER_ROW * roots * block.rows() {
            return self.one_by_one(block, (out, own), add);
        }
        let mut from = self.from;
        while from < self.trees.roots.len() {
            let layout = Layout::of(self.trees, from, block.width())?;
            from += layout.roots.len();
            layout.stretches(block, (out, own), &add)?;
        }
        Some(())
    }

    /// Where the first tree begins.
    fn start(&self) -> Option<usize> {
        let start = self.trees.roots.get(self.from).map_or(self.trees.columns.len(), |root| *root as usize);
        (start <= self.trees.columns.len()).then_some(start)
    }

    fn one_by_one(
        &self,
        block: &Block,
        (out, own): (&mut [f64], usize),
        add: impl Fn(&mut [f64], f64) -> Option<()>,
    ) -> Option<()> {
        let mut values = vec![0.0; block.width()];
        for (row, out) in out.chunks_exact_mut(own).enumerate() {
            values.iter_mut().enumerate().for_each(|(column, value)| *value = block.column(column)[row]);
            for root in &self.trees.roots[self.from..] {
                add(out, self.trees.leaf(*root, &values)?)?;
            }
        }
        Some(())
    }
}

impl<'t> Layout<'t> {
    /// Lays out one tree from number `from` on, and those after it for which there is room; `None` where they are not whole for rows
    /// of `width` values.
    fn of(trees: &'t Trees, from: usize, width: usize) -> Option<Layout<'t>> {
        let roots = trees.roots.get(from..)?;
        let start = *roots.first()? as usize;
        let end = |number: usize| roots.get(number + 1).map_or(trees.columns.len(), |next| *next as usize);
        let mut layout = Layout { trees, nodes: Vec::new(), start, roots: &[], is_plain: true };
        for (number, root) in roots.iter().enumerate() {
            let (root, end) = (*root as usize, end(number));
            if number > 0 && end.checked_sub(start)? > NODES {
                break;
            }
            if root != start + layout.nodes.len() || root >= end {
                return None;
            }
            for at in root..end {
                let node = layout.node(at, end, width)?;
                layout.is_plain &= node.column & (MISSING_LEFT | IN_SET) == 0;
                layout.nodes.push(node);
            }
            layout.roots = &roots[..=number];
        }
        Some(layout)
    }

    /// One node of a tree that goes to `end`.
    fn node(&self, at: usize, end: usize, width: usize) -> Option<Node> {
        let Trees { columns, values, rights, .. } = self.trees;
        let (column, threshold) = (*columns.get(at)?, *values.get(at)?);
        if column == LEAF {
            return Some(Node { threshold: f64::NAN, column: 0, right: (at - self.start) as u32 });
        }
        let right = (*rights.get(at)? as usize).checked_sub(self.start)? as u32;
        self.trees.is_inner(at, end, width).then_some(Node { threshold, column, right })
    }

    /// All rows, in stretches, by a team if there is one.
    fn stretches(
        &self,
        block: &Block,
        (out, own): (&mut [f64], usize),
        add: &(impl Fn(&mut [f64], f64) -> Option<()> + Sync),
    ) -> Option<()> {
        let size = STRETCH_ROWS * own;
        let stretch = |(number, out): (usize, &mut [f64])| match self.is_plain {
            true => self.stretch::<true>((block, number * STRETCH_ROWS), (out, own), add),
            false => self.stretch::<false>((block, number * STRETCH_ROWS), (out, own), add),
        };
        match is_team() {
            true => out.par_chunks_mut(size).enumerate().try_for_each(stretch),
            false => out.chunks_mut(size).enumerate().try_for_each(stretch),
        }
    }

    fn stretch<const PLAIN: bool>(
        &self,
        (block, first): (&Block, usize),
        (out, own): (&mut [f64], usize),
        add: &impl Fn(&mut [f64], f64) -> Option<()>,
    ) -> Option<()> {
        // A leaf asks for the first column, be there one or not.
        let mut rows = vec![[0.0; LANES]; block.width().max(1)];
        for (number, out) in out.chunks_mut(LANES * own).enumerate() {
            let first = first + number * LANES;
            for (column, lanes) in rows.iter_mut().enumerate().take(block.width()) {
                let values = &block.column(column)[first..first + out.len() / own];
                lanes[..values.len()].copy_from_slice(values);
            }
            for root in self.roots {
                let places = self.down::<PLAIN>(*root - self.start as u32, &rows);
                for (out, place) in out.chunks_exact_mut(own).zip(places) {
                    add(out, self.trees.values[self.start + place as usize])?;
                }
            }
        }
        Some(())
    }

    /// The leaves that rows end in, of which each column's values stand together.
    fn down<const PLAIN: bool>(&self, root: u32, rows: &[[f64; LANES]]) -> [u32; LANES] {
        let mut places = [root; LANES];
        loop {
            let mut moved = 0;
            for (lane, place) in places.iter_mut().enumerate() {
                let node = self.nodes[*place as usize];
                let is_left = match PLAIN {
                    true => rows[node.column as usize][lane] <= node.threshold,
                    false => {
                        let value = rows[column_of(node.column)][lane];
                        self.trees.goes_left(node.column, node.threshold, value)
                    }
                };
                let next = select_unpredictable(is_left, *place + 1, node.right);
                moved |= next ^ *place;
                *place = next;
            }
            if moved == 0 {
                return places;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::random::Random;
    use crate::trees::team::with_team;
    use proptest::prelude::*;

    const WIDTH: usize = 3;

    /// Grows a tree of any shape; `kinds` says how many kinds of nodes there are: comparisons, those that say where rows without a
    /// value go, sets.
    fn grow(trees: &mut Trees, random: &mut Random, (depth, kinds): (usize, usize)) {
        let at = trees.columns.len();
        trees.rights.push(at as u32);
        if depth == 0 || random.below(5) == 0 {
            trees.columns.push(LEAF);
            trees.values.push(random.share());
            return;
        }
        let flag = [0, MISSING_LEFT, IN_SET][random.below(kinds)];
        let value = match flag {
            IN_SET => {
                let categories: Vec<u32> = (0..40).filter(|_| random.below(2) == 0).collect();
                trees.add_set(categories.into_iter())
            }
            _ => random.below(40) as f64,
        };
        trees.columns.push(random.below(WIDTH) as u32 | flag);
        trees.values.push(value);
        grow(trees, random, (depth - 1, kinds));
        trees.rights[at] = trees.columns.len() as u32;
        grow(trees, random, (depth - 1, kinds));
    }

    fn any_trees(random: &mut Random, (count, depth, kinds): (usize, usize, usize)) -> Trees {
        let mut trees = Trees { scale: 1.0, ..Trees::default() };
        for _ in 0..count {
            trees.roots.push(trees.columns.len() as u32);
            grow(&mut trees, random, (depth, kinds));
        }
        trees
    }

    fn any_block(random: &mut Random, rows: usize) -> Block {
        let mut value = || match random.below(9) {
            0 => f64::NAN,
            _ => random.below(40) as f64,
        };
        let columns: Vec<Vec<f64>> = (0..WIDTH).map(|_| (0..rows).map(|_| value()).collect()).collect();
        Block::from_columns(rows, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// The sum of a row's leaves, and how many there are.
    fn sums(descent: Descent, block: &Block) -> Option<Vec<f64>> {
        let mut out = vec![0.0; 2 * block.rows()];
        let add = |own: &mut [f64], leaf: f64| {
            own[0] += leaf;
            own[1] += 1.0;
            Some(())
        };
        descent.each(block, &mut out, add).map(|()| out)
    }

    fn one_by_one(trees: &Trees, block: &Block) -> Vec<f64> {
        let of_row = |row: usize| {
            let values: Vec<f64> = (0..WIDTH).map(|column| block.column(column)[row]).collect();
            let leaf = |root: &u32| trees.leaf(*root, &values).expect("a leaf");
            [trees.roots.iter().map(leaf).sum(), trees.roots.len() as f64]
        };
        (0..block.rows()).flat_map(of_row).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// However many rows and threads there are, and whatever trees ask for.
        #[test]
        fn rows_fall_into_the_leaves_that_they_fall_into_alone(
            seed in any::<u64>(),
            rows in prop_oneof![0..40usize, 16_000..18_000usize],
            shape in (0..40usize, 0..9usize, 1..4usize),
            threads in 1..4u32,
        ) {
            let random = &mut Random::new(seed, 0);
            let (trees, block) = (any_trees(random, shape), any_block(random, rows));
            let found = with_team((threads, rows), || sums(Descent::all(&trees), &block));
            prop_assert_eq!(found, Some(one_by_one(&trees, &block)));
            let last = trees.roots.last().into_iter().copied().collect();
            let last = Trees { roots: last, ..trees.clone() };
            prop_assert_eq!(sums(Descent::last(&trees), &block), Some(one_by_one(&last, &block)));
        }

        /// Whatever is changed: an answer or none, for few rows and for many.
        #[test]
        fn torn_trees_answer_or_do_not(seed in any::<u64>(), at in any::<usize>(), to in any::<u32>(), what in 0..6) {
            let random = &mut Random::new(seed, 0);
            let mut trees = any_trees(random, (3, 6, 3));
            let block = any_block(random, 2_000);
            let node = at % trees.columns.len();
            match what {
                0 => trees.columns[node] = to,
                1 => trees.rights[node] = to % (2 * trees.columns.len() as u32),
                2 => trees.values.truncate(node),
                3 => trees.rights.truncate(node),
                4 => trees.roots[at % 3] = to % (2 * trees.columns.len() as u32),
                _ => trees.sets.truncate(node),
            }
            let few = sums(Descent::all(&trees), &block.part(0..1));
            let many = sums(Descent::all(&trees), &block);
            if let (Some(few), Some(many)) = (few, many) {
                prop_assert_eq!(&few[..], &many[..2]);
            }
            sums(Descent::last(&trees), &block);
        }
    }
}
