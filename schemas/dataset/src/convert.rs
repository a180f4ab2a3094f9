//! From what a file holds to what is wanted: numbers, texts by code, or milliseconds.

use std::collections::HashMap;
use std::hash::Hash;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, Date32Type, Float64Type, Int32Type, Int64Type,
    TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, downcast_integer_array};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use schemas::column::{Column, TEXT_NULL, TextColumn};
use schemas::time::{TIME_NULL, parse_instant};

use crate::error::ReadError;
use crate::files::File;
use crate::kind::Kind;
use crate::request::{Role, Slot};

/// Characters of a wrong value that a message shows.
const SHOWN_CHARS: usize = 40;

/// Why a column is not what it is wanted as.
#[derive(Debug)]
pub(crate) enum Mismatch {
    /// It holds another kind.
    Kind(Kind),
    /// It holds texts, and this one (in the row, counted from 0) does not say what is wanted.
    Text { row: usize, text: String },
    /// Its values do not fit.
    Value(arrow_schema::ArrowError),
}

impl Mismatch {
    /// The error for a column of `file`, when the piece at hand began at row `first_row`.
    pub(crate) fn at(self, file: &File, slot: &Slot, first_row: usize) -> ReadError {
        match self {
            Mismatch::Value(error) => file.damaged(error),
            other => other.at_place(&file.url, slot, first_row),
        }
    }

    /// The error for a column of what is called `place`.
    pub(crate) fn at_place(self, place: &str, slot: &Slot, first_row: usize) -> ReadError {
        let (file, column, wanted) = (place.to_owned(), slot.name.clone(), slot.role);
        match self {
            Mismatch::Kind(found) => ReadError::Kind { file, column, found, wanted },
            Mismatch::Text { row, text } => {
                let text = text.chars().take(SHOWN_CHARS).collect();
                ReadError::Value { file, column, row: first_row + row + 1, text, wanted }
            }
            Mismatch::Value(error) => ReadError::Damaged { file, format: "a column", source: error.into() },
        }
    }
}

/// A column with a declared type.
pub(crate) fn from_typed(array: &ArrayRef, role: Role) -> Result<Column, Mismatch> {
    match role {
        Role::Number => typed_numbers(array).map(Column::Number),
        Role::Text => typed_texts(array).map(Column::Text),
        Role::Time => typed_times(array).map(Column::Time),
    }
}

