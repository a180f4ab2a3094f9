//! Which rows some scopes mean.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemas::column::{Column, TEXT_NULL, TextColumn};
use schemas::scope::Scope;
use schemas::time::TIME_NULL;
use schemas::window::Window;

use crate::bounds::Bounds;
use crate::format::Decoded;
use crate::request::{Request, Role, Slot};

/// The rows that belong to at least one of some scopes, within its window.
#[derive(Debug, Clone)]
pub struct Filter {
    dimensions: Vec<String>,
    time: Option<String>,
    levels: Vec<Level>,
}

/// The scopes that fix the same dimensions.
#[derive(Debug, Clone)]
struct Level {
    /// Which dimensions.
    places: Vec<usize>,
    /// Per combination of their values the windows in which it is wanted.
    scopes: HashMap<Vec<String>, Vec<Window>>,
}

/// What all rows of one level's scopes have in common: every row lies within, and few others do.
pub(crate) struct Hull<'a> {
    /// Per fixed dimension the values that occur.
    pub(crate) values: Vec<(&'a str, BTreeSet<&'a str>)>,
    /// The oldest begin of a window; `None` when one is open.
    pub(crate) from_ms: Option<i64>,
    /// The newest end of a window; `None` when one is open.
    pub(crate) to_ms: Option<i64>,
}

impl Filter {
    /// The rows of `scopes`. One that fixes something else than dimensions of `request` means no row.
    pub fn new<'a>(request: &Request, scopes: impl IntoIterator<Item = (&'a Scope, Window)>) -> Filter {
        let place = |name: &String| request.dimensions.iter().position(|dimension| dimension == name);
        let mut levels: BTreeMap<Vec<usize>, HashMap<Vec<String>, Vec<Window>>> = BTreeMap::new();
        for (scope, window) in scopes {
            let Ok(fixed) = scope.fixed() else { continue };
            let places: Option<Vec<usize>> = fixed.iter().map(|(name, _)| place(name)).collect();
            let Some(places) = places else { continue };
            let values = fixed.into_iter().map(|(_, value)| value).collect();
            levels.entry(places).or_default().entry(values).or_default().push(window);
        }
        Filter {
            dimensions: request.dimensions.clone(),
            time: request.time.clone(),
            levels: levels.into_iter().map(|(places, scopes)| Level { places, scopes }).collect(),
        }
    }

    pub(crate) fn dimensions(&self) -> &[String] {
        &self.dimensions
    }

    pub(crate) fn time(&self) -> Option<&str> {
        self.time.as_deref()
    }

    /// The slots that [`Filter::rows`] looks at.
    pub(crate) fn looks_at(&self, slot: &Slot) -> bool {
        match slot.role {
            Role::Text => self.dimensions.contains(&slot.name),
            Role::Time => self.time.as_ref() == Some(&slot.name),
            Role::Number => false,
        }
    }

    /// Whether rows within `bounds` may be meant.
    pub(crate) fn may_match(&self, bounds: &Bounds) -> bool {
        let holds = |place: usize, value: &String| {
            bounds.dimensions[place].as_ref().is_none_or(|bounds| bounds.may_hold(value))
        };
        self.levels.iter().any(|level| {
            level.scopes.iter().any(|(values, windows)| {
                level.places.iter().zip(values).all(|(place, value)| holds(*place, value))
                    && windows.iter().any(|window| bounds.may_lie_in(*window))
            })
        })
    }

    /// The hull of each level.
    pub(crate) fn hulls(&self) -> impl Iterator<Item = Hull<'_>> {
        self.levels.iter().map(|level| {
            let values = |(at, place): (usize, &usize)| {
                let values = level.scopes.keys().map(|values| values[at].as_str()).collect();
                (self.dimensions[*place].as_str(), values)
            };
            let windows = || level.scopes.values().flatten();
            // One open end opens the hull.
            let from: Option<Vec<i64>> = windows().map(|window| window.from_ms).collect();
            let to: Option<Vec<i64>> = windows().map(|window| window.to_ms).collect();
            Hull {
                values: level.places.iter().enumerate().map(values).collect(),
                from_ms: from.and_then(|all| all.into_iter().min()),
                to_ms: to.and_then(|all| all.into_iter().max()),
            }
        })
    }

    /// Marks the rows that are meant.
    pub(crate) fn rows(&self, piece: &Decoded, slots: &[Slot]) -> Vec<bool> {
        let column = |name: &str, role: Role| {
            let at = slots.iter().position(|slot| slot.role == role && slot.name == name)?;
            piece.columns.iter().find(|(slot, _)| *slot == at).map(|(_, column)| column)
        };
        let text = |name: &String| match column(name, Role::Text) {
            Some(Column::Text(text)) => Some(text),
            _ => None,
        };
        let texts: Vec<Option<&TextColumn>> = self.dimensions.iter().map(text).collect();
        let times = match self.time().and_then(|name| column(name, Role::Time)) {
            Some(Column::Time(times)) => Some(times.as_slice()),
            _ => None,
        };
        let mut marks = vec![false; piece.rows];
        for level in &self.levels {
            level.mark(&texts, times, &mut marks);
        }
        marks
    }
}

