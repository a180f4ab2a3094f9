//! The parameters that make the likelihood largest.

use super::super::least_squares::minimise;
use super::super::seasons::Kind;
use super::form::{Form, Trend};
use super::start;
use super::state::{State, Weights};

/// Bounds of the smoothing weights and of the damping.
const WEIGHT: (f64, f64) = (1e-4, 0.9999);
const PHI: (f64, f64) = (0.8, 0.98);

/// Squares that are nothing but rounding, for a series whose largest magnitude is about 1.
const SQUARES_MIN: f64 = 1e-26;

/// Where the search for the smoothing weights begins, as shares of what each may be: the likelihood may have several
/// peaks.
const STARTS: [[f64; 4]; 5] = [
    [0.1, 0.1, 0.05, 0.9],
    [0.5, 0.1, 0.1, 0.5],
    [0.2, 0.1, 0.5, 0.1],
    [0.01, 0.5, 0.05, 0.95],
    [0.001, 0.5, 0.3, 0.95],
];

/// Steps from each start, and then from the best place that one of them led to.
const STEPS: (u32, u32) = (8, 60);

/// A fitted form.
#[derive(Debug, Clone, PartialEq)]
pub struct FormFit {
    /// The form.
    pub form: Form,
    /// Corrected AIC: −2 ln L + 2k + 2k(k+1)/(n−k−1), where k counts the variance too.
    pub aicc: f64,
    /// How many points it learned from.
    pub(super) points: usize,
    pub(super) weights: Weights,
    /// After the last point.
    pub(super) state: State,
    /// Variance of the one-step errors; of the relative ones where the form's error is multiplicative.
    pub(super) variance: f64,
}

/// Fits one form with seasons of `season` points; `None` where the series does not allow it: not positive, or too short.
/// The series' largest magnitude should be about 1.
pub fn fit_form(y: &[f64], season: usize, form: Form) -> Option<FormFit> {
    Search::begin(y, season, form)?.finish()
}

/// The search for one form's parameters, under way.
pub(super) struct Search<'a> {
    problem: Problem<'a>,
    /// The best place so far.
    x: Vec<f64>,
    /// Corrected AIC there.
    pub(super) aicc: f64,
}

impl<'a> Search<'a> {
    /// A few steps from each start; `None` as [`fit_form`] says.
    pub(super) fn begin(y: &'a [f64], season: usize, form: Form) -> Option<Search<'a>> {
        if form.needs_positive() && y.iter().any(|y| *y <= 0.0) {
            return None;
        }
        let problem = Problem { y, form, start: start::state(y, season, &form)? };
        if y.len() < problem.parameters() + 3 {
            return None;
        }
        let from = |shares: &[f64; 4]| problem.search(problem.begin(shares), STEPS.0);
        let places = STARTS.iter().filter_map(from);
        let (sum, x) = places.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let aicc = problem.aicc(sum);
        Some(Search { problem, x, aicc })
    }

    /// Goes on to the end.
    pub(super) fn finish(self) -> Option<FormFit> {
        let Search { problem, x, .. } = self;
        let (sum, x) = problem.search(x, STEPS.1)?;
        let (weights, mut state) = problem.unpack(&x);
        let mut squares = 0.0;
        problem.run(&weights, &mut state, |error, expected| {
            squares += problem.relative(error, expected).powi(2)
        });
        let fit = FormFit {
            form: problem.form,
            aicc: problem.aicc(sum),
            points: problem.y.len(),
            weights,
            state,
            variance: squares / (problem.y.len() - problem.parameters()) as f64,
        };
        (fit.aicc.is_finite() && fit.variance.is_finite()).then_some(fit)
    }
}

/// One form and one series.
struct Problem<'a> {
    y: &'a [f64],
    form: Form,
    start: State,
}

