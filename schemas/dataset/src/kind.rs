//! What a column of a source holds, in words for messages.

use arrow_schema::DataType;

/// What a column of a source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Integers, floats or decimals.
    Number,
    /// Texts.
    Text,
    /// Timestamps or dates.
    Time,
    /// True or false.
    Boolean,
    /// Nothing but nulls.
    Null,
    /// Lists, structs, bytes and other things that no model reads.
    Other,
}

impl Kind {
    /// The kind of an arrow type; a dictionary is what its values are.
    pub(crate) fn of(data_type: &DataType) -> Kind {
        match data_type {
            DataType::Dictionary(_, values) => Kind::of(values),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Kind::Time,
            DataType::Boolean => Kind::Boolean,
            DataType::Null => Kind::Null,
            DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Kind::Number,
            other if other.is_integer() || other.is_floating() => Kind::Number,
            _ => Kind::Other,
        }
    }

    /// The kind of texts without a declared type: the narrowest that holds all of them.
    pub(crate) fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str> + Clone) -> Kind {
        let all = |test: fn(&str) -> bool| texts.clone().into_iter().all(test);
        match () {
            () if all(|_| false) => Kind::Null,
            () if all(|text| matches!(text, "true" | "false")) => Kind::Boolean,
            () if all(|text| text.parse::<f64>().is_ok()) => Kind::Number,
            () if all(|text| schemas::time::parse_instant(text).is_ok()) => Kind::Time,
            () => Kind::Text,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Number => "numbers",
            Kind::Text => "texts",
            Kind::Time => "times",
            Kind::Boolean => "booleans",
            Kind::Null => "nothing but nulls",
            Kind::Other => "values of a nested or binary type",
        })
    }
}
