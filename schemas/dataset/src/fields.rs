//! The columns of a batch as a model reads them. Rows are answered one by one, so that a text that is no number or time
//! is an error at its row, not of the batch.

use std::collections::BTreeMap;

use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::DataType;
use schemas::column::{Column, TextColumn};
use schemas::limits::FEATURES_MAX;
use schemas::predict::{NamedColumn, RowError, RowErrorKind};
use schemas::spec::ModelSpec;
use schemas::time::TIME_NULL;

use crate::convert::{Mismatch, from_typed, number_of, texts_of, time_of};
use crate::kind::Kind;
use crate::request::{Request, Role, Slot};

/// Characters of a wrong value that a message shows.
const SHOWN_CHARS: usize = 40;

/// Which columns are read, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    slots: Vec<Slot>,
    /// So many of the slots, the first, must be of their kind; what is wrong with the others does not matter.
    needed: usize,
    others: bool,
}

impl Fields {
    /// The dimensions of a model, its features, and the time of a series. A batch that lacks some of them lacks some values.
    pub fn of(spec: &ModelSpec) -> Fields {
        let slots = Request::for_predicting(spec).slots();
        Fields { needed: slots.len(), slots, others: false }
    }

    /// Reads also what an older spec of the model names, for the fits that were made with it.
    #[must_use]
    pub fn and_older(mut self, spec: &ModelSpec) -> Fields {
        for slot in Request::for_predicting(spec).slots() {
            if !self.slots.contains(&slot) {
                self.slots.push(slot);
            }
        }
        self
    }

    /// Reads also all columns that no spec names: numbers, texts and times as what they are, booleans as texts.
    #[must_use]
    pub fn and_others(self) -> Fields {
        Fields { others: true, ..self }
    }

    /// The slots, and for each whether it must be of its kind.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (&Slot, bool)> {
        self.slots.iter().enumerate().map(|(at, slot)| (slot, at < self.needed))
    }

    /// As what a column beyond the slots is read.
    fn other(&self, name: &str, data_type: &DataType) -> Option<Slot> {
        let role = match Kind::of(data_type) {
            _ if !self.others || self.slots.iter().any(|slot| slot.name == name) => return None,
            Kind::Number => Role::Number,
            Kind::Text | Kind::Boolean => Role::Text,
            Kind::Time => Role::Time,
            Kind::Null | Kind::Other => return None,
        };
        Some(Slot { name: name.to_owned(), role })
    }

    /// The columns of a batch with declared types.
    pub(crate) fn of_batch(&self, batch: &RecordBatch) -> Result<Taken, Wrong> {
        let mut taking = Taking::new(batch.num_rows());
        for (slot, is_needed) in self.slots() {
            match batch.column_by_name(&slot.name) {
                Some(array) => taking.typed(slot, array, is_needed)?,
                None => continue,
            }
        }
        let schema = batch.schema_ref();
        let others = schema.fields().iter().zip(batch.columns());
        let others =
            others.filter_map(|(field, array)| Some((self.other(field.name(), field.data_type())?, array)));
        for (slot, array) in others.take(2 * FEATURES_MAX) {
            taking.typed(&slot, array, false)?;
        }
        Ok(taking.finish())
    }
}

/// The columns of some rows, and the rows that cannot be asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taken {
    /// Number of rows.
    pub rows: usize,
    /// One entry per row each; where a row has an error, the value is missing.
    pub columns: Vec<NamedColumn>,
    /// Rows with a value of the wrong kind, ascending, at most one error each.
    pub errors: Vec<RowError>,
}

/// A column that as a whole is not what it is wanted as.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) slot: Slot,
    pub(crate) what: Mismatch,
}

/// Columns being taken from a batch.
pub(crate) struct Taking {
    rows: usize,
    columns: Vec<NamedColumn>,
    errors: BTreeMap<usize, RowError>,
}

impl Taking {
    pub(crate) fn new(rows: usize) -> Taking {
        Taking { rows, columns: Vec::new(), errors: BTreeMap::new() }
    }

    /// Takes a column as it is.
    pub(crate) fn add(&mut self, slot: &Slot, column: Column) {
        self.columns.push(NamedColumn::new(slot.name.as_str(), column));
    }

    /// Takes a column with a declared type; one of another kind that is not needed is passed over.
    pub(crate) fn typed(&mut self, slot: &Slot, array: &ArrayRef, is_needed: bool) -> Result<(), Wrong> {
        let is_text_time = slot.role == Role::Time && Kind::of(array.data_type()) == Kind::Text;
        let role = if is_text_time { Role::Text } else { slot.role };
        match from_typed(array, role) {
            Ok(Column::Text(texts)) if is_text_time => self.times(slot, &texts, is_needed),
            Ok(column) => self.add(slot, column),
            Err(_) if !is_needed => {}
            Err(what) => return Err(Wrong { slot: slot.clone(), what }),
        }
        Ok(())
    }

    /// Takes a column of texts that may say anything.
    pub(crate) fn texts(&mut self, slot: &Slot, texts: &StringArray, is_needed: bool) {
        match slot.role {
            Role::Text => self.add(slot, Column::Text(texts_of(texts.iter()))),
            Role::Time => self.times(slot, &texts_of(texts.iter()), is_needed),
            Role::Number => {
                let mut numbers = vec![f64::NAN; texts.len()];
                for (row, text) in texts.iter().enumerate() {
                    match text.map(|text| (number_of(text), text)) {
                        Some((Some(number), _)) => numbers[row] = number,
                        Some((None, text)) if is_needed => self.wrong(slot, row, text),
                        _ => {}
                    }
                }
                self.add(slot, Column::Number(numbers));
            }
        }
    }

    fn times(&mut self, slot: &Slot, texts: &TextColumn, is_needed: bool) {
        let named: Vec<Option<i64>> = texts.values.iter().map(|text| time_of(text)).collect();
        let mut times = vec![TIME_NULL; texts.codes.len()];
        for (row, code) in texts.codes.iter().enumerate() {
            match named.get(*code as usize) {
                Some(Some(time)) => times[row] = *time,
                Some(None) if is_needed => self.wrong(slot, row, texts.get(row).unwrap_or_default()),
                _ => {}
            }
        }
        self.add(slot, Column::Time(times));
    }

    fn wrong(&mut self, slot: &Slot, row: usize, text: &str) {
        let text: String = text.chars().take(SHOWN_CHARS).collect();
        let wanted = match slot.role {
            Role::Time => "a time such as \"2013-12-03T14:00:00Z\"",
            Role::Number | Role::Text => "a number",
        };
        self.errors.entry(row).or_insert_with(|| RowError {
            row: row as u32,
            kind: RowErrorKind::Invalid,
            field: Some(slot.name.clone()),
            message: format!("{wanted} is required, not {text:?}"),
        });
    }

    pub(crate) fn finish(self) -> Taken {
        Taken { rows: self.rows, columns: self.columns, errors: self.errors.into_values().collect() }
    }
}
