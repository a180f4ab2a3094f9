//! Integrals of polynomials from 0 to 1.

/// Newton's method takes about five steps; rounding may keep the last ones from being 0.
const STEPS_MAX: usize = 30;

/// Gauss and Legendre's points, with their weights: Σ weight · p(point) is the integral of p for every polynomial p of a degree
/// below twice their number.
pub(super) fn points<const COUNT: usize>() -> ([f64; COUNT], [f64; COUNT]) {
    let roots: [f64; COUNT] = std::array::from_fn(|at| root(COUNT, at));
    let weight = |x: f64| {
        let (_, slope) = legendre(COUNT, x);
        1.0 / ((1.0 - x * x) * slope * slope)
    };
    (roots.map(|x| (1.0 - x) / 2.0), roots.map(weight))
}

/// A root of Legendre's polynomial of a degree of at least 1, by Newton's method from Tricomi's guess.
fn root(degree: usize, at: usize) -> f64 {
    let mut x = (std::f64::consts::PI * (at as f64 + 0.75) / (degree as f64 + 0.5)).cos();
    for _ in 0..STEPS_MAX {
        let (value, slope) = legendre(degree, x);
        x -= value / slope;
        if (value / slope).abs() < f64::EPSILON {
            break;
        }
    }
    x
}

/// Value and slope at `x`, between −1 and 1, of Legendre's polynomial of a degree of at least 1.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut last, mut value) = (1.0, x);
    for n in 2..=degree {
        let n = n as f64;
        (last, value) = (value, ((2.0 * n - 1.0) * x * value - (n - 1.0) * last) / n);
    }
    (value, degree as f64 * (x * value - last) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const COUNT: usize>() {
        let (places, weights) = points::<COUNT>();
        for power in 0..2 * COUNT as i32 {
            let found: f64 =
                places.iter().zip(&weights).map(|(place, weight)| weight * place.powi(power)).sum();
            let expected = 1.0 / f64::from(power + 1);
            assert!((found - expected).abs() < 1e-13, "{COUNT} points, power {power}: {found}");
        }
        assert!(places.iter().all(|place| *place > 0.0 && *place < 1.0));
    }

    #[test]
    fn powers_are_integrated_exactly() {
        check::<1>();
        check::<2>();
        check::<5>();
        check::<8>();
        check::<32>();
    }
}
