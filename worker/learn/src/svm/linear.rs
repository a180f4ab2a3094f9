//! Linear support vectors.

use schemas::classifier::{Classifier, Link};

use super::platt::platt;
use crate::block::Block;
use crate::classes::Classes;
use crate::error::LearnError;
use crate::linked::{Linked, RowLoss};
use crate::logistic::linear;
use crate::newton::minimise;
use crate::scaled::Scaled;
use crate::vector::dot;

/// Minimises `c`·Σ max(0, 1 − y f)² + ½(‖w‖² + b²) over standardised columns, for one class against the rest (y = ±1) or, of
/// two classes, for the second. These margins f are those of scikit-learn's `make_pipeline(StandardScaler(),
/// LinearSVC(C=c))`; Platt's method makes probabilities of them.
///
/// # Errors
/// [`LearnError::Flat`] when no least loss is found, [`LearnError::NotFinite`].
///
/// # Panics
/// When `classes` are not those of the block's rows.
pub(crate) fn linear_svm(block: &Block, classes: &Classes, c: f64) -> Result<Classifier, LearnError> {
    let scaled = Scaled::of(block)?;
    let columns = scaled.columns();
    let mut solution = Vec::new();
    let positives = if classes.count() == 2 { 1..2 } else { 0..classes.count() as u32 };
    for positive in positives {
        let is_positive: Vec<bool> = classes.of_row().iter().map(|class| *class == positive).collect();
        let margins = |train: &[u32], test: &[u32]| {
            let machine = machine(&columns, train, &is_positive, c)?;
            Ok(test.iter().map(|row| margin(&machine, &columns, *row)).collect())
        };
        let (slope, offset) = platt(&is_positive, margins)?;
        let all: Vec<u32> = (0..block.rows() as u32).collect();
        let machine = machine(&columns, &all, &is_positive, c)?;
        solution.push(slope * machine[0] + offset);
        solution.extend(machine[1..].iter().map(|weight| slope * weight));
    }
    let link = if classes.count() == 2 { Link::Logistic } else { Link::OneVersusRest };
    linear(&scaled, link, &solution)
}

/// The intercept, then the weights.
fn machine(columns: &[&[f64]], rows: &[u32], is_positive: &[bool], c: f64) -> Result<Vec<f64>, LearnError> {
    let own: Vec<Vec<f64>> =
        columns.iter().map(|column| rows.iter().map(|row| column[*row as usize]).collect()).collect();
    let y = rows.iter().map(|row| if is_positive[*row as usize] { 1.0 } else { -1.0 }).collect();
    let problem = Linked {
        columns: own.iter().map(Vec::as_slice).collect(),
        rows: rows.len(),
        weights: &[],
        loss: SquaredHinge(y),
        penalty: 1.0 / (c * rows.len() as f64),
        penalises_intercept: true,
    };
    minimise(&problem, vec![0.0; columns.len() + 1])
}

fn margin(machine: &[f64], columns: &[&[f64]], row: u32) -> f64 {
    let values: Vec<f64> = columns.iter().map(|column| column[row as usize]).collect();
    machine[0] + dot(&values, &machine[1..])
}

/// max(0, 1 − y f)², with y = ±1.
struct SquaredHinge(Vec<f64>);

impl RowLoss for SquaredHinge {
    fn functions(&self) -> usize {
        1
    }

    fn values(&self, f: &[f64]) -> Vec<f64> {
        f.iter().zip(&self.0).map(|(f, y)| (1.0 - y * f).max(0.0).powi(2)).collect()
    }

    fn slopes(&self, f: &[f64]) -> Vec<f64> {
        f.iter().zip(&self.0).map(|(f, y)| -2.0 * y * (1.0 - y * f).max(0.0)).collect()
    }

    fn curvature(&self, f: &[f64]) -> Vec<f64> {
        f.iter().zip(&self.0).map(|(f, y)| if y * f < 1.0 { 2.0 } else { 0.0 }).collect()
    }

    fn curve(&self, curvature: &[f64], u: &mut [f64]) {
        u.iter_mut().zip(curvature).for_each(|(u, weight)| *u *= weight);
    }

    fn diagonal(&self, curvature: &[f64]) -> Vec<f64> {
        curvature.to_vec()
    }
}
