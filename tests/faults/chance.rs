//! Random choices that one seed decides.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Steele, Lea and Flood's SplitMix64, shared by the tasks of a scenario.
#[derive(Debug)]
pub(crate) struct Chance(AtomicU64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A time from `from_ms` to `to_ms`.
    pub(crate) fn time(&self, from_ms: usize, to_ms: usize) -> Duration {
        Duration::from_millis((from_ms + self.below(to_ms.saturating_sub(from_ms) + 1)) as u64)
    }

    /// Waits for such a time.
    pub(crate) async fn wait(&self, from_ms: usize, to_ms: usize) {
        tokio::time::sleep(self.time(from_ms, to_ms)).await;
    }

    /// Brings `items` into random order.
    pub(crate) fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
