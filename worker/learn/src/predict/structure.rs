//! Predictions of what was found without a target, and how good that is.

use schemas::instances::Scaling;
use schemas::metrics::{Metrics, StructureMetrics};
use schemas::structure::Structure;

use super::{PredictError, by_trees, is_scaled};
use crate::block::Block;
use crate::metrics::most_probable;
use crate::mixture::responsibilities;
use crate::neighbours::squared_distance;
use crate::scaled::standardise;
use crate::vector::dot;

/// Rows that a silhouette is taken of: it grows with their square.
const SILHOUETTE_ROWS: usize = 2_000;

/// Row by row: for clusters the probability of each, for components the scores, for isolation one score.
pub(super) fn predict(structure: &Structure, block: &Block, out: &mut Vec<f64>) -> Result<(), PredictError> {
    let torn = || PredictError::Torn { found: block.width() };
    out.clear();
    match structure {
        Structure::Centres { scaling, centres, clusters } => {
            let (width, clusters) = (scaling.width(), *clusters as usize);
            if !is_scaled(scaling, block) || centres.len() != clusters * width || clusters == 0 {
                return Err(torn());
            }
            each(scaling, block, |z| {
                let nearest = nearest(centres, clusters, z);
                out.extend((0..clusters).map(|cluster| f64::from(u8::from(cluster == nearest))));
            });
        }
        Structure::Mixture { scaling, offsets, means, factors } => {
            let (width, clusters) = (scaling.width(), offsets.len());
            let triangle = width * (width + 1) / 2;
            if !is_scaled(scaling, block)
                || clusters == 0
                || means.len() != clusters * width
                || factors.len() != clusters * triangle
            {
                return Err(torn());
            }
            let mut shares = vec![0.0; clusters];
            each(scaling, block, |z| {
                responsibilities((offsets, means, factors), z, &mut shares);
                out.extend(&shares);
            });
        }
        Structure::Components { scaling, directions, variances, .. } => {
            let width = scaling.width();
            if !is_scaled(scaling, block) || directions.len() != variances.len() * width {
                return Err(torn());
            }
            each(scaling, block, |z| {
                out.extend((0..variances.len()).map(|at| dot(&directions[at * width..][..width], z)));
            });
        }
        Structure::Isolation { trees, normal } => {
            by_trees(trees, block, out)?;
            // Of one row there is no path to compare with.
            let score = |path: f64| if *normal > 0.0 { (-path / normal).exp2() } else { 0.5 };
            out.iter_mut().for_each(|value| *value = score(*value));
        }
    }
    Ok(())
}

fn each(scaling: &Scaling, block: &Block, mut take: impl FnMut(&[f64])) {
    let mut z = Vec::new();
    for row in 0..block.rows() {
        standardise(scaling, block, row, &mut z);
        take(&z);
    }
}

fn nearest(centres: &[f64], clusters: usize, z: &[f64]) -> usize {
    let distance = |cluster: usize| squared_distance(z, &centres[cluster * z.len()..][..z.len()]);
    (0..clusters).min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap_or(0)
}

/// Scores of a structure on the rows of a block, for which it predicted `predicted`; `None` without rows.
///
/// # Errors
/// [`PredictError`] as for [`super::predict`].
pub fn score_structure(
    structure: &Structure,
    block: &Block,
    predicted: &[f64],
) -> Result<Option<Metrics>, PredictError> {
    if block.rows() == 0 {
        return Ok(None);
    }
    let rows = block.rows() as f64;
    let mut scores = StructureMetrics::default();
    match structure {
        Structure::Centres { scaling, centres, clusters } => {
            let mut squares = 0.0;
            let mut own = predicted.chunks_exact(*clusters as usize).map(most_probable);
            each(scaling, block, |z| {
                let own = own.next().unwrap_or_default();
                squares += squared_distance(z, &centres[own * z.len()..][..z.len()]);
            });
            scores.inertia = squares / rows;
            scores.silhouette = silhouette(scaling, block, predicted, *clusters as usize);
        }
        Structure::Mixture { scaling, offsets, means, factors } => {
            let mut shares = vec![0.0; offsets.len()];
            let mut total = 0.0;
            each(scaling, block, |z| total += responsibilities((offsets, means, factors), z, &mut shares));
            let unit: f64 = scaling.deviations.iter().filter(|d| **d > 0.0).map(|d| d.ln()).sum();
            scores.log_likelihood = total / rows - unit;
            scores.silhouette = silhouette(scaling, block, predicted, offsets.len());
        }
        Structure::Components { scaling, .. } => {
            scores.explained_variance = dot(predicted, predicted) / squares(scaling, block);
        }
        Structure::Isolation { .. } => scores.anomaly_score = predicted.iter().sum::<f64>() / rows,
    }
    Ok(Some(Metrics::Structure(scores)))
}

/// What components explain of the squares of the rows of a block, and all of them: the sums over all rows make the explained
/// variance.
///
/// # Errors
/// [`PredictError`] as for [`super::predict`].
pub fn explained_squares(structure: &Structure, block: &Block) -> Result<(f64, f64), PredictError> {
    let Structure::Components { scaling, .. } = structure else { return Ok((0.0, 0.0)) };
    let mut predicted = Vec::new();
    predict(structure, block, &mut predicted)?;
    // The directions are orthonormal: what the scores hold is explained.
    Ok((dot(&predicted, &predicted), squares(scaling, block)))
}

fn squares(scaling: &Scaling, block: &Block) -> f64 {
    let mut all = 0.0;
    each(scaling, block, |z| all += dot(z, z));
    all
}

/// The mean over rows of (b − a)/max(a, b), with a the mean distance to the other rows of the own cluster and b that to the
/// rows of the nearest other one (Rousseeuw, 1987); NaN for one cluster. Of many rows, evenly spaced ones are taken.
fn silhouette(scaling: &Scaling, block: &Block, predicted: &[f64], clusters: usize) -> f64 {
    let step = block.rows().div_ceil(SILHOUETTE_ROWS).max(1);
    let rows: Vec<usize> = (0..block.rows()).step_by(step).collect();
    let own: Vec<usize> =
        rows.iter().map(|row| most_probable(&predicted[row * clusters..][..clusters])).collect();
    let mut z = Vec::new();
    let mut point = |row: &usize| {
        standardise(scaling, block, *row, &mut z);
        z.clone()
    };
    let points: Vec<Vec<f64>> = rows.iter().map(&mut point).collect();
    let mut counts = vec![0.0; clusters];
    own.iter().for_each(|own| counts[*own] += 1.0);
    let of_row = |at: usize| {
        let mut sums = vec![0.0; clusters];
        let others = points.iter().zip(&own);
        others.for_each(|(other, own)| sums[*own] += squared_distance(&points[at], other).sqrt());
        let others = (0..clusters).filter(|other| *other != own[at] && counts[*other] > 0.0);
        let b = others.map(|other| sums[other] / counts[other]).fold(f64::INFINITY, f64::min);
        let a = sums[own[at]] / (counts[own[at]] - 1.0);
        // A row alone in its cluster counts as 0.
        if counts[own[at]] < 2.0 || a == b { 0.0 } else { (b - a) / a.max(b) }
    };
    if counts.iter().filter(|count| **count > 0.0).count() < 2 {
        return f64::NAN;
    }
    (0..points.len()).map(of_row).sum::<f64>() / points.len() as f64
}
