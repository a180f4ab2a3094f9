//! Requests that wait together become one, and its answer is taken apart again: a predictor works on columns, and a
//! hundred rows take it little longer than one.

use std::mem::discriminant;
use std::ops::Range;
use std::sync::Arc;

use schemas::forecast::Band;
use schemas::predict::{PredictReply, PredictRequest, Predictions, Refusal, RowError};

/// Requests put together.
#[derive(Debug, Default)]
pub struct Merged {
    /// What travels.
    pub requests: Vec<Arc<PredictRequest>>,
    /// For each request that was put in: which of `requests` has its rows, and where.
    places: Vec<(usize, Range<u32>)>,
}

impl Merged {
    /// Puts together what is of one model, channel, state and kind of columns.
    pub fn of(asked: impl IntoIterator<Item = Arc<PredictRequest>>) -> Merged {
        let mut merged = Merged::default();
        for request in asked {
            let alike = merged.requests.iter().position(|other| are_alike(other, &request));
            let group = alike.unwrap_or(merged.requests.len());
            let first = merged.requests.get(group).map_or(0, |known| known.rows);
            merged.places.push((group, first..first + request.rows));
            match merged.requests.get_mut(group) {
                Some(known) => append(Arc::make_mut(known), &request),
                None => merged.requests.push(request),
            }
        }
        merged
    }

    /// The reply to each request that was put in, in their order; `None` for one that has to be asked alone, since what was
    /// refused may be another's fault. `replies` has one for each of `requests`.
    pub fn split(&self, replies: Vec<PredictReply>) -> Vec<Option<PredictReply>> {
        let shared = |group: usize| self.places.iter().filter(|place| place.0 == group).count() > 1;
        let mut replies: Vec<Reply> = replies
            .into_iter()
            .enumerate()
            .map(|(group, reply)| Reply::of(reply, shared(group), &self.requests[group]))
            .collect();
        let part = |(group, rows): &(usize, Range<u32>)| match replies.get_mut(*group)? {
            Reply::Whole(reply) => reply.take(),
            Reply::Parts(all, spans) => Some(PredictReply::Done(slice(all, spans, rows.clone()))),
            Reply::ToAll(refusal) => Some(PredictReply::Refused(refusal.clone())),
            Reply::AskAlone => None,
        };
        self.places.iter().map(part).collect()
    }
}

/// What becomes of the reply to one group.
enum Reply {
    /// It goes to the only one that asked.
    Whole(Option<PredictReply>),
    /// Each gets its rows; where the probabilities of each row stand, if there are any.
    Parts(Predictions, Vec<Range<usize>>),
    ToAll(Refusal),
    AskAlone,
}

impl Reply {
    fn of(reply: PredictReply, shared: bool, request: &PredictRequest) -> Reply {
        match reply {
            reply if !shared => Reply::Whole(Some(reply)),
            PredictReply::Refused(refusal @ (Refusal::NoModel { .. } | Refusal::Behind)) => {
                Reply::ToAll(refusal)
            }
            PredictReply::Refused(_) => Reply::AskAlone,
            PredictReply::Done(all) => {
                let spans = if all.is_plain() { all.adds_up().then(Vec::new) } else { all.spans() };
                match spans {
                    Some(spans) if all.has_rows(request.rows as usize) => Reply::Parts(all, spans),
                    _ => Reply::AskAlone,
                }
            }
        }
    }
}

fn are_alike(one: &PredictRequest, other: &PredictRequest) -> bool {
    let columns = one.columns.iter().zip(&other.columns);
    // Requests of one thread for one model share their names.
    let are_named_alike = |a: &Arc<str>, b: &Arc<str>| Arc::ptr_eq(a, b) || a == b;
    one.model == other.model
        && one.channel == other.channel
        && one.state == other.state
        && one.explain == other.explain
        && one.bundle == other.bundle
        && one.columns.len() == other.columns.len()
        && columns.into_iter().all(|(a, b)| {
            discriminant(&*a.column) == discriminant(&*b.column) && are_named_alike(&a.name, &b.name)
        })
}

fn append(known: &mut PredictRequest, more: &PredictRequest) {
    known.rows += more.rows;
    for (known, more) in known.columns.iter_mut().zip(&more.columns) {
        Arc::make_mut(&mut known.column).append(&more.column);
    }
}

