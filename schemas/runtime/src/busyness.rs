//! How busy this process is, as its threads see it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// The time over which busyness is smoothed: a burst of a second is no reason for another predictor.
const SMOOTHED_OVER: Duration = Duration::from_secs(10);

/// Between two looks; who asks more often gets the last answer.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The share of time that the threads of some runtimes are busy.
///
/// A thread is busy while it does not wait for something to happen. That includes time in which it would run and the
/// machine, or its container's limit, does not let it: then, too, there is more to do than it can.
#[derive(Debug)]
pub struct Busyness {
    runtimes: Vec<Handle>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    at: Instant,
    /// Of each runtime, the time that its threads have been busy since they started.
    busy: Vec<Duration>,
    share: f64,
}

impl Busyness {
    /// Looks at these runtimes from now on; one that is named twice counts once.
    pub fn of(runtimes: impl IntoIterator<Item = Handle>) -> Busyness {
        let mut different: Vec<Handle> = Vec::new();
        for runtime in runtimes {
            if different.iter().all(|known| known.id() != runtime.id()) {
                different.push(runtime);
            }
        }
        let busy = different.iter().map(busy_time).collect();
        Busyness { runtimes: different, seen: Mutex::new(Seen { at: Instant::now(), busy, share: 0.0 }) }
    }

    /// The share of the last ten seconds or so, from 0 to 1, in which the busiest runtime's threads were busy: it is the one
    /// that is full first.
    pub fn share(&self) -> f64 {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, elapsed) = (Instant::now(), seen.at.elapsed());
        if elapsed >= LOOK_AGAIN {
            let busy: Vec<Duration> = self.runtimes.iter().map(busy_time).collect();
            let shares =
                self.runtimes.iter().zip(busy.iter().zip(&seen.busy)).map(|(runtime, (now, before))| {
                    let threads = runtime.metrics().num_workers().max(1) as f64;
                    now.saturating_sub(*before).as_secs_f64() / (elapsed.as_secs_f64() * threads)
                });
            let share = smoothed(seen.share, shares.fold(0.0, f64::max).min(1.0), elapsed);
            *seen = Seen { at: now, busy, share };
        }
        seen.share
    }
}

fn busy_time(runtime: &Handle) -> Duration {
    let metrics = runtime.metrics();
    (0..metrics.num_workers()).map(|thread| metrics.worker_total_busy_duration(thread)).sum()
}

/// The exponential moving average after `elapsed` at `now`.
fn smoothed(before: f64, now: f64, elapsed: Duration) -> f64 {
    let kept = (-elapsed.as_secs_f64() / SMOOTHED_OVER.as_secs_f64()).exp();
    kept * before + (1.0 - kept) * now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_forgets_at_the_same_pace_however_often_it_is_asked() {
        let once = smoothed(0.9, 0.2, Duration::from_secs(4));
        let often = (0..8).fold(0.9, |share, _| smoothed(share, 0.2, Duration::from_millis(500)));
        assert!((once - often).abs() < 1e-12, "{once} {often}");
        assert!(smoothed(0.0, 1.0, SMOOTHED_OVER) > 0.6 && smoothed(1.0, 0.0, SMOOTHED_OVER) < 0.4);
    }

    #[test]
    fn a_runtime_named_twice_counts_once_and_an_idle_one_is_not_busy() {
        let idle = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let busyness = Busyness::of([idle.handle().clone(), idle.handle().clone()]);
        assert_eq!(busyness.runtimes.len(), 1);
        assert!(busyness.share() < 0.5);
    }
}
