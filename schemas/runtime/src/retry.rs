//! Waiting times between tries: exponential, jittered, bounded.

use std::time::Duration;

/// Successive waits: doubling from the first to the longest, each shortened at random by up to a half,
/// so that many clients of a returning server do not all come at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    next_ms: u64,
    longest_ms: u64,
    seed: u64,
}

impl Backoff {
    /// Waits that begin at `first_ms` and never exceed `longest_ms`; `seed` decides the jitter.
    pub fn new(first_ms: u64, longest_ms: u64, seed: u64) -> Backoff {
        Backoff { next_ms: first_ms.clamp(1, longest_ms.max(1)), longest_ms: longest_ms.max(1), seed }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let full = self.next_ms;
        self.next_ms = full.saturating_mul(2).min(self.longest_ms);
        // Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014): SplitMix64.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis(full - (mixed ^ (mixed >> 31)) % (full / 2 + 1))
    }
}

/// The wait before a pack's next delivery, after `deliveries` of them: 0.5 s, 1 s, 2 s … 30 s.
pub fn redelivery_wait(deliveries: i64, seed: u64) -> Duration {
    let mut backoff = Backoff::new(500, 30_000, seed);
    let doublings = deliveries.clamp(1, 10);
    (0..doublings).fold(Duration::ZERO, |_, _| backoff.next_wait())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_within_bounds() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(10, 1_000, seed);
            let mut full = 10u128;
            for _ in 0..12 {
                let wait = backoff.next_wait().as_millis();
                assert!(wait >= full / 2 && wait <= full, "{wait} of {full}");
                full = (full * 2).min(1_000);
            }
            assert!(redelivery_wait(i64::MAX, seed) <= Duration::from_secs(30));
        }
    }
}