impl Problem<'_> {
    /// How many numbers are searched for.
    fn parameters(&self) -> usize {
        self.form.smoothing() + self.states()
    }

    /// The place of the least Σr² near `x`, and that sum.
    fn search(&self, mut x: Vec<f64>, steps: u32) -> Option<(f64, Vec<f64>)> {
        let sum = minimise(&mut x, steps, |x, out| self.residuals(x, out))?;
        Some((sum, x))
    }

    fn aicc(&self, sum: f64) -> f64 {
        let (count, k) = (self.y.len() as f64, (self.parameters() + 1) as f64);
        count * sum.max(SQUARES_MIN).ln() + 2.0 * k + 2.0 * k * (k + 1.0) / (count - k - 1.0)
    }

    /// How many numbers of the first state are free: the last season follows from the others.
    fn states(&self) -> usize {
        1 + usize::from(self.form.trend != Trend::None) + self.start.seasons.len() - 1
    }

    /// A place to begin with: smoothing weights by their shares, then the changes of the first state.
    fn begin(&self, shares: &[f64; 4]) -> Vec<f64> {
        let used = [
            true,
            self.form.trend != Trend::None,
            self.form.seasons.is_some(),
            self.form.trend == Trend::Damped,
        ];
        let shares = shares.iter().zip(used).filter(|(_, used)| *used);
        let weights = shares.map(|(share, _)| (share / (1.0 - share)).ln());
        weights.chain(std::iter::repeat_n(0.0, self.states())).collect()
    }

    /// The weights and the first state at a place. Weights come as logits, which keeps them within their bounds:
    /// beta up to alpha, gamma up to 1 − alpha.
    fn unpack(&self, x: &[f64]) -> (Weights, State) {
        let mut x = x.iter().copied();
        let mut between = |(low, high): (f64, f64)| {
            let share = 1.0 / (1.0 + (-x.next().unwrap_or(0.0)).exp());
            low + (high - low) * share
        };
        let (low, high) = WEIGHT;
        let alpha = between(WEIGHT);
        let has_trend = self.form.trend != Trend::None;
        let beta = if has_trend { between((low, alpha)) } else { 0.0 };
        let gamma = if self.form.seasons.is_some() { between((low, (1.0 - alpha).min(high))) } else { 0.0 };
        let phi = if self.form.trend == Trend::Damped { between(PHI) } else { 1.0 };
        let mut state = self.start.clone();
        state.level += x.next().unwrap_or(0.0);
        if has_trend {
            state.slope += x.next().unwrap_or(0.0);
        }
        let mut left = 0.0;
        let last = state.seasons.len() - 1;
        for (season, change) in state.seasons[..last].iter_mut().zip(x) {
            *season += change;
            left += change;
        }
        state.seasons[last] -= left;
        (Weights { alpha, beta, gamma, phi }, state)
    }

    /// Residuals whose squares sum to the exponential of −2 ln L / n: a multiplicative error is weighted by the
    /// geometric mean of the expected values.
    fn residuals(&self, x: &[f64], out: &mut Vec<f64>) -> bool {
        let (weights, mut state) = self.unpack(x);
        out.clear();
        let (mut logarithms, mut product, mut is_positive) = (0.0, 1.0, true);
        self.run(&weights, &mut state, |error, expected| {
            if self.form.error == Kind::Multiplicative {
                is_positive &= expected > 0.0;
                // One logarithm for many factors: they take most of the time.
                product *= expected;
                if !(1e-100..1e100).contains(&product) {
                    logarithms += product.ln();
                    product = 1.0;
                }
            }
            out.push(self.relative(error, expected));
        });
        if self.form.error == Kind::Multiplicative {
            let mean = ((logarithms + product.ln()) / self.y.len() as f64).exp();
            out.iter_mut().for_each(|error| *error *= mean);
            // A product that has come to 0 would make every error look like none.
            is_positive &= mean > 0.0;
        }
        is_positive && out.iter().all(|error| error.is_finite())
    }

    /// The error in the form's own measure.
    fn relative(&self, error: f64, expected: f64) -> f64 {
        if self.form.error == Kind::Multiplicative { error / expected } else { error }
    }

    /// Moves the state through all points, and tells the error and what was expected at each.
    fn run(&self, weights: &Weights, state: &mut State, mut tell: impl FnMut(f64, f64)) {
        let seasons = state.seasons.len();
        let mut season = 0;
        for y in self.y {
            let expected = state.expect(&self.form, weights, season);
            tell(y - expected.value, expected.value);
            state.learn(&self.form, weights, (season, *y), expected);
            season = if season + 1 == seasons { 0 } else { season + 1 };
        }
    }
}
