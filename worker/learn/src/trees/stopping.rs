//! Early stopping: boosting goes on for as many iterations as paid on the newest rows, learned from all rows before them.

use schemas::trees::Trees;

use super::boosting::BoostingParams;
use super::descent::Descent;
use crate::block::Block;
use crate::target::weight_of;

/// How many of `rows`, the oldest, are learned from to find the number of iterations; `None` where it is given.
pub(super) fn older(params: &BoostingParams, rows: usize) -> Option<usize> {
    let newest = (params.validation * rows as f64).ceil() as usize;
    let older = rows.checked_sub(newest.max(1))?;
    (params.early_stopping_rounds > 0 && older > 0).then_some(older)
}

/// The loss on rows that are not learned from, tree after tree.
pub(super) struct Watch<'a> {
    rows: Block,
    /// Per function its value in each row; empty before the first tree.
    values: Vec<Vec<f64>>,
    /// The mean loss, given each function's values.
    loss: &'a dyn Fn(&[Vec<f64>]) -> f64,
    patience: u32,
    iteration: u32,
    best: (u32, f64),
}

impl<'a> Watch<'a> {
    /// Watches the rows of `block` from number `from` on.
    pub(super) fn new(
        block: &Block,
        from: usize,
        patience: u32,
        loss: &'a dyn Fn(&[Vec<f64>]) -> f64,
    ) -> Watch<'a> {
        let rows = block.part(from..block.rows());
        Watch { rows, values: Vec::new(), loss, patience, iteration: 0, best: (0, f64::INFINITY) }
    }

    /// Takes in the last tree of each function; says whether to go on.
    pub(super) fn after<'t>(&mut self, functions: impl Iterator<Item = &'t Trees>) -> bool {
        for (at, trees) in functions.enumerate() {
            if self.values.len() <= at {
                self.values.push(vec![trees.base; self.rows.rows()]);
            }
            let add = |own: &mut [f64], leaf: f64| own.first_mut().map(|value| *value += trees.scale * leaf);
            let down = Descent::last(trees).each(&self.rows, &mut self.values[at], add);
            debug_assert!(down.is_some(), "trees that were grown here are whole");
        }
        self.iteration += 1;
        let loss = (self.loss)(&self.values);
        if loss < self.best.1 {
            self.best = (self.iteration, loss);
        }
        self.iteration - self.best.0 < self.patience
    }

    /// The iterations with the least loss, at least one.
    pub(super) fn best(&self) -> u32 {
        self.best.0.max(1)
    }
}

/// Mean squared error; `weights` are one per row, or none.
pub(super) fn squared(y: &[f64], weights: &[f64], values: &[Vec<f64>]) -> f64 {
    let Some(values) = values.first() else { return f64::NAN };
    mean(y.iter().zip(values).map(|(y, f)| (y - f) * (y - f)), weights)
}

/// Mean log loss of one function of two classes, or of one function per class.
pub(super) fn log_loss(classes: &[u32], weights: &[f64], values: &[Vec<f64>]) -> f64 {
    let of_row = |(row, class): (usize, &u32)| match values {
        [one] => {
            let f = if *class == 1 { -one[row] } else { one[row] };
            // ln(1 + eᶠ) without overflow.
            f.max(0.0) + (-f.abs()).exp().ln_1p()
        }
        all => {
            let most = all.iter().map(|f| f[row]).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = all.iter().map(|f| (f[row] - most).exp()).sum();
            sum.ln() + most - all[*class as usize][row]
        }
    };
    mean(classes.iter().enumerate().map(of_row), weights)
}

fn mean(values: impl Iterator<Item = f64>, weights: &[f64]) -> f64 {
    let weighted = values.enumerate().map(|(row, value)| (value, weight_of(weights, row)));
    let (sum, total) =
        weighted.fold((0.0, 0.0), |(sum, total), (value, weight)| (sum + weight * value, total + weight));
    sum / total
}
