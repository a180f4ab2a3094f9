//! From scopes and prepared data to outcomes and fits. Pure: no clock, no I/O.

use std::ops::Range;

use learn::{Block, LearnError, Method, Moments, PredictError, Scratch, predict, prune, score};
use schemas::algorithm::Algorithm;
use schemas::fingerprint::fingerprint;
use schemas::fit::{Counts, Fit, Metrics, Parameters};
use schemas::outcome::{OutcomeKind, ScopeOutcome, clip_reason};
use schemas::pack::PackScope;
use schemas::spec::ModelSpec;

use super::moments::{Wanted, gather};
use super::prepared::Prepared;
use super::slices;

/// Scopes to fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct FitOrder<'a> {
    /// The model.
    pub(super) spec: &'a ModelSpec,
    /// The scopes.
    pub(super) scopes: &'a [PackScope],
    /// Whether to train those whose rows have not changed.
    pub(super) force: bool,
    /// The data.
    pub(super) prepared: &'a Prepared,
}

/// A scope of the pack with its rows.
struct Slice<'a> {
    scope: &'a PackScope,
    mask: u32,
    codes: Vec<u32>,
    /// Ids of its complete rows, in time order: the first `train` of them train, the rest score.
    complete: Vec<u32>,
    train: usize,
    rows: usize,
    fingerprint: String,
}

/// Fits scopes together: one outcome for each, in their order, with a fit for each that is `trained`. A scope that cannot be
/// fitted does not fail its neighbours. Calls `progress` after each step of bounded work.
pub(super) fn fit_scopes(order: &FitOrder, progress: &mut dyn FnMut()) -> Vec<(ScopeOutcome, Option<Fit>)> {
    let FitOrder { spec, scopes, force, prepared } = *order;
    let mut slices = Vec::with_capacity(scopes.len());
    for scope in scopes {
        crate::faults::learn(scope);
        slices.push(slice(spec, prepared, scope));
        progress();
    }
    let to_train = |slice: &Slice| verdict(spec, slice, force) == OutcomeKind::Trained;
    let training: Vec<&Slice> = slices.iter().flatten().filter(|slice| to_train(slice)).collect();
    let mut learned = learn_all(spec, prepared, &training, progress).into_iter();
    let end = |(scope, slice): (&PackScope, &Result<Slice, String>)| {
        let mut outcome = ScopeOutcome::without_fit(spec, scope, OutcomeKind::Failed, "");
        let slice = match slice {
            Ok(slice) => slice,
            Err(problem) => {
                fail(&mut outcome, problem);
                return (outcome, None);
            }
        };
        outcome.outcome = verdict(spec, slice, force);
        outcome.counts = counts(slice);
        match outcome.outcome {
            OutcomeKind::Trained => match learned.next() {
                Some(Ok(made)) => {
                    let fit = finish(spec, slice, made, &mut outcome);
                    return (outcome, Some(fit));
                }
                Some(Err(error)) => fail(&mut outcome, &error.to_string()),
                None => fail(&mut outcome, "no result"),
            },
            OutcomeKind::Unchanged => {
                let incumbent = scope.incumbent.as_ref();
                outcome.fit = incumbent.map(|incumbent| incumbent.fit.clone());
                outcome.metrics = incumbent.and_then(|incumbent| incumbent.metrics);
            }
            _ => {}
        }
        (outcome, None)
    };
    scopes.iter().zip(&slices).map(end).collect()
}

fn fail(outcome: &mut ScopeOutcome, problem: &str) {
    outcome.outcome = OutcomeKind::Failed;
    outcome.reason = Some(clip_reason(problem));
}

/// Finds the rows of a scope.
fn slice<'a>(spec: &ModelSpec, prepared: &Prepared, scope: &'a PackScope) -> Result<Slice<'a>, String> {
    let table = &prepared.data.table;
    let fixed = scope.scope.fixed().map_err(|error| error.to_string())?;
    let mask = spec.mask_of(&scope.scope).ok_or("the scope fixes a dimension that the model lacks")?;
    let names: Vec<&str> = fixed.iter().map(|(name, _)| name.as_str()).collect();
    let values: Vec<&str> = fixed.iter().map(|(_, value)| value.as_str()).collect();
    let all = prepared.data.groups(&names);
    let all = slices::rows(table, &all, &values, scope.window);
    let complete = prepared.complete_groups(&names);
    let complete = slices::rows(table, &complete, &values, scope.window);
    let digest = prepared.data.row_hashes().digest(all);
    let codes = fixed.iter().filter_map(|(name, value)| table.code(name, value)).collect();
    Ok(Slice {
        scope,
        mask,
        codes,
        train: slices::train_rows(complete.len(), spec.learn.holdout),
        complete: complete.to_vec(),
        rows: all.len(),
        fingerprint: fingerprint(spec, &scope.scope, scope.window, digest),
    })
}

/// How the scope ends, provided that training succeeds.
fn verdict(spec: &ModelSpec, slice: &Slice, force: bool) -> OutcomeKind {
    let unchanged = |incumbent: &schemas::pack::Incumbent| incumbent.fit.fingerprint == slice.fingerprint;
    // A hold-out may leave none of very few rows to learn from.
    if (slice.complete.len() as u64) < spec.learn.min_rows || slice.train == 0 {
        OutcomeKind::TooFewRows
    } else if !force && slice.scope.incumbent.as_ref().is_some_and(unchanged) {
        OutcomeKind::Unchanged
    } else {
        OutcomeKind::Trained
    }
}

