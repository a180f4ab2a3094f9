//! Sufficient statistics of the linear family: what a least-squares fit needs to know of its rows, and it adds up.

use ndarray::{ArrayView2, s};
use schemas::fit::Input;
use schemas::sums::Sums;

use crate::block::Block;
use crate::design::Design;
use crate::target::Target;
use crate::vector::{dot, sum};

/// Rows gathered at once, at most: a few narrow columns of them stay in the second-level cache.
const BLOCK_ROWS: usize = 4_096;
/// Numbers gathered at once, at most (8 MiB), down to [`MIN_BLOCK_ROWS`].
const BLOCK_VALUES: usize = 1 << 20;
const MIN_BLOCK_ROWS: usize = 256;
/// From this many variables on, a blocked matrix product is faster than one dot product per pair.
const WIDE: usize = 16;
/// Rows of the triangle per matrix product.
const PANEL: usize = 64;

/// Count, means and centred cross products of the design columns and, as the last variable, the target.
///
/// A column that does not vary has products of exactly 0, also after merging.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Rows.
    count: u64,
    /// What they count: as many where none is weighted.
    weight: f64,
    /// A value near the mean, one per variable: means that far from zero differ by less than their own rounding.
    origin: Vec<f64>,
    /// Mean less origin.
    offset: Vec<f64>,
    /// Σ weight (xᵢ − x̄ᵢ)(xⱼ − x̄ⱼ) for i ≤ j, row by row of the upper triangle.
    second: Vec<f64>,
}

/// Buffers for [`Moments::over`] and [`crate::Method::fit`], reused from one fit to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) block: Block,
    pub(crate) target: Vec<f64>,
    /// One per row, or none.
    pub(crate) weights: Vec<f64>,
    centred: Vec<f64>,
}

impl Scratch {
    /// Gathers `rows` of the design and the target.
    pub(crate) fn gather(&mut self, design: &Design, target: Target, rows: &[u32]) {
        design.block(rows, &mut self.block);
        self.target.clear();
        self.target.extend(rows.iter().map(|row| target.y[*row as usize]));
        self.weights.clear();
        if let Some(weights) = target.weights {
            self.weights.extend(rows.iter().map(|row| weights[*row as usize]));
        }
    }
}

impl Moments {
    /// Those of no rows, for a design of `width` columns.
    pub fn empty(width: usize) -> Moments {
        let variables = width + 1;
        let zeros = vec![0.0; variables];
        let second = vec![0.0; variables * (variables + 1) / 2];
        Moments { count: 0, weight: 0.0, origin: zeros.clone(), offset: zeros, second }
    }

    /// Those of all rows of a block, in two passes: means, then products of the centred columns.
    ///
    /// # Panics
    /// When `y` has not one target per row.
    pub fn of(block: &Block, y: &[f64]) -> Moments {
        Moments::weighted(block, y, &[])
    }

    /// As [`Moments::of`], with what each row counts; none count 1 each.
    ///
    /// # Panics
    /// When `y` has not one target per row, or `weights` has another number of entries.
    pub fn weighted(block: &Block, y: &[f64], weights: &[f64]) -> Moments {
        Moments::centring(block, y, weights, &mut Vec::new())
    }

