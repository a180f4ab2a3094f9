//! The columns of a request, and its rows by the values of all dimensions.

use std::sync::Arc;

use schemas::alike::Alike;
use schemas::column::{Column, TextColumn};
use schemas::feature::Feature;
use schemas::fit::Input;
use schemas::predict::{NamedColumn, Refusal, text_column};
use schemas::spec::ModelSpec;

/// The columns of a request. One name may stand for a text (as a dimension) and for a number (as a feature).
pub(crate) struct Columns<'a>(&'a [NamedColumn]);

impl<'a> Columns<'a> {
    pub(crate) fn new(named: &'a [NamedColumn], rows: usize) -> Result<Columns<'a>, Refusal> {
        if let Some(wrong) = named.iter().find(|named| named.column.len() != rows) {
            let found = wrong.column.len();
            let problem = format!("column `{}` has {found} rows, the request {rows}", wrong.name);
            return Err(Refusal::BadRequest { problem });
        }
        Ok(Columns(named))
    }

    /// The column that feeds `input`; one of another kind where there is no right one, so that the error can say so.
    pub(crate) fn of(&self, input: &Input) -> Option<Arc<Column>> {
        let fits = |column: &Column| {
            matches!(
                (input, column),
                (Input::OneHot { .. } | Input::Category { .. }, Column::Text(_))
                    | (Input::Number(Feature::Column(_)), Column::Number(_))
                    | (Input::Number(Feature::DatePart(..)), Column::Time(_))
            )
        };
        let alike = || self.0.iter().filter(|named| *named.name == *input.column());
        let named = || alike().map(|named| &named.column);
        named().find(|column| fits(column)).or_else(|| named().next()).cloned()
    }

    /// A column of times.
    pub(crate) fn times(&self, name: &str) -> Option<&[i64]> {
        self.0.iter().find_map(|named| match &*named.column {
            Column::Time(times) if *named.name == *name => Some(times.as_slice()),
            _ => None,
        })
    }
}

/// The dimensions of a request's rows. One without a column is missing in every row.
pub(crate) struct Dimensions<'a>(Vec<Option<&'a TextColumn>>);

impl<'a> Dimensions<'a> {
    pub(crate) fn new(spec: &ModelSpec, columns: &Columns<'a>) -> Dimensions<'a> {
        Dimensions(spec.scope.dimensions.iter().map(|name| text_column(columns.0, name)).collect())
    }

    /// The values of a row.
    pub(crate) fn values(&self, row: usize) -> impl Iterator<Item = Option<&'a str>> + Clone {
        self.0.iter().map(move |text| text.and_then(|text| text.get(row)))
    }

    /// The rows by their values.
    pub(crate) fn alike(&self, rows: usize) -> Alike {
        let texts: Vec<&TextColumn> = self.0.iter().flatten().copied().collect();
        Alike::of(&texts, rows)
    }
}
