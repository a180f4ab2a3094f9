//! Mixtures of normal distributions.

use schemas::fit::Parameters;
use schemas::structure::Structure;

use crate::block::Block;
use crate::error::LearnError;
use crate::kmeans::{KMeansParams, cluster};
use crate::learner::{Learner, Rows};
use crate::moments::Scratch;
use crate::points::Points;

/// How the mixture is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixtureParams {
    /// The start, by k-means, and the number of clusters.
    pub start: KMeansParams,
    /// Steps, at most.
    pub max_iterations: u32,
    /// A step that raises the mean log-likelihood by less is the last.
    pub tolerance: f64,
    /// What is added to variances, so that no cluster shrinks to a point.
    pub regularisation: f64,
    /// Whether the columns are independent within a cluster.
    pub diagonal: bool,
}

/// Columns that a mixture takes: the work of a step grows with their square.
const WIDTH_MAX: usize = 512;

impl Learner for MixtureParams {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        mixture(&rows.gathered(scratch).block, self).map(Parameters::Structure)
    }
}

/// The mixture of most likelihood that expectation maximisation finds (Dempster, Laird and Rubin, 1977) from a start by
/// k-means.
///
/// # Errors
/// [`LearnError::NoRows`]; [`LearnError::NotFinite`]; [`LearnError::FewRows`] for fewer rows than clusters;
/// [`LearnError::TooWide`] for more than 512 columns that vary.
pub fn mixture(block: &Block, params: &MixtureParams) -> Result<Structure, LearnError> {
    let points = Points::of(block, params.start.standardise)?;
    if points.width > WIDTH_MAX {
        return Err(LearnError::TooWide { columns: points.width, most: WIDTH_MAX });
    }
    let (rows, clusters) = (block.rows(), params.start.clusters as usize);
    let start = cluster(&points, rows, &params.start)?;
    let mut shares = vec![0.0; rows * clusters];
    start.of_row.iter().enumerate().for_each(|(row, own)| shares[row * clusters + own] = 1.0);
    let mut normals = Normals::of(&points, &shares, clusters, params)?;
    let mut before = f64::NEG_INFINITY;
    for _ in 0..params.max_iterations {
        let likelihood = normals.expect(&points, &mut shares)?;
        if likelihood - before < params.tolerance {
            break;
        }
        before = likelihood;
        normals = Normals::of(&points, &shares, clusters, params)?;
    }
    let Normals { offsets, means, factors, .. } = normals;
    Ok(Structure::Mixture { scaling: points.scaling, offsets, means, factors })
}

/// Normal distributions, as [`Structure::Mixture`] has them.
struct Normals {
    width: usize,
    offsets: Vec<f64>,
    means: Vec<f64>,
    factors: Vec<f64>,
}

impl Normals {
    /// Those of the points that belong to each cluster by their shares.
    fn of(
        points: &Points,
        shares: &[f64],
        clusters: usize,
        params: &MixtureParams,
    ) -> Result<Normals, LearnError> {
        let width = points.width;
        let rows = shares.len() / clusters;
        let mut normals = Normals { width, offsets: Vec::new(), means: Vec::new(), factors: Vec::new() };
        for cluster in 0..clusters {
            let share = |row: usize| shares[row * clusters + cluster];
            // As in scikit-learn, an empty cluster divides by no zero.
            let weight = (0..rows).map(share).sum::<f64>() + 10.0 * f64::EPSILON;
            let mut mean = vec![0.0; width];
            for row in 0..rows {
                let share = share(row) / weight;
                mean.iter_mut().zip(points.point(row)).for_each(|(mean, value)| *mean += share * value);
            }
            let mut covariance = vec![0.0; width * width];
            let mut centred = vec![0.0; width];
            for row in 0..rows {
                let share = share(row) / weight;
                if share == 0.0 {
                    continue;
                }
                let pairs = centred.iter_mut().zip(points.point(row)).zip(&mean);
                pairs.for_each(|((centred, value), mean)| *centred = value - mean);
                for i in 0..width {
                    let from = if params.diagonal { i } else { 0 };
                    let weighted = share * centred[i];
                    for j in from..=i {
                        covariance[i * width + j] += weighted * centred[j];
                    }
                }
            }
            (0..width).for_each(|i| covariance[i * width + i] += params.regularisation);
            let (factor, half_log) = inverse_factor(&covariance, width).ok_or(LearnError::NotFinite)?;
            let constant = 0.5 * width as f64 * std::f64::consts::TAU.ln();
            normals.offsets.push((weight / rows as f64).ln() - half_log - constant);
            normals.means.extend(mean);
            normals.factors.extend(factor);
        }
        Ok(normals)
    }

