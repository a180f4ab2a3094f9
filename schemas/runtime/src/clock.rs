//! The time of day.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static AHEAD_MS: AtomicI64 = AtomicI64::new(0);

/// Milliseconds since 1970-01-01 UTC; 0 on a machine whose clock stands before that.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_add(AHEAD_MS.load(Ordering::Relaxed))
}

/// Puts this process's clock forward, as on a machine whose clock is wrong. Only programs of the tests do.
pub fn shift(ahead_ms: i64) {
    AHEAD_MS.store(ahead_ms, Ordering::Relaxed);
}
