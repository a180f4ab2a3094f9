//! Trials of candidates on single folds, made by shards, and the candidates' errors out of all of them.

use std::ops::Range;

use learn::Fold;
use schemas::outcome::{Scored, Tried, clip_reason};

use super::super::assignment::Piece;
use super::compare::scored;
use super::{FitError, Learner, Scope};

impl Learner<'_> {
    /// Makes the trials of these numbers, see [`schemas::shard::Part::Trials`].
    pub(super) fn tried(
        &mut self,
        numbers: Range<u32>,
        scope: &Scope,
        progress: &mut dyn FnMut(),
    ) -> Result<Vec<Tried>, FitError> {
        if scope.folds.is_empty() {
            return Err(FitError::NoFolds);
        }
        // As planned; a scope of very few rows has less of them.
        let folds = self.spec.learn.trial_folds();
        let end = numbers.end.min(self.candidates.len() as u32 * folds);
        let mut all = Vec::new();
        let mut next = numbers.start;
        while next < end {
            let (candidate, fold) = (next / folds, next % folds);
            next = ((candidate + 1) * folds).min(end);
            let places = fold as usize..((next - candidate * folds) as usize).min(scope.folds.len());
            let mut tried = Tried { candidate, fold, errors: Vec::new(), reason: None };
            for place in places {
                match self.fold_error((candidate as usize, place), scope, progress) {
                    Ok(error) => tried.errors.push(error),
                    Err(error) => {
                        tried.reason = Some(clip_reason(&error.to_string()));
                        break;
                    }
                }
            }
            all.push(tried);
        }
        Ok(all)
    }

    /// All candidates with their errors, as if they had been tried at once. `None` where trials are missing.
    pub(super) fn joined(&self, pieces: &[Piece], folds: &[Fold]) -> Option<Result<Vec<Scored>, FitError>> {
        let mut errors = Vec::with_capacity(self.candidates.len());
        let mut tried = pieces.iter().flat_map(|(piece, _)| &piece.tried).peekable();
        for candidate in 0..self.candidates.len() as u32 {
            let (mut own, mut reason) = (Vec::new(), None);
            while let Some(next) = tried.next_if(|tried| tried.candidate == candidate) {
                if reason.is_none() {
                    // Where the one before ended, or past the last fold that there is.
                    if (next.fold as usize).min(folds.len()) != own.len() {
                        return None;
                    }
                    own.extend(&next.errors);
                    reason = next.reason.clone();
                }
            }
            errors.push(match reason {
                Some(reason) => Err(FitError::Shard(reason)),
                None if own.len() == folds.len() => Ok(self.error(&own)),
                None => return None,
            });
        }
        Some(scored(&self.candidates, errors))
    }
}
