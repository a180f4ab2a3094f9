//! Standardised features: centred, and divided by their population standard deviation.

use schemas::fit::Parameters;

use crate::block::Block;
use crate::error::LearnError;
use crate::moments::Moments;
use crate::scaled::is_constant;

/// How design columns become standardised ones: those that do not vary are left out, and get weight 0.
pub(crate) struct Standard<'a> {
    moments: &'a Moments,
    /// The design columns that vary, with their standard deviations.
    columns: Vec<(usize, f64)>,
}

impl<'a> Standard<'a> {
    /// Of at most `most` columns that vary: the work of most methods grows with their cube.
    ///
    /// # Errors
    /// [`LearnError::NoRows`]; [`LearnError::NotFinite`] when a sum overflowed; [`LearnError::TooWide`].
    pub(crate) fn of(moments: &'a Moments, most: usize) -> Result<Standard<'a>, LearnError> {
        // Rows that count nothing teach nothing.
        if moments.count() == 0 || moments.weight() == 0.0 {
            return Err(LearnError::NoRows);
        }
        if !moments.is_finite() {
            return Err(LearnError::NotFinite);
        }
        let count = moments.count() as f64;
        let is_constant = |i: usize| is_constant(count, moments.mean(i), moments.variance(i));
        let varying = (0..moments.width()).filter(|i| !is_constant(*i));
        let columns: Vec<(usize, f64)> = varying.map(|i| (i, moments.variance(i).sqrt())).collect();
        if columns.len() > most {
            return Err(LearnError::TooWide { columns: columns.len(), most });
        }
        Ok(Standard { moments, columns })
    }

    /// The design columns that vary, with their standard deviations.
    pub(crate) fn columns(&self) -> &[(usize, f64)] {
        &self.columns
    }

    /// Correlations between the columns, as a square matrix with ones on its diagonal.
    pub(crate) fn correlations(&self) -> Vec<f64> {
        let count = self.moments.weight();
        let pairs = self.columns.iter().flat_map(|a| self.columns.iter().map(move |b| (a, b)));
        let correlation = |((i, a), (j, b)): (&(usize, f64), &(usize, f64))| match i == j {
            true => 1.0,
            false => self.moments.second(*i, *j) / count / a / b,
        };
        pairs.map(correlation).collect()
    }

    /// Covariances of the standardised columns with the target.
    pub(crate) fn covariances(&self) -> Vec<f64> {
        let (count, target) = (self.moments.weight(), self.moments.width());
        self.columns
            .iter()
            .map(|(i, deviation)| self.moments.second(*i, target) / count / deviation)
            .collect()
    }

    /// The columns of a block, standardised, one after the other.
    pub(crate) fn columns_of(&self, block: &Block) -> Vec<f64> {
        let mut values = Vec::with_capacity(self.columns.len() * block.rows());
        for (i, deviation) in &self.columns {
            let mean = self.moments.mean(*i);
            values.extend(block.column(*i).iter().map(|value| (value - mean) / deviation));
        }
        values
    }

    /// The least-squares fit with these weights of the standardised columns, in the design columns' own units.
    ///
    /// # Errors
    /// [`LearnError::NotFinite`].
    pub(crate) fn parameters(&self, weights: &[f64]) -> Result<Parameters, LearnError> {
        let (intercept, coefficients) = self.unscaled(self.moments.mean(self.moments.width()), weights)?;
        Ok(Parameters::Linear { intercept, coefficients })
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
        let mut coefficients = vec![0.0; self.moments.width()];
        for ((i, deviation), weight) in self.columns.iter().zip(weights) {
            coefficients[*i] = weight / deviation;
            intercept -= coefficients[*i] * self.moments.mean(*i);
        }
        if intercept.is_finite() && coefficients.iter().all(|c| c.is_finite()) {
            Ok((intercept, coefficients))
        } else {
            Err(LearnError::NotFinite)
        }
    }
}
