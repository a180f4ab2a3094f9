//! The points after the series.

use schemas::forecast::Band;

use super::super::normal::quantile;
use super::super::outlook::{Drawn, Outlook};
use super::super::seasons::Kind;
use super::fit::FormFit;
use super::form::Trend;
use super::state::State;
use crate::trees::random::Random;

/// Futures drawn where no formula gives the variance.
const FUTURES: usize = 4_000;

/// The least that a drawn point may be of what was expected.
const GROWTH_MIN: f64 = 1e-3;

impl FormFit {
    /// Forecasts with intervals: by formula, or by drawing futures where seasons are multiplicative.
    pub(super) fn outlook(&self, horizon: usize, levels: &[f64]) -> Outlook {
        let values = self.expected(horizon);
        let outlook = match self.form.seasons {
            Some(Kind::Multiplicative) => {
                let bands = self.drawn(horizon, levels);
                Outlook { bands, ..Outlook::normal(self.form.to_string(), values, &[], &[]) }
            }
            _ => {
                let deviations = self.deviations(&values);
                Outlook::normal(self.form.to_string(), values, &deviations, levels)
            }
        };
        let weights = &self.weights;
        let sigma = self.variance.sqrt();
        let mut outlook = outlook.with("alpha", weights.alpha);
        outlook = match self.form.error {
            Kind::Additive => outlook.with_sized("sigma", sigma),
            Kind::Multiplicative => outlook.with("sigma", sigma),
        };
        if self.form.trend != Trend::None {
            outlook = outlook.with("beta", weights.beta).with("phi", weights.phi);
        }
        if self.form.seasons.is_some() {
            outlook = outlook.with("gamma", weights.gamma);
        }
        outlook
    }

    fn season(&self, ahead: usize) -> usize {
        (self.points + ahead) % self.state.seasons.len()
    }

    /// The points that come if there are no errors.
    fn expected(&self, horizon: usize) -> Vec<f64> {
        let mut state = self.state.clone();
        let next = |ahead: usize| {
            let expected = state.expect(&self.form, &self.weights, self.season(ahead));
            (state.level, state.slope) = (expected.base, self.weights.phi * state.slope);
            expected.value
        };
        (0..horizon).map(next).collect()
    }

    /// Standard deviations of the forecasts' errors, seasons not being multiplicative. An error moves the point `j`
    /// steps later by c(j) = α + β(φ + … + φ^j) + γ (γ where j is whole seasons). Source: Hyndman and others (2008),
    /// sections 6.3 (additive errors: σ²(1 + Σc²)) and 6.4 (multiplicative ones: by recursion).
    fn deviations(&self, values: &[f64]) -> Vec<f64> {
        let weights = &self.weights;
        let seasons = self.state.seasons.len();
        let (mut reach, mut kept) = (0.0, 1.0);
        let moved = |later: usize| {
            kept *= weights.phi;
            reach += kept;
            let season = if later.is_multiple_of(seasons) { weights.gamma } else { 0.0 };
            (weights.alpha + weights.beta * reach + season).powi(2)
        };
        let moved: Vec<f64> = (1..values.len().max(1)).map(moved).collect();
        if self.form.error == Kind::Additive {
            let mut sum = 1.0;
            let sums = std::iter::once(1.0).chain(moved.into_iter().map(move |square| {
                sum += square;
                sum
            }));
            return sums.map(|sum| (self.variance * sum).sqrt()).collect();
        }
        let mut second: Vec<f64> = Vec::with_capacity(values.len());
        for (ahead, value) in values.iter().enumerate() {
            let earlier =
                second.iter().rev().zip(&moved).map(|(second, square)| second * square).sum::<f64>();
            second.push(value * value + if ahead == 0 { 0.0 } else { self.variance * earlier });
        }
        let variance = |(second, value): (&f64, &f64)| (1.0 + self.variance) * second - value * value;
        second.iter().zip(values).map(|pair| variance(pair).max(0.0).sqrt()).collect()
    }

    /// Intervals out of seeded futures, step by step.
    fn drawn(&self, horizon: usize, levels: &[f64]) -> Vec<Band> {
        let mut random = Random::new(0, 0);
        let mut futures = vec![self.state.clone(); FUTURES];
        let mut drawn = Drawn::new(levels);
        for ahead in 0..horizon {
            let season = self.season(ahead);
            drawn.step(futures.iter_mut().map(|state| self.draw(state, season, &mut random)).collect());
        }
        drawn.bands()
    }

    /// The next point of one future.
    fn draw(&self, state: &mut State, season: usize, random: &mut Random) -> f64 {
        let expected = state.expect(&self.form, &self.weights, season);
        let error = self.variance.sqrt() * quantile(random.share());
        let point = match self.form.error {
            Kind::Additive => expected.value + error,
            // Points above 0 stay so, as the form has it.
            Kind::Multiplicative => expected.value * (1.0 + error).max(GROWTH_MIN),
        };
        state.learn(&self.form, &self.weights, (season, point), expected);
        point
    }
}

#[cfg(test)]
mod tests {
    use super::super::fit::fit_form;
    use super::super::form::Form;
    use super::super::state::Weights;
    use super::*;

    /// Points that go up, swing, and are noisy.
    fn series() -> Vec<f64> {
        let mut random = Random::new(7, 0);
        let noise = |at: usize| 1.0 + 0.003 * at as f64 + [0.1, -0.05, 0.0, -0.05][at % 4];
        (0..160).map(|at| noise(at) * (1.0 + 0.05 * quantile(random.share()))).collect()
    }

    #[test]
    fn formulas_give_the_intervals_that_drawn_futures_have() {
        let y = series();
        let mut compared = 0;
        for form in Form::all().filter(|form| form.seasons != Some(Kind::Multiplicative)) {
            let fit = fit_form(&y, 4, form).unwrap();
            // Quick weights, so that every part of the formula counts.
            let weights = Weights { alpha: 0.4, beta: 0.1, gamma: 0.3, ..fit.weights };
            let beta = if form.trend == Trend::None { 0.0 } else { weights.beta };
            let gamma = if form.seasons.is_none() { 0.0 } else { weights.gamma };
            let fit = FormFit { weights: Weights { beta, gamma, ..weights }, ..fit };
            let formula = &fit.outlook(12, &[68.27]).bands[0];
            let drawn = &fit.drawn(12, &[68.27])[0];
            for ahead in 0..12 {
                let width = |band: &Band| band.upper[ahead] - band.lower[ahead];
                let ratio = width(formula) / width(drawn);
                assert!((0.93..1.07).contains(&ratio), "{form} {ahead}: {ratio}");
                compared += 1;
            }
        }
        assert_eq!(compared, 12 * 12);
    }
}
