//! Growing one tree.

mod low;

use std::ops::Range;

use schemas::trees::{IN_SET, LEAF, MISSING_LEFT, Trees};

use self::low::Low;
use super::bin::Bin;
use super::binned::{Binned, Kind};
use super::few::Few;
use super::histogram::{Cut, Rules, Search, Split, count, left_of, subtract};
use super::random::Random;
use super::team::{STRETCH_ROWS, by_stretches, partition};

/// Nodes of up to so many rows are searched without a histogram of all bins.
const FEW_ROWS: usize = 32;

/// How large a tree may become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Cuts on the longest path.
    pub(super) depth_max: u32,
    /// Leaves; with a bound, the node of most gain is cut next.
    pub(super) leaves_max: usize,
}

impl Size {
    /// Whether a node may be cut.
    fn may_split<B: Bin>(&self, rules: &Rules, depth: u32, total: &B) -> bool {
        depth < self.depth_max && total.weight() >= 2.0 * rules.leaf_weight_min && !total.is_pure()
    }
}

/// Grows trees over one set of binned rows, reusing its buffers.
pub(super) struct Grower<'a, B: Bin> {
    binned: &'a Binned,
    rules: Rules,
    size: Size,
    columns: Vec<usize>,
    few: Few<B>,
    /// What grows nodes of few rows, where it can.
    low: Option<Low<B>>,
    pool: Vec<Vec<B>>,
    /// Rows that go right, on their way.
    right: Vec<u32>,
    /// Nodes and leaves of the last tree: the next one has about as many.
    sizes: (usize, usize),
}

/// A grown tree, before it is laid out.
pub(super) struct Grown<B> {
    nodes: Vec<Node<B>>,
    /// Per leaf the node and its place among the rows given to [`Grower::grow`].
    pub(super) leaves: Vec<(usize, Range<usize>)>,
}

struct Node<B> {
    split: Option<Split>,
    children: [usize; 2],
    total: B,
    /// Columns, of the first 64, that do not vary among its rows: nor do they in its children.
    constant: u64,
}

/// A node to be added.
struct Child<B> {
    rows: Range<usize>,
    depth: u32,
    total: B,
    bins: Option<Vec<B>>,
    constant: u64,
    /// Whether it is a leaf whatever its rows are: the tree becomes no larger.
    is_leaf: bool,
}

struct Open<B> {
    node: usize,
    rows: Range<usize>,
    depth: u32,
    split: Split,
    bins: Option<Vec<B>>,
}

