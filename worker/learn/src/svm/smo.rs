//! Sequential minimal optimisation: two multipliers at a time.

use super::kernel::Gaussian;
use crate::error::LearnError;

/// Steps, at most; some thousands are usual.
const STEPS_MAX: u32 = 1_000_000;

/// Curvature of a pair of rows that are alike.
const CURVATURE_MIN: f64 = 1e-12;

/// Minimises ½ Σ aᵢ aⱼ yᵢ yⱼ K(rowᵢ, rowⱼ) + Σ pᵢ aᵢ with 0 ≤ aᵢ ≤ c and Σ yᵢ aᵢ = 0.
pub(super) struct Dual {
    /// Per multiplier the row of the kernel's matrix; some may share one.
    pub(super) rows: Vec<u32>,
    /// Per multiplier +1 or −1.
    pub(super) signs: Vec<f64>,
    /// Per multiplier p.
    pub(super) linear: Vec<f64>,
    /// The largest multiplier.
    pub(super) c: f64,
    /// How far the optimality conditions may be missed.
    pub(super) tolerance: f64,
}

/// The function Σ yᵢ aᵢ K(rowᵢ, ·) + intercept.
pub(super) struct Machine {
    /// Per multiplier yᵢ aᵢ.
    pub(super) weights: Vec<f64>,
    pub(super) intercept: f64,
}

impl Dual {
    /// Working sets by second-order information: Fan, Chen and Lin (2005), as in LIBSVM, without shrinking.
    ///
    /// # Errors
    /// [`LearnError::Flat`] when the steps do not suffice.
    pub(super) fn solve(&self, kernel: &mut Gaussian) -> Result<Machine, LearnError> {
        let mut multipliers = vec![0.0; self.rows.len()];
        let mut gradient = self.linear.clone();
        for _ in 0..STEPS_MAX {
            let steepest = self.steepest(&multipliers, &gradient);
            let own = steepest.map_or_else(Vec::new, |(i, _)| kernel.row(self.rows[i]).to_vec());
            let partner = steepest.and_then(|(_, most)| self.partner(&multipliers, &gradient, &own, most));
            let (Some((i, _)), Some(j)) = (steepest, partner) else {
                let intercept = self.intercept(&multipliers, &gradient);
                let weights = multipliers.iter().zip(&self.signs).map(|(a, y)| a * y).collect();
                return Ok(Machine { weights, intercept });
            };
            let steps = self.step(&mut multipliers, &gradient, (i, j), own[self.rows[j] as usize]);
            let other = kernel.row(self.rows[j]);
            let (from_i, from_j) = (steps[0] * self.signs[i], steps[1] * self.signs[j]);
            for ((gradient, row), sign) in gradient.iter_mut().zip(&self.rows).zip(&self.signs) {
                *gradient += sign * (from_i * own[*row as usize] + from_j * other[*row as usize]);
            }
        }
        Err(LearnError::Flat { steps: STEPS_MAX })
    }

    /// Whether y·a may still grow.
    fn may_rise(&self, at: usize, multiplier: f64) -> bool {
        if self.signs[at] > 0.0 { multiplier < self.c } else { multiplier > 0.0 }
    }

    /// Whether y·a may still shrink.
    fn may_fall(&self, at: usize, multiplier: f64) -> bool {
        if self.signs[at] > 0.0 { multiplier > 0.0 } else { multiplier < self.c }
    }

    /// The multiplier by which the objective falls most steeply as y·a grows, and how steeply.
    fn steepest(&self, multipliers: &[f64], gradient: &[f64]) -> Option<(usize, f64)> {
        let mut best: Option<(usize, f64)> = None;
        for at in 0..multipliers.len() {
            let slope = -self.signs[at] * gradient[at];
            if self.may_rise(at, multipliers[at]) && best.is_none_or(|(_, most)| slope > most) {
                best = Some((at, slope));
            }
        }
        best
    }

    /// The multiplier that, changed together with the steepest one, lowers the objective most; `None` at the optimum.
    fn partner(&self, multipliers: &[f64], gradient: &[f64], own: &[f64], most: f64) -> Option<usize> {
        let (mut best, mut gain_best, mut least) = (None, 0.0, f64::INFINITY);
        for at in 0..multipliers.len() {
            if !self.may_fall(at, multipliers[at]) {
                continue;
            }
            let slope = -self.signs[at] * gradient[at];
            least = f64::min(least, slope);
            let difference = most - slope;
            if difference > 0.0 {
                // Every element on the diagonal of the matrix is 1.
                let curvature = (2.0 - 2.0 * own[self.rows[at] as usize]).max(CURVATURE_MIN);
                let gain = difference * difference / curvature;
                if gain > gain_best {
                    (best, gain_best) = (Some(at), gain);
                }
            }
        }
        if most - least < self.tolerance { None } else { best }
    }

    /// Moves the pair along y·a as far as the box allows; gives the two changes.
    fn step(
        &self,
        multipliers: &mut [f64],
        gradient: &[f64],
        (i, j): (usize, usize),
        product: f64,
    ) -> [f64; 2] {
        let curvature = (2.0 - 2.0 * product).max(CURVATURE_MIN);
        let wanted = (self.signs[j] * gradient[j] - self.signs[i] * gradient[i]) / curvature;
        let room = |at: usize, rises: bool| match (self.signs[at] > 0.0) == rises {
            true => self.c - multipliers[at],
            false => multipliers[at],
        };
        let length = wanted.min(room(i, true)).min(room(j, false));
        let before = [multipliers[i], multipliers[j]];
        for (at, change) in [(i, length), (j, -length)] {
            let moved = multipliers[at] + self.signs[at] * change;
            // A multiplier that reaches its bound stands on it exactly.
            multipliers[at] = if moved > self.c * (1.0 - 1e-15) { self.c } else { moved.max(0.0) };
        }
        [multipliers[i] - before[0], multipliers[j] - before[1]]
    }

    /// From the multipliers inside the box, else halfway between the bounds that the others give.
    fn intercept(&self, multipliers: &[f64], gradient: &[f64]) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        let (mut high, mut low) = (f64::INFINITY, f64::NEG_INFINITY);
        for at in 0..multipliers.len() {
            let slope = -self.signs[at] * gradient[at];
            let (rises, falls) = (self.may_rise(at, multipliers[at]), self.may_fall(at, multipliers[at]));
            match (rises, falls) {
                (true, true) => (sum, count) = (sum + slope, count + 1.0),
                (true, false) => low = f64::max(low, slope),
                (false, _) => high = f64::min(high, slope),
            }
        }
        if count > 0.0 {
            return sum / count;
        }
        match (low.is_finite(), high.is_finite()) {
            (true, true) => (low + high) / 2.0,
            (true, false) => low,
            (false, true) => high,
            (false, false) => 0.0,
        }
    }
}
