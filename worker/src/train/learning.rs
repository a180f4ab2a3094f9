//! From slices to what is learned on them: by the one candidate, or by the best of several.
//!
//! Candidates are compared by cross-validation in time ([`learn::folds`]) over the training rows; the hold-out never chooses.
//! Statistics of all folds of all scopes come out of the same pass over the rows ([`statistics`](self::statistics)); [`compare`] has the errors of candidates,
//! [`trials`] those that shards leave, [`scores`] those of a fit.

mod compare;
mod scores;
mod statistics;
mod trials;

use std::cell::LazyCell;

use learn::forecast::ForecastError;
use learn::{
    Block, Fold, LearnError, Method, Moments, PredictError, Scratch, folds, join, prune, prune_categories,
};
use schemas::fit::{Input, Metrics, Parameters};
use schemas::label::Label;
use schemas::outcome::{OutcomeKind, Scored, Tried};
use schemas::shard::Part;
use schemas::spec::{Candidate, ModelSpec};
use schemas::sums::Sums;
use schemas::task::Task;

pub(super) use self::compare::{best, scored};
use self::statistics::{Statistics, statistics};
use super::assignment::{Assignment, Learning, Piece};
use super::prepared::Prepared;
use super::series;
use super::slices::Slice;

/// What learning a scope yields.
pub(super) struct Learned {
    pub(super) chosen: Candidate,
    /// What it was chosen from; empty without a search.
    pub(super) candidates: Vec<Scored>,
    /// What a shard tried of it.
    pub(super) tried: Vec<Tried>,
    /// Rows that trained what was scored.
    pub(super) train_rows: usize,
    pub(super) inputs: Vec<Input>,
    /// None of a shard that only tried candidates.
    pub(super) parameters: Option<Parameters>,
    /// What a classifier tells apart.
    pub(super) classes: Vec<Label>,
    pub(super) metrics: Option<Metrics>,
    /// The fit that it went on from.
    pub(super) continues: Option<String>,
    /// What newer rows can be added to.
    pub(super) sums: Option<Sums>,
}

impl Learned {
    /// By a candidate, from so many rows; nothing more is known yet.
    pub(super) fn new(chosen: Candidate, train_rows: usize) -> Learned {
        Learned {
            chosen,
            candidates: Vec::new(),
            tried: Vec::new(),
            train_rows,
            inputs: Vec::new(),
            parameters: None,
            classes: Vec::new(),
            metrics: None,
            continues: None,
            sums: None,
        }
    }
}

/// Why a scope could not be fitted.
#[derive(Debug, thiserror::Error)]
pub(super) enum FitError {
    #[error(transparent)]
    Learn(#[from] LearnError),
    #[error(transparent)]
    Score(#[from] PredictError),
    #[error(transparent)]
    Forecast(#[from] ForecastError),
    #[error(
        "statistics of {gathered} rows for a scope of {slice}: a mistake of the trainer, please report it"
    )]
    Rows { gathered: u64, slice: usize },
    #[error("the spec has no candidate to learn by; add the model again")]
    NoCandidate,
    #[error(
        "the work on the scope does not fall apart into {0:?}: a mistake of the planner, please report it"
    )]
    NoPart(Part),
    #[error("a row has the weight {weight}; weights must be 0 or more")]
    Weight { weight: f64 },
    #[error("{0}")]
    Shard(String),
    #[error("the source changed while the scope was learned in parts; train it again")]
    Moved,
    #[error("there are too few training rows to compare candidates: fewer than two, or all within the gap")]
    NoFolds,
    #[error("no candidate could be compared; the first: {0}")]
    NoScore(String),
}

impl FitError {
    /// Whether the scope only has too little data.
    pub(super) fn is_too_little(&self) -> bool {
        matches!(self, FitError::NoFolds) || matches!(self, FitError::Forecast(error) if error.is_too_short())
    }
}