/// The answers for some rows of all.
fn slice(all: &Predictions, spans: &[Range<usize>], rows: Range<u32>) -> Predictions {
    let range = rows.start as usize..rows.end as usize;
    let mut part = Predictions { values: all.values[range.clone()].to_vec(), ..Predictions::default() };
    // Few fits answer few rows: a list is searched faster than a map is made.
    let mut used: Vec<u32> = Vec::new();
    for fit in &all.fit_of[range.clone()] {
        let known = used.iter().position(|other| other == fit);
        let place = known.or_else(|| {
            let known = all.fits.get(*fit as usize)?;
            used.push(*fit);
            part.fits.push(known.clone());
            Some(used.len() - 1)
        });
        part.fit_of.push(place.map_or(*fit, |place| place as u32));
    }
    if let (Some(first), Some(last)) = (spans.get(range.start), spans.get(range.end.wrapping_sub(1))) {
        part.probabilities = all.probabilities[first.start..last.end].to_vec();
    }
    let cut = |band: &Band| Band {
        level: band.level,
        lower: band.lower[range.clone()].to_vec(),
        upper: band.upper[range.clone()].to_vec(),
    };
    part.intervals = all.intervals.iter().map(cut).filter(Band::has_any).collect();
    let errors = all.errors.partition_point(|error| error.row < rows.start);
    let own = all.errors[errors..].iter().take_while(|error| error.row < rows.end);
    part.errors = own.map(|error| RowError { row: error.row - rows.start, ..error.clone() }).collect();
    let moved = |row: u32| rows.contains(&row).then(|| row - rows.start);
    let explained = all.explained.iter().map(|explained| explained.moved(moved));
    part.explained = explained.filter(|explained| !explained.rows.is_empty()).collect();
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::column::{Column, TextColumn};
    use schemas::predict::{NO_FIT, NamedColumn, RowErrorKind, UsedFit};
    use schemas::scope::Scope;

    fn request(model: &str, texts: &[&str], first: f64) -> Arc<PredictRequest> {
        let numbers = (0..texts.len()).map(|row| first + row as f64).collect();
        Arc::new(PredictRequest {
            model: model.into(),
            channel: "live".into(),
            state: None,
            explain: false,
            bundle: None,
            rows: texts.len() as u32,
            columns: vec![
                NamedColumn::new(
                    "a",
                    Column::Text(TextColumn::from_rows(texts.iter().map(|text| Some(*text)))),
                ),
                NamedColumn::new("x", Column::Number(numbers)),
            ],
        })
    }

    /// Each row's answer is its number; texts that begin with `!` have none, and the others a fit by their name.
    fn answer(request: &PredictRequest) -> Predictions {
        let (Column::Text(texts), Column::Number(numbers)) =
            (&*request.columns[0].column, &*request.columns[1].column)
        else {
            panic!("kinds changed")
        };
        let mut done = Predictions { values: numbers.clone(), ..Predictions::default() };
        for row in 0..request.rows {
            let text = texts.get(row as usize).unwrap();
            if text.starts_with('!') {
                done.fit_of.push(NO_FIT);
                let message = text.to_owned();
                done.errors.push(RowError { row, kind: RowErrorKind::NoFit, field: None, message });
                continue;
            }
            let scope = Scope::new([("a", text)]);
            let known = done.fits.iter().position(|fit| fit.scope == scope);
            done.fit_of.push(known.unwrap_or(done.fits.len()) as u32);
            if known.is_none() {
                done.fits.push(Arc::new(UsedFit {
                    scope,
                    level: 0,
                    fingerprint: text.into(),
                    campaign: "c".into(),
                    trained_at_ms: 0,
                    classes: Vec::new(),
                    scores: 0,
                }));
            }
        }
        done
    }

    proptest! {
        #[test]
        fn each_gets_the_answer_that_it_would_get_alone(
            asked in proptest::collection::vec((0usize..2, proptest::collection::vec("[!ab][ab]?", 1..5)), 1..12)
        ) {
            let requests: Vec<Arc<PredictRequest>> = asked
                .iter()
                .enumerate()
                .map(|(place, (model, texts))| {
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    request(["m", "n"][*model], &texts, 100.0 * place as f64)
                })
                .collect();
            let merged = Merged::of(requests.iter().cloned());
            prop_assert!(merged.requests.len() <= 2);
            let replies = merged.requests.iter().map(|request| PredictReply::Done(answer(request))).collect();
            for (request, reply) in requests.iter().zip(merged.split(replies)) {
                prop_assert_eq!(reply, Some(PredictReply::Done(answer(request))));
            }
        }
    }

    #[test]
    fn a_refusal_goes_to_all_or_each_is_asked_alone() {
        let merged =
            Merged::of([request("m", &["a"], 0.0), request("m", &["b"], 1.0), request("n", &["a"], 2.0)]);
        let split = merged
            .split(vec![PredictReply::Refused(Refusal::Failed), PredictReply::Refused(Refusal::Failed)]);
        assert_eq!(split, [None, None, Some(PredictReply::Refused(Refusal::Failed))]);
        let gone = PredictReply::Refused(Refusal::NoModel { model: "m".into() });
        let split = merged.split(vec![gone.clone(), PredictReply::Done(Predictions::default())]);
        assert_eq!(split[..2], [Some(gone.clone()), Some(gone)]);
        // An answer to other rows is nobody's.
        let split = merged
            .split(vec![PredictReply::Done(Predictions::default()), PredictReply::Refused(Refusal::Failed)]);
        assert_eq!(split[..2], [None, None]);
    }
}