impl<'a, B: Bin> Grower<'a, B> {
    pub(super) fn new(binned: &'a Binned, rules: Rules, size: Size) -> Grower<'a, B> {
        let columns: Vec<usize> = (0..binned.width()).collect();
        // Where nodes are cut in any order, at all columns, and each cut parts numbers.
        let is_plain = size.leaves_max == usize::MAX
            && !rules.random_cuts
            && rules.columns >= columns.len()
            && columns.iter().all(|column| binned.kind(*column) == Kind::Numbers);
        let low = is_plain.then(|| Low::new(rules, size));
        Grower {
            binned,
            rules,
            size,
            columns,
            few: Few::new(),
            low,
            pool: Vec::new(),
            right: Vec::new(),
            sizes: (0, 0),
        }
    }

    /// Grows a tree on `rows`, which are reordered so that those of a leaf stand together. `ones` has one entry per binned
    /// row.
    pub(super) fn grow(&mut self, rows: &mut [u32], ones: &[B::One], random: &mut Random) -> Grown<B> {
        // A tree depends on its own random numbers alone, not on the trees that this grower made before.
        self.columns.sort_unstable();
        let (nodes, leaves) = self.sizes;
        let mut grown = Grown { nodes: Vec::with_capacity(nodes), leaves: Vec::with_capacity(leaves) };
        let mut open = Vec::new();
        let bins = (rows.len() > FEW_ROWS).then(|| self.filled(rows, ones));
        let total = match &bins {
            // Each row is in one bin of every column.
            Some(bins) if self.binned.width() > 0 => sum(&bins[self.binned.span(0)]),
            _ => total(rows, ones),
        };
        let root = Child { rows: 0..rows.len(), depth: 0, total, bins, constant: 0, is_leaf: false };
        self.add(&mut grown, &mut open, root, (rows, ones), random);
        while let Some(next) = self.next(&mut open, grown.leaves.len()) {
            self.cut(&mut grown, &mut open, next, (rows, ones), random);
        }
        for left in open.drain(..) {
            grown.leaves.push((left.node, left.rows));
            self.pool.extend(left.bins);
        }
        self.sizes = (grown.nodes.len(), grown.leaves.len());
        grown
    }

    /// The node to cut next: any, or with a bound on leaves the one of most gain. None when the bound is reached.
    fn next(&self, open: &mut Vec<Open<B>>, leaves: usize) -> Option<Open<B>> {
        if self.size.leaves_max == usize::MAX {
            return open.pop();
        }
        if leaves + open.len() >= self.size.leaves_max {
            return None;
        }
        let gains = open.iter().enumerate();
        let best =
            gains.max_by(|a, b| a.1.split.gain.total_cmp(&b.1.split.gain).then(b.1.node.cmp(&a.1.node)));
        best.map(|(place, _)| place).map(|place| open.swap_remove(place))
    }

    /// Adds a node: open when a cut pays, else a leaf.
    fn add(
        &mut self,
        grown: &mut Grown<B>,
        open: &mut Vec<Open<B>>,
        child: Child<B>,
        (rows, ones): (&mut [u32], &[B::One]),
        random: &mut Random,
    ) -> usize {
        let Child { rows: span, depth, total, bins, mut constant, is_leaf } = child;
        if let (None, false, Some(low)) = (&bins, is_leaf, &mut self.low) {
            let place = (span.start, depth, total, constant);
            return low.grow(grown, self.binned, (&mut rows[span], ones), place);
        }
        let node = grown.nodes.len();
        let may_split = !is_leaf && self.size.may_split(&self.rules, depth, &total);
        let split = match (&bins, may_split) {
            (_, false) => None,
            (Some(bins), true) => self.search(bins, total, &mut constant, random),
            (None, true) => self.search_few((&rows[span.clone()], ones), total, &mut constant, random),
        };
        grown.nodes.push(Node { split: None, children: [0; 2], total, constant });
        match split {
            Some(split) => open.push(Open { node, rows: span, depth, split, bins }),
            None => {
                grown.leaves.push((node, span));
                self.pool.extend(bins);
            }
        }
        node
    }

    fn cut(
        &mut self,
        grown: &mut Grown<B>,
        open: &mut Vec<Open<B>>,
        parent: Open<B>,
        (rows, ones): (&mut [u32], &[B::One]),
        random: &mut Random,
    ) {
        let Open { node, rows: span, depth, split, bins } = parent;
        let middle = span.start + self.divide(&mut rows[span.clone()], split);
        let halves = [span.start..middle, middle..span.end];
        let left = match &bins {
            Some(bins) => {
                let kind = self.binned.kind(split.column);
                left_of(&bins[self.binned.span(split.column)], split.cut, kind.missing())
            }
            None => total(&rows[halves[0].clone()], ones),
        };
        let mut right = grown.nodes[node].total;
        right.subtract(&left);
        let totals = [left, right];
        let leaves = grown.leaves.len() + open.len() + 2;
        let is_leaf = depth + 1 >= self.size.depth_max || leaves >= self.size.leaves_max;
        let mut histograms = match is_leaf {
            true => {
                self.pool.extend(bins);
                [None, None]
            }
            false => self.children_bins(bins, &halves, rows, ones),
        };
        grown.nodes[node].split = Some(split);
        for side in [0, 1] {
            let child = Child {
                rows: halves[side].clone(),
                depth: depth + 1,
                total: totals[side],
                bins: histograms[side].take(),
                constant: grown.nodes[node].constant,
                is_leaf,
            };
            grown.nodes[node].children[side] = self.add(grown, open, child, (rows, ones), random);
        }
    }

    /// Brings the rows that go left to the front; says how many there are.
    fn divide(&mut self, rows: &mut [u32], split: Split) -> usize {
        let codes = self.binned.column(split.column);
        let code = |row: &u32| codes[*row as usize];
        let own = &mut self.right;
        match (split.cut, self.binned.kind(split.column).missing()) {
            (Cut::UpTo { bin, missing_left: true }, Some(missing)) => {
                partition(rows, |row| code(row) <= bin || code(row) == missing, own)
            }
            (Cut::UpTo { bin, .. }, _) => partition(rows, |row| code(row) <= bin, own),
            (Cut::In(set), _) => partition(rows, |row| set.contains(code(row)), own),
        }
    }

    /// The children's histograms, of those that are large: the smaller one's is counted, the other's is the rest.
    fn children_bins(
        &mut self,
        parent: Option<Vec<B>>,
        halves: &[Range<usize>; 2],
        rows: &[u32],
        ones: &[B::One],
    ) -> [Option<Vec<B>>; 2] {
        let mut found = [None, None];
        let Some(mut parent) = parent else { return found };
        let small = usize::from(halves[1].len() < halves[0].len());
        if halves[1 - small].len() <= FEW_ROWS {
            self.pool.push(parent);
            return found;
        }
        let counted = self.filled(&rows[halves[small].clone()], ones);
        subtract(&mut parent, &counted);
        found[1 - small] = Some(parent);
        if halves[small].len() > FEW_ROWS {
            found[small] = Some(counted);
        } else {
            self.pool.push(counted);
        }
        found
    }

    fn filled(&mut self, rows: &[u32], ones: &[B::One]) -> Vec<B> {
        let empty = || vec![B::default(); self.binned.bins()];
        let mut bins = self.pool.pop().unwrap_or_else(empty);
        bins.fill(B::default());
        // Adding a stretch's bins up takes an eighth of the time of filling them, at most.
        let stretch = STRETCH_ROWS.max(size_of_val(bins.as_slice()) / (2 * self.binned.width().max(1)));
        if rows.len() <= stretch {
            count(&mut bins, self.binned, rows, ones);
            return bins;
        }
        let one = |rows: &[u32]| {
            let mut own = empty();
            count(&mut own, self.binned, rows, ones);
            own
        };
        let add = |own: Vec<B>| bins.iter_mut().zip(&own).for_each(|(bin, own)| bin.add(own));
        by_stretches((rows, stretch), one, add);
        bins
    }

    /// The best cut by the sums over all bins; marks the columns that turn out not to vary.
    fn search(&mut self, bins: &[B], total: B, constant: &mut u64, random: &mut Random) -> Option<Split> {
        let rules = self.rules;
        let mut search = Search::new(&rules, total);
        for place in 0..self.columns.len() {
            let Some(column) = self.draw(place, search.best.is_some(), random) else { break };
            if is_marked(*constant, column) {
                continue;
            }
            let own = bins[self.binned.span(column)].iter();
            let kind = self.binned.kind(column);
            if !search.look((column, kind), (0..=u8::MAX).zip(own.copied()), random) {
                mark(constant, column);
            }
        }
        search.best
    }

    /// As [`Grower::search`], with work in proportion to the rows: only the bins they touch are looked at.
    fn search_few(
        &mut self,
        (rows, ones): (&[u32], &[B::One]),
        total: B,
        constant: &mut u64,
        random: &mut Random,
    ) -> Option<Split> {
        let rules = self.rules;
        let mut search = Search::new(&rules, total);
        self.few.take(rows, ones);
        for place in 0..self.columns.len() {
            let Some(column) = self.draw(place, search.best.is_some(), random) else { break };
            if is_marked(*constant, column) {
                continue;
            }
            let filled = self.few.add_up(self.binned.column(column), rows);
            let kind = self.binned.kind(column);
            if !search.look((column, kind), filled.iter().copied(), random) {
                mark(constant, column);
            }
            // There is one way to part two rows.
            if rows.len() == 2 && search.best.is_some() {
                break;
            }
        }
        search.best
    }

    /// The column that a search looks at in the given place, if it has not yet seen enough.
    fn draw(&mut self, place: usize, found: bool, random: &mut Random) -> Option<usize> {
        if self.rules.columns < self.columns.len() {
            if found && place >= self.rules.columns {
                return None;
            }
            random.choose(&mut self.columns[place..], 1);
        }
        Some(self.columns[place])
    }
}

/// Whether a column is known not to vary; of columns past the first 64 it never is.
fn is_marked(constant: u64, column: usize) -> bool {
    column < 64 && constant & (1 << column) != 0
}

fn mark(constant: &mut u64, column: usize) {
    if column < 64 {
        *constant |= 1 << column;
    }
}

fn sum<B: Bin>(bins: &[B]) -> B {
    let mut total = B::default();
    bins.iter().for_each(|bin| total.add(bin));
    total
}

/// What some rows add up to.
fn total<B: Bin>(rows: &[u32], ones: &[B::One]) -> B {
    let mut total = B::default();
    rows.iter().for_each(|row| total.put(ones[*row as usize]));
    total
}

impl<B: Bin> Grown<B> {
    /// What a node's rows add up to.
    pub(super) fn total(&self, node: usize) -> B {
        self.nodes[node].total
    }

