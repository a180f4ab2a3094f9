//! Whether a new fit is good enough to answer: it and those that answer now predict the same rows, the newest ones.

use std::sync::Arc;

use learn::{Block, Design, DesignError, predict, score, score_classes};
use schemas::fit::{Fit, Input, Metrics};
use schemas::gate::Judgement;
use schemas::pack::PackScope;

use super::prepared::{Prepared, role};
use super::warm::Before;

/// What a gate found out.
#[derive(Debug)]
pub(super) struct Judged {
    /// Errors of the new fit and of those that answer in its place, on those rows that all of them can predict. None where there
    /// is no other fit, or nothing to compare by.
    pub(super) judgement: Option<Judgement>,
    /// The first fit that could not be compared, and why.
    pub(super) left_out: Option<String>,
}

/// A fit with the design of the rows that are compared.
type Entrant<'a> = (&'a Fit, Design);

/// Compares the new fit with those that answer now, on `rows`.
pub(super) fn judge(
    prepared: &Prepared,
    (scope, before): (&PackScope, &Before),
    own: &Fit,
    rows: &[u32],
) -> Judged {
    let mut left_out = None;
    let mut rival = |fingerprint: Option<&String>, name: &str| -> Option<Entrant> {
        let fit = before.get(fingerprint?)?;
        if fit.classes.is_empty() != own.classes.is_empty() {
            // One errs in units of the target, the other in probabilities.
            let what = if fit.classes.is_empty() { "numbers" } else { "classes" };
            left_out.get_or_insert_with(|| format!("not compared with {name}: it predicts {what}"));
            return None;
        }
        match design(prepared, fit, rows) {
            Ok(design) => Some((fit, design)),
            // A fit of columns that are gone stands in nobody's way.
            Err(error) => {
                left_out.get_or_insert_with(|| format!("not compared with {name}: {error}"));
                None
            }
        }
    };
    let incumbent =
        rival(scope.incumbent.as_ref().map(|known| &known.fit.fingerprint), "the fit that it has");
    let parent = rival(scope.parent.as_ref().map(|parent| &parent.fingerprint), "the level above");
    if incumbent.is_none() && parent.is_none() {
        return Judged { judgement: None, left_out };
    }
    let judgement = compared(prepared, own, (incumbent, parent), rows);
    if judgement.is_none() {
        left_out = Some("not compared: there is no newest row that all fits can predict".into());
    }
    Judged { judgement, left_out }
}

/// The errors on those of `rows` that all can predict.
fn compared(
    prepared: &Prepared,
    own: &Fit,
    (incumbent, parent): (Option<Entrant>, Option<Entrant>),
    rows: &[u32],
) -> Option<Judgement> {
    let own = (own, design(prepared, own, rows).ok()?);
    let all = [Some(&own), incumbent.as_ref(), parent.as_ref()];
    let is_complete =
        |place: &u32| all.iter().flatten().all(|(_, design)| design.is_complete(*place as usize));
    let places: Vec<u32> = (0..rows.len() as u32).filter(is_complete).collect();
    let kept: Vec<u32> = places.iter().map(|place| rows[*place as usize]).collect();
    let error = |(fit, design): &Entrant| error(prepared, fit, design, (&places, &kept));
    Some(Judgement {
        own: error(&own)?,
        incumbent: incumbent.as_ref().and_then(error),
        parent: parent.as_ref().and_then(error),
    })
}

/// The design of some rows by a fit's own inputs.
fn design(prepared: &Prepared, fit: &Fit, rows: &[u32]) -> Result<Design, DesignError> {
    let column = |input: &Input| {
        let column = prepared.data.table.shared(input.column(), role(input))?;
        Some(Arc::new(column.take(rows)))
    };
    Ok(Design::new(&fit.inputs, rows.len(), column)?.with_missing(fit.missing))
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
