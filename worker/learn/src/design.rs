//! From raw columns to the numbers of a design matrix.

use std::collections::HashMap;
use std::sync::Arc;

use schemas::column::{Column, TEXT_NULL, TextColumn};
use schemas::encoding::Missing;
use schemas::feature::Feature;
use schemas::fit::Input;
use schemas::text::respelled;
use schemas::time::{DatePart, TIME_NULL};

use crate::block::Block;
use crate::records::Records;

/// A text that is none of the categories.
const UNSEEN: u32 = u32::MAX;

/// Why columns cannot feed a fit's inputs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesignError {
    /// No such column.
    #[error("column `{column}` is missing; the model reads it as {expected}")]
    Missing {
        /// The raw column.
        column: String,
        /// What it has to hold.
        expected: &'static str,
    },
    /// The column holds something else.
    #[error("column `{column}` holds {found}; the model reads it as {expected}")]
    Kind {
        /// The raw column.
        column: String,
        /// What it holds.
        found: &'static str,
        /// What it has to hold.
        expected: &'static str,
    },
    /// The column's length is not the table's.
    #[error("column `{column}` has {found} rows, the table {expected}; every column needs one entry per row")]
    Rows {
        /// The raw column.
        column: String,
        /// Entries it has.
        found: usize,
        /// Entries it has to have.
        expected: usize,
    },
}

impl DesignError {
    /// The raw column.
    pub fn column(&self) -> &str {
        match self {
            DesignError::Missing { column, .. }
            | DesignError::Kind { column, .. }
            | DesignError::Rows { column, .. } => column,
        }
    }
}

/// Inputs bound to the columns of one table; columns are shared, not copied.
#[derive(Debug)]
pub struct Design {
    rows: usize,
    width: usize,
    /// One for each input.
    parts: Vec<Part>,
    /// The numbers of all parts, once they are kept row by row.
    records: Option<Records>,
    /// Whether rows may lack values.
    missing: Missing,
    /// The design columns that hold the places of categories.
    categories: Vec<usize>,
}

/// What one input reads.
#[derive(Debug)]
enum Part {
    /// One design column; NaN is missing.
    Number(Numbers),
    /// One design column for each category.
    OneHot {
        texts: Texts,
        /// Per code the category's place, or [`UNSEEN`].
        places: Vec<u32>,
        width: usize,
    },
    /// One design column.
    Category {
        texts: Texts,
        /// Per code the category's place; NaN for one that is unseen.
        places: Vec<f64>,
    },
}

impl Design {
    /// Binds `inputs` to the raw columns of a table of `rows` rows; `column` finds the one that an input reads.
    ///
    /// # Errors
    /// [`DesignError`] for a column that is missing, of another kind, or of another length.
    pub fn new(
        inputs: &[Input],
        rows: usize,
        column: impl Fn(&Input) -> Option<Arc<Column>>,
    ) -> Result<Design, DesignError> {
        let part = |input: &Input| {
            let part = Part::new(input, column(input))?;
            match part.rows() {
                found if found == rows => Ok(part),
                found => Err(DesignError::Rows { column: input.column().to_owned(), found, expected: rows }),
            }
        };
        let parts = inputs.iter().map(part).collect::<Result<_, _>>()?;
        let (mut width, mut categories) = (0, Vec::new());
        for input in inputs {
            if matches!(input, Input::Category { .. }) {
                categories.push(width);
            }
            width += input.width();
        }
        Ok(Design { rows, width, parts, records: None, missing: Missing::Drop, categories })
    }

    /// The same design, whose rows are complete without some values where `missing` says so.
    #[must_use]
    pub fn with_missing(mut self, missing: Missing) -> Design {
        self.missing = missing;
        self
    }

    /// Keeps the numbers row by row and lets go of their columns. The rows that `order` lists, each once, lie side by side
    /// in that order: blocks of such rows are gathered several times faster. What the design answers stays the same.
    ///
    /// # Panics
    /// When `order` lists a row twice, or one that is not there.
    pub fn by_rows(&mut self, order: &[u32]) {
        let mut at = 0;
        let mut fields = Vec::new();
        for part in &self.parts {
            if let Part::Number(values) = part {
                fields.push((at, values.all()));
            }
            at += part.width();
        }
        // One column is as quickly read as one record.
        if self.records.is_some() || fields.len() < 2 {
            return;
        }
        self.records = Some(Records::new(&fields, self.rows, order));
        let numbers = self.parts.iter_mut().filter_map(|part| match part {
            Part::Number(values) => Some(values),
            Part::OneHot { .. } | Part::Category { .. } => None,
        });
        numbers.enumerate().for_each(|(field, values)| *values = Numbers::Recorded(field));
    }