/// Learns each of `slices`. Calls `progress` after each step of bounded work.
pub(super) fn learn_all(
    spec: &ModelSpec,
    prepared: &Prepared,
    (slices, assignment): (&[&Slice], &Assignment),
    progress: &mut dyn FnMut(),
) -> Vec<Result<Learned, FitError>> {
    if let Some(series) = &spec.learn.series {
        return series::learn_all(spec, series, prepared, slices, progress);
    }
    // Checked when the model was added.
    let candidates = spec.learn.candidates().unwrap_or_default();
    let task = spec.task().unwrap_or(Task::Regression);
    let method = |candidate: &Candidate| {
        Method::from_spec(task, candidate.algorithm, &candidate.params).on_threads(assignment.threads)
    };
    let methods: Vec<Method> = candidates.iter().map(method).collect();
    let search = spec.learn.search.as_ref().filter(|_| candidates.len() > 1);
    let plan = |slice: &&Slice| search.map(|search| folds(slice.train, search)).unwrap_or_default();
    let plans: Vec<Vec<Fold>> = slices.iter().map(plan).collect();
    let mut statistics = match takes_sums(spec, &candidates, &assignment.work) {
        true => statistics(spec, prepared, slices, &plans, progress).into_iter(),
        false => Vec::new().into_iter(),
    };
    let mut learner = Learner {
        spec,
        prepared,
        candidates,
        methods,
        threads: assignment.threads,
        scratch: Scratch::default(),
        block: Block::default(),
    };
    let pairs = slices.iter().zip(&plans);
    let one = |(slice, folds): (&&Slice, &Vec<Fold>)| {
        let scope = Scope { slice, folds, statistics: statistics.next() };
        check_weights(prepared, &slice.complete)?;
        match &assignment.work {
            Learning::Whole | Learning::MergeRows { .. } => learner.learn(&scope, progress),
            Learning::Part(part) => learner.part(&scope, part, progress),
            Learning::Merge(pieces) => learner.merge(&scope, pieces, progress),
        }
    };
    pairs.map(one).collect()
}

/// Whether the work takes sums of rows: some shards of a search try other candidates.
fn takes_sums(spec: &ModelSpec, candidates: &[Candidate], work: &Learning) -> bool {
    let folds = spec.learn.trial_folds() as usize;
    let own = match work {
        Learning::Part(Part::Trials { from, to }) => {
            let to = (*to as usize).div_ceil(folds).min(candidates.len());
            candidates.get(*from as usize / folds..to).unwrap_or_default()
        }
        _ => candidates,
    };
    own.iter().any(|candidate| candidate.algorithm.is_mergeable())
}

/// # Errors
/// [`FitError::Weight`] for the first row that counts less than nothing.
pub(super) fn check_weights(prepared: &Prepared, rows: &[u32]) -> Result<(), FitError> {
    let negative =
        |weights: &[f64]| rows.iter().map(|row| weights[*row as usize]).find(|weight| *weight < 0.0);
    prepared.weights().and_then(negative).map_or(Ok(()), |weight| Err(FitError::Weight { weight }))
}

/// A scope to learn.
struct Scope<'a> {
    slice: &'a Slice<'a>,
    folds: &'a [Fold],
    statistics: Option<Statistics>,
}

impl Scope<'_> {
    /// Its training rows.
    fn train(&self) -> Rows<'_> {
        let moments = self.statistics.as_ref().map(|statistics| &statistics.train);
        (&self.slice.complete[..self.slice.train], moments)
    }
}

struct Learner<'a> {
    spec: &'a ModelSpec,
    prepared: &'a Prepared,
    candidates: Vec<Candidate>,
    methods: Vec<Method>,
    threads: u32,
    scratch: Scratch,
    block: Block,
}

/// Rows of a slice, with their statistics where there are any.
type Rows<'a> = (&'a [u32], Option<&'a Moments>);

