//! Time as milliseconds since 1970-01-01T00:00:00Z, and the texts that name it. All of it is UTC.

use jiff::civil::DateTime;
use jiff::{Span, Timestamp, tz::TimeZone};

/// Marks a missing time in a column.
pub const TIME_NULL: i64 = i64::MIN;

const DAY_MS: i64 = 86_400_000;

/// Years of four digits, all of whose moments the calendar library has.
const PLAIN_YEARS: std::ops::RangeInclusive<i64> = 1..=9_998;

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {expected}")]
pub struct TimeError {
    text: String,
    expected: &'static str,
}

const EXPECT_PREFIX: &str =
    "date or date-time (2013, 2013-01, 2013-01-31, 2013-01-31T14, 2013-01-31T14:30, 2013-01-31T14:30:00Z)";

/// The half-open span that a date or date-time prefix names, in milliseconds: `2013-01` is all of January 2013.
///
/// # Errors
/// When `text` is no such prefix, or a date that does not exist.
pub fn parse_prefix(text: &str) -> Result<(i64, i64), TimeError> {
    let error = || TimeError { text: text.to_owned(), expected: EXPECT_PREFIX };
    let plain = text.strip_suffix('Z').unwrap_or(text);
    let template = "0000-01-01T00:00:00";
    let unit = match plain.len() {
        4 => Span::new().years(1),
        7 => Span::new().months(1),
        10 => Span::new().days(1),
        13 => Span::new().hours(1),
        16 => Span::new().minutes(1),
        19 => Span::new().seconds(1),
        _ => return parse_instant(text).map(|ms| (ms, ms + 1)).map_err(|_| error()),
    };
    if !plain.is_ascii() {
        return Err(error());
    }
    let whole = format!("{plain}{}", &template[plain.len()..]).replace(' ', "T");
    let from: DateTime = whole.parse().map_err(|_| error())?;
    let to = from.checked_add(unit).map_err(|_| error())?;
    Ok((civil_ms(from).ok_or_else(error)?, civil_ms(to).ok_or_else(error)?))
}

fn civil_ms(at: DateTime) -> Option<i64> {
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// One moment: RFC 3339, or a date-time without a zone (taken as UTC), or a date (its midnight).
///
/// # Errors
/// When `text` is none of these.
pub fn parse_instant(text: &str) -> Result<i64, TimeError> {
    if let Some(ms) = plain_instant(text.as_bytes()) {
        return Ok(ms);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    text.parse::<DateTime>()
        .ok()
        .and_then(civil_ms)
        .ok_or_else(|| TimeError { text: text.to_owned(), expected: "date-time (2013-12-03T14:00:00Z)" })
}

/// A moment in the form that most texts have, `2013-12-03T14:00:00Z`, in a twentieth of the time that the calendar library
/// takes, which reads all others.
fn plain_instant(text: &[u8]) -> Option<i64> {
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')];
    if text.len() != 20 || marks.iter().any(|(place, mark)| text[*place] != *mark) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |sum, digit| Some(10 * sum + i64::from(char::from(*digit).to_digit(10)?)))
    };
    let (year, month, day) = (number(&text[0..4])?, number(&text[5..7])?, number(&text[8..10])?);
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?);
    let days = days_from_civil(year, month, day);
    // A day that does not exist is another one.
    let exists = civil_from_days(days) == (year, month, day) && hour < 24 && minute < 60 && second < 60;
    (exists && PLAIN_YEARS.contains(&year))
        .then(|| days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000)
}

/// A duration such as `90d`, `12h`, `30m`, `45s` or `2w`, in milliseconds.
///
/// # Errors
/// When `text` is no such duration, or is zero, negative or too large.
pub fn parse_duration_ms(text: &str) -> Result<i64, TimeError> {
    let error = || TimeError { text: text.to_owned(), expected: "duration (90d, 12h, 30m, 45s, 2w)" };
    let unit_ms = match text.chars().last() {
        Some('s') => 1_000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => DAY_MS,
        Some('w') => 7 * DAY_MS,
        _ => return Err(error()),
    };
    let count: i64 = text[..text.len() - 1].parse().map_err(|_| error())?;
    if count <= 0 {
        return Err(error());
    }
    count.checked_mul(unit_ms).ok_or_else(error)
}

/// RFC 3339 with the shortest exact fraction: `2013-12-03T14:00:00Z`.
pub fn format_ms(ms: i64) -> String {
    let mut text = Vec::with_capacity(PLAIN_LENGTH);
    write_ms(&mut text, ms);
    String::from_utf8_lossy(&text).into_owned()
}

/// Appends what [`format_ms`] says: ASCII.
pub fn write_ms(text: &mut Vec<u8>, ms: i64) {
    if write_plain(text, ms).is_some() {
        return;
    }
    let written = match Timestamp::from_millisecond(ms) {
        Ok(at) => at.to_string(),
        Err(_) => format!("{ms}ms"),
    };
    text.extend_from_slice(written.as_bytes());
}

/// Bytes of a time with a whole fraction.
const PLAIN_LENGTH: usize = 24;

