//! A learner: a copy of its host that fits scopes, and may crash.

use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use schemas::blob::FitBody;
use schemas::fit::Fit;
use schemas::outcome::{OutcomeKind, ScopeOutcome};
use schemas::pack::PackScope;
use schemas::spec::ModelSpec;

use super::super::fitting::{FitOrder, fit_scopes};
use super::super::prepared::Prepared;
use super::sys;
use super::wire::{self, FromHost, LearnOrder};

/// Least time between two signs of life.
const ALIVE_EVERY: Duration = Duration::from_millis(500);

/// Bytes of fits in one message, about.
const ANSWER_BYTES: usize = 1 << 20;

type Result1 = (ScopeOutcome, Option<Fit>);

/// Learns what comes over `socket` until it ends.
pub(super) fn run(
    spec: &ModelSpec,
    prepared: &Prepared,
    slot: u32,
    mut socket: UnixStream,
) -> io::Result<()> {
    while let Some(order) = wire::read::<LearnOrder>(&mut socket)? {
        let (said, worked) = (Instant::now(), sys::core_seconds());
        let mut learner = Learner { spec, prepared, slot, socket: &mut socket, said, worked };
        learner.learn(&order)?;
    }
    Ok(())
}

struct Learner<'a> {
    spec: &'a ModelSpec,
    prepared: &'a Prepared,
    slot: u32,
    socket: &'a mut UnixStream,
    said: Instant,
    /// Core time of this process when it last answered, in seconds.
    worked: f64,
}

impl Learner<'_> {
    fn learn(&mut self, order: &LearnOrder) -> io::Result<()> {
        if !order.singly
            && let Ok(results) = self.fit(order, &order.scopes)
        {
            return self.answer(results);
        }
        // A panic is one scope's doing: alone, it harms no other.
        for scope in &order.scopes {
            let one = std::slice::from_ref(scope);
            let results = match self.fit(order, one) {
                Ok(results) => results,
                Err(problem) => {
                    let reason = format!("the learner panicked: {problem}");
                    vec![(ScopeOutcome::without_fit(self.spec, scope, OutcomeKind::Failed, &reason), None)]
                }
            };
            self.answer(results)?;
        }
        Ok(())
    }

    /// Fits `scopes` together; a panic is an error.
    fn fit(&mut self, order: &LearnOrder, scopes: &[PackScope]) -> Result<Vec<Result1>, String> {
        let (spec, prepared) = (self.spec, self.prepared);
        let fitting = || {
            let order = FitOrder { spec, scopes, assignment: &order.assignment, prepared };
            fit_scopes(&order, &mut || self.alive())
        };
        // What a panic leaves behind is dropped; `prepared` is only read, and its caches are whole at any moment.
        catch_unwind(AssertUnwindSafe(fitting)).map_err(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            text.or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "without a word".into())
        })
    }

    /// Says now and then that there is progress.
    fn alive(&mut self) {
        if self.said.elapsed() > ALIVE_EVERY {
            self.said = Instant::now();
            // A trainer that is gone shows when the answer is written.
            let _ = wire::write(self.socket, &FromHost::Alive { slot: self.slot });
        }
    }

    /// Tells results, in the form in which fits will rest: nobody on the way needs another. They go in messages of a size that
    /// everybody's memory has at hand.
    fn answer(&mut self, results: Vec<Result1>) -> io::Result<()> {
        self.said = Instant::now();
        let before = std::mem::replace(&mut self.worked, sys::core_seconds());
        let mut seconds = self.worked - before;
        let (mut some, mut size_bytes) = (Vec::new(), 0);
        for (outcome, fit) in results {
            let body = fit.map(|fit| FitBody::of(&fit)).transpose().map_err(io::Error::other)?;
            size_bytes += body.as_ref().map_or(0, FitBody::size_bytes);
            some.push((outcome, body));
            if size_bytes >= ANSWER_BYTES {
                self.tell(std::mem::take(&mut some), std::mem::take(&mut seconds))?;
                size_bytes = 0;
            }
        }
        if some.is_empty() { Ok(()) } else { self.tell(some, seconds) }
    }

    fn tell(&mut self, results: Vec<(ScopeOutcome, Option<FitBody>)>, seconds: f64) -> io::Result<()> {
        wire::write(self.socket, &FromHost::Learned { slot: self.slot, results, seconds })
    }
}
