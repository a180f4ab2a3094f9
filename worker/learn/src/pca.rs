//! Principal components, out of sufficient statistics.

use linfa_linalg::eigh::EighInto;
use ndarray::{Array1, Array2};
use schemas::fit::Parameters;
use schemas::instances::Scaling;
use schemas::structure::Structure;

use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::moments::{Moments, Scratch};
use crate::standard::Standard;

/// Columns whose components can be found: the work grows with their cube.
const WIDTH_MAX: usize = 1_024;

/// Parameters of [`pca`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PcaParams {
    /// Directions wanted.
    pub components: u32,
    /// Whether columns count in units of their deviation.
    pub standardise: bool,
}

impl Learner for PcaParams {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        pca(&rows.moments(scratch), self.components, self.standardise).map(Parameters::Structure)
    }

    fn solve(&self, moments: &Moments) -> Option<Result<Parameters, LearnError>> {
        Some(pca(moments, self.components, self.standardise).map(Parameters::Structure))
    }
}

/// The `components` directions of most variance of the design columns, which count in units of their deviation with
/// `standardise`. Each points so that its loading of largest magnitude is positive.
///
/// # Errors
/// [`LearnError::NoRows`]; [`LearnError::NothingVaries`]; [`LearnError::NotFinite`]; [`LearnError::TooWide`] for more than 1,024 columns that vary.
pub fn pca(moments: &Moments, components: u32, standardise: bool) -> Result<Structure, LearnError> {
    let standard = Standard::of(moments, WIDTH_MAX)?;
    let columns = standard.columns();
    if columns.is_empty() {
        return Err(LearnError::NothingVaries);
    }
    let mut scaling = Scaling {
        means: (0..moments.width()).map(|i| moments.mean(i)).collect(),
        deviations: vec![0.0; moments.width()],
    };
    let unit = |deviation: f64| if standardise { deviation } else { 1.0 };
    columns.iter().for_each(|(i, deviation)| scaling.deviations[*i] = unit(*deviation));
    let freedom = (moments.count() as f64 - 1.0).max(1.0);
    let covariance =
        |(i, a): &(usize, f64), (j, b): &(usize, f64)| moments.second(*i, *j) / freedom / unit(*a) / unit(*b);
    let matrix: Vec<f64> =
        columns.iter().flat_map(|a| columns.iter().map(move |b| covariance(a, b))).collect();
    let (values, vectors) = eigen(matrix, columns.len())?;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    order.truncate(components as usize);
    let direction = |place: &usize| upright(vectors.column(*place).to_vec());
    let structure = Structure::Components {
        scaling,
        directions: order.iter().flat_map(direction).collect(),
        // What rounding makes negative is none.
        variances: order.iter().map(|place| values[*place].max(0.0)).collect(),
        total_variance: values.iter().sum(),
    };
    let is_finite = values.iter().all(|value| value.is_finite());
    if is_finite { Ok(structure) } else { Err(LearnError::NotFinite) }
}

fn upright(mut direction: Vec<f64>) -> Vec<f64> {
    let largest =
        direction.iter().copied().fold(0.0f64, |most, v| if v.abs() > most.abs() { v } else { most });
    if largest < 0.0 {
        direction.iter_mut().for_each(|value| *value = -*value);
    }
    direction
}

/// Eigenvalues of a symmetric matrix, and its eigenvectors as columns, by linfa's tridiagonal QR method.
fn eigen(matrix: Vec<f64>, order: usize) -> Result<(Array1<f64>, Array2<f64>), LearnError> {
    // The method would look for an end of what is not finite.
    let is_finite = matrix.iter().all(|value| value.is_finite());
    let matrix = Array2::from_shape_vec((order, order), matrix).ok().filter(|_| is_finite);
    matrix.and_then(|matrix| matrix.eigh_into().ok()).ok_or(LearnError::NotFinite)
}
