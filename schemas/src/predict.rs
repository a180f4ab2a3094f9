//! What gateway and predictors say to each other: a message is a list of requests, its answer the list of replies in
//! the same order (or one refusal, when the message itself is unreadable or cannot be taken).
//!
//! Both speak the newest version of [`crate::envelope`] that the predictor has announced and the gateway knows. No field may
//! be left out when it is empty: without names, its place counts.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::channel::ChannelState;
use crate::column::{Column, TextColumn};
use crate::envelope::{self, Encode, EnvelopeError};
use crate::forecast::Band;
use crate::label::Label;
use crate::scope::Scope;

/// Rows to predict, by columns, for one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictRequest {
    /// The model.
    #[serde(with = "crate::shared::text")]
    pub model: Arc<str>,
    /// The channel whose fits answer.
    #[serde(with = "crate::shared::text")]
    pub channel: Arc<str>,
    /// The state of the channel that answers, so that all parts of a request over several predictors agree.
    #[serde(default, with = "crate::shared::option")]
    pub state: Option<Arc<ChannelState>>,
    /// Whether each prediction is to be taken apart into what each feature adds to it.
    #[serde(default)]
    pub explain: bool,
    /// The digest of the bundle that the gateway answers from; none for one that follows broker and ledger. A predictor that
    /// answers from anything else refuses.
    #[serde(default, with = "crate::shared::option")]
    pub bundle: Option<Arc<String>>,
    /// Number of rows; every column has as many.
    pub rows: u32,
    /// Dimensions (texts), features (numbers, texts, times).
    pub columns: Vec<NamedColumn>,
}

impl PredictRequest {
    /// About how many bytes the request takes in a message; never less than it does.
    pub fn size_bytes(&self) -> usize {
        let columns = self.columns.iter().map(|named| named.name.len() + 64 + named.column.size_bytes());
        self.model.len() + self.channel.len() + 384 + columns.sum::<usize>()
    }

    /// The same request for some of its rows, in that order.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> PredictRequest {
        PredictRequest {
            model: self.model.clone(),
            channel: self.channel.clone(),
            state: self.state.clone(),
            explain: self.explain,
            bundle: self.bundle.clone(),
            rows: rows.len() as u32,
            columns: self.columns.iter().map(|named| named.take(rows)).collect(),
        }
    }
}

/// A column with its name; both are shared, not copied, when the request is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedColumn {
    /// As in the source.
    #[serde(with = "crate::shared::text")]
    pub name: Arc<str>,
    /// The values.
    #[serde(with = "crate::shared")]
    pub column: Arc<Column>,
}

impl NamedColumn {
    /// A column with its name.
    pub fn new(name: impl Into<Arc<str>>, column: Column) -> NamedColumn {
        NamedColumn { name: name.into(), column: Arc::new(column) }
    }

    /// Some of its rows, in that order.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> NamedColumn {
        NamedColumn::new(self.name.clone(), self.column.take(rows))
    }
}

/// The column of texts called `name`; a column of numbers may have the same name.
pub fn text_column<'a>(columns: &'a [NamedColumn], name: &str) -> Option<&'a TextColumn> {
    columns.iter().filter(|named| *named.name == *name).find_map(|named| match &*named.column {
        Column::Text(text) => Some(text),
        _ => None,
    })
}

/// A predictor's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PredictReply {
    /// The rows' predictions, errors among them.
    Done(Predictions),
    /// Nothing could be predicted.
    Refused(Refusal),
}

// Requests that wait for one predictor travel together, and so do their answers.
crate::message!(Vec<PredictRequest>, Vec<PredictReply>);

impl Encode for [&PredictRequest] {
    fn encode_as(&self, version: u16) -> Result<Vec<u8>, EnvelopeError> {
        envelope::write(version, self)
    }
}

impl Encode for [PredictReply] {
    fn encode_as(&self, version: u16) -> Result<Vec<u8>, EnvelopeError> {
        envelope::write(version, self)
    }
}

