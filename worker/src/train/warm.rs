//! Going on from the fit that a scope has, where its rows are the first of those that it has now.

use std::collections::HashMap;

use learn::Moments;
use schemas::fingerprint::fingerprint;
use schemas::fit::{Fit, Input};
use schemas::pack::PackScope;
use schemas::spec::ModelSpec;

use super::prepared::Prepared;

/// Fits that scopes had before, by fingerprint.
pub(super) type Before = HashMap<String, Fit>;

/// The fit that `scope` had, if nothing but newer rows has come since. Its fingerprint tells: it is that of the spec, the
/// scope, the window, and as many of the first rows of `all` as the fit was made from.
pub(super) fn continued<'a>(
    spec: &ModelSpec,
    prepared: &Prepared,
    (scope, all): (&PackScope, &[u32]),
    before: &'a Before,
) -> Option<&'a Fit> {
    if !spec.learn.warm_start {
        return None;
    }
    let fit = before.get(&scope.incumbent.as_ref()?.fit.fingerprint)?;
    let rows = usize::try_from(fit.counts.rows).ok()?;
    let older = all.get(..rows).filter(|older| older.len() < all.len())?;
    let digest = prepared.data.row_hashes().digest(older);
    (fingerprint(spec, &scope.scope, scope.window, digest) == fit.fingerprint).then_some(fit)
}

/// The statistics of a fit's training rows, if they are of the same design columns.
pub(super) fn moments(fit: &Fit, inputs: &[Input]) -> Option<Moments> {
    let sums = fit.sums.as_ref().filter(|sums| sums.inputs == inputs)?;
    Moments::from_sums(sums).filter(|moments| moments.count() == fit.counts.train_rows)
}
