//! JSON rows, straight into typed columns.
//!
//! A value of the wrong kind does not fail the request: it becomes an error at its row, and the row is left out.

use std::collections::HashMap;
use std::fmt;

use schemas::column::{Column, TextColumn};
use schemas::feature::Feature;
use schemas::limits::{FEATURES_MAX, PREDICT_ROWS_MAX};
use schemas::predict::{NamedColumn, RowError, RowErrorKind};
use schemas::spec::ModelSpec;
use schemas::time::{TIME_NULL, parse_instant};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A prediction request as it came over HTTP.
#[derive(Debug)]
pub struct Rows {
    /// The channel it names.
    pub channel: Option<String>,
    /// Number of rows.
    pub rows: usize,
    /// One entry per row each; where a row has an error, the value is missing.
    pub columns: Vec<NamedColumn>,
    /// Rows with a value of the wrong kind, ascending, at most one error each.
    pub errors: Vec<RowError>,
}

/// Why a body is no prediction request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// Not JSON, or not of the form `{"rows": [{…}]}`.
    #[error("the body is not of the form {{\"rows\": [{{\"field\": value}}]}}: {0}")]
    Json(String),
    /// Without rows there is nothing to predict.
    #[error("the request has no rows; send {{\"rows\": [{{…}}]}} with at least one")]
    Empty,
    /// More rows than one request may have.
    #[error("the request has more than {PREDICT_ROWS_MAX} rows; send them in several requests")]
    TooMany,
}

/// What the spec says of a field; one field may serve several ways.
#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    dimension: bool,
    number: bool,
    text: bool,
    time: bool,
}

impl Rows {
    /// Parses a body by the model's spec. Fields that the spec does not name are kept too, since fits made with an
    /// earlier spec may read them.
    ///
    /// # Errors
    /// [`RowsError`] when the body as a whole cannot be used.
    pub fn parse(body: &[u8], spec: &ModelSpec) -> Result<Rows, RowsError> {
        let mut table = TableBuilder::new(spec);
        let mut json = serde_json::Deserializer::from_slice(body);
        let channel = RequestSeed { table: &mut table }.deserialize(&mut json).and_then(|channel| {
            json.end()?;
            Ok(channel)
        });
        let channel = channel.map_err(|error| match table.too_many {
            true => RowsError::TooMany,
            false => RowsError::Json(error.to_string()),
        })?;
        match table.rows {
            0 => Err(RowsError::Empty),
            _ => Ok(table.finish(channel)),
        }
    }
}

/// One value of a row.
enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(std::borrow::Cow<'a, str>),
    Other(&'static str),
}

impl Scalar<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Bool(_) => "a boolean",
            Scalar::Number(_) => "a number",
            Scalar::Text(_) => "a string",
            Scalar::Other(kind) => kind,
        }
    }

    /// As a dimension's text, the way a source's integers and booleans are written.
    fn dimension(&self) -> Option<String> {
        match self {
            Scalar::Bool(value) => Some(value.to_string()),
            Scalar::Number(value) => Some(format!("{value}")),
            Scalar::Text(text) => Some(text.to_string()),
            Scalar::Null | Scalar::Other(_) => None,
        }
    }
}

/// Values of one field as they come.
struct Field {
    name: String,
    uses: Uses,
    numbers: Vec<f64>,
    times: Vec<i64>,
    texts: Vec<u32>,
    values: Vec<String>,
    places: HashMap<String, u32>,
    /// For fields that the spec does not name: whether every value so far was a number.
    known: bool,
}

impl Field {
    fn new(name: &str, uses: Uses, known: bool) -> Field {
        Field {
            name: name.to_owned(),
            uses,
            numbers: Vec::new(),
            times: Vec::new(),
            texts: Vec::new(),
            values: Vec::new(),
            places: HashMap::new(),
            known,
        }
    }

    /// Fills up with missing values to `rows` rows.
    fn pad(&mut self, rows: usize) {
        if self.uses.number {
            self.numbers.resize(rows, f64::NAN);
        }
        if self.uses.time {
            self.times.resize(rows, TIME_NULL);
        }
        if self.uses.text || self.uses.dimension {
            self.texts.resize(rows, schemas::column::TEXT_NULL);
        }
    }

    /// Notes the value of `row`; says what is wrong with it, if something is. The last of several wins.
    fn set(&mut self, row: usize, value: &Scalar) -> Result<(), String> {
        self.pad(row + 1);
        if matches!(value, Scalar::Null) {
            return Ok(());
        }
        if !self.known {
            self.guess(value);
            self.pad(row + 1);
        }
        if self.uses.number {
            self.numbers[row] = match value {
                Scalar::Number(number) if number.is_finite() => *number,
                Scalar::Bool(value) => f64::from(u8::from(*value)),
                Scalar::Number(_) => return Err("the number is too large".into()),
                other => return Err(format!("a number is required, not {}", other.kind())),
            };
        }
        if self.uses.time {
            let Scalar::Text(text) = value else {
                return Err(format!(
                    "a time such as \"2013-12-03T14:00:00Z\" is required, not {}",
                    value.kind()
                ));
            };
            self.times[row] = parse_instant(text).map_err(|error| error.to_string())?;
        }
        if self.uses.text || self.uses.dimension {
            let text = value.dimension();
            let text = text.ok_or_else(|| format!("a string is required, not {}", value.kind()))?;
            self.texts[row] = self.code(text);
        }
        Ok(())
    }

