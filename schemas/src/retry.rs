//! Trying again: how long to wait, and when to give up. Waits are exponential, jittered, bounded.

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

    /// The next wait of whoever has tried for `elapsed` and has `patience` (`None`: endless); `None` when it is used up. The
    /// last wait ends with it, so that all of it is used.
    pub fn next_within(&mut self, elapsed: Duration, patience: Option<Duration>) -> Option<Duration> {
        let wait = self.next_wait();
        let Some(patience) = patience else { return Some(wait) };
        let left = patience.checked_sub(elapsed).filter(|left| !left.is_zero())?;
        Some(wait.min(left))
    }
}

/// What went wrong with an attempt at a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A server is away, or the source cannot be reached: it may go better later.
    Transient(String),
    /// It never will: the message is of no use.
    Permanent(String),
}

impl Trouble {
    /// What it is.
    pub fn text(&self) -> &str {
        match self {
            Trouble::Transient(text) | Trouble::Permanent(text) => text,
        }
    }
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Hand the pack back, to be delivered again after this time.
    RetryAfter(Duration),
    /// Set the pack aside; its scopes end `failed`, for this reason.
    Reject(String),
}

/// Judges the `delivery`th delivery (from 1) of a pack that may be tried `attempts` times. Waits double from half a
/// second to half a minute, with jitter by `seed`; what cannot get better is not tried again.
pub fn judge(trouble: Trouble, delivery: u32, attempts: u32, seed: u64) -> Verdict {
    match trouble {
        Trouble::Permanent(reason) => Verdict::Reject(reason),
        Trouble::Transient(reason) if delivery >= attempts => {
            Verdict::Reject(format!("gave up after {delivery} deliveries: {reason}"))
        }
        Trouble::Transient(_) => {
            let mut backoff = Backoff::new(500, 30_000, seed);
            let waits = delivery.clamp(1, 10);
            Verdict::RetryAfter((0..waits).fold(Duration::ZERO, |_, _| backoff.next_wait()))
        }
    }
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
        }
    }

    #[test]
    fn patience_is_used_to_its_end_and_no_longer() {
        let mut backoff = Backoff::new(50, 5_000, 7);
        let (patience, mut elapsed) = (Duration::from_secs(1), Duration::ZERO);
        while let Some(wait) = backoff.next_within(elapsed, Some(patience)) {
            elapsed += wait;
        }
        assert_eq!(elapsed, patience);
        assert!(backoff.next_within(elapsed, None).is_some());
        assert_eq!(Backoff::new(50, 5_000, 7).next_within(Duration::ZERO, Some(Duration::ZERO)), None);
    }

    #[test]
    fn only_what_can_get_better_is_tried_again_and_not_for_ever() {
        for delivery in 1..40 {
            let permanent = judge(Trouble::Permanent("no".into()), delivery, 10, 1);
            assert_eq!(permanent, Verdict::Reject("no".into()));
            match judge(Trouble::Transient("away".into()), delivery, 10, u64::from(delivery)) {
                Verdict::RetryAfter(wait) => assert!(delivery < 10 && wait <= Duration::from_secs(30)),
                Verdict::Reject(reason) => assert!(delivery >= 10 && reason.contains("away")),
            }
        }
    }
}
