//! Newton's method without a matrix, for smooth convex losses of any width.

use crate::error::LearnError;
use crate::vector::{add_scaled, dot};

/// Newton's steps, at most; a dozen is usual.
const STEPS_MAX: u32 = 100;

/// Halvings of one step, at most.
const HALVINGS_MAX: u32 = 40;

/// Products with the second derivatives per step, at most.
const PRODUCTS_MAX: usize = 1_000;

/// Converged when a step is expected to lower the loss by less than this share of it: such a step still is made, and the
/// next one would be lost in rounding.
const DESCENT_MIN: f64 = 1e-17;

/// Below this share of the loss, differences between losses are mostly rounding: steps are made unseen.
const DESCENT_SEEN: f64 = 1e-10;

/// A convex loss that has a gradient everywhere.
pub(crate) trait Loss {
    /// What is known of one place.
    type Place;

    /// Looks at a place.
    fn place(&self, at: &[f64]) -> Self::Place;
    /// The loss there.
    fn value(&self, place: &Self::Place) -> f64;
    /// Its gradient there.
    fn gradient(&self, place: &Self::Place) -> Vec<f64>;
    /// The diagonal of its second derivatives there; above 0.
    fn diagonal(&self, place: &Self::Place) -> Vec<f64>;
    /// The product of its second derivatives there with a direction.
    fn product(&self, place: &Self::Place, direction: &[f64]) -> Vec<f64>;
}

/// Where `loss` is least: each step is solved for by conjugate gradients, the more exactly the nearer the end is
/// (Dembo, Eisenstat and Steihaug, "Inexact Newton methods", 1982), and shortened until the loss falls enough
/// (Armijo, 1966).
///
/// # Errors
/// [`LearnError::Flat`] when the steps do not suffice, [`LearnError::NotFinite`].
pub(crate) fn minimise<L: Loss>(loss: &L, start: Vec<f64>) -> Result<Vec<f64>, LearnError> {
    let mut solution = start;
    let mut place = loss.place(&solution);
    let mut first = None;
    let mut unseen = f64::INFINITY;
    for _ in 0..STEPS_MAX {
        let value = loss.value(&place);
        let gradient = loss.gradient(&place);
        let size = dot(&gradient, &gradient).sqrt();
        if !value.is_finite() || !size.is_finite() {
            return Err(LearnError::NotFinite);
        }
        let exactness = (size / *first.get_or_insert(size)).sqrt().clamp(1e-4, 0.1);
        let step = step(loss, &place, &gradient, exactness);
        let descent = -dot(&gradient, &step);
        if descent.is_nan() {
            return Err(LearnError::NotFinite);
        }
        if descent <= value.max(1e-300) * DESCENT_SEEN {
            // The end is where steps no longer become shorter.
            if descent >= unseen / 4.0 {
                return Ok(solution);
            }
            unseen = descent;
            add_scaled(&mut solution, 1.0, &step);
            if descent <= value * DESCENT_MIN {
                return Ok(solution);
            }
            place = loss.place(&solution);
        } else {
            let walked = walk(loss, (&solution, value), &step, descent);
            (solution, place) = walked.ok_or(LearnError::Flat { steps: STEPS_MAX })?;
        }
    }
    Err(LearnError::Flat { steps: STEPS_MAX })
}

/// About −H⁻¹g, by conjugate gradients on the scaled problem.
fn step<L: Loss>(loss: &L, place: &L::Place, gradient: &[f64], exactness: f64) -> Vec<f64> {
    let diagonal = loss.diagonal(place);
    let scaled =
        |residual: &[f64]| -> Vec<f64> { residual.iter().zip(&diagonal).map(|(r, d)| r / d).collect() };
    let mut step = vec![0.0; gradient.len()];
    let mut residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut direction = scaled(&residual);
    let mut square = dot(&residual, &direction);
    let enough = square * exactness * exactness;
    for _ in 0..PRODUCTS_MAX {
        if square <= enough {
            break;
        }
        let product = loss.product(place, &direction);
        let curvature = dot(&direction, &product);
        if curvature <= 0.0 || !curvature.is_finite() {
            break;
        }
        add_scaled(&mut step, square / curvature, &direction);
        add_scaled(&mut residual, -square / curvature, &product);
        let next = scaled(&residual);
        let next_square = dot(&residual, &next);
        let share = next_square / square;
        direction.iter_mut().zip(&next).for_each(|(direction, next)| *direction = next + share * *direction);
        square = next_square;
    }
    step
}

/// Goes the step, or so much of it that the loss falls enough.
fn walk<L: Loss>(
    loss: &L,
    (from, value): (&[f64], f64),
    step: &[f64],
    descent: f64,
) -> Option<(Vec<f64>, L::Place)> {
    let mut share = 1.0;
    for _ in 0..HALVINGS_MAX {
        let mut solution = from.to_vec();
        add_scaled(&mut solution, share, step);
        let place = loss.place(&solution);
        if loss.value(&place) <= value - 1e-4 * share * descent {
            return Some((solution, place));
        }
        share /= 2.0;
    }
    None
}
