//! Nonlinear least squares.

use crate::semidefinite::least_norm;
use crate::vector::dot;

/// A step that gains less than this share of the sum ends the search.
const GAIN_MIN: f64 = 1e-10;

/// The damping beyond which no step is short enough to gain anything.
const DAMPING_MAX: f64 = 1e10;

/// Step of the forward differences.
const DIFFERENCE: f64 = 1e-7;

/// Moves `x` to a place near it where Σr² is least, in so many steps at most, and returns that sum; `None` where there are no residuals at the
/// start. `residuals` writes all r at a place, as many at each, and says whether there are any.
///
/// Source: Levenberg and Marquardt's method as in Nocedal and Wright, "Numerical optimization", 2nd ed., section 10.3.
pub(super) fn minimise(
    x: &mut Vec<f64>,
    steps: u32,
    residuals: impl Fn(&[f64], &mut Vec<f64>) -> bool,
) -> Option<f64> {
    let (mut here, mut there) = (Vec::new(), Vec::new());
    if !residuals(x, &mut here) {
        return None;
    }
    let mut sum = dot(&here, &here);
    let mut damping = 1e-3;
    let mut slope = Slope::at(x, &here, &residuals, &mut there)?;
    for _ in 0..steps {
        let next: Vec<f64> = x.iter().zip(slope.step(damping)).map(|(x, step)| x + step).collect();
        let reached = residuals(&next, &mut there).then(|| dot(&there, &there)).filter(|next| *next < sum);
        if let Some(less) = reached {
            let gain = sum - less;
            (*x, sum) = (next, less);
            std::mem::swap(&mut here, &mut there);
            if gain <= GAIN_MIN * sum {
                break;
            }
            damping = (damping / 10.0).max(1e-12);
            slope = match Slope::at(x, &here, &residuals, &mut there) {
                Some(slope) => slope,
                None => break,
            };
        } else if damping > DAMPING_MAX {
            break;
        } else {
            damping *= 10.0;
        }
    }
    sum.is_finite().then_some(sum)
}

/// The residuals' change around a place: JᵀJ and Jᵀr, each column of J at unit length.
struct Slope {
    products: Vec<f64>,
    downhill: Vec<f64>,
    lengths: Vec<f64>,
}

impl Slope {
    /// `None` where the residuals end beside the place.
    fn at(
        x: &[f64],
        here: &[f64],
        residuals: &impl Fn(&[f64], &mut Vec<f64>) -> bool,
        there: &mut Vec<f64>,
    ) -> Option<Slope> {
        let mut columns: Vec<Vec<f64>> = Vec::with_capacity(x.len());
        let mut beside = x.to_vec();
        for at in 0..x.len() {
            let difference = DIFFERENCE * x[at].abs().max(1.0);
            let change = |there: &Vec<f64>, difference: f64| {
                there.iter().zip(here).map(|(there, here)| (there - here) / difference).collect()
            };
            for difference in [difference, -difference] {
                beside[at] = x[at] + difference;
                if residuals(&beside, there) {
                    columns.push(change(there, difference));
                    break;
                }
            }
            beside[at] = x[at];
            if columns.len() == at {
                return None;
            }
        }
        Some(Slope::of(columns, here))
    }

    fn of(mut columns: Vec<Vec<f64>>, here: &[f64]) -> Slope {
        let lengths: Vec<f64> = columns.iter().map(|column| dot(column, column).sqrt()).collect();
        let unit = |length: f64| if length > 0.0 && length.is_finite() { 1.0 / length } else { 0.0 };
        columns.iter_mut().zip(&lengths).for_each(|(column, length)| {
            column.iter_mut().for_each(|change| *change *= unit(*length));
        });
        let order = columns.len();
        let mut products = vec![0.0; order * order];
        for (a, one) in columns.iter().enumerate() {
            for (b, other) in columns[..=a].iter().enumerate() {
                let product = dot(one, other);
                (products[a * order + b], products[b * order + a]) = (product, product);
            }
        }
        let downhill = columns.iter().map(|column| -dot(column, here)).collect();
        Slope { products, downhill, lengths }
    }

    fn step(&self, damping: f64) -> Vec<f64> {
        let order = self.downhill.len();
        let mut damped = self.products.clone();
        (0..order).for_each(|at| damped[at * order + at] += damping);
        let step = least_norm(&damped, &self.downhill);
        let own = |(step, length): (f64, &f64)| if *length > 0.0 { step / length } else { 0.0 };
        step.into_iter().zip(&self.lengths).map(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        // Rosenbrock's function.
        let residuals = |x: &[f64], out: &mut Vec<f64>| {
            *out = vec![1.0 - x[0], 10.0 * (x[1] - x[0] * x[0])];
            true
        };
        let mut x = vec![-1.2, 1.0];
        let sum = minimise(&mut x, 100, residuals).unwrap();
        assert!(sum < 1e-20 && (x[0] - 1.0).abs() < 1e-9 && (x[1] - 1.0).abs() < 1e-9, "{x:?} {sum}");
    }

    #[test]
    fn a_parameter_without_effect_and_a_forbidden_place_do_no_harm() {
        let residuals = |x: &[f64], out: &mut Vec<f64>| {
            *out = vec![x[0] - 0.5, x[0] - 1.5];
            x[0] < 2.0
        };
        let mut x = vec![1.9, 7.0];
        let sum = minimise(&mut x, 100, residuals).unwrap();
        assert!((x[0] - 1.0).abs() < 1e-9 && x[1] == 7.0 && (sum - 0.5).abs() < 1e-12, "{x:?} {sum}");
        assert_eq!(minimise(&mut vec![3.0, 0.0], 100, residuals), None);
    }
}
