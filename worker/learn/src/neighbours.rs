//! The nearest training rows.

use schemas::fit::Parameters;
use schemas::instances::Neighbours;
use schemas::limits::KEPT_VALUES_MAX;

use crate::block::Block;
use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::moments::Scratch;
use crate::scaled::{Scaled, standardise};

/// Parameters of [`neighbours`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NeighboursParams {
    /// How many of the nearest rows count.
    pub k: u32,
}

impl Learner for NeighboursParams {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        let Scratch { block, target, .. } = rows.gathered(scratch);
        neighbours(block, target.clone(), self.k).map(Parameters::Neighbours)
    }
}

/// Keeps the rows, standardised, each with its target. The same as scikit-learn's `make_pipeline(StandardScaler(),
/// KNeighborsRegressor(k, algorithm="brute"))`, and its classifier; of equally distant rows, the first in the training
/// rows' order count.
///
/// # Errors
/// [`LearnError::TooLarge`] when there is too much to keep; [`LearnError::NoRows`], [`LearnError::NotFinite`].
///
/// # Panics
/// When there is not one target per row of the block.
pub fn neighbours(block: &Block, targets: Vec<f64>, k: u32) -> Result<Neighbours, LearnError> {
    assert_eq!(block.rows(), targets.len(), "one target for each row of the block");
    if !targets.iter().all(|target| target.is_finite()) {
        return Err(LearnError::NotFinite);
    }
    let values = block.rows().saturating_mul(block.width() + 1);
    if values > KEPT_VALUES_MAX {
        return Err(LearnError::TooLarge { values });
    }
    let scaled = Scaled::of(block)?;
    Ok(Neighbours { k, rows: scaled.by_rows(), scaling: scaled.scaling, targets })
}

/// Calls `each` with every row of the block and the targets of its nearest training rows.
pub(crate) fn nearest(kept: &Neighbours, block: &Block, mut each: impl FnMut(&mut dyn Iterator<Item = f64>)) {
    let width = kept.scaling.width();
    let k = (kept.k as usize).clamp(1, kept.targets.len());
    let mut z = Vec::with_capacity(width);
    let mut distances: Vec<(f64, u32)> = Vec::with_capacity(kept.targets.len());
    for row in 0..block.rows() {
        standardise(&kept.scaling, block, row, &mut z);
        distances.clear();
        let distance = |place: usize| squared_distance(&z, &kept.rows[place * width..][..width]);
        distances.extend((0..kept.targets.len()).map(|place| (distance(place), place as u32)));
        let by_distance = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        distances.select_nth_unstable_by(k - 1, by_distance);
        // Sums of targets must not depend on how the selection went.
        distances[..k].sort_unstable_by(by_distance);
        each(&mut distances[..k].iter().map(|(_, place)| kept.targets[*place as usize]));
    }
}

/// ‖a − b‖².
pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
