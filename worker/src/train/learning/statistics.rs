//! Sufficient statistics of scopes, of all folds too, by one pass over the rows.

use std::ops::Range;

use learn::{Fold, Moments};
use schemas::spec::ModelSpec;

use super::super::moments::{Wanted, gather};
use super::super::prepared::Prepared;
use super::super::slices::Slice;
use super::super::warm;

/// Sufficient statistics of the rows of one scope.
pub(super) struct Statistics {
    pub(super) train: Moments,
    /// Whether only newer rows were read for them.
    pub(super) continued: bool,
    /// Those of all rows, where the fit is made again from them.
    pub(super) all: Option<Moments>,
    /// Per fold those it learns from, and those it predicts.
    pub(super) folds: Vec<(Moments, Moments)>,
}

/// One for each of `slices`, by one pass over the rows.
pub(super) fn statistics(
    spec: &ModelSpec,
    prepared: &Prepared,
    slices: &[&Slice],
    plans: &[Vec<Fold>],
    progress: &mut dyn FnMut(),
) -> Vec<Statistics> {
    let mut wanted = Vec::new();
    // What is known of a slice's first training rows.
    let known = |slice: &&Slice| {
        let moments = slice.before.and_then(|fit| warm::moments(fit, &prepared.inputs));
        moments.filter(|moments| moments.count() <= slice.train as u64)
    };
    let known: Vec<Option<Moments>> = slices.iter().map(known).collect();
    for ((slice, folds), known) in slices.iter().zip(plans).zip(&known) {
        let refit = spec.learn.refit.then_some(0..slice.complete.len());
        let folds = folds.iter().flat_map(|fold| [fold.train.clone(), fold.validate.clone()]);
        let from = known.as_ref().map_or(0, |known| known.count() as usize);
        let places = std::iter::once(from..slice.train).chain(refit).chain(folds);
        wanted.extend(places.map(|places| Wanted {
            mask: slice.mask,
            codes: slice.codes.clone(),
            ids: ids(&slice.complete[places]),
        }));
    }
    let mut moments = gather(prepared, &spec.scope.dimensions, &wanted, progress).into_iter();
    let mut next = || moments.next().unwrap_or_else(|| Moments::empty(prepared.design.width()));
    let one = |(folds, known): (&Vec<Fold>, Option<Moments>)| {
        let (newer, continued) = (next(), known.is_some());
        let train = match known {
            Some(mut known) => {
                known.merge(&newer);
                known
            }
            None => newer,
        };
        Statistics {
            train,
            continued,
            all: spec.learn.refit.then(&mut next),
            folds: folds.iter().map(|_| (next(), next())).collect(),
        }
    };
    plans.iter().zip(known).map(one).collect()
}

/// The ids from the first of `rows` to past the last.
fn ids(rows: &[u32]) -> Range<u32> {
    match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => *first..*last + 1,
        _ => 0..0,
    }
}