/// Predictions by row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// One per row, for a classifier the place of the most probable class; NaN where `errors` has the row.
    #[serde(with = "crate::packed")]
    pub values: Vec<f64>,
    /// Row by row the probabilities of the classes of the row's fit, or its scores where the fit has some; of a row whose fit
    /// has neither, nothing.
    #[serde(default, with = "crate::packed")]
    pub probabilities: Vec<f64>,
    /// Per row the index into `fits`, or [`NO_FIT`].
    #[serde(with = "crate::packed")]
    pub fit_of: Vec<u32>,
    /// The fits that answered.
    #[serde(with = "crate::shared::list")]
    pub fits: Vec<Arc<UsedFit>>,
    /// Rows without a prediction, ascending.
    pub errors: Vec<RowError>,
    /// Prediction intervals by row, where the fit has some.
    #[serde(default)]
    pub intervals: Vec<Band>,
    /// What each feature adds to the predictions, where it was asked for and the fit can tell: one entry for each fit.
    #[serde(default)]
    pub explained: Vec<Explained>,
}

/// What each feature adds to the predictions of one fit: a base and a row's contributions add up to its prediction, on the
/// scale on which the fit is a sum. Fits of more than two classes have such a sum for each class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The features, as the spec names them; a one-hot column is one.
    pub features: Vec<String>,
    /// The prediction without any contribution; with several sums one for each class.
    #[serde(with = "crate::packed")]
    pub bases: Vec<f64>,
    /// The link between the sums and the prediction.
    pub link: Link,
    /// The rows that are explained, ascending.
    #[serde(with = "crate::packed")]
    pub rows: Vec<u32>,
    /// Row by row, and for each base, one for each feature.
    #[serde(with = "crate::packed")]
    pub contributions: Vec<f64>,
}

/// How sums of contributions become a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// It is the prediction.
    Identity,
    /// It is the prediction's logarithm.
    Log,
    /// It is the log-odds of the second class.
    Logit,
    /// It is the probability of the class; a single one is that of the second class.
    Probability,
    /// Their exponentials, divided by the sum of these, are the classes' probabilities.
    Softmax,
    /// Their logistic functions, divided by the sum of these, are the classes' probabilities.
    OneVersusRest,
}

impl Explained {
    /// Contributions that each row has.
    pub fn width(&self) -> usize {
        self.bases.len() * self.features.len()
    }

    /// The rows for which `place` gives a new index.
    #[must_use]
    pub fn moved(&self, place: impl Fn(u32) -> Option<u32>) -> Explained {
        let mut moved = Explained { rows: Vec::new(), contributions: Vec::new(), ..self.clone() };
        let width = self.width();
        for (at, row) in self.rows.iter().enumerate() {
            // A torn message has no more contributions than it has.
            let own = self.contributions.get(at * width..(at + 1) * width);
            if let (Some(row), Some(own)) = (place(*row), own) {
                moved.rows.push(row);
                moved.contributions.extend_from_slice(own);
            }
        }
        moved
    }
}

/// In [`Predictions::fit_of`]: no fit answered this row.
pub const NO_FIT: u32 = u32::MAX;

/// A fit that answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsedFit {
    /// The scope it was made from.
    pub scope: Scope,
    /// Which fallback level that is, 0 the most exact.
    pub level: u8,
    /// Its name.
    pub fingerprint: String,
    /// The campaign that landed it.
    pub campaign: String,
    /// When, milliseconds since 1970.
    pub trained_at_ms: i64,
    /// What a classifier tells apart.
    #[serde(default)]
    pub classes: Vec<Label>,
    /// Scores that a row gets instead of one number; 0 where it is one number or a class.
    #[serde(default)]
    pub scores: u32,
}

impl Predictions {
    /// Whether it has an answer or an error for each of `rows` rows, and nothing of other rows.
    pub fn has_rows(&self, rows: usize) -> bool {
        let bands = self.intervals.iter().all(|band| band.lower.len() == rows && band.upper.len() == rows);
        if self.values.len() != rows || self.fit_of.len() != rows || !bands {
            return false;
        }
        let has_none = |error: &RowError| self.fit_of.get(error.row as usize) == Some(&NO_FIT);
        let errors = self.errors.iter().all(has_none) && self.errors.is_sorted_by(|a, b| a.row < b.row);
        let answered = |(fit, value): &(&u32, &f64)| (**fit as usize) < self.fits.len() && value.is_finite();
        let answered = self.fit_of.iter().zip(&self.values).filter(answered).count();
        errors && answered + self.errors.len() == rows
    }

