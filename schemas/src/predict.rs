//! What gateway and predictors say to each other: a message is a list of requests, its answer the list of replies in
//! the same order (or one refusal, when the message itself is unreadable or cannot be taken).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::channel::ChannelState;
use crate::column::Column;
use crate::forecast::Band;
use crate::label::Label;
use crate::scope::Scope;

/// Rows to predict, by columns, for one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictRequest {
    /// The model.
    pub model: String,
    /// The channel whose fits answer.
    pub channel: String,
    /// The state of the channel that answers, so that all parts of a request over several predictors agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ChannelState>,
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
}

/// A column with its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedColumn {
    /// As in the source.
    pub name: String,
    /// The values.
    pub column: Column,
}

/// A predictor's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PredictReply {
    /// The rows' predictions, errors among them.
    Done(Predictions),
    /// Nothing could be predicted.
    Refused(Refusal),
}

/// Predictions by row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// One per row, for a classifier the place of the most probable class; NaN where `errors` has the row.
    #[serde(with = "crate::packed")]
    pub values: Vec<f64>,
    /// Row by row the probabilities of the classes of the row's fit, or its scores where the fit has some; of a row whose fit
    /// has neither, nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "crate::packed")]
    pub probabilities: Vec<f64>,
    /// Per row the index into `fits`, or [`NO_FIT`].
    #[serde(with = "crate::packed")]
    pub fit_of: Vec<u32>,
    /// The fits that answered.
    pub fits: Vec<UsedFit>,
    /// Rows without a prediction, ascending.
    pub errors: Vec<RowError>,
    /// Prediction intervals by row, where the fit has some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<Band>,
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Label>,
    /// Scores that a row gets instead of one number; 0 where it is one number or a class.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub scores: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Predictions {
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
    /// The answer does not fit one message: ask for fewer rows at once.
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