    /// Bytes in memory, shared columns not counted.
    pub fn size_bytes(&self) -> usize {
        let parts = self.parts.iter().map(|part| match part {
            Part::Number(Numbers::Derived(values)) => size_of_val(values.as_slice()),
            Part::Number(_) | Part::OneHot { .. } | Part::Category { .. } => 0,
        });
        parts.sum::<usize>() + self.records.as_ref().map_or(0, Records::size_bytes)
    }

    /// Number of design columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows of the table.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether `row` has every value: finite numbers and present texts (a text never seen is present). Where rows may lack
    /// values, only an infinite number makes one incomplete.
    pub fn is_complete(&self, row: usize) -> bool {
        self.missing(row).is_none()
    }

    /// The place of the first input whose column has no usable value in `row`.
    pub fn missing(&self, row: usize) -> Option<usize> {
        self.parts.iter().position(|part| !part.has(row, self.records.as_ref(), self.missing))
    }

    /// [`Design::is_complete`] of every row, by columns.
    pub fn complete_mask(&self) -> Vec<bool> {
        let mut mask = vec![true; self.rows];
        for part in &self.parts {
            match part {
                Part::Number(Numbers::Recorded(_)) => {
                    mask.iter_mut()
                        .enumerate()
                        .for_each(|(row, m)| *m &= part.has(row, self.records.as_ref(), self.missing));
                }
                Part::Number(values) => {
                    let missing = self.missing;
                    mask.iter_mut().zip(values.all()).for_each(|(m, v)| *m &= is_usable(*v, missing))
                }
                Part::OneHot { .. } | Part::Category { .. } if self.missing == Missing::Keep => {}
                Part::OneHot { texts, .. } | Part::Category { texts, .. } => {
                    let known = texts.known();
                    mask.iter_mut().zip(texts.codes()).for_each(|(m, code)| *m &= (*code as usize) < known);
                }
            }
        }
        mask
    }

    /// Gathers `rows` of the design, in that order, into `out`.
    ///
    /// # Panics
    /// When the table has no such row.
    pub fn block(&self, rows: &[u32], out: &mut Block) {
        out.mark(self.missing == Missing::Keep, &self.categories);
        let mut left = out.reshape(self.width, rows.len());
        if let Some(records) = &self.records {
            records.gather(rows, left);
        }
        for part in &self.parts {
            let (columns, others) = left.split_at_mut(part.width() * rows.len());
            part.gather(rows, columns);
            left = others;
        }
    }
}

impl Part {
    fn new(input: &Input, column: Option<Arc<Column>>) -> Result<Part, DesignError> {
        match (input, column) {
            (Input::Number(Feature::Column(_)), Some(column)) if matches!(*column, Column::Number(_)) => {
                Ok(Part::Number(Numbers::Shared(column)))
            }
            (Input::Number(Feature::DatePart(part, _)), Some(column))
                if matches!(*column, Column::Time(_)) =>
            {
                Ok(Part::Number(Numbers::Derived(date_parts(*part, &column))))
            }
            (Input::OneHot { categories, .. }, Some(column)) if matches!(*column, Column::Text(_)) => {
                let texts = Texts(column);
                let places = texts.places(categories, UNSEEN, |place| place);
                Ok(Part::OneHot { texts, places, width: categories.len() })
            }
            (Input::Category { categories, .. }, Some(column)) if matches!(*column, Column::Text(_)) => {
                let texts = Texts(column);
                let places = texts.places(categories, f64::NAN, f64::from);
                Ok(Part::Category { texts, places })
            }
            (_, found) => Err(mismatch(input, found.as_deref())),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Part::Number(values) => values.all().len(),
            Part::OneHot { texts, .. } | Part::Category { texts, .. } => texts.codes().len(),
        }
    }

    fn width(&self) -> usize {
        match self {
            Part::Number(_) | Part::Category { .. } => 1,
            Part::OneHot { width, .. } => *width,
        }
    }