    /// The answer for all of `rows` rows, when this is that for those at `places`, ascending; the others have `errors`, ascending.
    #[must_use]
    pub fn spread(self, rows: usize, places: &[u32], mut errors: Vec<RowError>) -> Predictions {
        let place = |row: u32| places.get(row as usize).copied();
        let mut whole = Predictions {
            values: vec![f64::NAN; rows],
            fit_of: vec![NO_FIT; rows],
            fits: self.fits,
            // Rows at other places have none, and these keep their order.
            probabilities: self.probabilities,
            explained: self.explained.iter().map(|explained| explained.moved(place)).collect(),
            ..Predictions::default()
        };
        Band::spread(&mut whole.intervals, rows, &self.intervals, places);
        for ((row, value), fit) in places.iter().zip(self.values).zip(self.fit_of) {
            whole.values[*row as usize] = value;
            whole.fit_of[*row as usize] = fit;
        }
        let moved = |error: RowError| Some(RowError { row: place(error.row)?, ..error });
        errors.extend(self.errors.into_iter().filter_map(moved));
        errors.sort_by_key(|error| error.row);
        whole.errors = errors;
        whole
    }

    /// Whether all fits answer with plain numbers.
    pub fn is_plain(&self) -> bool {
        self.fits.iter().all(|fit| fit.is_plain())
    }

    /// Whether there are as many probabilities as [`Predictions::spans`] needs.
    pub fn adds_up(&self) -> bool {
        if self.is_plain() { self.probabilities.is_empty() } else { self.spans().is_some() }
    }

    /// For each row where its probabilities stand; an empty range for one without any. `None` when they do not add up to
    /// those that there are, or an answer is none of its fit's classes.
    pub fn spans(&self) -> Option<Vec<Range<usize>>> {
        let mut end = 0;
        let mut span = |(fit, value): (&u32, &f64)| {
            let fit = self.fits.get(*fit as usize);
            let classes = fit.map_or(0, |fit| fit.classes.len());
            let numbers = classes + fit.map_or(0, |fit| fit.scores as usize);
            end += numbers;
            (classes == 0 || (*value >= 0.0 && *value < classes as f64)).then_some(end - numbers..end)
        };
        let spans = self.fit_of.iter().zip(&self.values).map(&mut span).collect::<Option<Vec<_>>>()?;
        (end == self.probabilities.len()).then_some(spans)
    }
}

/// Why one row has no prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowError {
    /// The row's index in the request.
    pub row: u32,
    /// What kind of trouble it is.
    pub kind: RowErrorKind,
    /// The field at fault, if one is.
    pub field: Option<String>,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "`{field}`: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Those of `rows` rows that have none of `errors`, which are ascending.
pub fn sound_rows(rows: usize, errors: &[RowError]) -> Vec<u32> {
    let is_sound = |row: &u32| errors.binary_search_by_key(row, |error| error.row).is_err();
    (0..rows as u32).filter(is_sound).collect()
}

/// Who has to act on a row's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowErrorKind {
    /// The caller: a value is missing or of the wrong kind.
    Invalid,
    /// The trainer: no level of the row's scope has a fit.
    NoFit,
    /// The operator: the fit is there but its bytes cannot be had, or are damaged.
    Unavailable,
}

/// Why a whole request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The broker has no such model.
    #[error("no model `{model}`")]
    NoModel {
        /// The name asked for.
        model: String,
    },
    /// The request contradicts itself.
    #[error("bad request: {problem}")]
    BadRequest {
        /// What is wrong.
        problem: String,
    },
    /// The answer does not fit one message, or holds the predictor up too long: ask for fewer rows at once.
    #[error("the answer is too large for one message")]
    AnswerTooLarge,
    /// The predictor failed on the request.
    #[error(
        "the predictor failed on this request: a mistake of its own, which its log tells; please report it"
    )]
    Failed,
    /// The predictor does not yet know the channel as it is.
    #[error("the predictor does not know yet how the channel was moved")]
    Behind,
    /// The predictor has all the work it can hold.
    #[error("the predictor is overloaded")]
    Overloaded,
}
