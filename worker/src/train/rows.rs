//! The rows of a scope added up in parts, one stretch of time each, and the fit of all of them. Least squares and components
//! need no more of most rows than their sums: only the newest ones, on which the fit is scored, are read again by the merge.

mod scores;

use std::ops::Range;

use dataset::joined_digest;
use learn::{Method, Moments, Scratch, places, prune, union};
use schemas::fingerprint::fingerprint;
use schemas::fit::{Fit, Input, Parameters};
use schemas::outcome::{OutcomeKind, ScopeOutcome};
use schemas::pack::PackScope;
use schemas::spec::{Candidate, ModelSpec};
use schemas::sums::Sums;
use schemas::task::Task;
use schemas::window::Window;

use super::assignment::Piece;
use super::fitting::{FitOrder, counts, fail, finish, keep, verdict};
use super::learning::{FitError, Learned, check_weights};
use super::prepared::Prepared;
use super::slices::{Slice, slice, train_rows};
use super::warm::Before;

/// Rows that one thread adds up before another takes some: the sums do not depend on the number of threads.
const STRETCH_ROWS: usize = 1 << 17;

/// What a shard leaves: the sums of its complete rows, in a fit that predicts nothing.
pub(super) fn part(order: &FitOrder, scope: &PackScope, progress: &mut dyn FnMut()) -> Piece {
    let mut outcome = ScopeOutcome::without_fit(order.spec, scope, OutcomeKind::Failed, "");
    let before = Before::new();
    let made = slice(order.spec, order.prepared, scope, &before).map_err(FitError::Shard).and_then(|slice| {
        check_weights(order.prepared, &slice.complete)?;
        let moments = add_up(order.prepared, &slice.complete, order.assignment.threads, progress);
        let mut sums = moments.to_sums(&order.prepared.inputs);
        sums.digest = slice.digest.to_le_bytes();
        Ok((only(order.spec)?, slice, sums))
    });
    match made {
        Ok((chosen, slice, sums)) => {
            outcome.outcome = OutcomeKind::Trained;
            outcome.counts = counts(&slice);
            let learned = Learned {
                parameters: Some(Parameters::Linear { intercept: 0.0, coefficients: Vec::new() }),
                sums: Some(sums),
                ..Learned::new(chosen, slice.complete.len())
            };
            let fit = finish(order.spec, &slice, learned, &mut outcome);
            (outcome, fit)
        }
        Err(error) => {
            fail(&mut outcome, &error.to_string());
            (outcome, None)
        }
    }
}

