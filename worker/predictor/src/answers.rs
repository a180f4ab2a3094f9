//! Predictions as they come together, one fit after the other.

mod forecast;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use learn::{Block, Design, DesignError, most_probable, predict};
use schemas::column::Column;
use schemas::encoding::Missing;
use schemas::fit::{Input, Parameters};
use schemas::outcome::clip_reason;
use schemas::predict::{NO_FIT, Predictions, RowError, RowErrorKind, UsedFit};
use schemas::structure::Structure;

use crate::cache::Served;
use crate::columns::Columns;
use crate::explained::explained;

/// Predictions as they come together.
pub(crate) struct Answers<'a> {
    columns: &'a Columns<'a>,
    explain: bool,
    done: Predictions,
    /// Probabilities or scores as they come, and for each row where its own are; none before the first.
    numbers: Vec<f64>,
    spans: Vec<Range<usize>>,
    /// The columns as the last fit read them: the next one mostly reads them so too.
    last: Option<Read>,
    block: Block,
    values: Vec<f64>,
}

/// The columns of a request as fits with the same inputs read them.
struct Read {
    inputs: Arc<Vec<Input>>,
    missing: Missing,
    design: Design,
    /// Row by row, whether it has all that such a fit needs.
    complete: Vec<bool>,
}

impl Read {
    fn new(columns: &Columns, rows: usize, fit: &Served) -> Result<Read, DesignError> {
        let design = Design::new(&fit.inputs, rows, |input| columns.of(input))?.with_missing(fit.missing);
        let complete = design.complete_mask();
        Ok(Read { inputs: fit.inputs.clone(), missing: fit.missing, design, complete })
    }

    fn is_for(&self, fit: &Served) -> bool {
        Arc::ptr_eq(&self.inputs, &fit.inputs) && self.missing == fit.missing
    }
}

impl<'a> Answers<'a> {
    pub(crate) fn new(columns: &'a Columns<'a>, rows: usize, explain: bool) -> Answers<'a> {
        let done = Predictions {
            values: vec![f64::NAN; rows],
            fit_of: vec![NO_FIT; rows],
            ..Predictions::default()
        };
        Answers {
            columns,
            explain,
            done,
            numbers: Vec::new(),
            spans: Vec::new(),
            last: None,
            block: Block::default(),
            values: Vec::new(),
        }
    }

    /// Predicts `rows` by a fit.
    pub(crate) fn add(&mut self, fit: &Served, used: &Arc<UsedFit>, rows: &[u32]) {
        if let Parameters::Forecast(forecast) = &fit.parameters {
            return self.foretell(forecast, used, rows);
        }
        let read = match self.last.take().filter(|last| last.is_for(fit)) {
            Some(last) => Ok(last),
            None => Read::new(self.columns, self.done.values.len(), fit),
        };
        match read {
            Ok(read) => {
                self.predict(fit, used, &read, rows);
                self.last = Some(read);
            }
            Err(error) => {
                let column = Some(error.column().to_owned());
                self.all(rows, RowErrorKind::Invalid, column, &error.to_string());
            }
        }
    }

    fn predict(&mut self, fit: &Served, used: &Arc<UsedFit>, read: &Read, rows: &[u32]) {
        let whole = self.complete(read, rows);
        read.design.block(&whole, &mut self.block);
        let mut values = std::mem::take(&mut self.values);
        if let Err(error) = predict(&fit.parameters, &self.block, &mut values) {
            return self.all(&whole, RowErrorKind::Unavailable, None, &error.to_string());
        }
        let outputs = fit.parameters.outputs();
        let lists = matches!(&fit.parameters, Parameters::Structure(Structure::Components { .. }));
        if !lists && outputs != fit.classes.len().max(1) {
            let message = "the fit names other classes than it predicts";
            return self.all(&whole, RowErrorKind::Unavailable, None, message);
        }
        let place = self.done.fits.len() as u32;
        let scores = if lists { outputs as u32 } else { 0 };
        self.done.fits.push(match scores == 0 && fit.classes.is_empty() {
            true => used.clone(),
            false => Arc::new(UsedFit { classes: fit.classes.clone(), scores, ..(**used).clone() }),
        });
        for (row, values) in whole.iter().zip(values.chunks_exact(outputs)) {
            if !values.iter().all(|value| value.is_finite()) {
                self.error(*row, RowErrorKind::Invalid, None, "the values are too large to predict with");
                continue;
            }
            self.done.fit_of[*row as usize] = place;
            self.done.values[*row as usize] = values[0];
            if !fit.classes.is_empty() {
                self.done.values[*row as usize] = most_probable(values) as f64;
            }
            if lists || !fit.classes.is_empty() {
                self.note_numbers(*row, values);
            }
        }
        self.values = values;
        if self.explain {
            self.done.explained.extend(explained(fit, &self.block, whole.into_owned()));
        }
    }

    /// Those of `rows` that have all that the fit needs; the others are errors.
    fn complete<'r>(&mut self, read: &Read, rows: &'r [u32]) -> Cow<'r, [u32]> {
        let Read { inputs, design, complete, .. } = read;
        let is_complete = |row: &&u32| complete[**row as usize];
        if rows.iter().all(|row| is_complete(&row)) {
            return rows.into();
        }
        let (whole, torn): (Vec<u32>, Vec<u32>) = rows.iter().partition(is_complete);
        for row in torn {
            let input = design.missing(row as usize).map(|input| &inputs[input]);
            let message = match input.and_then(|input| self.columns.of(input)).as_deref() {
                Some(Column::Number(values)) if values[row as usize].is_infinite() => {
                    "the number is infinite; the fit needs a finite one"
                }
                _ => "the field is missing; the fit needs a value of it",
            };
            self.error(row, RowErrorKind::Invalid, input.map(|input| input.column().to_owned()), message);
        }
        whole.into()
    }

    fn note_numbers(&mut self, row: u32, values: &[f64]) {
        if self.spans.is_empty() {
            self.spans = vec![0..0; self.done.values.len()];
        }
        let first = self.numbers.len();
        self.numbers.extend_from_slice(values);
        self.spans[row as usize] = first..self.numbers.len();
    }

    pub(crate) fn no_fit(&mut self, rows: &[u32], message: &str) {
        self.all(rows, RowErrorKind::NoFit, None, &clip_reason(message));
    }

    pub(crate) fn all(&mut self, rows: &[u32], kind: RowErrorKind, field: Option<String>, message: &str) {
        rows.iter().for_each(|row| self.error(*row, kind, field.clone(), message));
    }

    fn error(&mut self, row: u32, kind: RowErrorKind, field: Option<String>, message: &str) {
        self.done.errors.push(RowError { row, kind, field, message: message.to_owned() });
    }

    pub(crate) fn done(mut self) -> Predictions {
        self.done.errors.sort_by_key(|error| error.row);
        for span in self.spans {
            self.done.probabilities.extend_from_slice(&self.numbers[span]);
        }
        self.done
    }
}
