//! Whether a new fit is good enough to answer: it and those that answer now predict the same rows, the newest ones.

use std::sync::Arc;

use learn::{Block, Design, predict, score, score_classes};
use schemas::fit::{Fit, Input, Metrics};
use schemas::gate::Judgement;
use schemas::pack::PackScope;

use super::prepared::{Prepared, role};
use super::warm::Before;

/// Errors of the new fit and of those that answer in its place, on those of `rows` that all of them can predict. `None` where
/// there is no other fit, or nothing to compare by.
pub(super) fn judge(
    prepared: &Prepared,
    (scope, before): (&PackScope, &Before),
    own: &Fit,
    rows: &[u32],
) -> Option<Judgement> {
    let known = |fingerprint: Option<&String>| before.get(fingerprint?);
    let incumbent = known(scope.incumbent.as_ref().map(|incumbent| &incumbent.fit.fingerprint));
    let parent = known(scope.parent.as_ref().map(|parent| &parent.fingerprint));
    if incumbent.is_none() && parent.is_none() {
        return None;
    }
    let fits: Vec<&Fit> = [Some(own), incumbent, parent].into_iter().flatten().collect();
    let designs: Option<Vec<Design>> = fits.iter().map(|fit| design(prepared, fit, rows)).collect();
    // A fit of columns that are no longer read cannot be compared, and stands in nobody's way.
    let designs = designs?;
    let places: Vec<u32> = (0..rows.len() as u32)
        .filter(|place| designs.iter().all(|design| design.is_complete(*place as usize)))
        .collect();
    let kept: Vec<u32> = places.iter().map(|place| rows[*place as usize]).collect();
    let mut errors =
        fits.iter().zip(&designs).map(|(fit, design)| error(prepared, fit, design, (&places, &kept)));
    let own = errors.next().flatten()?;
    Some(Judgement {
        own,
        incumbent: incumbent.and_then(|_| errors.next().flatten()),
        parent: parent.and_then(|_| errors.next().flatten()),
    })
}

/// The design of some rows by a fit's own inputs.
fn design(prepared: &Prepared, fit: &Fit, rows: &[u32]) -> Option<Design> {
    let column = |input: &Input| {
        let column = prepared.data.table.shared(input.column(), role(input))?;
        Some(Arc::new(column.take(rows)))
    };
    Design::new(&fit.inputs, rows.len(), column).ok().map(|design| design.with_missing(fit.missing))
}

/// The error of a fit on `rows` of the table, which stand at `places` in its design: root mean square, or log loss.
fn error(prepared: &Prepared, fit: &Fit, design: &Design, (places, rows): (&[u32], &[u32])) -> Option<f64> {
    let (mut block, mut predicted) = (Block::default(), Vec::new());
    design.block(places, &mut block);
    predict(&fit.parameters, &block, &mut predicted).ok()?;
    let target = prepared.target();
    let truth: Vec<f64> = rows.iter().map(|row| target[*row as usize]).collect();
    let weights = prepared.weights_of(rows);
    let metrics = match fit.classes.as_slice() {
        [] => score(&truth, &predicted, &weights),
        classes => score_classes(&truth, &prepared.numbers(classes), &predicted, &weights),
    };
    match metrics? {
        Metrics::Regression(scores) => Some(scores.rmse),
        Metrics::Classification(scores) => Some(scores.log_loss),
        Metrics::Structure(_) => None,
    }
}
