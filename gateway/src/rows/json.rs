//! The JSON of a request, read value by value without a tree in between.

use std::fmt;

use schemas::limits::PREDICT_ROWS_MAX;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::columns::Columns;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// None.
    Null,
    /// True or false.
    Bool(bool),
    /// Any number that is a float.
    Number(f64),
    /// One that a float would round.
    Integer(i128),
    /// A text.
    Text(std::borrow::Cow<'a, str>),
    /// What no field takes, by its name.
    Other(&'static str),
}

/// Integers up to this magnitude are floats, each a different one.
const EXACT_MAX: i128 = 1 << 53;

impl Scalar<'_> {
    /// An integer, as a float where that is exact.
    pub fn of_integer(value: i128) -> Self {
        if (-EXACT_MAX..=EXACT_MAX).contains(&value) {
            Scalar::Number(value as f64)
        } else {
            Scalar::Integer(value)
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Bool(_) => "a boolean",
            Scalar::Number(_) | Scalar::Integer(_) => "a number",
            Scalar::Text(_) => "a string",
            Scalar::Other(kind) => kind,
        }
    }

    /// As a dimension's text, the way a source's integers and booleans are written.
    pub(super) fn dimension(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Scalar::Bool(value) => Some(value.to_string().into()),
            Scalar::Number(value) => Some(format!("{value}").into()),
            Scalar::Integer(value) => Some(value.to_string().into()),
            Scalar::Text(text) => Some(text.as_ref().into()),
            Scalar::Null | Scalar::Other(_) => None,
        }
    }
}

/// What a request says beside its rows.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) channel: Option<String>,
    pub(super) explain: bool,
}

/// Reads a whole request into columns; gives what it says beside them.
pub(super) struct RequestSeed<'t, 'l> {
    pub(super) columns: &'t mut Columns<'l>,
}

impl<'de> DeserializeSeed<'de> for RequestSeed<'_, '_> {
    type Value = Asked;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RequestSeed<'_, '_> {
    type Value = Asked;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `rows`")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut asked = Asked::default();
        let (mut seen, mut explained) = (false, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "rows" if seen => return Err(A::Error::custom("`rows` stands twice")),
                "rows" => {
                    seen = true;
                    map.next_value_seed(RowsSeed { columns: self.columns })?;
                }
                // Which of two channels was meant nobody can tell.
                "channel" if asked.channel.is_some() => {
                    return Err(A::Error::custom("`channel` stands twice"));
                }
                "channel" => asked.channel = map.next_value()?,
                "explain" if explained => return Err(A::Error::custom("`explain` stands twice")),
                "explain" => {
                    explained = true;
                    asked.explain = map.next_value::<Option<bool>>()?.unwrap_or(false);
                }
                other => {
                    let hint = schemas::suggest::hint(other, ["rows", "channel", "explain"]);
                    return Err(A::Error::custom(format!("unknown key `{other}`{hint}")));
                }
            }
        }
        Ok(asked)
    }
}

struct RowsSeed<'t, 'l> {
    columns: &'t mut Columns<'l>,
}

impl<'de> DeserializeSeed<'de> for RowsSeed<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowsSeed<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(RowSeed { columns: self.columns })?.is_some() {
            self.columns.end_row();
            if self.columns.rows > PREDICT_ROWS_MAX {
                self.columns.too_many = true;
                return Err(A::Error::custom("too many rows"));
            }
        }
        Ok(())
    }
}

/// Reads the fields of one row; ending it is left to the caller.
pub(super) struct RowSeed<'t, 'l> {
    pub(super) columns: &'t mut Columns<'l>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row: an object of fields")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key()? {
            let value: Scalar = map.next_value()?;
            self.columns.set(&name, &value);
        }
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
        Ok(Scalar::of_integer(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::of_integer(value.into()))
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
