//! Logistic regression of two and of many classes.

use schemas::classifier::{Classifier, Link};

use crate::block::Block;
use crate::classes::Classes;
use crate::error::LearnError;
use crate::linked::{Linked, RowLoss};
use crate::newton::minimise;
use crate::scaled::Scaled;

/// Minimises `c`·Σ weight · −ln p(class) + ½‖w‖², rows without weights counting 1 each, over standardised columns; columns
/// that do not vary get weight 0. Two classes have one function, more have one each, whose intercepts add up to 0. The same as scikit-learn's
/// `make_pipeline(StandardScaler(), LogisticRegression(C=c))`.
///
/// # Errors
/// [`LearnError::Flat`] when no least loss is found, [`LearnError::NotFinite`].
///
/// # Panics
/// When `classes` are not those of the block's rows, or only one.
pub(crate) fn logistic(
    block: &Block,
    classes: &Classes,
    weights: &[f64],
    c: f64,
) -> Result<Classifier, LearnError> {
    let scaled = Scaled::weighted(block, weights)?;
    let columns = scaled.columns();
    let penalty = 1.0 / (c * block.rows() as f64);
    let (rows, stride) = (block.rows(), columns.len() + 1);
    let shares = classes.shares();
    if let [none, some] = shares[..] {
        let loss = TwoClasses(classes.of_row().iter().map(|class| f64::from(*class)).collect());
        let problem = Linked { columns, rows, weights, loss, penalty, penalises_intercept: false };
        let mut start = vec![0.0; stride];
        start[0] = (some / none).ln();
        return linear(&scaled, Link::Logistic, &minimise(&problem, start)?);
    }
    let loss = ManyClasses { classes: shares.len(), of_row: classes.of_row() };
    let problem = Linked { columns, rows, weights, loss, penalty, penalises_intercept: false };
    let centre = |solution: &mut [f64]| {
        let mean = solution.iter().step_by(stride).sum::<f64>() / shares.len() as f64;
        solution.iter_mut().step_by(stride).for_each(|intercept| *intercept -= mean);
    };
    let mut start = vec![0.0; stride * shares.len()];
    start.iter_mut().step_by(stride).zip(&shares).for_each(|(intercept, share)| *intercept = share.ln());
    centre(&mut start);
    let mut solution = minimise(&problem, start)?;
    centre(&mut solution);
    linear(&scaled, Link::Softmax, &solution)
}

/// Functions of standardised columns, each an intercept and weights, in the design columns' own units.
pub(crate) fn linear(scaled: &Scaled, link: Link, solution: &[f64]) -> Result<Classifier, LearnError> {
    let (mut intercepts, mut coefficients) = (Vec::new(), Vec::new());
    for function in solution.chunks_exact(scaled.columns().len() + 1) {
        let (intercept, own) = scaled.unscaled(function[0], &function[1..])?;
        intercepts.push(intercept);
        coefficients.extend(own);
    }
    Ok(Classifier::Linear { link, intercepts, coefficients })
}

/// ln(1 + exp(f)) − t·f, with t from 0, the first class, to 1, the second.
pub(crate) struct TwoClasses(pub(crate) Vec<f64>);

impl RowLoss for TwoClasses {
    fn functions(&self) -> usize {
        1
    }

    fn values(&self, f: &[f64]) -> Vec<f64> {
        let loss = |(f, t): (&f64, &f64)| f.max(0.0) + (-f.abs()).exp().ln_1p() - f * t;
        f.iter().zip(&self.0).map(loss).collect()
    }

    fn slopes(&self, f: &[f64]) -> Vec<f64> {
        f.iter().zip(&self.0).map(|(f, t)| sigmoid(*f) - t).collect()
    }

    fn curvature(&self, f: &[f64]) -> Vec<f64> {
        f.iter().map(|f| sigmoid(*f) * sigmoid(-f)).collect()
    }

    fn curve(&self, curvature: &[f64], u: &mut [f64]) {
        u.iter_mut().zip(curvature).for_each(|(u, weight)| *u *= weight);
    }

    fn diagonal(&self, curvature: &[f64]) -> Vec<f64> {
        curvature.to_vec()
    }
}

/// ln Σ exp(f) − f(own class).
struct ManyClasses<'a> {
    classes: usize,
    of_row: &'a [u32],
}

impl RowLoss for ManyClasses<'_> {
    fn functions(&self) -> usize {
        self.classes
    }

    fn values(&self, f: &[f64]) -> Vec<f64> {
        let rows = self.of_row.len();
        let loss = |(row, class): (usize, &u32)| {
            let own = || f[row..].iter().step_by(rows);
            let most = own().copied().fold(f64::NEG_INFINITY, f64::max);
            most + own().map(|f| (f - most).exp()).sum::<f64>().ln() - f[*class as usize * rows + row]
        };
        self.of_row.iter().enumerate().map(loss).collect()
    }

    fn slopes(&self, f: &[f64]) -> Vec<f64> {
        let mut slopes = self.curvature(f);
        let rows = self.of_row.len();
        self.of_row.iter().enumerate().for_each(|(row, class)| slopes[*class as usize * rows + row] -= 1.0);
        slopes
    }

    /// The probabilities.
    fn curvature(&self, f: &[f64]) -> Vec<f64> {
        let rows = self.of_row.len();
        let mut most = f[..rows].to_vec();
        for f in f.chunks_exact(rows).skip(1) {
            most.iter_mut().zip(f).for_each(|(most, f)| *most = most.max(*f));
        }
        let mut p: Vec<f64> = Vec::with_capacity(f.len());
        let mut total = vec![0.0; rows];
        for f in f.chunks_exact(rows) {
            p.extend(f.iter().zip(&most).map(|(f, most)| (f - most).exp()));
            total.iter_mut().zip(&p[p.len() - rows..]).for_each(|(total, p)| *total += p);
        }
        for p in p.chunks_exact_mut(rows) {
            p.iter_mut().zip(&total).for_each(|(p, total)| *p /= total);
        }
        p
    }

    /// u ← p (u − Σ p u).
    fn curve(&self, p: &[f64], u: &mut [f64]) {
        let rows = self.of_row.len();
        let mut mean = vec![0.0; rows];
        for (p, u) in p.chunks_exact(rows).zip(u.chunks_exact(rows)) {
            mean.iter_mut().zip(p.iter().zip(u)).for_each(|(mean, (p, u))| *mean += p * u);
        }
        for (p, u) in p.chunks_exact(rows).zip(u.chunks_exact_mut(rows)) {
            u.iter_mut().zip(p.iter().zip(&mean)).for_each(|(u, (p, mean))| *u = p * (*u - mean));
        }
    }

    fn diagonal(&self, p: &[f64]) -> Vec<f64> {
        p.iter().map(|p| p * (1.0 - p)).collect()
    }
}

/// 1/(1 + exp(−f)).
pub(crate) fn sigmoid(f: f64) -> f64 {
    1.0 / (1.0 + (-f).exp())
}
