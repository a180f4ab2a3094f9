//! How many workers there should be: advice from what the queue and the workers say, without guesses.
//!
//! Trainers: the work that is left shall end within a target time.
//!
//! ```text
//! packs    = packs in flight + packs that wait (none of these while the queue is held)
//! work     = packs · mean seconds of one core that a pack takes
//! trainers = min(⌈work / (target_s · cores of a trainer)⌉, ⌈packs / cores of a trainer⌉)
//! ```
//!
//! At least one while a pack or a campaign is open, since trainers also bring campaigns to their end; none otherwise.
//! A trainer has as many cores as the living ones announce in the mean, and one where none lives.
//!
//! Predictors: each shall be busy for [`BUSY_TARGET`] of the time.
//!
//! ```text
//! predictors = ⌈sum of the shares of time that predictors were busy / BUSY_TARGET⌉
//! ```
//!
//! This takes predictors to be of one size. Whoever follows the advice decides how fast: it has no memory, and may be smaller
//! the next second.

use serde::{Deserialize, Serialize};

/// The share of time that a predictor should be busy. At 0.6 a request takes 2.5 times its own time in the mean, where
/// requests come at random (M/M/1); at 0.9 ten times.
pub const BUSY_TARGET: f64 = 0.6;

/// What advice depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Situation {
    /// Packs that wait and may be taken.
    pub pending: u64,
    /// Packs with trainers.
    pub in_flight: u64,
    /// What a pack takes in the mean, in seconds of one core.
    pub pack_seconds: f64,
    /// Campaigns that have not ended.
    pub campaigns: u64,
    /// Living trainers.
    pub trainers: u64,
    /// Packs that these can work on at once, one a core.
    pub trainer_slots: u64,
    /// The shares of time that predictors were busy, added up.
    pub predictors_busy: f64,
}

/// What is wished for. Unknown keys are refused, and missing ones are those of [`Wish::default`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wish {
    /// Seconds within which the work that is left shall end.
    pub target_s: f64,
    /// Fewest trainers.
    pub min_trainers: u64,
    /// Most trainers.
    pub max_trainers: u64,
    /// Fewest predictors.
    pub min_predictors: u64,
    /// Most predictors.
    pub max_predictors: u64,
}

impl Default for Wish {
    /// All work within a minute; no trainer without work, and always a predictor.
    fn default() -> Wish {
        let most = u64::MAX;
        Wish { target_s: 60.0, min_trainers: 0, max_trainers: most, min_predictors: 1, max_predictors: most }
    }
}

/// How many workers there should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// Trainers.
    pub desired_trainers: u64,
    /// Predictors.
    pub desired_predictors: u64,
}

/// Why a wish makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WishError {
    /// The time is none.
    #[error("a target time of {target_s} s cannot be met; give seconds above 0")]
    Target {
        /// What was given, in seconds.
        target_s: f64,
    },
    /// The bounds exclude every number.
    #[error(
        "at least {min} and at most {max} {what} is no number of {what}; give a minimum that is not above the maximum"
    )]
    Bounds {
        /// Which workers.
        what: &'static str,
        /// Fewest.
        min: u64,
        /// Most.
        max: u64,
    },
}

impl Wish {
    /// The wish, if it makes sense.
    ///
    /// # Errors
    /// [`WishError`] for a time that is not above 0, and for bounds that exclude every number.
    pub fn checked(self) -> Result<Wish, WishError> {
        if !(self.target_s.is_finite() && self.target_s > 0.0) {
            return Err(WishError::Target { target_s: self.target_s });
        }
        let bounds = [
            ("trainers", self.min_trainers, self.max_trainers),
            ("predictors", self.min_predictors, self.max_predictors),
        ];
        match bounds.into_iter().find(|(_, min, max)| min > max) {
            Some((what, min, max)) => Err(WishError::Bounds { what, min, max }),
            None => Ok(self),
        }
    }
}

/// How many workers there should be, see the formulas of this module; `wish` has to be [`Wish::checked`].
pub fn advise(now: &Situation, wish: &Wish) -> Advice {
    let within = |count: u64, min: u64, max: u64| count.max(min).min(max);
    Advice {
        desired_trainers: within(trainers(now, wish.target_s), wish.min_trainers, wish.max_trainers),
        desired_predictors: within(
            ceil(now.predictors_busy / BUSY_TARGET),
            wish.min_predictors,
            wish.max_predictors,
        ),
    }
}

