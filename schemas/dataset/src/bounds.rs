//! What is known about rows without reading them: bounds of their values.

use schemas::time::parse_instant;
use schemas::window::Window;

/// Bounds of the values of some rows; `None` where nothing is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Bounds {
    /// One for each dimension.
    pub(crate) dimensions: Vec<Option<ValueBounds>>,
    /// Oldest and newest time in milliseconds.
    pub(crate) time: Option<(i64, i64)>,
}

/// Bounds of a dimension's values, both inclusive.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValueBounds {
    /// All rows have this value, or null.
    One(Option<String>),
    /// Texts, by their bytes.
    Texts(Vec<u8>, Vec<u8>),
    /// Integers.
    Integers(i64, i64),
    /// Days since 1970.
    Days(i64, i64),
}

const DAY_MS: i64 = 86_400_000;

impl ValueBounds {
    /// Whether a value that is written `value` may lie within.
    pub(crate) fn may_hold(&self, value: &str) -> bool {
        match self {
            ValueBounds::One(one) => one.as_deref() == Some(value),
            ValueBounds::Texts(least, most) => {
                least.as_slice() <= value.as_bytes() && value.as_bytes() <= most.as_slice()
            }
            // What is written otherwise is no value of such a column.
            ValueBounds::Integers(least, most) => {
                value.parse().is_ok_and(|value| (*least..=*most).contains(&value))
            }
            ValueBounds::Days(least, most) => {
                parse_instant(value).is_ok_and(|ms| (*least..=*most).contains(&ms.div_euclid(DAY_MS)))
            }
        }
    }
}

impl Bounds {
    /// Whether a row may lie in `window`.
    pub(crate) fn may_lie_in(&self, window: Window) -> bool {
        match self.time {
            Some((oldest, newest)) if window != Window::ALL => {
                window.from_ms.is_none_or(|from| from <= newest) && window.to_ms.is_none_or(|to| oldest < to)
            }
            _ => true,
        }
    }
}
