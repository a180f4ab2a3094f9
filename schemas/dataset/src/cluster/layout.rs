//! What a record looks like: a key to sort by, then one field for each slot.

use schemas::column::TEXT_NULL;

use super::error::ClusterError;
use super::values::Dictionaries;
use crate::request::{Request, Role, Slot};

/// Bytes of a key: 16 for the dimensions, 8 for the time, 8 for the place in the source; it sorts by its bytes.
pub(super) const KEY_BYTES: usize = 32;

/// Where everything is in a record, and what becomes of it.
pub(super) struct Layout {
    /// Bytes of a record.
    pub(super) width: usize,
    /// Where each slot's value is.
    pub(super) offsets: Vec<usize>,
    /// The slots of the dimensions that sort, each with a number larger than any of its codes.
    pub(super) sorting: Vec<(usize, u128)>,
    /// The slot of the time that sorts.
    pub(super) time: Option<usize>,
    /// The file's columns.
    pub(super) columns: Vec<OutColumn>,
}

/// A column of the file.
pub(super) struct OutColumn {
    pub(super) name: String,
    /// The slot that it is made from.
    pub(super) slot: usize,
    pub(super) kind: OutKind,
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OutKind {
    Number,
    Time,
    Text,
    /// Texts that are integers.
    Integer,
    /// Texts that are true or false.
    Boolean,
}

impl Layout {
    pub(super) fn new(
        request: &Request,
        slots: &[Slot],
        dictionaries: &Dictionaries,
    ) -> Result<Layout, ClusterError> {
        let (mut width, mut offsets) = (KEY_BYTES, Vec::new());
        for slot in slots {
            offsets.push(width);
            width += if slot.role == Role::Text { size_of::<u32>() } else { size_of::<f64>() };
        }
        let slot = |name: &str, role| slots.iter().position(|slot| slot.name == name && slot.role == role);
        let dimensions = request.dimensions.iter().filter_map(|name| slot(name, Role::Text));
        let mut product = 1u128;
        // Those whose combinations are more than a key can tell apart sort no more: the first ones do it well enough.
        let sorting = dimensions.map_while(|slot| {
            let size = dictionaries.values[slot].len() as u128 + 1;
            product = product.checked_mul(size)?;
            Some((slot, size))
        });
        let sorting = sorting.collect();
        let time = request.time.as_deref().and_then(|name| slot(name, Role::Time));
        Ok(Layout { width, offsets, sorting, time, columns: columns(slots, dictionaries)? })
    }
}

/// One column for each name: what is wanted in two roles must be read as both from it.
fn columns(slots: &[Slot], dictionaries: &Dictionaries) -> Result<Vec<OutColumn>, ClusterError> {
    let mut columns: Vec<OutColumn> = Vec::new();
    for (at, slot) in slots.iter().enumerate() {
        let kind = match slot.role {
            Role::Number => OutKind::Number,
            Role::Time => OutKind::Time,
            Role::Text => OutKind::Text,
        };
        let Some(column) = columns.iter_mut().find(|column| column.name == slot.name) else {
            columns.push(OutColumn { name: slot.name.clone(), slot: at, kind });
            continue;
        };
        let text = if kind == OutKind::Text { at } else { column.slot };
        let both = match (column.kind, kind) {
            // A text that is a time is read as both.
            (OutKind::Text, OutKind::Time) | (OutKind::Time, OutKind::Text) => Some(OutKind::Text),
            (OutKind::Number, OutKind::Text) | (OutKind::Text, OutKind::Number) => {
                numeric(&dictionaries.values[text])
            }
            _ => None,
        };
        column.kind = both.ok_or_else(|| ClusterError::TwoKinds { column: slot.name.clone() })?;
        column.slot = text;
    }
    Ok(columns)
}

/// What texts are that are numbers, too, and are written in one way only.
fn numeric(values: &[String]) -> Option<OutKind> {
    let is_integer = |value: &String| value.parse::<i64>().is_ok_and(|number| number.to_string() == *value);
    match () {
        () if values.iter().all(|value| value == "true" || value == "false") => Some(OutKind::Boolean),
        () if values.iter().all(is_integer) => Some(OutKind::Integer),
        () => None,
    }
}

/// A code as a digit: nulls sort last.
pub(super) fn digit(code: u32, size: u128) -> u128 {
    if code == TEXT_NULL { size - 1 } else { u128::from(code) }
}