    /// Those of `rows` of a table.
    ///
    /// # Panics
    /// When the table has no such row.
    pub fn over<'t>(
        design: &Design,
        target: impl Into<Target<'t>>,
        rows: &[u32],
        scratch: &mut Scratch,
    ) -> Moments {
        let target = target.into();
        let block_rows = (BLOCK_VALUES / (design.width() + 1)).clamp(MIN_BLOCK_ROWS, BLOCK_ROWS);
        let mut total = Moments::empty(design.width());
        for rows in rows.chunks(block_rows) {
            scratch.gather(design, target, rows);
            let Scratch { block, target: y, weights, centred } = scratch;
            total.merge(&Moments::centring(block, y, weights, centred));
        }
        total
    }

    fn centring(block: &Block, y: &[f64], weights: &[f64], centred: &mut Vec<f64>) -> Moments {
        assert_eq!(block.rows(), y.len(), "one target for each row of the block");
        assert!(weights.is_empty() || weights.len() == y.len(), "one weight for each row, or none");
        let (rows, variables) = (y.len(), block.width() + 1);
        if rows == 0 {
            return Moments::empty(block.width());
        }
        centred.resize(rows * variables, 0.0);
        let columns = (0..block.width()).map(|i| block.column(i)).chain([y]);
        let outs = centred.chunks_exact_mut(rows);
        let (origin, offset) = columns.zip(outs).map(|(column, out)| centre(column, weights, out)).unzip();
        let second = if variables < WIDE { products(centred, rows) } else { wide_products(centred, rows) };
        let weight = if weights.is_empty() { rows as f64 } else { sum(weights) };
        Moments { count: rows as u64, weight, origin, offset, second }
    }

    /// Adds the rows behind `other`, as if both had been taken at once.
    ///
    /// Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
    /// (1979), eq. 2.1, with a product of two columns for the square.
    ///
    /// # Panics
    /// When the widths differ.
    pub fn merge(&mut self, other: &Moments) {
        assert_eq!(self.width(), other.width(), "moments of the same design columns");
        if other.count == 0 {
            return;
        }
        if self.weight == 0.0 || other.weight == 0.0 {
            // Rows that count nothing are rows all the same.
            let count = self.count + other.count;
            if self.weight == 0.0 {
                self.clone_from(other);
            }
            self.count = count;
            return;
        }
        let share = other.weight / (self.weight + other.weight);
        let step = |i| (other.origin[i] - self.origin[i]) + (other.offset[i] - self.offset[i]);
        let steps: Vec<f64> = (0..self.origin.len()).map(step).collect();
        let mut at = 0;
        for (i, step) in steps.iter().enumerate() {
            let weight = step * self.weight * share;
            let row = at..at + steps.len() - i;
            let sums = self.second[row.clone()].iter_mut().zip(&other.second[row.clone()]);
            sums.zip(&steps[i..]).for_each(|((own, other), step)| *own += other + weight * step);
            at = row.end;
        }
        self.offset.iter_mut().zip(&steps).for_each(|(offset, step)| *offset += step * share);
        self.count += other.count;
        self.weight += other.weight;
    }

    /// The moments as they rest, of the design columns that `inputs` make.
    pub fn to_sums(&self, inputs: &[Input]) -> Sums {
        Sums {
            inputs: inputs.to_vec(),
            count: self.count,
            digest: [0; 16],
            weight: self.weight,
            origin: self.origin.clone(),
            offset: self.offset.clone(),
            second: self.second.clone(),
        }
    }

    /// The moments that rested; `None` when their parts do not belong together.
    pub fn from_sums(sums: &Sums) -> Option<Moments> {
        let Sums { count, weight, .. } = *sums;
        let (origin, offset, second) = (sums.origin.clone(), sums.offset.clone(), sums.second.clone());
        let (variables, width) = (origin.len(), sums.inputs.iter().map(Input::width).sum::<usize>());
        let whole = variables == width + 1
            && offset.len() == variables
            && second.len() == variables * (variables + 1) / 2
            && weight >= 0.0;
        let moments = Moments { count, weight, origin, offset, second };
        (whole && moments.is_finite()).then_some(moments)
    }

    /// The same rows in a design of `width` columns, of which column `places[i]` is this one's column `i`, and all others were 0 in
    /// every row.
    ///
    /// # Panics
    /// When there is not one place for each column, or one lies beyond `width`.
    pub fn widened(&self, places: &[usize], width: usize) -> Moments {
        assert_eq!(places.len(), self.width(), "one place for each column");
        let own: Vec<usize> = places.iter().copied().chain([width]).collect();
        let mut wide = Moments { count: self.count, weight: self.weight, ..Moments::empty(width) };
        for (i, a) in own.iter().enumerate() {
            (wide.origin[*a], wide.offset[*a]) = (self.origin[i], self.offset[i]);
            for (j, b) in own.iter().enumerate().skip(i) {
                let place = wide.place(*a, *b);
                wide.second[place] = self.second(i, j);
            }
        }
        wide
    }

    /// Number of rows.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What they count.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Number of design columns; the target is variable number `width`.
    pub fn width(&self) -> usize {
        self.origin.len() - 1
    }

    /// Mean of variable `i`.
    pub fn mean(&self, i: usize) -> f64 {
        self.origin[i] + self.offset[i]
    }

    /// Σ weight (xᵢ − x̄ᵢ)(xⱼ − x̄ⱼ) of two variables.
    pub fn second(&self, i: usize, j: usize) -> f64 {
        self.second[self.place(i, j)]
    }

    fn place(&self, i: usize, j: usize) -> usize {
        let (i, j) = (i.min(j), i.max(j));
        i * self.origin.len() - i * (i + 1) / 2 + j
    }

    /// Population variance of variable `i`; NaN without rows.
    pub fn variance(&self, i: usize) -> f64 {
        self.second(i, i) / self.weight
    }

    /// Whether a row has another value than 0 in design column `i`.
    pub fn occurs(&self, i: usize) -> bool {
        self.mean(i) != 0.0 || self.second(i, i) != 0.0
    }

    /// Whether all sums are finite.
    pub(crate) fn is_finite(&self) -> bool {
        (0..self.origin.len()).all(|i| self.mean(i).is_finite()) && self.second.iter().all(|s| s.is_finite())
    }
}

