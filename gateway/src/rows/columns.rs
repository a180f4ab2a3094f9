//! The columns of a request while its rows come in.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::HashMap;
use dataset::Request;
use schemas::limits::FEATURES_MAX;
use schemas::predict::{RowError, RowErrorKind};
use schemas::spec::ModelSpec;
use serde::de::DeserializeSeed;

use super::Rows;
use super::field::{Field, Uses};
use super::json::{Asked, RowSeed, Scalar};
use super::note_mistyped;

/// Fields that are found faster by looking through them than by a map.
const LOOKED_THROUGH_MAX: usize = 16;

/// The fields that a model's spec reads, worked out once for all of its requests.
#[derive(Debug, Default)]
pub struct Layout {
    /// The spec's revision.
    pub revision: String,
    pub(super) dimensions: Vec<Arc<str>>,
    fields: Vec<(Arc<str>, Uses)>,
    /// Of the fields by name, once they are too many to look through.
    places: HashMap<String, usize>,
    /// The places of fields in the order in which the last request had them.
    order: Mutex<Vec<usize>>,
}

impl Layout {
    /// One field for each column that is a dimension, a feature, or the time of a series.
    pub fn of(spec: &ModelSpec) -> Layout {
        let Request { dimensions, time, numbers, texts, times } = Request::for_predicting(spec);
        let mut uses: BTreeMap<&str, Uses> = BTreeMap::new();
        for name in dimensions.iter().chain(&texts) {
            uses.entry(name).or_default().text = true;
        }
        for name in &numbers {
            uses.entry(name).or_default().number = true;
        }
        for name in times.iter().chain(&time) {
            uses.entry(name).or_default().time = true;
        }
        let fields: Vec<(Arc<str>, Uses)> =
            uses.into_iter().map(|(name, uses)| (name.into(), uses)).collect();
        let named = fields.iter().enumerate().map(|(place, (name, _))| (name.to_string(), place));
        let places = if fields.len() > LOOKED_THROUGH_MAX { named.collect() } else { HashMap::default() };
        let dimensions = dimensions.iter().map(|name| name.as_str().into()).collect();
        Layout { revision: spec.revision(), dimensions, fields, places, order: Mutex::default() }
    }

    /// Whether the spec reads a field of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    fn place(&self, name: &str) -> Option<usize> {
        match self.places.is_empty() {
            true => self.fields.iter().position(|(known, _)| **known == *name),
            false => self.places.get(name).copied(),
        }
    }

    fn order(&self) -> MutexGuard<'_, Vec<usize>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fields by name, and whether each is read as a number and nothing else.
    pub fn fields(&self) -> impl Iterator<Item = (&str, bool)> {
        let is_number = |uses: &Uses| uses.number && !(uses.text || uses.time);
        self.fields.iter().map(move |(name, uses)| (&**name, is_number(uses)))
    }
}

/// Fields that a row may leave out in one place before the next one has to be looked up.
const LEFT_OUT_MAX: usize = 8;

/// Cells without a value that fields beyond the spec may take in all, beside one for each value: a few names, each in one row
/// of many, must not take what all rows times all names would.
const EMPTY_CELLS_MAX: usize = 1 << 20;

/// What has come of a request so far.
pub(super) struct Columns<'l> {
    layout: &'l Layout,
    /// Those of the layout, then those beyond it.
    fields: Vec<Field>,
    /// Of the fields beyond the layout, if there are any.
    places: Option<HashMap<String, usize>>,
    /// Cells without a value that these may still take.
    empty_cells: usize,
    /// The places of the first row's fields, in the order in which they came: the other rows mostly have the same, and so does
    /// the next request.
    order: Vec<usize>,
    /// Where in that order the row under way is.
    at: usize,
    errors: Vec<RowError>,
    /// Complete rows.
    pub(super) rows: usize,
    /// Whether the request was given up because of its number of rows.
    pub(super) too_many: bool,
}

