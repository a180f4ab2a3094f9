//! Linear functions of standardised columns under a loss: what logistic regression and linear support vectors minimise.

use crate::newton::Loss;
use crate::vector::{add_scaled, dot, sum};

/// A loss of the functions' values in one row. Functions stand one after the other: `f[function · rows + row]`.
pub(crate) trait RowLoss {
    /// Number of functions.
    fn functions(&self) -> usize;
    /// The loss in each row.
    fn values(&self, f: &[f64]) -> Vec<f64>;
    /// First derivatives by the functions' values.
    fn slopes(&self, f: &[f64]) -> Vec<f64>;
    /// What [`RowLoss::curve`] needs to know of a place.
    fn curvature(&self, f: &[f64]) -> Vec<f64>;
    /// Multiplies each row's second derivatives into `u`.
    fn curve(&self, curvature: &[f64], u: &mut [f64]);
    /// The second derivatives by one and the same function.
    fn diagonal(&self, curvature: &[f64]) -> Vec<f64>;
}

/// Σ weight · loss/n + `penalty`/2 · ‖w‖². A solution is, function by function, the intercept and then the weights.
pub(crate) struct Linked<'a, L> {
    /// Standardised columns.
    pub(crate) columns: Vec<&'a [f64]>,
    pub(crate) rows: usize,
    /// What each row counts; none count 1 each.
    pub(crate) weights: &'a [f64],
    pub(crate) loss: L,
    pub(crate) penalty: f64,
    /// Whether the intercept is penalised as a weight.
    pub(crate) penalises_intercept: bool,
}

/// A solution with what it makes of the rows.
pub(crate) struct Place {
    solution: Vec<f64>,
    f: Vec<f64>,
    curvature: Vec<f64>,
}

impl<L: RowLoss> Linked<'_, L> {
    fn stride(&self) -> usize {
        self.columns.len() + 1
    }

    /// Values of each row, function by function, times what the row counts.
    fn weighed(&self, mut values: Vec<f64>) -> Vec<f64> {
        for own in values.chunks_exact_mut(self.rows) {
            own.iter_mut().zip(self.weights).for_each(|(value, weight)| *value *= weight);
        }
        values
    }

    /// The functions' values in each row.
    fn values(&self, solution: &[f64]) -> Vec<f64> {
        let mut f = Vec::with_capacity(self.loss.functions() * self.rows);
        for function in solution.chunks_exact(self.stride()) {
            let from = f.len();
            f.resize(from + self.rows, function[0]);
            for (column, weight) in self.columns.iter().zip(&function[1..]) {
                add_scaled(&mut f[from..], *weight, column);
            }
        }
        f
    }

    /// Sums over rows of `u` times each column, function by function, over n, plus the penalty's share of `solution`.
    fn gathered(&self, u: &[f64], solution: &[f64]) -> Vec<f64> {
        let count = self.rows as f64;
        let mut out = Vec::with_capacity(solution.len());
        for (u, solution) in u.chunks_exact(self.rows).zip(solution.chunks_exact(self.stride())) {
            let intercept_penalty = if self.penalises_intercept { self.penalty } else { 0.0 };
            out.push(sum(u) / count + intercept_penalty * solution[0]);
            let columns = self.columns.iter().zip(&solution[1..]);
            out.extend(columns.map(|(column, weight)| dot(column, u) / count + self.penalty * weight));
        }
        out
    }
}

impl<L: RowLoss> Loss for Linked<'_, L> {
    type Place = Place;

    fn place(&self, at: &[f64]) -> Place {
        let f = self.values(at);
        let curvature = self.loss.curvature(&f);
        Place { solution: at.to_vec(), f, curvature }
    }

    fn value(&self, place: &Place) -> f64 {
        let squares = |function: &[f64]| {
            let intercept = if self.penalises_intercept { function[0] * function[0] } else { 0.0 };
            intercept + dot(&function[1..], &function[1..])
        };
        let squares: f64 = place.solution.chunks_exact(self.stride()).map(squares).sum();
        sum(&self.weighed(self.loss.values(&place.f))) / self.rows as f64 + self.penalty / 2.0 * squares
    }

    fn gradient(&self, place: &Place) -> Vec<f64> {
        self.gathered(&self.weighed(self.loss.slopes(&place.f)), &place.solution)
    }

    fn diagonal(&self, place: &Place) -> Vec<f64> {
        let weights = self.weighed(self.loss.diagonal(&place.curvature));
        let (count, mut out) = (self.rows as f64, Vec::with_capacity(place.solution.len()));
        for weights in weights.chunks_exact(self.rows) {
            // A loss that is flat in all rows still has a step to take.
            out.push((sum(weights) / count).max(1e-12));
            let square = |column: &[f64]| -> f64 { column.iter().zip(weights).map(|(x, w)| x * x * w).sum() };
            out.extend(self.columns.iter().map(|column| square(column) / count + self.penalty));
        }
        out
    }

    fn product(&self, place: &Place, direction: &[f64]) -> Vec<f64> {
        let mut u = self.values(direction);
        self.loss.curve(&place.curvature, &mut u);
        self.gathered(&self.weighed(u), direction)
    }
}
