//! A block's columns standardised one by one, without the products that [`crate::moments`] take.

use schemas::instances::Scaling;

use crate::block::Block;
use crate::error::LearnError;
use crate::vector::{dot, sum};

/// The columns of a block that vary: centred, and divided by their population standard deviation.
pub(crate) struct Scaled {
    /// How each design column was treated.
    pub(crate) scaling: Scaling,
    rows: usize,
    values: Vec<f64>,
}

impl Scaled {
    /// # Errors
    /// [`LearnError::NoRows`]; [`LearnError::NotFinite`] when a sum overflows.
    pub(crate) fn of(block: &Block) -> Result<Scaled, LearnError> {
        Scaled::weighted(block, &[])
    }

    /// As [`Scaled::of`], with what each row counts; none count 1 each.
    ///
    /// # Errors
    /// As [`Scaled::of`], also where no row counts.
    pub(crate) fn weighted(block: &Block, weights: &[f64]) -> Result<Scaled, LearnError> {
        let rows = block.rows();
        if rows == 0 || (!weights.is_empty() && weights.iter().all(|weight| *weight == 0.0)) {
            return Err(LearnError::NoRows);
        }
        let mut scaled = Scaled { scaling: Scaling::default(), rows, values: Vec::new() };
        for column in 0..block.width() {
            scaled.add(block.column(column), weights)?;
        }
        Ok(scaled)
    }

    fn add(&mut self, column: &[f64], weights: &[f64]) -> Result<(), LearnError> {
        // From the first value on, a constant column's deviations are exactly 0.
        let (origin, count) = (column[0], self.rows as f64);
        let mut centred: Vec<f64> = column.iter().map(|x| x - origin).collect();
        let mean_of = |values: &[f64]| match weights {
            [] => sum(values) / count,
            _ => dot(values, weights) / sum(weights),
        };
        let offset = mean_of(&centred);
        centred.iter_mut().for_each(|x| *x -= offset);
        let variance = match weights {
            [] => dot(&centred, &centred) / count,
            _ => mean_of(&centred.iter().map(|x| x * x).collect::<Vec<_>>()),
        };
        let mean = origin + offset;
        if !mean.is_finite() || !variance.is_finite() {
            return Err(LearnError::NotFinite);
        }
        let deviation = if is_constant(count, mean, variance) { 0.0 } else { variance.sqrt() };
        if deviation > 0.0 {
            self.values.extend(centred.iter().map(|x| x / deviation));
        }
        self.scaling.means.push(mean);
        self.scaling.deviations.push(deviation);
        Ok(())
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The standardised columns.
    pub(crate) fn columns(&self) -> Vec<&[f64]> {
        self.values.chunks_exact(self.rows).collect()
    }

    /// The same numbers, row by row.
    pub(crate) fn by_rows(&self) -> Vec<f64> {
        let columns = self.columns();
        (0..self.rows).flat_map(|row| columns.iter().map(move |column| column[row])).collect()
    }

    /// Intercept and weights of the standardised columns, in the design columns' own units: w / s, and b − Σ w x̄ / s.
    ///
    /// # Errors
    /// [`LearnError::NotFinite`].
    pub(crate) fn unscaled(
        &self,
        mut intercept: f64,
        weights: &[f64],
    ) -> Result<(f64, Vec<f64>), LearnError> {
        let mut weights = weights.iter();
        let mut coefficient = |(mean, deviation): (&f64, &f64)| {
            let weight =
                if *deviation > 0.0 { weights.next().copied().unwrap_or(0.0) / deviation } else { 0.0 };
            intercept -= weight * mean;
            weight
        };
        let pairs = self.scaling.means.iter().zip(&self.scaling.deviations);
        let coefficients: Vec<f64> = pairs.map(&mut coefficient).collect();
        let is_whole = intercept.is_finite() && coefficients.iter().all(|c| c.is_finite());
        if is_whole { Ok((intercept, coefficients)) } else { Err(LearnError::NotFinite) }
    }
}

/// Writes the standardised values of one row of a block that `scaling` belongs to.
pub(crate) fn standardise(scaling: &Scaling, block: &Block, row: usize, out: &mut Vec<f64>) {
    out.clear();
    let pairs = scaling.means.iter().zip(&scaling.deviations).enumerate();
    let varying = pairs.filter(|(_, (_, deviation))| **deviation > 0.0);
    out.extend(varying.map(|(i, (mean, deviation))| (block.column(i)[row] - mean) / deviation));
}

/// Whether a column cannot be told from a constant one: its variance is within the error bound of its computation.
/// Source: scikit-learn, `sklearn.preprocessing._data._is_constant_feature`, after Chan, Golub and LeVeque (1983).
pub(crate) fn is_constant(count: f64, mean: f64, variance: f64) -> bool {
    variance <= count * f64::EPSILON * variance + (count * mean * f64::EPSILON).powi(2)
}