    /// Gives each point to the clusters by their likelihoods; the mean log-likelihood.
    fn expect(&self, points: &Points, shares: &mut [f64]) -> Result<f64, LearnError> {
        let clusters = self.offsets.len();
        let mut total = 0.0;
        for (row, shares) in shares.chunks_exact_mut(clusters).enumerate() {
            total += responsibilities(
                (&self.offsets, &self.means, &self.factors),
                &points.values[row * self.width..][..self.width],
                shares,
            );
        }
        let mean = total / (shares.len() / clusters) as f64;
        if mean.is_finite() { Ok(mean) } else { Err(LearnError::NotFinite) }
    }
}

/// Writes the probability of each cluster given `z`; the log-likelihood of `z`.
pub(crate) fn responsibilities(
    (offsets, means, factors): (&[f64], &[f64], &[f64]),
    z: &[f64],
    out: &mut [f64],
) -> f64 {
    let width = z.len();
    let triangle = width * (width + 1) / 2;
    for (cluster, out) in out.iter_mut().enumerate() {
        let (mean, factor) = (&means[cluster * width..], &factors[cluster * triangle..][..triangle]);
        let (mut squares, mut at) = (0.0, 0);
        for i in 0..width {
            let row = &factor[at..=at + i];
            at += i + 1;
            let sum: f64 = row.iter().zip(z.iter().zip(mean)).map(|(l, (z, mean))| l * (z - mean)).sum();
            squares += sum * sum;
        }
        *out = offsets[cluster] - 0.5 * squares;
    }
    let most = out.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = out.iter().map(|value| (value - most).exp()).sum();
    let log = most + total.ln();
    out.iter_mut().for_each(|value| *value = (*value - log).exp());
    log
}

/// L⁻¹, the lower triangle row by row, and ½ ln |Σ| of Σ = L Lᵀ, whose lower triangle is given. `None` where Σ is not
/// positive definite.
fn inverse_factor(matrix: &[f64], order: usize) -> Option<(Vec<f64>, f64)> {
    let mut l = vec![0.0; order * order];
    let mut half_log = 0.0;
    for i in 0..order {
        for j in 0..=i {
            let products: f64 = (0..j).map(|k| l[i * order + k] * l[j * order + k]).sum();
            let rest = matrix[i * order + j] - products;
            l[i * order + j] = if i == j { rest.sqrt() } else { rest / l[j * order + j] };
        }
        let pivot = l[i * order + i];
        if !pivot.is_finite() || pivot <= 0.0 {
            return None;
        }
        half_log += pivot.ln();
    }
    let mut inverse: Vec<f64> = Vec::with_capacity(order * (order + 1) / 2);
    let place = |i: usize, j: usize| i * (i + 1) / 2 + j;
    for i in 0..order {
        for j in 0..=i {
            let products: f64 = (j..i).map(|k| l[i * order + k] * inverse[place(k, j)]).sum();
            let rest = if i == j { 1.0 } else { -products };
            inverse.push(rest / l[i * order + i]);
        }
    }
    inverse.iter().all(|value| value.is_finite()).then_some((inverse, half_log))
}
