//! What a fit of a time series foretells: a table of the steps after its last one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::step::Step;
use crate::time::format_ms;

/// The steps after a series' last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The column of times.
    pub time: String,
    /// The distance of the points.
    pub step: Step,
    /// The number of the last step that it learned from.
    pub last: i64,
    /// What was fitted, as the field writes it: `ETS(M,Ad,M)`.
    pub model: String,
    /// Its parameters by name.
    pub settings: BTreeMap<String, f64>,
    /// The forecast of each step after the last, one by one.
    #[serde(with = "crate::packed")]
    pub values: Vec<f64>,
    /// Prediction intervals of the same steps.
    pub bands: Vec<Band>,
}

/// Prediction intervals of one level, a lower and an upper end for each value; NaN where there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The share of truths that should lie inside, in percent.
    pub level: f64,
    /// Lower ends.
    #[serde(with = "crate::packed")]
    pub lower: Vec<f64>,
    /// Upper ends.
    #[serde(with = "crate::packed")]
    pub upper: Vec<f64>,
}

impl Band {
    /// Sets the interval of `row` among `rows` in the band of that level, which is added where it is missing.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn set(bands: &mut Vec<Band>, rows: usize, row: usize, (level, lower, upper): (f64, f64, f64)) {
        let known = bands.iter().position(|band| band.level.to_bits() == level.to_bits());
        let place = known.unwrap_or_else(|| {
            bands.push(Band { level, lower: vec![f64::NAN; rows], upper: vec![f64::NAN; rows] });
            bands.len() - 1
        });
        bands[place].lower[row] = lower;
        bands[place].upper[row] = upper;
    }

    /// The interval of `row`; `None` where it has none.
    pub fn get(&self, row: usize) -> Option<(f64, f64)> {
        let (lower, upper) = (*self.lower.get(row)?, *self.upper.get(row)?);
        (lower.is_finite() && upper.is_finite()).then_some((lower, upper))
    }

    /// Whether any row has an interval.
    pub fn has_any(&self) -> bool {
        (0..self.lower.len()).any(|row| self.get(row).is_some())
    }

    /// Copies intervals: row `i` of `from` becomes row `places[i]` among `rows` of `into`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn spread(into: &mut Vec<Band>, rows: usize, from: &[Band], places: &[u32]) {
        for band in from {
            for (row, place) in places.iter().enumerate() {
                if let Some((lower, upper)) = band.get(row) {
                    Band::set(into, rows, *place as usize, (band.level, lower, upper));
                }
            }
        }
    }
}

/// Why a moment has no forecast.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutOfReach {
    /// It lies in a step that the series has.
    #[error("{at} is not ahead: the series ends with the step of {last}")]
    NotAhead {
        /// The moment.
        at: String,
        /// The last step's first moment.
        last: String,
    },
    /// It lies after all steps that were foretold.
    #[error("{at} is past the horizon of {horizon} steps: the last one begins {end}")]
    PastHorizon {
        /// The moment.
        at: String,
        /// Steps foretold.
        horizon: usize,
        /// The last one's first moment.
        end: String,
    },
}

impl Forecast {
    /// The place in [`Forecast::values`] of the step that the moment lies in.
    ///
    /// # Errors
    /// [`OutOfReach`].
    pub fn place(&self, ms: i64) -> Result<usize, OutOfReach> {
        let start = |number: i64| format_ms(self.step.start_ms(number));
        let ahead = self.step.number(ms).saturating_sub(self.last);
        match usize::try_from(ahead) {
            Ok(ahead @ 1..) if ahead <= self.values.len() => Ok(ahead - 1),
            Ok(1..) => Err(OutOfReach::PastHorizon {
                at: format_ms(ms),
                horizon: self.values.len(),
                end: start(self.last.saturating_add(self.values.len() as i64)),
            }),
            _ => Err(OutOfReach::NotAhead { at: format_ms(ms), last: start(self.last) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_instant;

    #[test]
    fn intervals_come_to_their_rows() {
        let from = Band { level: 80.0, lower: vec![1.0, f64::NAN, 3.0], upper: vec![2.0, f64::NAN, 4.0] };
        let mut into = Vec::new();
        Band::spread(&mut into, 5, &[from], &[4, 3, 0]);
        Band::set(&mut into, 5, 0, (95.0, 0.0, 9.0));
        let of = |row: usize| into.iter().map(|band| (band.level, band.get(row))).collect::<Vec<_>>();
        assert_eq!(of(0), [(80.0, Some((3.0, 4.0))), (95.0, Some((0.0, 9.0)))]);
        assert_eq!(of(4), [(80.0, Some((1.0, 2.0))), (95.0, None)]);
        assert_eq!((of(3)[0].1, of(9)[0].1), (None, None));
    }

    #[test]
    fn a_moment_finds_its_step_or_hears_where_the_series_and_its_horizon_end() {
        let ms = |text| parse_instant(text).unwrap();
        let step = Step::parse("1d").unwrap();
        let forecast = Forecast {
            time: "day".into(),
            step,
            last: step.number(ms("2013-12-31")),
            model: "naive".into(),
            settings: BTreeMap::new(),
            values: vec![1.0, 2.0],
            bands: Vec::new(),
        };
        assert_eq!(forecast.place(ms("2014-01-01")), Ok(0));
        assert_eq!(forecast.place(ms("2014-01-02T23:59:59Z")), Ok(1));
        let problem = |text| forecast.place(ms(text)).unwrap_err().to_string();
        assert!(problem("2013-12-31T12:00:00Z").contains("ends with the step of 2013-12-31T00:00:00Z"));
        assert!(
            problem("2014-01-03").contains("horizon of 2 steps: the last one begins 2014-01-02T00:00:00Z")
        );
        assert!(forecast.place(i64::MIN).is_err() && forecast.place(i64::MAX).is_err());
    }
}
