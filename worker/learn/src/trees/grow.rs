//! Growing one tree.

use schemas::trees::{LEAF, Trees};

use super::binned::Binned;
use super::histogram::{Bin, Rules, Search, Split, fill, subtract};
use super::random::Random;

/// Nodes of up to so many rows are searched without a histogram of all bins.
const FEW_ROWS: usize = 64;

/// How large a tree may become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Cuts on the longest path.
    pub(super) depth_max: u32,
    /// Leaves; with a bound, the node of most gain is cut next.
    pub(super) leaves_max: usize,
}

/// Grows trees over one set of binned rows, reusing its buffers.
pub(super) struct Grower<'a> {
    binned: &'a Binned,
    rules: Rules,
    size: Size,
    columns: Vec<usize>,
    few: Vec<Bin>,
    pool: Vec<Vec<Bin>>,
}

/// A grown tree, before it is laid out.
pub(super) struct Grown {
    nodes: Vec<Node>,
    /// Per leaf the node and its place among the rows given to [`Grower::grow`].
    pub(super) leaves: Vec<(usize, std::ops::Range<usize>)>,
}

struct Node {
    split: Option<Split>,
    children: [usize; 2],
    total: Bin,
}

struct Open {
    node: usize,
    rows: std::ops::Range<usize>,
    depth: u32,
    split: Split,
    bins: Option<Vec<Bin>>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(binned: &'a Binned, rules: Rules, size: Size) -> Grower<'a> {
        let columns = (0..binned.width()).collect();
        Grower { binned, rules, size, columns, few: vec![Bin::default(); 256], pool: Vec::new() }
    }

    /// Grows a tree on `rows`, which are reordered so that those of a leaf stand together. `y` and `weights` have one entry
    /// per binned row.
    pub(super) fn grow(
        &mut self,
        rows: &mut [u32],
        y: &[f64],
        weights: &[f64],
        random: &mut Random,
    ) -> Grown {
        let total = rows.iter().fold(Bin::default(), |total, row| Bin {
            sum: total.sum + weights[*row as usize] * y[*row as usize],
            weight: total.weight + weights[*row as usize],
        });
        let mut grown = Grown { nodes: Vec::new(), leaves: Vec::new() };
        let mut open = Vec::new();
        let bins = (rows.len() > FEW_ROWS).then(|| self.filled(rows, y, weights));
        self.add(&mut grown, &mut open, (0..rows.len(), 0, total, bins), (rows, y, weights), random);
        while let Some(next) = self.next(&mut open, grown.leaves.len()) {
            self.cut(&mut grown, &mut open, next, (rows, y, weights), random);
        }
        for left in open.drain(..) {
            grown.leaves.push((left.node, left.rows));
            self.pool.extend(left.bins);
        }
        grown
    }

    /// The node to cut next: any, or with a bound on leaves the one of most gain. None when the bound is reached.
    fn next(&self, open: &mut Vec<Open>, leaves: usize) -> Option<Open> {
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
        grown: &mut Grown,
        open: &mut Vec<Open>,
        (span, depth, total, bins): (std::ops::Range<usize>, u32, Bin, Option<Vec<Bin>>),
        (rows, y, weights): (&[u32], &[f64], &[f64]),
        random: &mut Random,
    ) -> usize {
        let node = grown.nodes.len();
        grown.nodes.push(Node { split: None, children: [0; 2], total });
        let may_split = depth < self.size.depth_max && total.weight >= 2.0 * self.rules.leaf_weight_min;
        let split = match (&bins, may_split) {
            (_, false) => None,
            (Some(bins), true) => self.search(bins, total, random),
            (None, true) => self.search_few(&rows[span.clone()], (y, weights), total, random),
        };
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
        grown: &mut Grown,
        open: &mut Vec<Open>,
        parent: Open,
        (rows, y, weights): (&mut [u32], &[f64], &[f64]),
        random: &mut Random,
    ) {
        let Open { node, rows: span, depth, split, bins } = parent;
        let goes_left = |row: &u32| self.binned.code(*row, split.column) <= split.bin;
        let middle = span.start + partition(&mut rows[span.clone()], goes_left);
        let halves = [span.start..middle, middle..span.end];
        let left = rows[halves[0].clone()].iter().fold(Bin::default(), |total, row| Bin {
            sum: total.sum + weights[*row as usize] * y[*row as usize],
            weight: total.weight + weights[*row as usize],
        });
        let total = grown.nodes[node].total;
        let totals = [left, Bin { sum: total.sum - left.sum, weight: total.weight - left.weight }];
        let mut histograms = self.children_bins(bins, &halves, rows, (y, weights));
        grown.nodes[node].split = Some(split);
        for side in [0, 1] {
            let child = (halves[side].clone(), depth + 1, totals[side], histograms[side].take());
            grown.nodes[node].children[side] = self.add(grown, open, child, (rows, y, weights), random);
        }
    }

    /// The children's histograms, of those that are large: the smaller one's is counted, the other's is the rest.
    fn children_bins(
        &mut self,
        parent: Option<Vec<Bin>>,
        halves: &[std::ops::Range<usize>; 2],
        rows: &[u32],
        (y, weights): (&[f64], &[f64]),
    ) -> [Option<Vec<Bin>>; 2] {
        let mut found = [None, None];
        let Some(mut parent) = parent else { return found };
        let small = usize::from(halves[1].len() < halves[0].len());
        if halves[1 - small].len() <= FEW_ROWS {
            self.pool.push(parent);
            return found;
        }
        let counted = self.filled(&rows[halves[small].clone()], y, weights);
        subtract(&mut parent, &counted);
        found[1 - small] = Some(parent);
        if halves[small].len() > FEW_ROWS {
            found[small] = Some(counted);
        } else {
            self.pool.push(counted);
        }
        found
    }

    fn filled(&mut self, rows: &[u32], y: &[f64], weights: &[f64]) -> Vec<Bin> {
        let mut bins = self.pool.pop().unwrap_or_else(|| vec![Bin::default(); self.binned.bins()]);
        fill(&mut bins, self.binned, rows, y, weights);
        bins
    }

    fn search(&mut self, bins: &[Bin], total: Bin, random: &mut Random) -> Option<Split> {
        let (rules, columns) = (self.rules, self.drawn(random));
        let mut search = Search { rules: &rules, total, best: None };
        for column in &self.columns[..columns] {
            let own = bins[self.binned.span(*column)].iter();
            search.look(*column, (0..=u8::MAX).zip(own.copied()), random);
        }
        search.best
    }

    /// As [`Grower::search`], with work in proportion to the rows: only the bins they touch are looked at.
    fn search_few(
        &mut self,
        rows: &[u32],
        (y, weights): (&[f64], &[f64]),
        total: Bin,
        random: &mut Random,
    ) -> Option<Split> {
        let (rules, columns) = (self.rules, self.drawn(random));
        let mut search = Search { rules: &rules, total, best: None };
        for column in &self.columns[..columns] {
            let mut touched = [0u64; 4];
            for row in rows {
                let code = self.binned.code(*row, *column);
                let bin = &mut self.few[code as usize];
                bin.sum += weights[*row as usize] * y[*row as usize];
                bin.weight += weights[*row as usize];
                touched[code as usize / 64] |= 1 << (code % 64);
            }
            search.look(*column, ones(touched).map(|code| (code, self.few[code as usize])), random);
            ones(touched).for_each(|code| self.few[code as usize] = Bin::default());
        }
        search.best
    }

    /// Draws the columns of one search to the front; says how many.
    fn drawn(&mut self, random: &mut Random) -> usize {
        let wanted = self.rules.columns.min(self.columns.len());
        if wanted < self.columns.len() {
            random.choose(&mut self.columns, wanted);
        }
        wanted
    }
}

/// The numbers of the bits that are set, ascending.
fn ones(words: [u64; 4]) -> impl Iterator<Item = u8> {
    words.into_iter().enumerate().flat_map(|(place, mut word)| {
        std::iter::from_fn(move || {
            let bit = (word != 0).then(|| word.trailing_zeros())?;
            word &= word - 1;
            Some((place as u32 * 64 + bit) as u8)
        })
    })
}

/// Brings the rows that go left to the front, both sides in their order; says how many there are.
fn partition(rows: &mut [u32], goes_left: impl Fn(&u32) -> bool) -> usize {
    let mut right = Vec::with_capacity(rows.len());
    let mut left = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        if goes_left(&row) {
            rows[left] = row;
            left += 1;
        } else {
            right.push(row);
        }
    }
    rows[left..].copy_from_slice(&right);
    left
}

impl Grown {
    /// A leaf's value: the mean of its rows, shrunk by `l2`, times `rate`.
    pub(super) fn value(&self, node: usize, l2: f64, rate: f64) -> f64 {
        let Bin { sum, weight } = self.nodes[node].total;
        rate * sum / (weight + l2)
    }

    /// Appends the tree to `trees`, in preorder.
    pub(super) fn lay_out(&self, binned: &Binned, trees: &mut Trees, l2: f64, rate: f64) {
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
                Some(Split { column, bin, .. }) => {
                    trees.columns.push(column as u32);
                    trees.values.push(binned.cut(column, bin));
                    let [left, right] = self.nodes[node].children;
                    todo.push((right, Some(place)));
                    todo.push((left, None));
                }
                None => {
                    trees.columns.push(LEAF);
                    trees.values.push(self.value(node, l2, rate));
                }
            }
        }
    }
}