fn counts(slice: &Slice) -> Counts {
    let complete = slice.complete.len() as u64;
    let train = slice.train as u64;
    Counts {
        rows: slice.rows as u64,
        complete_rows: complete,
        train_rows: train,
        holdout_rows: complete - train,
    }
}

/// Why a scope could not be fitted.
#[derive(Debug, thiserror::Error)]
enum FitError {
    #[error(transparent)]
    Learn(#[from] LearnError),
    #[error(transparent)]
    Score(#[from] PredictError),
    #[error(
        "statistics of {gathered} rows for a scope of {slice}: a mistake of the trainer, please report it"
    )]
    Rows { gathered: u64, slice: usize },
}

/// What learning a scope yields.
struct Learned {
    inputs: Vec<schemas::fit::Input>,
    parameters: Parameters,
    metrics: Option<Metrics>,
}

fn learn_all(
    spec: &ModelSpec,
    prepared: &Prepared,
    slices: &[&Slice],
    progress: &mut dyn FnMut(),
) -> Vec<Result<Learned, FitError>> {
    let algorithm = spec.algorithm().unwrap_or(Algorithm::Mean);
    let method = Method::from_spec(algorithm, &spec.learn.params);
    let mut scratch = Scratch::default();
    let fitter = Fitter { spec, prepared, method: &method };
    if !algorithm.is_mergeable() {
        let learn = |slice: &&Slice| {
            let learned = fitter.by_rows(slice, &mut scratch);
            progress();
            learned
        };
        return slices.iter().map(learn).collect();
    }
    // With `refit`, the moments of all rows come out of the same pass.
    let refits = if spec.learn.refit { slices } else { &[] };
    let wanted = |slice: &Slice, rows: Range<usize>| Wanted {
        mask: slice.mask,
        codes: slice.codes.clone(),
        ids: ids(&slice.complete[rows]),
    };
    let wanted: Vec<Wanted> = slices
        .iter()
        .map(|slice| wanted(slice, 0..slice.train))
        .chain(refits.iter().map(|slice| wanted(slice, 0..slice.complete.len())))
        .collect();
    let moments = gather(prepared, &spec.scope.dimensions, &wanted, progress);
    let solve = |at: usize| {
        let refit = moments.get(slices.len() + at);
        let learned = fitter.by_moments(slices[at], &moments[at], refit);
        progress();
        learned
    };
    (0..slices.len()).map(solve).collect()
}

/// The ids from the first of `rows` to past the last.
fn ids(rows: &[u32]) -> Range<u32> {
    match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => *first..*last + 1,
        _ => 0..0,
    }
}

struct Fitter<'a> {
    spec: &'a ModelSpec,
    prepared: &'a Prepared,
    method: &'a Method,
}

impl Fitter<'_> {
    fn by_moments(
        &self,
        slice: &Slice,
        train: &Moments,
        refit: Option<&Moments>,
    ) -> Result<Learned, FitError> {
        if train.count() != slice.train as u64 {
            // A fit of other rows than its fingerprint names must never land.
            return Err(FitError::Rows { gathered: train.count(), slice: slice.train });
        }
        let solve = |moments: &Moments| self.method.solve(moments).unwrap_or(Err(LearnError::NoRows));
        let mut parameters = solve(train)?;
        let metrics = self.score(slice, &parameters)?;
        if let Some(all) = refit {
            parameters = solve(all)?;
        }
        let (inputs, parameters) = prune(&self.prepared.inputs, parameters, refit.unwrap_or(train));
        Ok(Learned { inputs, parameters, metrics })
    }

    fn by_rows(&self, slice: &Slice, scratch: &mut Scratch) -> Result<Learned, FitError> {
        let Prepared { design, .. } = self.prepared;
        let target = self.prepared.target();
        let mut used = &slice.complete[..slice.train];
        let mut parameters = self.method.fit(design, target, used, scratch)?;
        let metrics = self.score(slice, &parameters)?;
        if self.spec.learn.refit {
            used = &slice.complete;
            parameters = self.method.fit(design, target, used, scratch)?;
        }
        let moments = Moments::over(design, target, used, scratch);
        let (inputs, parameters) = prune(&self.prepared.inputs, parameters, &moments);
        Ok(Learned { inputs, parameters, metrics })
    }

    fn score(&self, slice: &Slice, parameters: &Parameters) -> Result<Option<Metrics>, FitError> {
        let held_out = &slice.complete[slice.train..];
        let target = self.prepared.target();
        let truth: Vec<f64> = held_out.iter().map(|row| target[*row as usize]).collect();
        let (mut block, mut predicted) = (Block::default(), Vec::new());
        self.prepared.design.block(held_out, &mut block);
        predict(parameters, &block, &mut predicted)?;
        Ok(score(&truth, &predicted))
    }
}

fn finish(spec: &ModelSpec, slice: &Slice, learned: Learned, outcome: &mut ScopeOutcome) -> Fit {
    outcome.metrics = learned.metrics;
    Fit {
        scope: slice.scope.scope.clone(),
        window: slice.scope.window,
        fingerprint: slice.fingerprint.clone(),
        target: spec.learn.target.clone(),
        inputs: learned.inputs,
        algorithm: outcome.algorithm,
        parameters: learned.parameters,
        counts: outcome.counts,
        metrics: learned.metrics,
    }
}