impl Learner<'_> {
    fn learn(&mut self, scope: &Scope, progress: &mut dyn FnMut()) -> Result<Learned, FitError> {
        let candidates = match self.candidates.len() {
            0 => return Err(FitError::NoCandidate),
            1 => Vec::new(),
            all => self.compare(0..all, scope, progress)?,
        };
        self.conclude(scope, candidates, None, progress)
    }

    /// A part of the work on a scope, for a merge.
    fn part(&mut self, scope: &Scope, part: &Part, progress: &mut dyn FnMut()) -> Result<Learned, FitError> {
        let nothing = || FitError::NoPart(part.clone());
        let (chosen, tried, parameters) = match *part {
            Part::Trials { from, to } => {
                let first = self.candidates.first().cloned().ok_or_else(nothing)?;
                (first, self.tried(from..to, scope, progress)?, None)
            }
            // Done without a learner of rows.
            Part::Rows => return Err(nothing()),
            Part::Trees { from, to } => {
                let only = self.candidates.first().cloned().ok_or(FitError::NoCandidate)?;
                let method = self.methods[0].part(from, to).ok_or_else(nothing)?;
                let (design, target) = (&self.prepared.design, self.prepared.learned());
                (only, Vec::new(), Some(method.fit(design, target, scope.train().0, &mut self.scratch)?))
            }
        };
        progress();
        let inputs = self.prepared.inputs.clone();
        Ok(Learned { tried, inputs, parameters, ..Learned::new(chosen, scope.slice.train) })
    }

    /// The fit of a scope out of what its shards left. Where pieces are lost, or are of other rows than the scope has now,
    /// it is learned whole.
    fn merge(
        &mut self,
        scope: &Scope,
        pieces: &[Piece],
        progress: &mut dyn FnMut(),
    ) -> Result<Learned, FitError> {
        if let Some((failed, _)) = pieces.iter().find(|(piece, _)| piece.outcome == OutcomeKind::Failed) {
            return Err(FitError::Shard(failed.reason.clone().unwrap_or_default()));
        }
        let rows = scope.slice.complete.len() as u64;
        let fits_here = |(piece, fit): &Piece| {
            let own = |fit: &schemas::fit::Fit| {
                fit.fingerprint == scope.slice.fingerprint && fit.inputs == self.prepared.inputs
            };
            piece.outcome == OutcomeKind::Trained
                && piece.counts.complete_rows == rows
                && fit.as_ref().is_none_or(own)
        };
        let whole = pieces.iter().all(fits_here);
        let fits = || pieces.iter().map(|(_, fit)| fit.as_ref().map(|fit| fit.parameters.clone()));
        match self.candidates.len() {
            1 if whole && let Some(made) = fits().collect::<Option<Vec<_>>>().and_then(join) => {
                self.conclude(scope, Vec::new(), Some(made), progress)
            }
            all if whole
                && all > 1
                && let Some(candidates) = self.joined(pieces, scope.folds) =>
            {
                self.conclude(scope, candidates?, None, progress)
            }
            _ => self.learn(scope, progress),
        }
    }

    /// The scored fit of the best candidate, which is made unless it has been.
    fn conclude(
        &mut self,
        scope: &Scope,
        candidates: Vec<Scored>,
        made: Option<Parameters>,
        progress: &mut dyn FnMut(),
    ) -> Result<Learned, FitError> {
        let (slice, train) = (scope.slice, scope.train());
        let best = best(&candidates)?;
        let mut used = train;
        let mut continued = scope.statistics.as_ref().is_some_and(|statistics| statistics.continued);
        let mut parameters = match made {
            Some(made) => made,
            None => match self.go_on(best, scope)? {
                Some(made) => {
                    continued = true;
                    made
                }
                None => self.fit(best, train)?,
            },
        };
        progress();
        let metrics = self.score(&parameters, train.0, &slice.complete[slice.train..])?;
        if self.spec.learn.refit {
            let statistics = scope.statistics.as_ref();
            used = (&slice.complete, statistics.and_then(|statistics| statistics.all.as_ref()));
            parameters = self.fit(best, used)?;
            progress();
        }
        let classes = match &parameters {
            Parameters::Structure(structure) => {
                (0..structure.clusters() as i64).map(Label::Integer).collect()
            }
            _ => self.prepared.labels(&self.classes(&parameters, used.0)),
        };
        let (inputs, parameters) = self.pruned(parameters, used);
        Ok(Learned {
            candidates,
            inputs,
            parameters: Some(parameters),
            classes,
            metrics,
            continues: slice.before.filter(|_| continued).map(|fit| fit.fingerprint.clone()),
            sums: self.kept(scope),
            ..Learned::new(self.candidates[best].clone(), slice.train)
        })
    }

    /// The fit that goes on from the one that the scope has; `None` where it does not.
    fn go_on(&mut self, place: usize, scope: &Scope) -> Result<Option<Parameters>, FitError> {
        let Some(before) = scope.slice.before.filter(|fit| fit.inputs == self.prepared.inputs) else {
            return Ok(None);
        };
        let own = (scope.train().0, before.counts.train_rows as usize, &before.parameters);
        let (design, target) = (&self.prepared.design, self.prepared.learned());
        Ok(self.methods[place].go_on(design, target, own, &mut self.scratch)?)
    }

    /// What the fit keeps for the next one.
    fn kept(&self, scope: &Scope) -> Option<Sums> {
        let statistics = scope.statistics.as_ref().filter(|_| self.spec.learn.warm_start)?;
        Some(statistics.train.to_sums(&self.prepared.inputs))
    }

    fn fit(&mut self, place: usize, (rows, moments): Rows) -> Result<Parameters, FitError> {
        let method = &self.methods[place];
        if let Some(moments) = moments
            && let Some(solved) = method.solve(moments)
        {
            if moments.count() != rows.len() as u64 {
                // A fit of other rows than its fingerprint names must never land.
                return Err(FitError::Rows { gathered: moments.count(), slice: rows.len() });
            }
            return Ok(solved?);
        }
        Ok(method.fit(&self.prepared.design, self.prepared.learned(), rows, &mut self.scratch)?)
    }

    fn pruned(&mut self, parameters: Parameters, (rows, moments): Rows) -> (Vec<Input>, Parameters) {
        let Learner { prepared, scratch, .. } = self;
        let Prepared { design, inputs, .. } = prepared;
        let own = LazyCell::new(|| Moments::over(design, prepared.learned(), rows, scratch));
        let (mut inputs, mut parameters) =
            prune(inputs, parameters, |column| moments.unwrap_or_else(|| &own).occurs(column));
        // The next fit goes on with the numbers of categories as they are.
        if !self.spec.learn.warm_start {
            inputs = prune_categories(&inputs, &mut parameters);
        }
        (inputs, parameters)
    }
}
