//! A block's rows as points, for learners without a target.

use schemas::instances::Scaling;

use crate::block::Block;
use crate::error::LearnError;
use crate::scaled::Scaled;

/// Points z, row by row: columns that vary, centred, and in units of their deviation or in their own.
pub(crate) struct Points {
    /// From design columns to z.
    pub(crate) scaling: Scaling,
    /// Numbers of a point.
    pub(crate) width: usize,
    /// Point after point.
    pub(crate) values: Vec<f64>,
}

impl Points {
    /// # Errors
    /// [`LearnError::NoRows`]; [`LearnError::NotFinite`] when a sum overflows.
    pub(crate) fn of(block: &Block, standardise: bool) -> Result<Points, LearnError> {
        let scaled = Scaled::of(block)?;
        let (mut values, mut scaling) = (scaled.by_rows(), scaled.scaling.clone());
        let width = scaling.width();
        if !standardise {
            scale_back(&mut values, &mut scaling);
        }
        if values.iter().all(|value| value.is_finite()) {
            Ok(Points { scaling, width, values })
        } else {
            Err(LearnError::NotFinite)
        }
    }

    /// Number of points; `rows` of the block where no column varies, and all points are the same.
    pub(crate) fn point(&self, at: usize) -> &[f64] {
        &self.values[at * self.width..][..self.width]
    }
}

/// From standardised values to centred ones.
fn scale_back(values: &mut [f64], scaling: &mut Scaling) {
    let deviations: Vec<f64> = scaling.deviations.iter().copied().filter(|d| *d > 0.0).collect();
    for point in values.chunks_exact_mut(deviations.len().max(1)) {
        point.iter_mut().zip(&deviations).for_each(|(value, deviation)| *value *= deviation);
    }
    scaling.deviations.iter_mut().filter(|d| **d > 0.0).for_each(|d| *d = 1.0);
}