impl Level {
    fn mark(&self, texts: &[Option<&TextColumn>], times: Option<&[i64]>, marks: &mut [bool]) {
        let texts: Option<Vec<&TextColumn>> = self.places.iter().map(|place| texts[*place]).collect();
        let Some(texts) = texts else { return };
        let firsts: Vec<Firsts> = texts.iter().map(|text| Firsts::new(text)).collect();
        let coded = |values: &Vec<String>| -> Option<Vec<u32>> {
            values
                .iter()
                .zip(&firsts)
                .map(|(value, firsts)| firsts.of_value.get(value.as_str()).copied())
                .collect()
        };
        // Scopes with a value that does not occur in these rows are left out.
        let scopes = self.scopes.iter();
        let wanted: HashMap<Vec<u32>, &Vec<Window>> =
            scopes.filter_map(|(values, windows)| Some((coded(values)?, windows))).collect();
        let mut codes = Vec::with_capacity(texts.len());
        for (row, mark) in marks.iter_mut().enumerate().filter(|(_, mark)| !**mark) {
            codes.clear();
            codes.extend(texts.iter().zip(&firsts).map(|(text, firsts)| firsts.of_code(text.codes[row])));
            // A null in a fixed dimension belongs to no scope, and is in no key.
            let windows = wanted.get(codes.as_slice());
            *mark = windows.is_some_and(|windows| windows.iter().any(|window| is_in(*window, times, row)));
        }
    }
}

/// The first code of each value: the dictionary of a piece may have a value twice.
struct Firsts<'a> {
    of_value: HashMap<&'a str, u32>,
    firsts: Vec<u32>,
}

impl<'a> Firsts<'a> {
    fn new(text: &'a TextColumn) -> Firsts<'a> {
        let mut of_value = HashMap::new();
        let values = text.values.iter().map(String::as_str).zip(0u32..);
        let firsts = values.map(|(value, code)| *of_value.entry(value).or_insert(code)).collect();
        Firsts { of_value, firsts }
    }

    fn of_code(&self, code: u32) -> u32 {
        self.firsts.get(code as usize).copied().unwrap_or(TEXT_NULL)
    }
}

/// As [`crate::Table::within`] has it: without times every row lies in every window; one with a missing time in that of
/// all time only.
pub(crate) fn is_in(window: Window, times: Option<&[i64]>, row: usize) -> bool {
    match times {
        Some(times) if window != Window::ALL => times[row] != TIME_NULL && window.contains(times[row]),
        _ => true,
    }
}

/// The rows of `piece` that are marked.
pub(crate) fn take(piece: Decoded, marks: &[bool]) -> Decoded {
    if marks.iter().all(|mark| *mark) {
        return piece;
    }
    let rows: Vec<u32> = (0u32..).zip(marks).filter(|(_, mark)| **mark).map(|(row, _)| row).collect();
    let positions = piece.positions.map(|all| rows.iter().map(|row| all[*row as usize]).collect());
    let columns =
        piece.columns.into_iter().map(|(slot, column)| (slot, compact(column.take(&rows)))).collect();
    Decoded { rows: rows.len(), columns, positions }
}

/// A text column with only the values that occur.
fn compact(column: Column) -> Column {
    let Column::Text(text) = column else { return column };
    let mut places = vec![TEXT_NULL; text.values.len()];
    let (mut codes, mut values) = (text.codes, Vec::new());
    for code in codes.iter_mut().filter(|code| **code != TEXT_NULL) {
        let place = &mut places[*code as usize];
        if *place == TEXT_NULL {
            *place = values.len() as u32;
            values.push(text.values[*code as usize].clone());
        }
        *code = *place;
    }
    Column::Text(TextColumn { codes, values })
}