    /// Appends the tree to `trees`, in preorder; `value` makes a leaf's value out of what its rows add up to.
    pub(super) fn lay_out(&self, binned: &Binned, trees: &mut Trees, mut value: impl FnMut(B) -> f64) {
        trees.roots.push(trees.columns.len() as u32);
        // A node, and whose right child it is.
        let mut todo = vec![(0usize, None::<usize>)];
        while let Some((node, parent)) = todo.pop() {
            let place = trees.columns.len();
            if let Some(parent) = parent {
                trees.rights[parent] = place as u32;
            }
            trees.rights.push(place as u32);
            match self.nodes[node].split {
                Some(split) => {
                    let (asked, value) = question(binned, trees, split);
                    trees.columns.push(asked);
                    trees.values.push(value);
                    let [left, right] = self.nodes[node].children;
                    todo.push((right, Some(place)));
                    todo.push((left, None));
                }
                None => {
                    let total = self.nodes[node].total;
                    trees.columns.push(LEAF);
                    trees.values.push(value(total));
                    trees.covers.push(total.weight() as f32);
                }
            }
        }
    }
}

/// What a node asks: its entries among [`Trees::columns`] and [`Trees::values`].
fn question(binned: &Binned, trees: &mut Trees, Split { column, cut, .. }: Split) -> (u32, f64) {
    match cut {
        Cut::UpTo { bin, missing_left } => {
            let flag = if missing_left && binned.keeps_missing() { MISSING_LEFT } else { 0 };
            (column as u32 | flag, binned.cut(column, bin))
        }
        Cut::In(set) => (column as u32 | IN_SET, trees.add_set(binned.categories(column, set))),
    }
}
