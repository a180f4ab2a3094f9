//! The lower part of a tree, where nodes have few rows: these are sorted by every column once, and stay sorted in all nodes
//! below. Most nodes of a deep tree are here.

use std::ops::Range;

use super::super::bin::Bin;
use super::super::binned::Binned;
use super::super::histogram::{Cut, Rules, Search, Split};
use super::super::team::partition_one;
use super::{FEW_ROWS, Grown, Node, Size, is_marked, mark};

/// Numbers of rows among those that were taken, of one byte each.
type Order = [u8; FEW_ROWS];

/// Grows what is below one node.
pub(super) struct Low<B: Bin> {
    rules: Rules,
    size: Size,
    /// The rows that were taken.
    rows: Vec<u32>,
    ones: [B::One; FEW_ROWS],
    /// The rows in their first order, node after node.
    order: Order,
    columns: Vec<Sorted>,
    /// Rows that go right, on their way.
    right: Vec<u8>,
}

/// The rows by a column's codes, node after node.
struct Sorted {
    column: usize,
    codes: [u8; FEW_ROWS],
    order: Order,
}

impl Sorted {
    /// The code of the row that is in some place by this column.
    fn code(&self, place: usize) -> u8 {
        self.codes[usize::from(self.order[place])]
    }
}

/// The best cut of some rows.
struct Best<B> {
    /// The column's place.
    place: usize,
    /// Where the rows that go right begin in the column's order.
    middle: usize,
    left: B,
    gain: f64,
}

impl<B: Bin> Low<B> {
    pub(super) fn new(rules: Rules, size: Size) -> Low<B> {
        Low {
            rules,
            size,
            rows: Vec::new(),
            ones: [B::One::default(); FEW_ROWS],
            order: [0; FEW_ROWS],
            columns: Vec::new(),
            right: Vec::new(),
        }
    }

    /// Adds a node with all that is below it, and reorders its rows so that those of a leaf stand together; says its place. Its
    /// rows are numbers of those that `ones` tells of, and stand at `first` among the tree's; columns that are `constant`
    /// do not vary among them.
    pub(super) fn grow(
        &mut self,
        grown: &mut Grown<B>,
        binned: &Binned,
        (rows, ones): (&mut [u32], &[B::One]),
        (first, depth, total, constant): (usize, u32, B, u64),
    ) -> usize {
        self.take(binned, (rows, ones), constant);
        let node = self.add(grown, 0..rows.len(), (first, depth, total, 0));
        rows.iter_mut().zip(self.order).for_each(|(row, place)| *row = self.rows[usize::from(place)]);
        node
    }

    fn take(&mut self, binned: &Binned, (rows, ones): (&[u32], &[B::One]), constant: u64) {
        self.rows.clear();
        self.rows.extend(rows);
        self.ones.iter_mut().zip(rows).for_each(|(one, row)| *one = ones[*row as usize]);
        (0u8..).zip(&mut self.order).for_each(|(place, row)| *row = place);
        self.columns.clear();
        for column in (0..binned.width()).filter(|column| !is_marked(constant, *column)) {
            let own = binned.column(column);
            let mut sorted = Sorted { column, codes: [0; FEW_ROWS], order: [0; FEW_ROWS] };
            sorted.codes.iter_mut().zip(rows).for_each(|(code, row)| *code = own[*row as usize]);
            // A row's code and, below it, its place: rows of one code stay in their order.
            let mut keys = [0u16; FEW_ROWS];
            let pairs = (0u16..).zip(&sorted.codes).zip(&mut keys);
            pairs.for_each(|((place, code), key)| *key = u16::from(*code) << 8 | place);
            let keys = &mut keys[..rows.len()];
            keys.sort_unstable();
            sorted.order.iter_mut().zip(keys).for_each(|(place, key)| *place = *key as u8);
            self.columns.push(sorted);
        }
    }

    /// Adds the node of some rows with all that is below it; the columns that are `constant`, of the first 64 that were sorted, do
    /// not vary among them.
    fn add(
        &mut self,
        grown: &mut Grown<B>,
        span: Range<usize>,
        (first, depth, total, mut constant): (usize, u32, B, u64),
    ) -> usize {
        let node = grown.nodes.len();
        grown.nodes.push(Node { split: None, children: [0; 2], total, constant: 0 });
        let may_split = self.size.may_split(&self.rules, depth, &total);
        let Some(Best { place, middle, left, gain }) =
            may_split.then(|| self.search(span.clone(), total, &mut constant)).flatten()
        else {
            grown.leaves.push((node, first + span.start..first + span.end));
            return node;
        };
        let sorted = &self.columns[place];
        let (last, next) = (sorted.code(middle - 1), sorted.code(middle));
        let goes_left = sorted.order[span.start..middle].iter().fold(0u64, |all, row| all | 1 << row);
        partition_one(&mut self.order[span.clone()], |row| goes_left >> row & 1 == 1, &mut self.right);
        let mut right = total;
        right.subtract(&left);
        // In the middle of the empty bins between the two sides.
        let cut =
            Cut::UpTo { bin: last + (next - last - 1) / 2, missing_left: left.weight() > right.weight() };
        let split = Split { column: sorted.column, cut, gain };
        if [left, right].iter().any(|total| self.size.may_split(&self.rules, depth + 1, total)) {
            self.divide(span.clone(), (place, goes_left), constant);
        }
        let children = [
            self.add(grown, span.start..middle, (first, depth + 1, left, constant)),
            self.add(grown, middle..span.end, (first, depth + 1, right, constant)),
        ];
        grown.nodes[node].split = Some(split);
        grown.nodes[node].children = children;
        node
    }

