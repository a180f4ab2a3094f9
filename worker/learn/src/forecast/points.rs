//! From rows with times to points at equal distances.

use schemas::limits::POINTS_MAX;
use schemas::spec::{Aggregate, Gaps, SeriesSpec};
use schemas::step::Step;
use schemas::time::format_ms;

use super::error::ForecastError;

/// A time series: one value for each step from the first row's to the last row's.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// The number of the first step.
    pub first: i64,
    /// The value of each step.
    pub values: Vec<f64>,
    /// Per step, how many rows lie in it and in those before it.
    rows: Vec<usize>,
}

impl Points {
    /// The number of the last step.
    pub fn last(&self) -> i64 {
        self.first + self.values.len() as i64 - 1
    }

    /// How many rows the first `points` steps have.
    pub fn rows(&self, points: usize) -> usize {
        points.checked_sub(1).and_then(|last| self.rows.get(last)).copied().unwrap_or(0)
    }
}

/// The series of rows, each a time in milliseconds and a target, in time order.
///
/// # Errors
/// [`ForecastError`] without rows, with too many steps, or with a step without rows where `series.gaps` allows none.
pub fn points(
    series: &SeriesSpec,
    rows: impl IntoIterator<Item = (i64, f64)>,
) -> Result<Points, ForecastError> {
    let mut points: Option<Points> = None;
    for (ms, target) in rows {
        let number = series.step.number(ms);
        let points =
            points.get_or_insert_with(|| Points { first: number, values: Vec::new(), rows: Vec::new() });
        reach(points, number, series)?;
        let (Some(value), Some(rows)) = (points.values.last_mut(), points.rows.last_mut()) else { continue };
        *rows += 1;
        *value += if series.aggregate == Aggregate::Count { 1.0 } else { target };
    }
    let mut points = points.ok_or(ForecastError::NoPoints)?;
    if series.aggregate == Aggregate::Mean {
        let before = |at: usize| if at == 0 { 0 } else { points.rows[at - 1] };
        let counts: Vec<usize> = (0..points.rows.len()).map(|at| points.rows[at] - before(at)).collect();
        points.values.iter_mut().zip(counts).filter(|(_, count)| *count > 0).for_each(|(value, count)| {
            *value /= count as f64;
        });
    }
    if series.gaps == Gaps::Hold {
        hold(&mut points);
    }
    if points.values.iter().all(|value| value.is_finite()) {
        Ok(points)
    } else {
        Err(ForecastError::NotFinite)
    }
}

/// Lengthens the series to the step `number`, which is not before its last.
fn reach(points: &mut Points, number: i64, series: &SeriesSpec) -> Result<(), ForecastError> {
    let length = number.abs_diff(points.first).saturating_add(1);
    if length > POINTS_MAX as u64 {
        return Err(ForecastError::TooLong { points: length, step: series.step.to_string() });
    }
    let length = length as usize;
    if series.gaps == Gaps::Error && length > points.values.len() + 1 && !points.values.is_empty() {
        return Err(ForecastError::Gap { at: start(series.step, points.last() + 1) });
    }
    if length > points.values.len() {
        let rows = points.rows.last().copied().unwrap_or(0);
        points.values.resize(length, 0.0);
        points.rows.resize(length, rows);
    }
    Ok(())
}

fn start(step: Step, number: i64) -> String {
    format_ms(step.start_ms(number))
}

/// Gives steps without rows the value of the step before; the first step has rows.
fn hold(points: &mut Points) {
    for at in 1..points.values.len() {
        if points.rows[at] == points.rows[at - 1] {
            points.values[at] = points.values[at - 1];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR_MS: i64 = 3_600_000;

    fn series(aggregate: Aggregate, gaps: Gaps) -> SeriesSpec {
        let step = Step::parse("1h").unwrap();
        let (lags, rolling_means, levels) = Default::default();
        SeriesSpec { step, horizon: 1, aggregate, gaps, lags, rolling_means, levels }
    }

    #[test]
    fn rows_of_a_step_are_joined_and_gaps_filled_as_asked() {
        let rows = [(0, 2.0), (1, 4.0), (3 * HOUR_MS, 5.0)];
        let values = |aggregate, gaps| points(&series(aggregate, gaps), rows).map(|points| points.values);
        assert_eq!(values(Aggregate::Sum, Gaps::Zero), Ok(vec![6.0, 0.0, 0.0, 5.0]));
        assert_eq!(values(Aggregate::Mean, Gaps::Hold), Ok(vec![3.0, 3.0, 3.0, 5.0]));
        assert_eq!(values(Aggregate::Count, Gaps::Zero), Ok(vec![2.0, 0.0, 0.0, 1.0]));
        let gap = values(Aggregate::Sum, Gaps::Error).unwrap_err().to_string();
        assert!(gap.contains("the step of 1970-01-01T01:00:00Z"), "{gap}");
        assert_eq!(points(&series(Aggregate::Sum, Gaps::Zero), []), Err(ForecastError::NoPoints));
        let far = points(&series(Aggregate::Sum, Gaps::Zero), [(0, 1.0), (i64::MAX, 1.0)]);
        assert!(matches!(far, Err(ForecastError::TooLong { .. })));
        let huge = points(&series(Aggregate::Sum, Gaps::Zero), [(0, f64::MAX), (0, f64::MAX)]);
        assert_eq!(huge, Err(ForecastError::NotFinite));
    }

    proptest! {
        #[test]
        fn no_row_is_lost_or_counted_twice(
            mut rows in proptest::collection::vec((0..500 * HOUR_MS, -1e6..1e6), 1..60),
        ) {
            rows.sort_by_key(|(ms, _)| *ms);
            let made = points(&series(Aggregate::Sum, Gaps::Zero), rows.iter().copied()).unwrap();
            let total: f64 = rows.iter().map(|(_, target)| target).sum();
            prop_assert!((made.values.iter().sum::<f64>() - total).abs() < 1e-6);
            for count in 0..=made.values.len() {
                let end = (made.first + count as i64).saturating_mul(HOUR_MS) + 4 * 24 * HOUR_MS;
                prop_assert_eq!(made.rows(count), rows.iter().filter(|(ms, _)| *ms < end).count());
            }
            prop_assert_eq!(made.rows(made.values.len()), rows.len());
        }
    }
}
