//! Systems of equations with a symmetric positive semidefinite matrix, also a singular one.

use crate::vector::{add_scaled, dot};

/// A pivot below this share of the largest diagonal element, times the order (at least 100), is rounding:
/// cross products carry about 1e-15 of it.
const TOLERANCE: f64 = 1e-14;

/// The x of least norm among those that minimise ‖matrix · x − rhs‖, for a right-hand side in the matrix's range.
///
/// `matrix` is symmetric, positive semidefinite, and has one row for each element of `rhs`. Where it is regular this is
/// one Cholesky solution; where rank r falls short, L = QT (Q orthonormal columns, T triangular of order r) gives the
/// pseudo-inverse Q (T Tᵀ)⁻¹ Qᵀ.
///
/// Source: pivoted Cholesky column by column as in Harbrecht, Peters and Schneider (2012), algorithm 1; complete
/// orthogonal factorisation as in Golub and Van Loan, "Matrix Computations", 4th ed., section 5.4.7.
pub(crate) fn least_norm(matrix: &[f64], rhs: &[f64]) -> Vec<f64> {
    Factor::of(matrix, rhs.len()).least_norm(rhs)
}

/// As [`least_norm`], of a symmetric matrix that may turn out to have a negative eigenvalue: then nothing.
pub(crate) fn least_norm_if_semidefinite(matrix: &[f64], rhs: &[f64]) -> Option<Vec<f64>> {
    let factor = Factor::of(matrix, rhs.len());
    factor.is_semidefinite.then(|| factor.least_norm(rhs))
}

/// matrix = L Lᵀ to within the tolerance: column k of L is zero at the pivots of earlier columns.
struct Factor {
    columns: Vec<Vec<f64>>,
    pivots: Vec<usize>,
    /// Whether what L Lᵀ leaves of the diagonal is rounding, not below 0.
    is_semidefinite: bool,
}

impl Factor {
    fn of(matrix: &[f64], order: usize) -> Factor {
        let mut diagonal: Vec<f64> = (0..order).map(|i| matrix[i * order + i]).collect();
        let largest = diagonal.iter().copied().fold(0.0, f64::max);
        let least = largest * TOLERANCE * order.max(100) as f64;
        let (columns, pivots) = (Vec::with_capacity(order), Vec::with_capacity(order));
        let mut factor = Factor { columns, pivots, is_semidefinite: true };
        while let Some(pivot) = (0..order).max_by(|a, b| diagonal[*a].total_cmp(&diagonal[*b])) {
            if diagonal[pivot] <= least {
                break;
            }
            let column = factor.next_column(&matrix[pivot * order..][..order], pivot, diagonal[pivot].sqrt());
            diagonal.iter_mut().zip(&column).for_each(|(d, l)| *d -= l * l);
            diagonal[pivot] = f64::NEG_INFINITY;
            factor.columns.push(column);
            factor.pivots.push(pivot);
        }
        let is_rounding = |left: &f64| *left >= -least || *left == f64::NEG_INFINITY;
        factor.is_semidefinite = diagonal.iter().all(is_rounding);
        factor
    }

    fn least_norm(self, rhs: &[f64]) -> Vec<f64> {
        if self.columns.len() == rhs.len() { self.solve(rhs) } else { solve_singular(self.columns, rhs) }
    }

    /// The pivot's row of the matrix, less what earlier columns explain of it, over the pivot's root.
    fn next_column(&self, row: &[f64], pivot: usize, root: f64) -> Vec<f64> {
        let mut column = row.to_vec();
        for earlier in &self.columns {
            add_scaled(&mut column, -earlier[pivot], earlier);
        }
        column.iter_mut().for_each(|value| *value /= root);
        self.pivots.iter().for_each(|done| column[*done] = 0.0);
        column[pivot] = root;
        column
    }

    /// Forward and back substitution.
    fn solve(&self, rhs: &[f64]) -> Vec<f64> {
        let mut left = rhs.to_vec();
        let mut forward = Vec::with_capacity(rhs.len());
        for (column, pivot) in self.columns.iter().zip(&self.pivots) {
            let value = left[*pivot] / column[*pivot];
            add_scaled(&mut left, -value, column);
            forward.push(value);
        }
        let mut solution = vec![0.0; rhs.len()];
        for ((column, pivot), value) in self.columns.iter().zip(&self.pivots).zip(forward).rev() {
            solution[*pivot] = (value - dot(column, &solution)) / column[*pivot];
        }
        solution
    }
}

fn solve_singular(mut columns: Vec<Vec<f64>>, rhs: &[f64]) -> Vec<f64> {
    let triangle = orthonormalise(&mut columns);
    let rank = columns.len();
    let mut inner: Vec<f64> = columns.iter().map(|column| dot(column, rhs)).collect();
    for k in (0..rank).rev() {
        inner[k] /= triangle[k][k];
        let value = inner[k];
        add_scaled(&mut inner[..k], -value, &triangle[k]);
    }
    for k in 0..rank {
        inner[k] = (inner[k] - dot(&triangle[k][..k], &inner)) / triangle[k][k];
    }
    let mut solution = vec![0.0; rhs.len()];
    columns.iter().zip(inner).for_each(|(column, weight)| add_scaled(&mut solution, weight, column));
    solution
}

/// Gram and Schmidt's method in its modified form: orthogonal to within rounding times the condition of L (Björck, 1967),
/// which the tolerance keeps below 1e6. Gives the columns of T, the k-th with k + 1 elements.
fn orthonormalise(columns: &mut [Vec<f64>]) -> Vec<Vec<f64>> {
    let mut triangle = Vec::with_capacity(columns.len());
    for k in 0..columns.len() {
        let (done, rest) = columns.split_at_mut(k);
        let column = &mut rest[0];
        let mut shares = vec![0.0; k + 1];
        for (share, earlier) in shares.iter_mut().zip(done.iter()) {
            *share = dot(earlier, column);
            add_scaled(column, -*share, earlier);
        }
        shares[k] = dot(column, column).sqrt();
        column.iter_mut().for_each(|value| *value /= shares[k]);
        triangle.push(shares);
    }
    triangle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_eigenvalue_is_seen() {
        let of = |corner: f64| least_norm_if_semidefinite(&[1.0, 2.0, 2.0, corner], &[1.0, 2.0]);
        assert_eq!(of(3.9), None);
        assert!(of(4.0).is_some_and(|x| (x[0] - 0.2).abs() < 1e-15 && (x[1] - 0.4).abs() < 1e-15));
        assert!(of(4.1).is_some());
    }

    #[test]
    fn a_singular_system_with_a_bad_condition_is_still_solved() {
        // Rank 5 of 8; the eigenvalues that are not zero span eleven orders of magnitude.
        let hilbert = |i: usize, k: usize| 1.0 / (i + k + 1) as f64;
        let element = |i, j| (0..5).map(|k| hilbert(i, k) * hilbert(j, k)).sum::<f64>();
        let matrix: Vec<f64> = (0..8).flat_map(|i| (0..8).map(move |j| element(i, j))).collect();
        let rows = || matrix.chunks(8);
        let rhs: Vec<f64> = rows().map(|row| row[0] - row[5]).collect();
        let solution = least_norm(&matrix, &rhs);
        for (row, rhs) in rows().zip(&rhs) {
            assert!((dot(row, &solution) - rhs).abs() < 1e-14, "{} is not {rhs}", dot(row, &solution));
        }
        assert!(
            dot(&solution, &solution) < 2.0,
            "(1, 0, 0, 0, 0, -1, 0, 0) is a solution, but not the least"
        );
    }
}