    /// The best cut of some rows; marks the columns that turn out not to vary.
    fn search(&self, span: Range<usize>, total: B, constant: &mut u64) -> Option<Best<B>> {
        let search = Search::new(&self.rules, total);
        let mut best: Option<Best<B>> = None;
        let mut gain_max = search.gain();
        for (place, sorted) in self.columns.iter().enumerate() {
            if is_marked(*constant, place) || sorted.code(span.start) == sorted.code(span.end - 1) {
                mark(constant, place);
                continue;
            }
            let mut left = B::default();
            let rows = &sorted.order[span.clone()];
            for (at, pair) in rows.windows(2).enumerate() {
                let [row, next] = [usize::from(pair[0]) % FEW_ROWS, usize::from(pair[1]) % FEW_ROWS];
                left.put(self.ones[row]);
                let right = search.right_of(&left);
                let gain = search.gain_of(&left, &right);
                // Whether codes differ is as good as a coin's throw; hardly ever is a gain the largest so far.
                if gain > gain_max
                    && sorted.codes[row] != sorted.codes[next]
                    && search.may_part(&left, &right)
                {
                    gain_max = gain;
                    best = Some(Best { place, middle: span.start + at + 1, left, gain });
                }
            }
            // There is one way to part two rows.
            if span.len() == 2 && best.is_some() {
                break;
            }
        }
        best
    }

    /// Brings the rows that go left to the front in the order of every column that varies, but the one that they were parted at.
    fn divide(&mut self, span: Range<usize>, (parted, goes_left): (usize, u64), constant: u64) {
        let Low { columns, right, .. } = self;
        let others = columns
            .iter_mut()
            .enumerate()
            .filter(|(place, _)| *place != parted && !is_marked(constant, *place));
        others.for_each(|(_, sorted)| {
            partition_one(&mut sorted.order[span.clone()], |row| goes_left >> row & 1 == 1, right);
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::trees::Trees;

    use super::super::super::bin::Sum;
    use super::super::super::random::Random;
    use super::super::Grower;
    use super::*;
    use crate::block::Block;

    proptest! {
        /// Sums of whole numbers are exact, whatever is added up first.
        #[test]
        fn rows_that_stay_sorted_make_the_same_tree_as_bins(
            rows in proptest::collection::vec((0i32..30, 0i32..4, 0i32..300, -9i32..9, 1u8..3), 1..200),
            leaf_weight_min in 1..4u8,
            depth_max in 1..12u32,
        ) {
            let column = |of: fn(&(i32, i32, i32, i32, u8)) -> i32| -> Vec<f64> {
                rows.iter().map(|row| f64::from(of(row))).collect()
            };
            let columns = [column(|row| row.0), column(|row| row.1), column(|row| row.2)];
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let binned = Binned::new(&Block::from_columns(rows.len(), &columns));
            let one = |row: &(i32, i32, i32, i32, u8)| {
                let weight = f64::from(row.4);
                Sum { sum: weight * f64::from(row.3), weight }
            };
            let ones: Vec<Sum> = rows.iter().map(one).collect();
            let rules = Rules {
                leaf_weight_min: f64::from(leaf_weight_min),
                l2: 0.0,
                columns: 3,
                random_cuts: false,
                category_rows_min: 1.0,
            };
            let grown = |by_bins: bool| {
                let mut grower = Grower::new(&binned, rules, Size { depth_max, leaves_max: usize::MAX });
                if by_bins {
                    assert!(grower.low.take().is_some());
                }
                let mut all: Vec<u32> = (0..rows.len() as u32).collect();
                let grown = grower.grow(&mut all, &ones, &mut Random::new(0, 0));
                let mut leaves: Vec<Vec<u32>> = grown.leaves.iter().map(|(_, span)| all[span.clone()].to_vec()).collect();
                leaves.sort();
                let mut trees = Trees::default();
                grown.lay_out(&binned, &mut trees, |leaf: Sum| leaf.sum / leaf.weight);
                (trees, leaves)
            };
            prop_assert_eq!(grown(false), grown(true));
        }
    }
}