    /// A field that the spec does not name is what its first value is.
    fn guess(&mut self, value: &Scalar) {
        self.known = true;
        match value {
            Scalar::Number(_) => self.uses.number = true,
            Scalar::Text(_) | Scalar::Bool(_) => self.uses.text = true,
            Scalar::Null | Scalar::Other(_) => {}
        }
    }

    fn code(&mut self, text: String) -> u32 {
        if let Some(code) = self.places.get(&text) {
            return *code;
        }
        let code = self.values.len() as u32;
        self.values.push(text.clone());
        self.places.insert(text, code);
        code
    }

    fn finish(mut self, rows: usize) -> Vec<NamedColumn> {
        self.pad(rows);
        let mut columns = Vec::new();
        let mut add = |column| columns.push(NamedColumn { name: self.name.clone(), column });
        if self.uses.number {
            add(Column::Number(self.numbers));
        }
        if self.uses.time {
            add(Column::Time(self.times));
        }
        if self.uses.text || self.uses.dimension {
            add(Column::Text(TextColumn { codes: self.texts, values: self.values }));
        }
        columns
    }
}

struct TableBuilder {
    fields: Vec<Field>,
    places: HashMap<String, usize>,
    rows: usize,
    errors: Vec<RowError>,
    required: Vec<String>,
    too_many: bool,
}

impl TableBuilder {
    fn new(spec: &ModelSpec) -> TableBuilder {
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
        let mut names: Vec<&str> = uses.keys().copied().collect();
        names.sort_unstable();
        let fields: Vec<Field> = names.iter().map(|name| Field::new(name, uses[name], true)).collect();
        let places = fields.iter().enumerate().map(|(place, field)| (field.name.clone(), place)).collect();
        let required = |name: &&str| {
            let Uses { number, text, time, .. } = uses[*name];
            number || text || time
        };
        let required = names.iter().filter(|name| required(name)).map(|name| (*name).to_owned()).collect();
        TableBuilder { fields, places, rows: 0, errors: Vec::new(), required, too_many: false }
    }

    fn set(&mut self, row: usize, name: &str, value: &Scalar) {
        let place = match self.places.get(name) {
            Some(place) => *place,
            // Fields beyond any spec's bound cannot be read by a fit.
            None if self.fields.len() >= 2 * FEATURES_MAX => return,
            None => {
                self.fields.push(Field::new(name, Uses::default(), false));
                self.places.insert(name.to_owned(), self.fields.len() - 1);
                self.fields.len() - 1
            }
        };
        let field = &mut self.fields[place];
        let in_spec = field.known && self.required.iter().any(|known| known == name) || field.uses.dimension;
        if let Err(message) = field.set(row, value)
            && in_spec
        {
            self.error(row, name, message);
        }
    }

    /// Notes the first error of a row.
    fn error(&mut self, row: usize, field: &str, message: String) {
        let row = row as u32;
        if self.errors.last().is_none_or(|last| last.row != row) {
            let field = Some(field.to_owned());
            self.errors.push(RowError { row, kind: RowErrorKind::Invalid, field, message });
        }
    }

    /// After the last field of a row: every field that the spec requires must be there.
    fn end_row(&mut self, row: usize) {
        let missing = self.required.iter().find(|name| {
            let column = &self.fields[self.places[*name]];
            let Uses { number, text, time, .. } = column.uses;
            (number && column.numbers.get(row).is_none_or(|v| v.is_nan()))
                || (time && column.times.get(row).is_none_or(|v| *v == TIME_NULL))
                || (text && column.texts.get(row).is_none_or(|v| *v == schemas::column::TEXT_NULL))
        });
        if let Some(name) = missing.cloned() {
            self.error(row, &name, "the field is missing; every feature needs a value".into());
        }
    }

    fn finish(self, channel: Option<String>) -> Rows {
        let rows = self.rows;
        let columns = self.fields.into_iter().flat_map(|field| field.finish(rows)).collect();
        Rows { channel, rows, columns, errors: self.errors }
    }
}

struct RequestSeed<'t> {
    table: &'t mut TableBuilder,
}

impl<'de> DeserializeSeed<'de> for RequestSeed<'_> {
    type Value = Option<String>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RequestSeed<'_> {
    type Value = Option<String>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `rows`")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut channel = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "rows" => map.next_value_seed(RowsSeed { table: self.table })?,
                "channel" => channel = map.next_value::<Option<String>>()?,
                other => {
                    let hint = schemas::suggest::hint(other, ["rows", "channel"]);
                    return Err(A::Error::custom(format!("unknown key `{other}`{hint}")));
                }
            }
        }
        Ok(channel)
    }
}

struct RowsSeed<'t> {
    table: &'t mut TableBuilder,
}

impl<'de> DeserializeSeed<'de> for RowsSeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowsSeed<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(RowSeed { table: self.table })?.is_some() {
            self.table.rows += 1;
            if self.table.rows > PREDICT_ROWS_MAX {
                self.table.too_many = true;
                return Err(A::Error::custom("too many rows"));
            }
        }
        Ok(())
    }
}

struct RowSeed<'t> {
    table: &'t mut TableBuilder,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row: an object of fields")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let row = self.table.rows;
        while let Some(Key(name)) = map.next_key()? {
            let value: Scalar = map.next_value()?;
            self.table.set(row, &name, &value);
        }
        self.table.end_row(row);
        Ok(())
    }
}

/// A field's name, borrowed from the body where it has no escapes.
struct Key<'a>(std::borrow::Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Text(name) => Ok(Key(name)),
            _ => Err(D::Error::custom("a field's name is a string")),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value as f64))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value as f64))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(value.to_owned().into()))
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(value.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an array"))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an object"))
    }
}
