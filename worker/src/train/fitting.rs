//! From scopes and prepared data to outcomes and fits. Pure: no clock, no I/O.

use schemas::fit::{Counts, Fit};
use schemas::outcome::{OutcomeKind, ScopeOutcome, clip_reason};
use schemas::pack::PackScope;
use schemas::shard::Part;
use schemas::spec::ModelSpec;

use super::assignment::{Assignment, Learning};
use super::gate::judge;
use super::learning::{Learned, learn_all};
use super::prepared::Prepared;
use super::rows;
use super::slices::{Slice, slice};

/// Scopes to fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct FitOrder<'a> {
    /// The model.
    pub(super) spec: &'a ModelSpec,
    /// The scopes.
    pub(super) scopes: &'a [PackScope],
    /// What to do with them, and how.
    pub(super) assignment: &'a Assignment,
    /// The data.
    pub(super) prepared: &'a Prepared,
}

/// Fits scopes together: one outcome for each, in their order, with a fit for each that is `trained`. A scope that cannot be
/// fitted does not fail its neighbours. Calls `progress` after each step of bounded work.
pub(super) fn fit_scopes(order: &FitOrder, progress: &mut dyn FnMut()) -> Vec<(ScopeOutcome, Option<Fit>)> {
    let FitOrder { spec, scopes, assignment, prepared } = *order;
    match &assignment.work {
        Learning::Part(Part::Rows) => {
            return scopes.iter().map(|scope| rows::part(order, scope, progress)).collect();
        }
        Learning::MergeRows { pieces, whole, .. } => {
            return scopes
                .iter()
                .map(|scope| rows::merge(order, scope, (pieces, *whole), progress))
                .collect();
        }
        Learning::Whole | Learning::Part(_) | Learning::Merge(_) => {}
    }
    let force = assignment.force;
    let mut slices = Vec::with_capacity(scopes.len());
    for scope in scopes {
        crate::faults::learn(scope);
        slices.push(slice(spec, prepared, scope, &assignment.before));
        progress();
    }
    let verdict = |slice: &Slice| verdict(spec, (slice, slice.complete.len() as u64), force);
    let to_train = |slice: &Slice| verdict(slice) == OutcomeKind::Trained;
    let training: Vec<&Slice> = slices.iter().flatten().filter(|slice| to_train(slice)).collect();
    let mut learned = learn_all(spec, prepared, (&training, assignment), progress).into_iter();
    let end = |(scope, slice): (&PackScope, &Result<Slice, String>)| {
        let mut outcome = ScopeOutcome::without_fit(spec, scope, OutcomeKind::Failed, "");
        let slice = match slice {
            Ok(slice) => slice,
            Err(problem) => {
                fail(&mut outcome, problem);
                return (outcome, None);
            }
        };
        outcome.outcome = verdict(slice);
        outcome.counts = counts(slice);
        match outcome.outcome {
            OutcomeKind::Trained => match learned.next() {
                Some(Ok(made)) => {
                    let fit = finish(spec, slice, made, &mut outcome);
                    return admitted(order, (scope, slice), outcome, fit);
                }
                Some(Err(error)) if error.is_too_little() => {
                    outcome.outcome = OutcomeKind::TooFewRows;
                    outcome.reason = Some(clip_reason(&error.to_string()));
                }
                Some(Err(error)) => fail(&mut outcome, &error.to_string()),
                None => fail(&mut outcome, "no result"),
            },
            OutcomeKind::Unchanged => keep(&mut outcome, scope),
            _ => {}
        }
        (outcome, None)
    };
    scopes.iter().zip(&slices).map(end).collect()
}

/// The end of a scope that was learned: a fit that does not pass the spec's gate does not answer.
fn admitted(
    order: &FitOrder,
    (scope, slice): (&PackScope, &Slice),
    mut outcome: ScopeOutcome,
    fit: Option<Fit>,
) -> (ScopeOutcome, Option<Fit>) {
    let gate = order.spec.release.gate;
    // A shard's fit is a piece.
    let is_piece = matches!(order.assignment.work, Learning::Part(_));
    let fit = match fit {
        Some(fit) if !gate.is_none() && !is_piece => fit,
        fit => return (outcome, fit),
    };
    let held_out = slice.complete.get(slice.train..).unwrap_or_default();
    let judged = judge(order.prepared, (scope, &order.assignment.before), &fit, held_out);
    outcome.gate = judged.judgement;
    outcome.reason = judged.left_out.map(|reason| clip_reason(&reason));
    match outcome.gate {
        Some(judged) if !judged.passes(gate) => {
            outcome.outcome = OutcomeKind::Rejected;
            outcome.reason = Some(clip_reason(&judged.to_string()));
            (outcome, None)
        }
        _ => (outcome, Some(fit)),
    }
}

/// The fit that the scope has stays.
pub(super) fn keep(outcome: &mut ScopeOutcome, scope: &PackScope) {
    let incumbent = scope.incumbent.as_ref();
    outcome.fit = incumbent.map(|incumbent| incumbent.fit.clone());
    outcome.metrics = incumbent.and_then(|incumbent| incumbent.metrics);
}

pub(super) fn fail(outcome: &mut ScopeOutcome, problem: &str) {
    outcome.outcome = OutcomeKind::Failed;
    outcome.reason = Some(clip_reason(problem));
}

/// How a scope with so many complete rows ends, provided that training succeeds.
pub(super) fn verdict(spec: &ModelSpec, (slice, complete): (&Slice, u64), force: bool) -> OutcomeKind {
    let unchanged = |incumbent: &schemas::pack::Incumbent| incumbent.fit.fingerprint == slice.fingerprint;
    // A hold-out may leave none of very few rows to learn from.
    if complete < spec.learn.min_rows || slice.train == 0 {
        OutcomeKind::TooFewRows
    } else if !force && slice.scope.incumbent.as_ref().is_some_and(unchanged) {
        OutcomeKind::Unchanged
    } else {
        OutcomeKind::Trained
    }
}

pub(super) fn counts(slice: &Slice) -> Counts {
    let complete = slice.complete.len() as u64;
    let train = (slice.train as u64).min(complete);
    Counts {
        rows: slice.rows as u64,
        complete_rows: complete,
        train_rows: train,
        holdout_rows: complete - train,
    }
}

pub(super) fn finish(
    spec: &ModelSpec,
    slice: &Slice,
    learned: Learned,
    outcome: &mut ScopeOutcome,
) -> Option<Fit> {
    outcome.counts.train_rows = learned.train_rows as u64;
    outcome.counts.holdout_rows = outcome.counts.complete_rows - outcome.counts.train_rows;
    outcome.metrics = learned.metrics;
    outcome.algorithm = learned.chosen.algorithm;
    outcome.candidates = learned.candidates;
    outcome.tried = learned.tried;
    Some(Fit {
        scope: slice.scope.scope.clone(),
        window: slice.scope.window,
        fingerprint: slice.fingerprint.clone(),
        target: spec.learn.target.clone(),
        inputs: learned.inputs,
        missing: spec.learn.missing,
        algorithm: learned.chosen.algorithm,
        params: learned.chosen.params,
        parameters: learned.parameters?,
        classes: learned.classes,
        counts: outcome.counts,
        metrics: learned.metrics,
        continues: learned.continues,
        sums: learned.sums,
    })
}
