//! How busy this process is: as its threads see it, and by the time of cores that it takes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::settings::cores;

/// The time over which busyness is smoothed: a burst of a second is no reason for another predictor.
const SMOOTHED_OVER: Duration = Duration::from_secs(10);

/// Between two looks; who asks more often gets the last answer.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Ticks in a second of `/proc/self/stat`, the same on every Linux.
const TICKS: f64 = 100.0;

/// How busy the threads of some runtimes are, and the process.
///
/// A thread is full when it never waits for something to happen, though other cores may be idle; a process is full when it
/// takes all the time of cores that its container grants, though each thread seems to wait: it is stopped meanwhile.
#[derive(Debug)]
pub struct Busyness {
    runtimes: Vec<Handle>,
    cores: f64,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    at: Instant,
    /// Of each runtime, the time that its threads have been busy since they started.
    busy: Vec<Duration>,
    /// Seconds of cores that the process has taken.
    taken: f64,
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
        let seen = Seen { at: Instant::now(), busy, taken: taken_seconds(), share: 0.0 };
        let cores = granted().unwrap_or_else(|| f64::from(cores()));
        Busyness { runtimes: different, cores, seen: Mutex::new(seen) }
    }

    /// The share of the last ten seconds or so, from 0 to 1, that was used of what is full first: the threads of a runtime, or
    /// the time of cores.
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
            let taken = taken_seconds();
            let of_cores = (taken - seen.taken) / (elapsed.as_secs_f64() * self.cores);
            let share = smoothed(seen.share, shares.fold(of_cores, f64::max).clamp(0.0, 1.0), elapsed);
            *seen = Seen { at: now, busy, taken, share };
        }
        seen.share
    }
}

fn busy_time(runtime: &Handle) -> Duration {
    let metrics = runtime.metrics();
    (0..metrics.num_workers()).map(|thread| metrics.worker_total_busy_duration(thread)).sum()
}

/// Seconds of cores that this process has taken; 0 where nobody says.
fn taken_seconds() -> f64 {
    std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| taken(&stat)).unwrap_or_default()
}

/// The 14th and 15th field of `/proc/self/stat`, in seconds. The second, a name, may have any characters but ends with the
/// last bracket.
fn taken(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<f64>().ok()?, fields.next()?.parse::<f64>().ok()?);
    Some((user + system) / TICKS)
}

/// Cores that the container grants, by version 2 or 1 of control groups; `None` where it limits nothing. In a container its own
/// group is the root.
fn granted() -> Option<f64> {
    let read = |file: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok();
    let older =
        || Some(format!("{} {}", read("cpu/cpu.cfs_quota_us")?.trim(), read("cpu/cpu.cfs_period_us")?));
    quota(&read("cpu.max").or_else(older)?)
}

/// Of microseconds that may be used in a period, and those of the period, the cores: `20000 100000` is a fifth of one. `max` and
/// -1 are no limit.
fn quota(text: &str) -> Option<f64> {
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let (Some(Ok(used)), Some(Ok(period))) = (numbers.next(), numbers.next()) else { return None };
    (used > 0.0 && period > 0.0).then_some(used / period)
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
    fn the_time_of_cores_and_their_limit_are_read() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 90 0 0 0 150 25 0 0 20 0 1 0 8 0 0";
        assert_eq!((taken(stat), taken("nothing")), (Some(1.75), None));
        assert_eq!(
            [quota("20000 100000\n"), quota("max 100000\n"), quota("-1 100000"), quota("")],
            [Some(0.2), None, None, None]
        );
    }

    #[test]
    fn a_runtime_named_twice_counts_once_and_an_idle_one_is_not_busy() {
        let idle = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let busyness = Busyness::of([idle.handle().clone(), idle.handle().clone()]);
        assert_eq!(busyness.runtimes.len(), 1);
        assert!(busyness.share() < 0.5);
    }
}
