//! A row's way through all nodes of trees, which gives each column its Shapley value: see [`super::trees`].

use std::array::from_fn;

use schemas::trees::{LEAF, Trees, column_of};

use super::quadrature::points;

/// What a column multiplies the values of the leaves below by.
#[derive(Debug, Clone, Copy)]
struct Factor {
    /// Where it is known: 1, or 0 where the row goes another way.
    known: bool,
    /// Where it is not: the share of the training rows that went this way.
    unknown: f64,
}

/// Walks with so many points, which are exact for paths of up to twice as many columns.
pub(super) struct Walk<'a, const POINTS: usize> {
    trees: &'a Trees,
    /// Per node the share of its parent's training rows that it has.
    shares: &'a [f64],
    leaf: &'a dyn Fn(f64) -> Option<f64>,
    /// The chances that a column is known, and their weights.
    chances: [f64; POINTS],
    weights: [f64; POINTS],
    row: Vec<f64>,
    /// Per column what it adds to the row.
    added: Vec<f64>,
    /// Per column its factor on the path to the node that is visited.
    factors: Vec<Factor>,
}

impl<'a, const POINTS: usize> Walk<'a, POINTS> {
    /// Walks of rows with so many columns through whole trees; `leaf` tells the leaves' values.
    pub(super) fn new(
        (trees, shares): (&'a Trees, &'a [f64]),
        leaf: &'a dyn Fn(f64) -> Option<f64>,
        width: usize,
    ) -> Walk<'a, POINTS> {
        let (chances, weights) = points();
        let factors = vec![Factor { known: true, unknown: 1.0 }; width];
        let (row, added) = (vec![0.0; width], vec![0.0; width]);
        Walk { trees, shares, leaf, chances, weights, row, added, factors }
    }

    /// What each column adds to the sum of all trees for a row; `value` tells what the row has in a column.
    pub(super) fn row(&mut self, value: impl Fn(usize) -> f64) -> &[f64] {
        self.row.iter_mut().enumerate().for_each(|(column, own)| *own = value(column));
        self.added.fill(0.0);
        let weights = self.weights;
        for root in &self.trees.roots {
            self.visit(*root as usize, &weights);
        }
        &self.added
    }

    /// Visits a node, with the product of the factors on the path to it, and adds up what the edges from there on are worth.
    /// Gives the sum, over the leaves below, of value times product.
    fn visit(&mut self, at: usize, product: &[f64; POINTS]) -> [f64; POINTS] {
        if self.trees.columns[at] == LEAF {
            let value = (self.leaf)(self.trees.values[at]).unwrap_or_default();
            return product.map(|product| value * product);
        }
        let column = column_of(self.trees.columns[at]);
        let children = [at + 1, self.trees.rights[at] as usize];
        match self.factors[column] {
            Factor { known: true, unknown } => self.divide(at, (column, children), unknown, product),
            // Where the column is known no row comes here, whatever it has in the column: both edges are worth nothing.
            Factor { known: false, .. } => {
                let mut below = [0.0; POINTS];
                for child in children {
                    let share = self.shares[child];
                    add(&mut below, &self.visit(child, &product.map(|product| share * product)));
                }
                below
            }
        }
    }

    /// Visits the children of a node on the way that the row goes as far as its column is known, where its factor is 1 or, if
    /// it is not known, `unknown`.
    fn divide(
        &mut self,
        at: usize,
        (column, children): (usize, [usize; 2]),
        unknown: f64,
        product: &[f64; POINTS],
    ) -> [f64; POINTS] {
        let chances = self.chances;
        let inverse: [f64; POINTS] = from_fn(|k| 1.0 / (unknown + chances[k] * (1.0 - unknown)));
        let others: [f64; POINTS] = from_fn(|k| product[k] * inverse[k]);
        let taken = self.trees.child(at, &self.row);
        let mut below = [0.0; POINTS];
        for child in children {
            let now = Factor { known: Some(child) == taken, unknown: unknown * self.shares[child] };
            let gain = f64::from(u8::from(now.known)) - now.unknown;
            let factor: [f64; POINTS] = from_fn(|k| now.unknown + chances[k] * gain);
            self.factors[column] = now;
            let own = self.visit(child, &from_fn(|k| others[k] * factor[k]));
            // Value · gain · the product of the other factors. What an edge above took for its own is taken back: of several
            // edges of a column only the lowest counts.
            let worth: [f64; POINTS] =
                from_fn(|k| own[k] * (gain / factor[k] - (1.0 - unknown) * inverse[k]));
            self.added[column] += worth.iter().sum::<f64>();
            add(&mut below, &own);
        }
        self.factors[column] = Factor { known: true, unknown };
        below
    }
}

fn add<const POINTS: usize>(to: &mut [f64; POINTS], other: &[f64; POINTS]) {
    to.iter_mut().zip(other).for_each(|(to, other)| *to += other);
}
