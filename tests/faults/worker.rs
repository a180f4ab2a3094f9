//! `worker`, with faults: the same program with a hook that kills it at chosen steps, and poisons learners of chosen scopes.
//!
//! | variable | meaning |
//! |---|---|
//! | `FAULT_KILL` | steps at which to kill this process, separated by commas: `AfterBlob,AfterLand` |
//! | `FAULT_SHARE` | how often, of all times a step is reached: 0 to 1 (default 1) |
//! | `FAULT_SEED` | decides which of them |
//! | `FAULT_FILE` | each kill appends its step to this file first; with `FAULT_MAX` lines in it, no more kills |
//! | `FAULT_STOP` | steps at which to stop this process as SIGSTOP does, until somebody continues it |
//! | `FAULT_TRACE` | each step that is reached appends its name to this file |
//! | `FAULT_SLOW_MS` | milliseconds that the learner of each scope sleeps first |
//! | `FAULT_CLOCK_MS` | how far this process's clock is ahead |
//! | `FAULT_POISON` | what befalls the learner of a scope: `panic:kind=a;loop:kind=b;stack:…;memory:…;signal:…;exit:…` |

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use rustix::process::{Signal, getpid, kill_process};
use schemas::pack::PackScope;
use worker::faults::{Hook, Step, install};

#[global_allocator]
static ALLOCATOR: runtime::allocator::Mimalloc = runtime::allocator::Mimalloc;

fn main() -> ExitCode {
    install(Box::new(Faults::of_environment()));
    let ahead = std::env::var("FAULT_CLOCK_MS").ok().and_then(|ms| ms.parse().ok());
    runtime::clock::shift(ahead.unwrap_or_default());
    match worker::run(worker::args::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Default)]
struct Faults {
    kill_at: Vec<String>,
    stop_at: Vec<String>,
    trace: Option<String>,
    slow_ms: u64,
    share: f64,
    random: AtomicU64,
    file: Option<String>,
    kills_max: usize,
    poison: Vec<(String, String)>,
}

impl Faults {
    fn of_environment() -> Faults {
        let text = |name: &str| std::env::var(name).unwrap_or_default();
        let number = |name: &str, default: f64| text(name).parse().unwrap_or(default);
        let pair = |text: &str| text.split_once(':').map(|(what, scope)| (what.to_owned(), scope.to_owned()));
        let steps = |name: &str| {
            text(name).split(',').filter(|step| !step.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        Faults {
            kill_at: steps("FAULT_KILL"),
            stop_at: steps("FAULT_STOP"),
            trace: std::env::var("FAULT_TRACE").ok(),
            slow_ms: number("FAULT_SLOW_MS", 0.0) as u64,
            share: number("FAULT_SHARE", 1.0),
            random: AtomicU64::new(number("FAULT_SEED", 1.0) as u64 ^ (u64::from(std::process::id()) << 20)),
            file: std::env::var("FAULT_FILE").ok(),
            kills_max: number("FAULT_MAX", f64::MAX) as usize,
            poison: text("FAULT_POISON").split(';').filter_map(pair).collect(),
        }
    }

    /// Steele, Lea and Flood's SplitMix64, as a number from 0 to 1.
    fn random(&self) -> f64 {
        let state = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }

    /// Notes a kill; false when there have been enough.
    fn note(&self, step: &str) -> bool {
        let Some(file) = &self.file else { return true };
        let so_far = std::fs::read_to_string(file).unwrap_or_default().lines().count();
        so_far < self.kills_max && append(file, step)
    }
}

impl Hook for Faults {
    fn at(&self, step: Step) {
        let step = format!("{step:?}");
        if let Some(file) = &self.trace {
            append(file, &step);
        }
        if self.stop_at.contains(&step) && self.random() < self.share && self.note(&step) {
            kill_process(getpid(), Signal::STOP).expect("a process may stop itself");
        }
        if self.kill_at.contains(&step) && self.random() < self.share && self.note(&step) {
            end(Signal::KILL);
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a learner is a process of one thread, and is to take its time"
    )]
    fn learn(&self, scope: &PackScope) {
        std::thread::sleep(Duration::from_millis(self.slow_ms));
        for (what, _) in self.poison.iter().filter(|(_, poisoned)| poisoned == scope.scope.as_str()) {
            match what.as_str() {
                "panic" => panic!("poisoned {}", scope.scope),
                "loop" => endless(),
                "stack" => drop(deep(1)),
                "memory" => drop(std::hint::black_box(vec![1u8; 20 << 30])),
                "signal" => end(Signal::ILL),
                "exit" => std::process::exit(3),
                other => panic!("FAULT_POISON {other}"),
            }
        }
    }
}

/// Appends a line in one write, so that several processes may share the file; says whether it could.
fn append(file: &str, line: &str) -> bool {
    let opened = std::fs::File::options().create(true).append(true).open(file);
    opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())).is_ok()
}

fn end(signal: Signal) {
    kill_process(getpid(), signal).expect("a process may kill itself");
    endless()
}

fn endless() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Uses up the stack, in a way that no optimiser turns into a loop.
fn deep(depth: u64) -> [u64; 512] {
    let mut frame = std::hint::black_box([depth; 512]);
    if depth > 0 {
        frame[(depth % 512) as usize] ^= deep(depth + 1)[0];
    }
    std::hint::black_box(frame)
}