/// Σ (y − ŷ)² of a linear fit over the rows behind `moments`, without a look at them:
/// Σ (y − ȳ)² − 2 Σ wᵢ sᵢᵧ + Σ wᵢ wⱼ sᵢⱼ + n (ȳ − b − Σ wᵢ x̄ᵢ)², with s the centred products.
///
/// # Panics
/// When the fit has other columns.
pub fn residual_squares(intercept: f64, coefficients: &[f64], moments: &Moments) -> f64 {
    let target = moments.width();
    assert!(coefficients.is_empty() || coefficients.len() == target, "a fit of the same design columns");
    let mut squares = moments.second(target, target);
    let mut bias = moments.mean(target) - intercept;
    for (i, weight) in coefficients.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
        bias -= weight * moments.mean(i);
        let products: f64 =
            coefficients.iter().enumerate().map(|(j, other)| other * moments.second(i, j)).sum();
        squares += weight * (products - 2.0 * moments.second(i, target));
    }
    // What is left of a perfect fit is rounding, and may be below 0.
    squares.max(0.0) + moments.weight() * bias * bias
}

/// Writes the column less its mean; gives its first value and the mean less that. The first value as origin keeps a
/// constant column's deviations at exactly 0, and the digits of columns far from zero.
///
/// With weights the deviations come out times their roots, so that products are weighted.
fn centre(column: &[f64], weights: &[f64], out: &mut [f64]) -> (f64, f64) {
    let origin = column[0];
    out.iter_mut().zip(column).for_each(|(out, value)| *out = value - origin);
    if weights.is_empty() {
        let offset = sum(out) / out.len() as f64;
        out.iter_mut().for_each(|out| *out -= offset);
        return (origin, offset);
    }
    let total = sum(weights);
    let offset = if total > 0.0 { dot(out, weights) / total } else { 0.0 };
    out.iter_mut().zip(weights).for_each(|(out, weight)| *out = (*out - offset) * weight.sqrt());
    (origin, offset)
}

/// Upper triangle of the products of columns of `rows` numbers.
fn products(centred: &[f64], rows: usize) -> Vec<f64> {
    let columns: Vec<&[f64]> = centred.chunks_exact(rows).collect();
    let pairs = (0..columns.len()).flat_map(|i| (i..columns.len()).map(move |j| (i, j)));
    pairs.map(|(i, j)| dot(columns[i], columns[j])).collect()
}

/// [`products`] by matrix products over panels of the triangle.
fn wide_products(centred: &[f64], rows: usize) -> Vec<f64> {
    let variables = centred.len() / rows;
    // The buffer was sized as rows × variables.
    let columns = ArrayView2::from_shape((variables, rows), centred).expect("a whole number of columns");
    let mut triangle = Vec::with_capacity(variables * (variables + 1) / 2);
    for from in (0..variables).step_by(PANEL) {
        let to = variables.min(from + PANEL);
        let panel = columns.slice(s![from..to, ..]).dot(&columns.slice(s![from.., ..]).t());
        for (i, row) in panel.rows().into_iter().enumerate() {
            triangle.extend(row.iter().skip(i));
        }
    }
    triangle
}