    /// Whether `row` has a usable value. [`TEXT_NULL`] and the codes of a torn column lie past all texts.
    fn has(&self, row: usize, records: Option<&Records>, missing: Missing) -> bool {
        match self {
            Part::Number(Numbers::Recorded(field)) => {
                records.is_some_and(|records| is_usable(records.row(row)[*field], missing))
            }
            Part::Number(values) => is_usable(values.all()[row], missing),
            Part::OneHot { texts, .. } | Part::Category { texts, .. } => {
                missing == Missing::Keep || (texts.codes()[row] as usize) < texts.known()
            }
        }
    }

    /// Fills this part's columns, one after the other.
    fn gather(&self, rows: &[u32], columns: &mut [f64]) {
        match self {
            // Gathered with all others.
            Part::Number(Numbers::Recorded(_)) => {}
            Part::Number(values) => {
                let values = values.all();
                for (out, row) in columns.iter_mut().zip(rows) {
                    *out = values[*row as usize];
                }
            }
            Part::OneHot { texts, places, .. } => {
                let codes = texts.codes();
                columns.fill(0.0);
                for (at, row) in rows.iter().enumerate() {
                    match places.get(codes[*row as usize] as usize) {
                        None | Some(&UNSEEN) => {}
                        Some(place) => columns[*place as usize * rows.len() + at] = 1.0,
                    }
                }
            }
            Part::Category { texts, places } => {
                let codes = texts.codes();
                for (out, row) in columns.iter_mut().zip(rows) {
                    *out = places.get(codes[*row as usize] as usize).copied().unwrap_or(f64::NAN);
                }
            }
        }
    }
}

/// Whether a number can be learned from and predicted with.
fn is_usable(value: f64, missing: Missing) -> bool {
    value.is_finite() || (missing == Missing::Keep && value.is_nan())
}

const _: () = assert!(TEXT_NULL == u32::MAX, "a missing text's code lies past all texts");

/// A column of numbers, shared with the table or made from one of its columns.
#[derive(Debug)]
enum Numbers {
    /// A [`Column::Number`].
    Shared(Arc<Column>),
    Derived(Vec<f64>),
    /// A field of the design's records.
    Recorded(usize),
}

impl Numbers {
    fn all(&self) -> &[f64] {
        match self {
            Numbers::Derived(values) => values,
            Numbers::Recorded(_) => &[],
            Numbers::Shared(column) => match &**column {
                Column::Number(values) => values,
                Column::Text(_) | Column::Time(_) => &[],
            },
        }
    }
}

/// A [`Column::Text`].
#[derive(Debug)]
struct Texts(Arc<Column>);

impl Texts {
    fn column(&self) -> Option<&TextColumn> {
        match &*self.0 {
            Column::Text(text) => Some(text),
            Column::Number(_) | Column::Time(_) => None,
        }
    }

    fn codes(&self) -> &[u32] {
        self.column().map_or(&[], |text| &text.codes)
    }

    /// Distinct texts of the column.
    fn known(&self) -> usize {
        self.column().map_or(0, |text| text.values.len())
    }

    /// Per code the place of its text among `categories`.
    fn places<T: Copy>(&self, categories: &[String], unseen: T, place: impl Fn(u32) -> T) -> Vec<T> {
        let own: HashMap<&str, u32> = categories.iter().map(String::as_str).zip(0..).collect();
        // A whole number may have been learned in its other spelling.
        let find = |text: &String| own.get(text.as_str()).or_else(|| own.get(&*respelled(text)?));
        let of_text = |text: &String| find(text).map_or(unseen, |at| place(*at));
        self.column().map(|text| text.values.iter().map(of_text).collect()).unwrap_or_default()
    }
}

fn date_parts(part: DatePart, column: &Column) -> Vec<f64> {
    let Column::Time(times) = column else { return Vec::new() };
    times.iter().map(|ms| if *ms == TIME_NULL { f64::NAN } else { part.of(*ms) }).collect()
}

fn mismatch(input: &Input, found: Option<&Column>) -> DesignError {
    let expected = match input {
        Input::Number(Feature::Column(_)) => "numbers",
        Input::Number(Feature::DatePart(..)) => "times",
        Input::OneHot { .. } | Input::Category { .. } => "texts",
    };
    let column = input.column().to_owned();
    match found {
        None => DesignError::Missing { column, expected },
        Some(found) => DesignError::Kind { column, found: found.kind(), expected },
    }
}