/// The sums of some rows, on so many threads.
fn add_up(prepared: &Prepared, rows: &[u32], threads: u32, progress: &mut dyn FnMut()) -> Moments {
    let mut total = Moments::empty(prepared.design.width());
    for wave in rows.chunks(STRETCH_ROWS * threads.max(1) as usize) {
        let sum = |rows| Moments::over(&prepared.design, prepared.learned(), rows, &mut Scratch::default());
        let sums: Vec<Moments> = std::thread::scope(|scope| {
            let own: Vec<_> = wave.chunks(STRETCH_ROWS).map(|rows| scope.spawn(move || sum(rows))).collect();
            // A panic goes on in the thread that asked.
            own.into_iter()
                .map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        sums.iter().for_each(|sum| total.merge(sum));
        progress();
    }
    total
}

/// The one candidate of the spec.
fn only(spec: &ModelSpec) -> Result<Candidate, FitError> {
    spec.learn.candidates().ok().and_then(|all| all.into_iter().next()).ok_or(FitError::NoCandidate)
}

/// The window that a merge has to read of a scope: from the shard on in which its hold-out begins. `None` where a piece has no
/// sums.
pub(super) fn tail(spec: &ModelSpec, whole: Window, pieces: &[Piece]) -> Option<Window> {
    let counts: Vec<u64> =
        pieces.iter().map(|(_, fit)| Some(fit.as_ref()?.sums.as_ref()?.count)).collect::<Option<_>>()?;
    let total = counts.iter().sum::<u64>();
    let train = train_rows(usize::try_from(total).ok()?, spec.learn.holdout) as u64;
    let mut before = 0;
    let first = counts.iter().position(|count| {
        before += count;
        before > train
    });
    // Without a hold-out nothing is read again but the last stretch, which then is whole in the sums.
    let (outcome, _) = &pieces[first.unwrap_or(pieces.len().checked_sub(1)?)];
    Some(Window { from_ms: outcome.window.from_ms, to_ms: whole.to_ms })
}

/// The fit of a scope out of the sums of its stretches; the order's data is the scope's tail.
pub(super) fn merge(
    order: &FitOrder,
    scope: &PackScope,
    (pieces, whole): (&[Piece], Window),
    progress: &mut dyn FnMut(),
) -> Piece {
    let whole = PackScope { window: whole, ..scope.clone() };
    let mut outcome = ScopeOutcome::without_fit(order.spec, &whole, OutcomeKind::Failed, "");
    match merged(order, (scope, &whole), pieces, &mut outcome, progress) {
        Ok(fit) => (outcome, fit),
        Err(error) => {
            fail(&mut outcome, &error.to_string());
            (outcome, None)
        }
    }
}

fn merged(
    order: &FitOrder,
    (tail, whole): (&PackScope, &PackScope),
    pieces: &[Piece],
    outcome: &mut ScopeOutcome,
    progress: &mut dyn FnMut(),
) -> Result<Option<Fit>, FitError> {
    let FitOrder { spec, prepared, assignment, .. } = *order;
    let before = Before::new();
    let newest = slice(spec, prepared, tail, &before).map_err(FitError::Shard)?;
    let sums: Vec<&Sums> = pieces.iter().filter_map(|(_, fit)| fit.as_ref()?.sums.as_ref()).collect();
    let is_earlier = |(piece, _): &&Piece| {
        piece.window.to_ms.zip(tail.window.from_ms).is_some_and(|(to, from)| to <= from)
    };
    let earlier = pieces.iter().take_while(is_earlier).count();
    check_tail(&newest, &pieces[earlier..], &sums[earlier..])?;
    let (digest, rows) = joined(pieces, &sums);
    let complete: u64 = sums.iter().map(|sums| sums.count).sum();
    let older = complete - newest.complete.len() as u64;
    let train = train_rows(complete as usize, spec.learn.holdout);
    let all = Slice {
        scope: whole,
        train,
        rows: rows as usize,
        fingerprint: fingerprint(spec, &whole.scope, whole.window, digest),
        ..newest
    };
    outcome.counts = counts(&all);
    (outcome.counts.complete_rows, outcome.counts.train_rows) = (complete, train as u64);
    outcome.counts.holdout_rows = complete - train as u64;
    outcome.outcome = verdict(spec, (&all, complete), assignment.force);
    match outcome.outcome {
        OutcomeKind::Trained => {}
        OutcomeKind::Unchanged => {
            keep(outcome, whole);
            return Ok(None);
        }
        _ => return Ok(None),
    }
    let stretches = Stretches { prepared, sums: &sums, earlier, tail: &all.complete, older: older as usize };
    let learned = stretches.learn(order, train, progress)?;
    Ok(finish(spec, &all, learned, outcome))
}

/// The digest and the number of the rows of some stretches, one after the other.
fn joined(pieces: &[Piece], sums: &[&Sums]) -> (u128, u64) {
    pieces.iter().zip(sums).fold((0, 0), |(digest, rows), ((piece, _), sums)| {
        let later = (u128::from_le_bytes(sums.digest), piece.counts.rows);
        (joined_digest(digest, later), rows + piece.counts.rows)
    })
}

/// # Errors
/// [`FitError::Moved`] where the tail is not what the shards read of it.
fn check_tail(tail: &Slice, pieces: &[Piece], sums: &[&Sums]) -> Result<(), FitError> {
    let count: u64 = sums.iter().map(|sums| sums.count).sum();
    let is_same = sums.len() == pieces.len()
        && count == tail.complete.len() as u64
        && joined(pieces, sums) == (tail.digest, tail.rows as u64);
    if is_same { Ok(()) } else { Err(FitError::Moved) }
}

/// The stretches of a scope: sums of all, rows of the newest.
struct Stretches<'a> {
    prepared: &'a Prepared,
    sums: &'a [&'a Sums],
    /// How many of them lie before the tail.
    earlier: usize,
    /// The complete rows of the tail.
    tail: &'a [u32],
    /// Complete rows before it.
    older: usize,
}

impl Stretches<'_> {
    fn learn(&self, order: &FitOrder, train: usize, progress: &mut dyn FnMut()) -> Result<Learned, FitError> {
        let chosen = only(order.spec)?;
        let task = order.spec.task().unwrap_or(Task::Regression);
        let method = Method::from_spec(task, chosen.algorithm, &chosen.params);
        let parts: Vec<&[Input]> = self.sums.iter().map(|sums| sums.inputs.as_slice()).collect();
        let inputs = union(&parts).ok_or(FitError::Moved)?;
        let own = places(&self.prepared.inputs, &inputs).ok_or(FitError::Moved)?;
        let width = inputs.iter().map(Input::width).sum();
        let (training, held_out) = self.tail.split_at((train - self.older.min(train)).min(self.tail.len()));
        let mut moments = self.total(&inputs, 0..self.earlier)?;
        moments
            .merge(&add_up(self.prepared, training, order.assignment.threads, progress).widened(&own, width));
        let solve =
            |moments: &Moments| method.solve(moments).ok_or(FitError::NoCandidate)?.map_err(FitError::from);
        let mut parameters = solve(&moments)?;
        progress();
        let metrics = self.score(&parameters, (&own, width), held_out, progress)?;
        if order.spec.learn.refit {
            moments = self.total(&inputs, 0..self.sums.len())?;
            parameters = solve(&moments)?;
        }
        let (inputs, parameters) = prune(&inputs, parameters, |column| moments.occurs(column));
        Ok(Learned { inputs, parameters: Some(parameters), metrics, ..Learned::new(chosen, train) })
    }

    /// The sums of some stretches, in a design of these inputs.
    fn total(&self, inputs: &[Input], stretches: Range<usize>) -> Result<Moments, FitError> {
        let width = inputs.iter().map(Input::width).sum();
        let mut total = Moments::empty(width);
        for sums in &self.sums[stretches] {
            let places = places(&sums.inputs, inputs).ok_or(FitError::Moved)?;
            let moments = Moments::from_sums(sums).ok_or(FitError::Moved)?;
            total.merge(&moments.widened(&places, width));
        }
        Ok(total)
    }
}
