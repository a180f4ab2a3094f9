//! The columns of a request while its rows come in.

use std::collections::HashMap;

use schemas::feature::Feature;
use schemas::limits::FEATURES_MAX;
use schemas::predict::{RowError, RowErrorKind};
use schemas::spec::ModelSpec;

use super::Rows;
use super::field::{Field, Uses};
use super::json::Scalar;

/// What has come of a request so far.
pub(super) struct Columns {
    fields: Vec<Field>,
    places: HashMap<String, usize>,
    errors: Vec<RowError>,
    /// Complete rows.
    pub(super) rows: usize,
    /// Whether the request was given up because of its number of rows.
    pub(super) too_many: bool,
}

impl Columns {
    /// Empty columns, one for each use of a field by the spec.
    pub(super) fn new(spec: &ModelSpec) -> Columns {
        let mut uses: HashMap<&str, Uses> = HashMap::new();
        let learn = &spec.learn;
        for dimension in &spec.scope.dimensions {
            uses.entry(dimension).or_default().dimension = true;
        }
        for column in &learn.categorical {
            uses.entry(column).or_default().text = true;
        }
        for feature in &learn.features {
            match feature {
                Feature::Column(column) if learn.categorical.contains(column) => {}
                Feature::Column(column) => uses.entry(column).or_default().number = true,
                Feature::DatePart(_, column) => uses.entry(column).or_default().time = true,
            }
        }
        if let (Some(_), Some(time)) = (&learn.series, &spec.data.time) {
            uses.entry(time).or_default().time = true;
        }
        let mut fields: Vec<Field> =
            uses.into_iter().map(|(name, uses)| Field::of_spec(name, uses)).collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let places = fields.iter().enumerate().map(|(place, field)| (field.name.clone(), place)).collect();
        Columns { fields, places, errors: Vec::new(), rows: 0, too_many: false }
    }

    /// Notes a value of the row under way.
    pub(super) fn set(&mut self, name: &str, value: &Scalar) {
        let Some(place) = self.place(name) else { return };
        let field = &mut self.fields[place];
        if let Err(message) = field.set(self.rows, value)
            && field.in_spec
        {
            self.error(name.to_owned(), message);
        }
    }

    /// Where the field is; `None` for fields beyond any spec's bound, which no fit can read.
    fn place(&mut self, name: &str) -> Option<usize> {
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        let place = self.fields.len();
        if place >= 2 * FEATURES_MAX {
            return None;
        }
        self.fields.push(Field::beyond_spec(name));
        self.places.insert(name.to_owned(), place);
        Some(place)
    }

    /// Notes the first error of the row under way.
    fn error(&mut self, field: String, message: String) {
        let row = self.rows as u32;
        if self.errors.last().is_none_or(|last| last.row != row) {
            self.errors.push(RowError { row, kind: RowErrorKind::Invalid, field: Some(field), message });
        }
    }

    /// Ends the row under way. Which fields it needs is known by the fit that answers it.
    pub(super) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// The columns of all rows.
    pub(super) fn finish(self, channel: Option<String>) -> Rows {
        let rows = self.rows;
        let columns = self.fields.into_iter().flat_map(|field| field.finish(rows)).collect();
        Rows { channel, rows, columns, errors: self.errors }
    }
}
