//! A half-open span of time.

use serde::{Deserialize, Serialize};

use crate::time::format_ms;

/// The rows with `from_ms <= time < to_ms`; a missing end is open. The default is all time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window {
    /// First moment inside, milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// First moment after, milliseconds since 1970.
    pub to_ms: Option<i64>,
}

impl Window {
    /// All time.
    pub const ALL: Window = Window { from_ms: None, to_ms: None };

    /// Whether the moment `ms` lies inside.
    pub fn contains(&self, ms: i64) -> bool {
        self.from_ms.is_none_or(|from| from <= ms) && self.to_ms.is_none_or(|to| ms < to)
    }

    /// Whether no moment lies inside.
    pub fn is_empty(&self) -> bool {
        matches!((self.from_ms, self.to_ms), (Some(from), Some(to)) if to <= from)
    }

    /// The newest end sorts last: an open end is newer than any other.
    pub fn recency(&self) -> (i64, i64) {
        (self.to_ms.unwrap_or(i64::MAX), self.from_ms.unwrap_or(i64::MIN))
    }
}

impl std::fmt::Display for Window {
    /// `2013-01-01T00:00:00Z..2013-07-01T00:00:00Z`, an open end being empty; all time is the empty text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Window::ALL {
            return Ok(());
        }
        let end = |ms: Option<i64>| ms.map(format_ms).unwrap_or_default();
        write!(f, "{}..{}", end(self.from_ms), end(self.to_ms))
    }
}
