//! The distance of a series' points in time.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::time::{civil_from_days, days_from_new_year};

const DAY_MS: i64 = 86_400_000;

/// Monday 1970-01-05: where steps of a fixed length are counted from, so that weeks begin on Mondays and days at midnight.
const ORIGIN_MS: i64 = 4 * DAY_MS;

/// The units of a step of a fixed length, longest first.
const UNITS_MS: [(&str, i64); 5] =
    [("w", 7 * DAY_MS), ("d", DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// A step: `15m`, `1h`, `1d`, `1w`, `1mo`, `1y`, in UTC. Steps stand one after the other from 1970 on, each with a number;
/// a moment lies in one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Step {
    /// So many milliseconds, more than 0.
    Millis(i64),
    /// So many calendar months, more than 0.
    Months(i64),
}

impl Step {
    /// Parses a count and a unit: `s`, `m` (minutes), `h`, `d`, `w`, `mo` (months) or `y`.
    ///
    /// # Errors
    /// A message when `text` is no such step, or one of more than 1,000 years.
    pub fn parse(text: &str) -> Result<Step, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let step = count.parse::<i64>().ok().and_then(|count| match unit {
            "mo" => Some(Step::Months(count)),
            "y" => Some(Step::Months(count.checked_mul(12)?)),
            _ => {
                let (_, unit_ms) = UNITS_MS.iter().find(|(name, _)| *name == unit)?;
                Some(Step::Millis(count.checked_mul(*unit_ms)?))
            }
        });
        step.filter(|step| match step {
            Step::Millis(ms) => (1..=365_000 * DAY_MS).contains(ms),
            Step::Months(months) => (1..=12_000).contains(months),
        })
        .ok_or_else(|| format!("{text:?} is no step (15m, 1h, 1d, 1w, 1mo, 1y)"))
    }

    /// The number of the step that the moment lies in.
    pub fn number(self, ms: i64) -> i64 {
        match self {
            Step::Millis(step_ms) => ms.saturating_sub(ORIGIN_MS).div_euclid(step_ms),
            Step::Months(months) => {
                let (year, month, _) = civil_from_days(ms.div_euclid(DAY_MS));
                ((year - 1970) * 12 + month - 1).div_euclid(months)
            }
        }
    }

    /// The first moment of a step; past the calendar's end, the end.
    pub fn start_ms(self, number: i64) -> i64 {
        match self {
            Step::Millis(step_ms) => number.saturating_mul(step_ms).saturating_add(ORIGIN_MS),
            Step::Months(months) => {
                let month = number.saturating_mul(months);
                let year = 1970 + month.div_euclid(12);
                if !(-9_999..=9_999).contains(&year) {
                    return if year < 0 { i64::MIN + 1 } else { i64::MAX };
                }
                let before =
                    (0..month.rem_euclid(12)).map(|month| days_of_month(year, month + 1)).sum::<i64>();
                (days_from_new_year(year) + before) * DAY_MS
            }
        }
    }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    // Both are in the calendar's range: see the caller.
    Date::new(year as i16, month as i8, 1).map_or(0, |first| i64::from(first.days_in_month()))
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Months(months) if months % 12 == 0 => write!(f, "{}y", months / 12),
            Step::Months(months) => write!(f, "{months}mo"),
            Step::Millis(ms) => match UNITS_MS.iter().find(|(_, unit_ms)| ms % unit_ms == 0) {
                Some((unit, unit_ms)) => write!(f, "{}{unit}", ms / unit_ms),
                None => write!(f, "{ms}ms"),
            },
        }
    }
}

impl TryFrom<String> for Step {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Step::parse(&text)
    }
}

impl From<Step> for String {
    fn from(step: Step) -> String {
        step.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_instant;
    use proptest::prelude::*;

    #[test]
    fn steps_round_trip_in_their_longest_unit() {
        for (text, shown) in [("15m", "15m"), ("24h", "1d"), ("14d", "2w"), ("12mo", "1y"), ("90s", "90s")] {
            assert_eq!(Step::parse(text).unwrap().to_string(), shown);
        }
        for bad in ["", "d", "0d", "-1d", "1", "1x", "9223372036854775807w", "1 d", "13000mo", "１d"] {
            assert!(Step::parse(bad).unwrap_err().contains("is no step"), "{bad}");
        }
    }

    #[test]
    fn weeks_begin_on_mondays_and_months_on_their_first() {
        let start = |step: &str, at: &str| {
            let step = Step::parse(step).unwrap();
            crate::time::format_ms(step.start_ms(step.number(parse_instant(at).unwrap())))
        };
        assert_eq!(start("1w", "2014-01-08T13:00:00Z"), "2014-01-06T00:00:00Z");
        assert_eq!(start("1mo", "2012-03-31"), "2012-03-01T00:00:00Z");
        assert_eq!(start("1y", "1969-12-31T23:59:59Z"), "1969-01-01T00:00:00Z");
        assert_eq!(start("6h", "2014-01-08T13:00:00Z"), "2014-01-08T12:00:00Z");
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_the_step_of_its_number(
            ms in -60_000_000_000_000i64..250_000_000_000_000,
            step in prop_oneof![
                (1..10_000_000_000i64).prop_map(Step::Millis),
                (1..100i64).prop_map(Step::Months),
            ],
        ) {
            let number = step.number(ms);
            prop_assert!(step.start_ms(number) <= ms && ms < step.start_ms(number + 1));
            prop_assert_eq!(step.number(step.start_ms(number)), number);
        }

        #[test]
        fn no_moment_is_too_far_away(ms in any::<i64>(), number in any::<i64>(), months in 1..12_000i64) {
            for step in [Step::Millis(1_000), Step::Millis(i64::MAX / 4), Step::Months(months)] {
                step.number(ms);
                step.start_ms(number);
            }
        }
    }
}
