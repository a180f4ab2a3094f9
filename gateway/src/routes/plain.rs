//! The answer that almost every request gets, numbers and the fits that they are from, written in one go.
//!
//! It is what serde would make of [`Answer`](super::predict::Answer), for less than half the time: with a fit for each row,
//! writing the answer is the largest part of a request.

use std::io;
use std::sync::Arc;

use schemas::predict::{Predictions, UsedFit};
use schemas::time::write_ms;

/// About how much an answer takes beside its rows and fits, and each of these.
const ANSWER_BYTES: usize = 128;
const ROW_BYTES: usize = 32;
const FIT_BYTES: usize = 256;

/// Room for an answer, made at once.
pub(super) fn room(whole: &Predictions) -> Vec<u8> {
    Vec::with_capacity(ANSWER_BYTES + ROW_BYTES * whole.values.len() + FIT_BYTES * whole.fits.len())
}

/// The answer's JSON; `None` where there is more to say than numbers and fits.
pub(super) fn written(whole: &Predictions) -> Option<Vec<u8>> {
    let Predictions { values, fit_of, fits, probabilities, intervals, explained, errors } = whole;
    let says_more =
        !(probabilities.is_empty() && intervals.is_empty() && explained.is_empty() && errors.is_empty());
    let are_numbers = values.iter().all(|value| value.is_finite()) && whole.is_plain();
    if says_more || !are_numbers || fit_of.iter().any(|fit| *fit as usize >= fits.len()) {
        return None;
    }
    let mut body = room(whole);
    // Numbers and texts always serialise, and memory takes what is written to it.
    write(&mut body, values, fits, fit_of).ok()?;
    Some(body)
}

fn write(body: &mut Vec<u8>, values: &[f64], fits: &[Arc<UsedFit>], fit_of: &[u32]) -> io::Result<()> {
    body.extend_from_slice(b"{\"predictions\":[");
    list(body, values, |body, value| Ok(serde_json::to_writer(body, value)?))?;
    body.extend_from_slice(b"],\"fits\":[");
    list(body, fits, |body, fit| write_fit(body, fit))?;
    body.extend_from_slice(b"],\"fit_of\":[");
    list(body, fit_of, |body, fit| Ok(serde_json::to_writer(body, fit)?))?;
    body.extend_from_slice(b"]}");
    Ok(())
}

fn write_fit(body: &mut Vec<u8>, fit: &UsedFit) -> io::Result<()> {
    body.extend_from_slice(b"{\"scope\":");
    write_text(body, fit.scope.as_str())?;
    body.extend_from_slice(b",\"level\":");
    serde_json::to_writer(&mut *body, &fit.level)?;
    body.extend_from_slice(b",\"fingerprint\":");
    write_text(body, &fit.fingerprint)?;
    body.extend_from_slice(b",\"campaign\":");
    write_text(body, &fit.campaign)?;
    body.extend_from_slice(b",\"trained_at\":\"");
    write_ms(body, fit.trained_at_ms);
    body.extend_from_slice(b"\"}");
    Ok(())
}

/// A text as JSON. Most have nothing to be escaped, which is found out for many bytes at once.
fn write_text(body: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let is_escaped = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    if text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
        return Ok(serde_json::to_writer(body, text)?);
    }
    body.push(b'"');
    body.extend_from_slice(text.as_bytes());
    body.push(b'"');
    Ok(())
}

/// Items with commas between.
fn list<T>(
    body: &mut Vec<u8>,
    items: &[T],
    write: impl Fn(&mut Vec<u8>, &T) -> io::Result<()>,
) -> io::Result<()> {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        write(body, item)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::forecast::Band;
    use schemas::predict::{NO_FIT, RowError, RowErrorKind};
    use schemas::scope::Scope;

    use super::super::predict::Answer;
    use super::*;

    fn fit(name: String, trained_at_ms: i64) -> Arc<UsedFit> {
        let scope = Scope::new([("shop", name.as_str())]);
        let (level, campaign) = (name.len() as u8, format!("c-{name}"));
        Arc::new(UsedFit {
            scope,
            level,
            fingerprint: name,
            campaign,
            trained_at_ms,
            classes: Vec::new(),
            scores: 0,
        })
    }

    proptest! {
        #[test]
        fn it_is_what_serde_makes_of_an_answer(
            rows in proptest::collection::vec((proptest::num::f64::NORMAL | proptest::num::f64::ZERO, any::<u16>()), 0..20),
            fits in proptest::collection::vec((".{0,8}", -1_000_000_000_000_000i64..1_000_000_000_000_000), 1..5)
        ) {
            let (values, fit_of): (Vec<f64>, Vec<u32>) =
                rows.iter().map(|(value, fit)| (*value, u32::from(*fit) % fits.len() as u32)).unzip();
            let fits = fits.into_iter().map(|(name, at)| fit(name, at)).collect();
            let whole = Predictions { values, fit_of, fits, ..Predictions::default() };
            let by_serde = serde_json::to_string(&Answer::from(&whole)).unwrap();
            prop_assert_eq!(String::from_utf8(written(&whole).unwrap()).unwrap(), by_serde);
        }
    }

    #[test]
    fn what_says_more_is_left_to_serde() {
        let plain = || Predictions {
            values: vec![1.5],
            fit_of: vec![0],
            fits: vec![fit("a".into(), 0)],
            ..Predictions::default()
        };
        assert!(written(&plain()).is_some());
        let error = RowError { row: 0, kind: RowErrorKind::NoFit, field: None, message: String::new() };
        let classes = vec![schemas::label::Label::Integer(1)];
        let others = [
            Predictions { values: vec![f64::NAN], ..plain() },
            Predictions { fit_of: vec![NO_FIT], ..plain() },
            Predictions { errors: vec![error], ..plain() },
            Predictions { probabilities: vec![0.5], ..plain() },
            Predictions {
                intervals: vec![Band { level: 90.0, lower: vec![0.0], upper: vec![1.0] }],
                ..plain()
            },
            Predictions {
                fits: vec![Arc::new(UsedFit { classes, ..(*fit("a".into(), 0)).clone() })],
                ..plain()
            },
            Predictions {
                fits: vec![Arc::new(UsedFit { scores: 2, ..(*fit("a".into(), 0)).clone() })],
                ..plain()
            },
        ];
        assert!(others.iter().all(|other| written(other).is_none()));
    }
}