fn cast_to(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Mismatch> {
    cast(array, to).map_err(Mismatch::Value)
}

fn typed_numbers(array: &ArrayRef) -> Result<Vec<f64>, Mismatch> {
    match Kind::of(array.data_type()) {
        Kind::Number | Kind::Boolean | Kind::Null => {}
        found => return Err(Mismatch::Kind(found)),
    }
    let array = cast_to(array, &DataType::Float64)?;
    Ok(or_null(array.as_primitive::<Float64Type>(), f64::NAN))
}

/// The values, with `null` where there is none.
fn or_null<T: ArrowPrimitiveType>(array: &arrow_array::PrimitiveArray<T>, null: T::Native) -> Vec<T::Native> {
    let mut values = array.values().to_vec();
    if let Some(nulls) = array.nulls() {
        for (value, is_valid) in values.iter_mut().zip(nulls) {
            *value = if is_valid { *value } else { null };
        }
    }
    values
}

fn typed_times(array: &ArrayRef) -> Result<Vec<i64>, Mismatch> {
    match Kind::of(array.data_type()) {
        Kind::Time | Kind::Null => {
            // Instants are stored in UTC, and those without a zone are taken as UTC: the zone is only for display.
            let array = cast_to(array, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
            Ok(or_null(array.as_primitive::<TimestampMillisecondType>(), TIME_NULL))
        }
        Kind::Text => times_of(&typed_texts(array)?),
        found => Err(Mismatch::Kind(found)),
    }
}

fn typed_texts(array: &ArrayRef) -> Result<TextColumn, Mismatch> {
    match array.data_type() {
        DataType::Dictionary(key, values) if **key == DataType::Int32 && **values == DataType::Utf8 => {
            Ok(dictionary(array.as_dictionary::<Int32Type>()))
        }
        DataType::Dictionary(..) => {
            let array = array.as_any_dictionary();
            let values = typed_texts(array.values())?;
            let keys = cast(array.keys(), &DataType::Int64).map_err(Mismatch::Value)?;
            let code = |key: Option<i64>| values.codes.get(usize::try_from(key?).ok()?).copied();
            let keys = keys.as_primitive::<Int64Type>().iter();
            Ok(TextColumn {
                codes: keys.map(|key| code(key).unwrap_or(TEXT_NULL)).collect(),
                values: values.values,
            })
        }
        DataType::Date32 | DataType::Date64 => {
            let days = cast_to(array, &DataType::Date32)?;
            let (codes, days) = intern(days.as_primitive::<Date32Type>().iter());
            let days: ArrayRef = std::sync::Arc::new(arrow_array::Date32Array::from(days));
            let names = cast_to(&days, &DataType::Utf8)?;
            Ok(TextColumn {
                codes,
                values: names.as_string::<i32>().iter().flatten().map(str::to_owned).collect(),
            })
        }
        other if other.is_integer() => downcast_integer_array!(
            array => {
                let (codes, values) = intern(array.iter());
                Ok(TextColumn { codes, values: values.iter().map(ToString::to_string).collect() })
            },
            other => Err(Mismatch::Kind(Kind::of(other))),
        ),
        DataType::Decimal128(_, 0) => {
            Ok(texts_of(cast_to(array, &DataType::Utf8)?.as_string::<i32>().iter()))
        }
        other => match Kind::of(other) {
            Kind::Text | Kind::Boolean | Kind::Null => {
                Ok(texts_of(cast_to(array, &DataType::Utf8)?.as_string::<i32>().iter()))
            }
            found => Err(Mismatch::Kind(found)),
        },
    }
}

/// A dictionary's keys are codes already, except where they are null or name a null.
fn dictionary<K: ArrowDictionaryKeyType<Native = i32>>(
    array: &arrow_array::DictionaryArray<K>,
) -> TextColumn {
    let values = array.values().as_string::<i32>();
    let mut codes: Vec<u32> = array.keys().values().iter().map(|key| *key as u32).collect();
    if array.keys().null_count() > 0 || values.null_count() > 0 {
        for (row, code) in codes.iter_mut().enumerate() {
            if array.keys().is_null(row) || values.is_null(*code as usize) {
                *code = TEXT_NULL;
            }
        }
    }
    TextColumn { codes, values: values.iter().map(|value| value.unwrap_or_default().to_owned()).collect() }
}

/// Codes by first appearance, and the distinct values.
fn intern<T: Copy + Eq + Hash>(rows: impl Iterator<Item = Option<T>>) -> (Vec<u32>, Vec<T>) {
    let mut places: HashMap<T, u32> = HashMap::new();
    let mut values = Vec::new();
    let codes = rows.map(|row| {
        row.map_or(TEXT_NULL, |value| {
            *places.entry(value).or_insert_with(|| {
                values.push(value);
                (values.len() - 1) as u32
            })
        })
    });
    (codes.collect(), values)
}

/// A column of texts that may say anything.
pub(crate) fn from_texts<'a>(
    texts: impl Iterator<Item = Option<&'a str>>,
    role: Role,
) -> Result<Column, Mismatch> {
    match role {
        Role::Text => Ok(Column::Text(texts_of(texts))),
        Role::Time => times_of(&texts_of(texts)).map(Column::Time),
        Role::Number => {
            let wrong = |row: usize, text: &str| Mismatch::Text { row, text: text.to_owned() };
            let number = |(row, text): (usize, Option<&str>)| match text {
                Some(text) => number_of(text).ok_or_else(|| wrong(row, text)),
                None => Ok(f64::NAN),
            };
            texts.enumerate().map(number).collect::<Result<_, _>>().map(Column::Number)
        }
    }
}

pub(crate) fn texts_of<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> TextColumn {
    let (codes, values) = intern(texts);
    TextColumn { codes, values: values.into_iter().map(str::to_owned).collect() }
}

/// Words that stand for no value among numbers and times, as other tools write them.
pub(crate) const NULLS: [&str; 10] = ["", "NA", "N/A", "<NA>", "NaN", "nan", "NaT", "null", "NULL", "None"];

fn is_null(text: &str) -> bool {
    NULLS.contains(&text)
}

pub(crate) fn number_of(text: &str) -> Option<f64> {
    match text.trim() {
        text if is_null(text) => Some(f64::NAN),
        "true" | "True" | "TRUE" => Some(1.0),
        "false" | "False" | "FALSE" => Some(0.0),
        text => text.parse().ok(),
    }
}

pub(crate) fn time_of(text: &str) -> Option<i64> {
    match text.trim() {
        text if is_null(text) => Some(TIME_NULL),
        text => parse_instant(text).ok(),
    }
}

/// The moments that texts name; each distinct one is parsed once.
fn times_of(texts: &TextColumn) -> Result<Vec<i64>, Mismatch> {
    let times: Vec<Option<i64>> = texts.values.iter().map(|text| time_of(text)).collect();
    let wrong = |row: usize| Mismatch::Text { row, text: texts.get(row).unwrap_or_default().to_owned() };
    let time = |(row, code): (usize, &u32)| match *code {
        TEXT_NULL => Ok(TIME_NULL),
        code => times[code as usize].ok_or_else(|| wrong(row)),
    };
    texts.codes.iter().enumerate().map(time).collect()
}

/// The value that the folders of `file` spell for a slot, in each of `rows` rows.
pub(crate) fn key_column(file: &File, slot: &Slot, rows: usize) -> Result<Column, ReadError> {
    let value = file.key(&slot.name).flatten();
    let one = from_texts(std::iter::once(value), slot.role).map_err(|wrong| wrong.at(file, slot, 0))?;
    Ok(match one {
        Column::Number(values) => Column::Number(values.repeat(rows)),
        Column::Time(times) => Column::Time(times.repeat(rows)),
        Column::Text(text) => {
            Column::Text(TextColumn { codes: text.codes.repeat(rows), values: text.values })
        }
    })
}