impl Columns<'_> {
    /// Empty columns, one for each use of a field.
    pub(super) fn new(layout: &Layout) -> Columns<'_> {
        let fields = layout.fields.iter().map(|(name, uses)| Field::of_spec(name.clone(), *uses));
        let (fields, order) = (fields.collect(), take(&mut *layout.order()));
        Columns {
            layout,
            fields,
            places: None,
            empty_cells: EMPTY_CELLS_MAX,
            order,
            at: 0,
            errors: Vec::new(),
            rows: 0,
            too_many: false,
        }
    }

    /// Reads the row under way from a line.
    pub(super) fn read_line(&mut self, line: &[u8]) -> Result<(), String> {
        let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
        let mut json = serde_json::Deserializer::from_str(line);
        let row = RowSeed { columns: self }.deserialize(&mut json).and_then(|()| json.end());
        row.map_err(|error| error.to_string())
    }

    /// Notes a value of the row under way.
    pub(super) fn set(&mut self, name: &str, value: &Scalar) {
        let Some(place) = self.place(name) else { return };
        let field = &mut self.fields[place];
        if !field.in_spec {
            let lacks = field.lacks(self.rows);
            // What is wrong with a field that no spec reads is nobody's concern.
            if lacks <= self.empty_cells
                && field.set(self.rows, value).is_ok()
                && field.lacks(self.rows + 1) == 0
            {
                self.empty_cells = self.empty_cells - lacks + 1;
            }
        } else if let Err(message) = field.set(self.rows, value) {
            self.error(name.to_owned(), message);
        }
    }

    /// Notes the values of a field in all rows.
    pub(super) fn set_all(&mut self, name: &str, values: &[Scalar]) {
        let Some(place) = self.place(name) else { return };
        for (row, value) in values.iter().enumerate() {
            let field = &mut self.fields[place];
            if let Err(message) = field.set(row, value)
                && field.in_spec
            {
                self.rows = row;
                self.error(name.to_owned(), message);
            }
        }
    }

    /// Where the field is; `None` for fields beyond any spec's bound, which no fit can read.
    fn place(&mut self, name: &str) -> Option<usize> {
        if let Some(place) = self.order.get(self.at)
            && *self.fields[*place].name == *name
        {
            self.at += 1;
            return Some(*place);
        }
        let place = self.look_up(name)?;
        if self.rows == 0 && self.at < 2 * FEATURES_MAX {
            // What follows was another request's.
            self.order.truncate(self.at);
            self.order.push(place);
        }
        // Some fields may have been left out.
        let next = self.order.iter().skip(self.at).take(LEFT_OUT_MAX).position(|next| *next == place);
        self.at += next.map_or(0, |between| between + 1);
        Some(place)
    }

    fn look_up(&mut self, name: &str) -> Option<usize> {
        if let Some(place) = self.layout.place(name).or_else(|| self.places.as_ref()?.get(name).copied()) {
            return Some(place);
        }
        let place = self.fields.len();
        if place >= 2 * FEATURES_MAX {
            return None;
        }
        self.fields.push(Field::beyond_spec(name));
        self.places.get_or_insert_default().insert(name.to_owned(), place);
        Some(place)
    }

    /// Notes the first error of the row under way.
    fn error(&mut self, field: String, message: String) {
        let row = self.rows as u32;
        if self.errors.last().is_none_or(|last| last.row != row) {
            self.errors.push(RowError { row, kind: RowErrorKind::Invalid, field: Some(field), message });
        }
    }

    /// Notes that the row under way cannot be read; whatever else was wrong with it comes of that.
    pub(super) fn spoil_row(&mut self, message: String) {
        let row = self.rows as u32;
        self.errors.pop_if(|last| last.row == row);
        self.errors.push(RowError { row, kind: RowErrorKind::Invalid, field: None, message });
    }

    /// Ends the row under way. Which fields it needs is known by the fit that answers it.
    pub(super) fn end_row(&mut self) {
        self.rows += 1;
        self.at = 0;
    }

    /// The columns of all rows.
    pub(super) fn finish(mut self, asked: Asked) -> Rows {
        let rows = self.rows;
        // Column by column they come in the order of columns.
        self.errors.sort_by_key(|error| error.row);
        self.errors.dedup_by_key(|error| error.row);
        let mut columns = Vec::with_capacity(self.fields.len() + 1);
        for field in &mut self.fields {
            if !field.in_spec {
                let Some(left) = self.empty_cells.checked_sub(field.lacks(rows)) else { continue };
                self.empty_cells = left;
            }
            field.finish(rows, &mut columns);
        }
        // Those beyond the layout are other ones in each request.
        self.order.retain(|place| *place < self.layout.fields.len());
        *self.layout.order() = self.order;
        if self.places.is_some() {
            note_mistyped(self.layout, rows, &columns, &mut self.errors);
        }
        Rows { channel: asked.channel, explain: asked.explain, rows, columns, errors: self.errors }
    }
}