fn trainers(now: &Situation, target_s: f64) -> u64 {
    let packs = now.pending.saturating_add(now.in_flight);
    if packs == 0 {
        return now.campaigns.min(1);
    }
    let slots = match now.trainers {
        0 => 1.0,
        alive => (now.trainer_slots as f64 / alive as f64).max(1.0),
    };
    let by_work = ceil(packs as f64 * now.pack_seconds / (target_s * slots));
    by_work.min(ceil(packs as f64 / slots)).max(1)
}

/// The next whole number; 0 for what is no number.
fn ceil(value: f64) -> u64 {
    value.ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn situations() -> impl Strategy<Value = Situation> {
        let packs = || prop_oneof![Just(0u64), 0u64..20, 0u64..100_000];
        let workers = (0u64..40, 1u64..64);
        (packs(), packs(), 0.0..500.0f64, 0u64..3, workers, 0.0..40.0f64).prop_map(
            |(pending, in_flight, pack_seconds, campaigns, (trainers, slots), predictors_busy)| Situation {
                pending,
                in_flight,
                pack_seconds,
                campaigns,
                trainers,
                trainer_slots: trainers * slots,
                predictors_busy,
            },
        )
    }

    fn unbounded(target_s: f64) -> Wish {
        Wish { target_s, min_predictors: 0, ..Wish::default() }
    }

    proptest! {
        #[test]
        fn advice_stays_within_its_bounds(now in situations(), low in 0u64..9, more in 0u64..9, target_s in 0.1..1e4f64) {
            let wish = Wish { target_s, min_trainers: low, max_trainers: low + more, min_predictors: more, max_predictors: more + low };
            let advice = advise(&now, &wish.checked().unwrap());
            prop_assert!((low..=low + more).contains(&advice.desired_trainers));
            prop_assert!((more..=more + low).contains(&advice.desired_predictors));
        }

        /// As many as the target needs or as there is something to do for, and not one more.
        #[test]
        fn trainers_are_enough_and_no_more(now in situations(), target_s in 0.1..1e4f64) {
            let desired = advise(&now, &unbounded(target_s)).desired_trainers as f64;
            let (packs, slots) = ((now.pending + now.in_flight) as f64, now.trainer_slots.checked_div(now.trainers).unwrap_or(1) as f64);
            let work = packs * now.pack_seconds;
            let is_enough = |trainers: f64| {
                let all_busy = trainers * slots >= packs;
                all_busy || trainers * slots * target_s >= work * (1.0 - 1e-9)
            };
            prop_assert!(is_enough(desired), "{desired} are too few");
            prop_assert!(desired <= 1.0 || !is_enough(desired - 1.0), "{desired} are too many");
        }

        #[test]
        fn nothing_to_do_needs_no_trainer_and_anything_at_all_needs_one(now in situations(), target_s in 0.1..1e4f64) {
            let desired = advise(&now, &unbounded(target_s)).desired_trainers;
            prop_assert_eq!(desired == 0, now.pending + now.in_flight + now.campaigns == 0);
        }

        #[test]
        fn more_work_or_less_time_never_asks_for_fewer(now in situations(), packs in 0u64..1_000, seconds in 0.0..9.0f64, target_s in 0.1..1e4f64, haste in 1.0..10.0f64) {
            let more = Situation { pending: now.pending + packs, pack_seconds: now.pack_seconds + seconds, ..now };
            let before = advise(&now, &unbounded(target_s)).desired_trainers;
            prop_assert!(advise(&more, &unbounded(target_s)).desired_trainers >= before);
            prop_assert!(advise(&now, &unbounded(target_s / haste)).desired_trainers >= before);
        }

        /// So many predictors of the same load are busy for no more than the target, and one fewer would be.
        #[test]
        fn predictors_come_to_their_target(now in situations()) {
            let desired = advise(&now, &unbounded(1.0)).desired_predictors as f64;
            prop_assert!(now.predictors_busy <= desired * BUSY_TARGET + 1e-9);
            prop_assert!(desired == 0.0 || now.predictors_busy > (desired - 1.0) * BUSY_TARGET - 1e-9);
        }
    }

    #[test]
    fn wishes_without_sense_are_refused() {
        for target_s in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let refused = Wish { target_s, ..Wish::default() }.checked();
            assert!(matches!(refused, Err(WishError::Target { .. })), "{target_s}");
        }
        let crossed = Wish { min_predictors: 3, max_predictors: 2, ..Wish::default() };
        assert_eq!(crossed.checked(), Err(WishError::Bounds { what: "predictors", min: 3, max: 2 }));
    }
}