/// [`write_ms`] for all but ancient and far times, in a fraction of the time that the calendar library takes: each answer
/// says when its fits were trained.
fn write_plain(out: &mut Vec<u8>, ms: i64) -> Option<()> {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    if !PLAIN_YEARS.contains(&year) {
        return None;
    }
    let of_day = ms.rem_euclid(DAY_MS);
    let mut text: [u8; PLAIN_LENGTH] = *b"0000-00-00T00:00:00.000Z";
    set_digits(&mut text[0..4], year);
    set_digits(&mut text[5..7], month);
    set_digits(&mut text[8..10], day);
    set_digits(&mut text[11..13], of_day / 3_600_000);
    set_digits(&mut text[14..16], of_day / 60_000 % 60);
    set_digits(&mut text[17..19], of_day / 1_000 % 60);
    set_digits(&mut text[20..23], of_day % 1_000);
    // The fraction without its last zeros, and without its point where it is zero.
    let end = match of_day % 1_000 {
        0 => 19,
        fraction if fraction % 100 == 0 => 21,
        fraction if fraction % 10 == 0 => 22,
        _ => 23,
    };
    text[end] = b'Z';
    out.extend_from_slice(&text[..=end]);
    Some(())
}

/// The last decimal digits of a value, as many as there is room for.
fn set_digits(digits: &mut [u8], mut value: i64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// A number derived from a time. Monday is weekday 0; day of year begins at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatePart {
    /// Hour of the day, 0 to 23.
    Hour,
    /// Day of the month, 1 to 31.
    Day,
    /// Day of the week, Monday = 0.
    Weekday,
    /// Month, 1 to 12.
    Month,
    /// Day of the year, 1 to 366.
    DayOfYear,
}

impl DatePart {
    /// All parts with their names in specs.
    pub const ALL: [(DatePart, &'static str); 5] = [
        (DatePart::Hour, "hour"),
        (DatePart::Day, "day"),
        (DatePart::Weekday, "weekday"),
        (DatePart::Month, "month"),
        (DatePart::DayOfYear, "day_of_year"),
    ];

    /// The name in specs.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(part, _)| *part == self).map_or("", |(_, name)| name)
    }

    /// This part of the moment `ms`, in UTC.
    pub fn of(self, ms: i64) -> f64 {
        let days = ms.div_euclid(DAY_MS);
        let part = match self {
            DatePart::Hour => ms.rem_euclid(DAY_MS) / 3_600_000,
            // 1970-01-01 was a Thursday.
            DatePart::Weekday => (days + 3).rem_euclid(7),
            DatePart::Day => civil_from_days(days).2,
            DatePart::Month => civil_from_days(days).1,
            DatePart::DayOfYear => {
                let (year, ..) = civil_from_days(days);
                days - days_from_new_year(year) + 1
            }
        };
        part as f64
    }
}

/// Year, month and day of a day number since 1970-01-01 in the proleptic Gregorian calendar.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The inverse of [`civil_from_days`]; a day that the month does not have is one of the next.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Day number of 1 January of `year`.
pub(crate) fn days_from_new_year(year: i64) -> i64 {
    let before = year - 1;
    365 * (year - 1970) + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400)
        - (1969 / 4 - 1969 / 100 + 1969 / 400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_names_its_whole_span() {
        let ms = |text| parse_instant(text).unwrap();
        assert_eq!(parse_prefix("2013-01").unwrap(), (ms("2013-01-01"), ms("2013-02-01")));
        assert_eq!(parse_prefix("2013").unwrap(), (ms("2013-01-01"), ms("2014-01-01")));
        let hour = parse_prefix("2013-01-31T23").unwrap();
        assert_eq!(hour, (ms("2013-01-31T23:00:00Z"), ms("2013-02-01")));
        for bad in ["", "13", "2013-13", "2013-02-30", "soon", "2013-1", "２０13"] {
            assert!(parse_prefix(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn durations_have_units_and_are_positive() {
        assert_eq!(parse_duration_ms("90d").unwrap(), 90 * DAY_MS);
        for bad in ["", "90", "d", "0d", "-1d", "9223372036854775807w", "1é"] {
            assert!(parse_duration_ms(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn date_parts_agree_with_the_calendar_library(ms in -60_000_000_000_000i64..250_000_000_000_000) {
            let at = Timestamp::from_millisecond(ms).unwrap().to_zoned(TimeZone::UTC);
            prop_assert_eq!(DatePart::Hour.of(ms), f64::from(at.hour()));
            prop_assert_eq!(DatePart::Day.of(ms), f64::from(at.day()));
            prop_assert_eq!(DatePart::Month.of(ms), f64::from(at.month()));
            prop_assert_eq!(DatePart::DayOfYear.of(ms), f64::from(at.day_of_year()));
            prop_assert_eq!(DatePart::Weekday.of(ms), f64::from(at.weekday().to_monday_zero_offset()));
        }

        #[test]
        fn formatting_is_the_inverse_of_parsing(ms in -60_000_000_000_000i64..250_000_000_000_000) {
            prop_assert_eq!(parse_instant(&format_ms(ms)).unwrap(), ms);
            prop_assert_eq!(format_ms(ms), Timestamp::from_millisecond(ms).unwrap().to_string());
        }

        #[test]
        fn the_plain_form_means_what_the_calendar_library_reads(
            text in "[0-9]{4}-[0-2][0-9]-[0-4][0-9][T ][0-3][0-9]:[0-7][0-9]:[0-7][0-9][Zz]?"
        ) {
            let known = text.parse::<Timestamp>().ok().map(|at| at.as_millisecond());
            if let Some(ms) = plain_instant(text.as_bytes()) {
                prop_assert_eq!(Some(ms), known);
            }
            let is_plain = text.contains('T') && text.ends_with('Z') && &text[17..19] != "60";
            if is_plain && (1..=9_998).contains(&text[..4].parse().unwrap()) {
                prop_assert_eq!(plain_instant(text.as_bytes()), known);
            }
        }
    }
}
