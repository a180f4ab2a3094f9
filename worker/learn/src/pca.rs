//! Principal components, out of sufficient statistics.

use schemas::instances::Scaling;
use schemas::structure::Structure;

use crate::error::LearnError;
use crate::moments::Moments;
use crate::standard::Standard;

/// Columns whose components can be found: the work grows with their cube.
const WIDTH_MAX: usize = 1_024;

/// Sweeps after which Jacobi's method has long converged.
const SWEEPS_MAX: usize = 60;

/// The `components` directions of most variance of the design columns, which count in units of their deviation with
/// `standardise`. Each points so that its loading of largest magnitude is positive.
///
/// # Errors
/// [`LearnError::NoRows`]; [`LearnError::NotFinite`]; [`LearnError::TooWide`] for more than 1,024 columns that vary.
pub fn pca(moments: &Moments, components: u32, standardise: bool) -> Result<Structure, LearnError> {
    let standard = Standard::of(moments)?;
    let columns = standard.columns();
    if columns.len() > WIDTH_MAX {
        return Err(LearnError::TooWide { columns: columns.len(), most: WIDTH_MAX });
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
    let (values, vectors) = eigen(matrix, columns.len());
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    order.truncate(components as usize);
    let direction = |place: &usize| upright(vectors.iter().map(|row| row[*place]).collect());
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

/// Eigenvalues of a symmetric matrix, and its eigenvectors as columns of the rows given: the cyclic Jacobi method (Golub and
/// Van Loan, "Matrix Computations", 4th ed., section 8.5).
fn eigen(mut a: Vec<f64>, order: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut vectors: Vec<Vec<f64>> =
        (0..order).map(|i| (0..order).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    let square = |a: &[f64], only: fn(usize, usize) -> bool| -> f64 {
        let cells = (0..order).flat_map(|i| (0..order).map(move |j| (i, j)));
        cells.filter(|(i, j)| only(*i, *j)).map(|(i, j)| a[i * order + j] * a[i * order + j]).sum()
    };
    let least = square(&a, |_, _| true) * 1e-30;
    for _ in 0..SWEEPS_MAX {
        if square(&a, |i, j| i != j) <= least {
            break;
        }
        for p in 0..order {
            for q in p + 1..order {
                rotate(&mut a, &mut vectors, (p, q), order);
            }
        }
    }
    ((0..order).map(|i| a[i * order + i]).collect(), vectors)
}

/// Makes the element (p, q) zero.
fn rotate(a: &mut [f64], vectors: &mut [Vec<f64>], (p, q): (usize, usize), order: usize) {
    let apq = a[p * order + q];
    if apq == 0.0 {
        return;
    }
    let theta = (a[q * order + q] - a[p * order + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let t = if theta == 0.0 { 1.0 } else { t };
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..order {
        let (kp, kq) = (a[k * order + p], a[k * order + q]);
        a[k * order + p] = c * kp - s * kq;
        a[k * order + q] = s * kp + c * kq;
    }
    for k in 0..order {
        let (pk, qk) = (a[p * order + k], a[q * order + k]);
        a[p * order + k] = c * pk - s * qk;
        a[q * order + k] = s * pk + c * qk;
    }
    for row in vectors.iter_mut() {
        let (vp, vq) = (row[p], row[q]);
        row[p] = c * vp - s * vq;
        row[q] = s * vp + c * vq;
    }
}
