//! One field of the rows: its values as they come.

use std::mem::take;
use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;
use schemas::column::{Column, TEXT_NULL, TextColumn};
use schemas::predict::NamedColumn;
use schemas::time::{TIME_NULL, parse_instant};

use super::json::Scalar;

/// What the spec says of a field; one field may serve several ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) number: bool,
    pub(super) text: bool,
    pub(super) time: bool,
}

/// Values of one field as they come.
pub(super) struct Field {
    pub(super) name: Arc<str>,
    /// Whether the spec names it; only then is a wrong value an error.
    pub(super) in_spec: bool,
    uses: Uses,
    /// The row that it stood in last.
    row: Option<usize>,
    numbers: Vec<f64>,
    times: Vec<i64>,
    texts: Vec<u32>,
    values: Vec<String>,
    /// Of `values`, once they are too many to look through.
    places: Option<Box<Places>>,
}

/// Where texts stand in a list, which has them once.
struct Places {
    codes: HashTable<u32>,
    hasher: RandomState,
}

impl Places {
    fn of(values: &[String]) -> Box<Places> {
        let codes = HashTable::with_capacity(ROOM_FOR_TEXTS);
        let mut places = Box::new(Places { codes, hasher: RandomState::new() });
        (1..=values.len()).for_each(|count| places.add(&values[..count]));
        places
    }

    fn get(&self, text: &str, values: &[String]) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.codes.find(hash, |code| values[*code as usize] == text).copied()
    }

    /// Adds the last of the list.
    fn add(&mut self, values: &[String]) {
        let Places { codes, hasher } = self;
        let hash = |code: &u32| hasher.hash_one(values[*code as usize].as_str());
        let last = values.len() as u32 - 1;
        codes.insert_unique(hash(&last), last, hash);
    }
}

/// Adds the value of `row`; the rows before it that have none are `missing`.
fn put<T: Copy>(values: &mut Vec<T>, row: usize, value: T, missing: T) {
    if values.len() < row {
        values.resize(row, missing);
    }
    values.push(value);
}

/// Rows that there is room for at once: many requests have no more.
const ROWS_AT_ONCE: usize = 4;

fn room<T>(is_used: bool) -> Vec<T> {
    Vec::with_capacity(if is_used { ROWS_AT_ONCE } else { 0 })
}

/// Texts that are found faster by looking through them than by a map, which has room for many at once.
const LOOKED_THROUGH_MAX: usize = 4;
const ROOM_FOR_TEXTS: usize = 100;

impl Field {
    /// A field that the spec uses so.
    pub(super) fn of_spec(name: Arc<str>, uses: Uses) -> Field {
        Field {
            name,
            in_spec: true,
            uses,
            row: None,
            numbers: room(uses.number),
            times: room(uses.time),
            texts: room(uses.text),
            values: room(uses.text),
            places: None,
        }
    }

    /// A field that the spec does not name: it becomes what its first value is.
    pub(super) fn beyond_spec(name: &str) -> Field {
        Field { in_spec: false, ..Field::of_spec(name.into(), Uses::default()) }
    }

    /// Fills up with missing values to `rows` rows.
    fn pad(&mut self, rows: usize) {
        if self.uses.number {
            self.numbers.resize(rows, f64::NAN);
        }
        if self.uses.time {
            self.times.resize(rows, TIME_NULL);
        }
        if self.uses.text {
            self.texts.resize(rows, TEXT_NULL);
        }
    }

    /// How many of so many rows have no value yet that one further value makes room for.
    pub(super) fn lacks(&self, rows: usize) -> usize {
        rows.saturating_sub(self.numbers.len().max(self.times.len()).max(self.texts.len()))
    }

    /// Notes the value of `row`; says what is wrong with it, if something is.
    pub(super) fn set(&mut self, row: usize, value: &Scalar) -> Result<(), String> {
        if self.row.replace(row) == Some(row) {
            // Which of its values was meant nobody can tell.
            return Err("the field stands twice in the row".into());
        }
        if matches!(value, Scalar::Null) {
            return Ok(());
        }
        if self.uses == Uses::default() {
            self.guess(value);
        }
        if self.uses.number {
            let number = match value {
                Scalar::Number(number) if number.is_finite() => *number,
                Scalar::Integer(integer) => *integer as f64,
                Scalar::Bool(value) => f64::from(u8::from(*value)),
                Scalar::Number(_) => return Err("the number is too large".into()),
                other => return Err(format!("a number is required, not {}", other.kind())),
            };
            put(&mut self.numbers, row, number, f64::NAN);
        }
        if self.uses.time {
            let Scalar::Text(text) = value else {
                return Err(format!(
                    "a time such as \"2013-12-03T14:00:00Z\" is required, not {}",
                    value.kind()
                ));
            };
            let time = parse_instant(text).map_err(|error| error.to_string())?;
            put(&mut self.times, row, time, TIME_NULL);
        }
        if self.uses.text {
            let text = value.dimension();
            let text = text.ok_or_else(|| format!("a string is required, not {}", value.kind()))?;
            let code = self.code(&text);
            put(&mut self.texts, row, code, TEXT_NULL);
        }
        Ok(())
    }

    fn guess(&mut self, value: &Scalar) {
        match value {
            Scalar::Number(_) | Scalar::Integer(_) => self.uses.number = true,
            Scalar::Text(_) | Scalar::Bool(_) => self.uses.text = true,
            Scalar::Null | Scalar::Other(_) => {}
        }
    }

    fn code(&mut self, text: &str) -> u32 {
        let Field { values, places, .. } = self;
        let known = match places {
            None => values.iter().position(|value| value == text).map(|code| code as u32),
            Some(places) => places.get(text, values),
        };
        if let Some(code) = known {
            return code;
        }
        values.push(text.to_owned());
        match places {
            Some(places) => places.add(values),
            None if values.len() > LOOKED_THROUGH_MAX => *places = Some(Places::of(values)),
            None => {}
        }
        values.len() as u32 - 1
    }

    /// Adds the field's columns, one for each use.
    pub(super) fn finish(&mut self, rows: usize, columns: &mut Vec<NamedColumn>) {
        self.pad(rows);
        let Field { name, uses, numbers, times, texts, values, .. } = self;
        let mut add = |column| columns.push(NamedColumn::new(name.clone(), column));
        if uses.number {
            add(Column::Number(take(numbers)));
        }
        if uses.time {
            add(Column::Time(take(times)));
        }
        if uses.text {
            add(Column::Text(TextColumn { codes: take(texts), values: take(values) }));
        }
    }
}
