//! How many rows each combination of dimension values has: what a plan needs to know, in memory that grows with the
//! combinations and not with the rows.

use std::collections::HashMap;

use futures::future::BoxFuture;
use schemas::column::{Column, TEXT_NULL, TextColumn};
use schemas::time::TIME_NULL;
use schemas::window::Window;
use tokio::runtime::Handle;

use crate::error::ReadError;
use crate::filter::is_in;
use crate::format::Decoded;
use crate::request::{Request, Role, Slot};
use crate::scan::Scan;
use crate::source::Dataset;

/// Combinations of one piece that are looked up in an array.
const DENSE_MAX: usize = 1 << 20;

/// Rows by combination of dimension values, and by window.
#[derive(Debug)]
pub struct Counts {
    dimensions: Vec<String>,
    windows: usize,
    /// Per dimension its values, sorted.
    values: Vec<Vec<String>>,
    /// Per combination one code for each dimension.
    keys: Vec<u32>,
    /// Per combination the rows in each window.
    rows: Vec<u64>,
}

/// The combinations of some of the dimensions, in the order of their values.
#[derive(Debug)]
pub struct LevelCounts {
    width: usize,
    windows: usize,
    keys: Vec<u32>,
    rows: Vec<u64>,
}

impl LevelCounts {
    /// Each combination's codes, and its rows in each window.
    pub fn iter(&self) -> impl Iterator<Item = (&[u32], &[u64])> {
        let count = self.rows.len() / self.windows.max(1);
        (0..count).map(|at| {
            (&self.keys[at * self.width..][..self.width], &self.rows[at * self.windows..][..self.windows])
        })
    }
}

impl Counts {
    /// The values of a dimension, sorted: a code is a place in them.
    pub fn values(&self, dimension: &str) -> &[String] {
        let place = self.dimensions.iter().position(|name| name == dimension);
        place.map_or(&[], |place| &self.values[place])
    }

    /// The rows of each combination of `dimensions`. A row with a null in one of them belongs to none.
    pub fn level(&self, dimensions: &[&str]) -> LevelCounts {
        let places: Option<Vec<usize>> =
            dimensions.iter().map(|name| self.dimensions.iter().position(|known| known == name)).collect();
        let mut level = LevelCounts {
            width: dimensions.len(),
            windows: self.windows,
            keys: Vec::new(),
            rows: Vec::new(),
        };
        let Some(places) = places else { return level };
        let all = self.dimensions.len();
        let key = |at: usize| places.iter().map(move |place| self.keys[at * all + place]);
        let mut order: Vec<usize> = (0..self.rows.len() / self.windows.max(1))
            .filter(|at| key(*at).all(|code| code != TEXT_NULL))
            .collect();
        order.sort_by(|a, b| key(*a).cmp(key(*b)));
        let mut last = None;
        for at in order {
            if last.is_none_or(|last| !key(last).eq(key(at))) {
                level.keys.extend(key(at));
                level.rows.resize(level.rows.len() + self.windows, 0);
            }
            last = Some(at);
            let first = level.rows.len() - self.windows;
            let rows = &self.rows[at * self.windows..][..self.windows];
            level.rows[first..].iter_mut().zip(rows).for_each(|(sum, rows)| *sum += rows);
        }
        level
    }
}

impl Dataset {
    /// Counts the rows of each combination of the dimensions of `request`, in each of `windows` of its time. A table of up
    /// to `table_bytes_max` is decoded at once, a larger one piece by piece.
    ///
    /// # Errors
    /// [`ReadError`] as for [`Dataset::read`].
    pub fn counts<'a>(
        &'a self,
        request: &'a Request,
        windows: &'a [Window],
        (table_bytes_max, threads): (u64, usize),
    ) -> BoxFuture<'a, Result<Counts, ReadError>> {
        Box::pin(async move {
            let mut counting = Counting::new(&request.dimensions, windows);
            if self.table_bytes(request).await? <= table_bytes_max {
                let table = self.read(request, threads).await?;
                let texts = request.dimensions.iter().filter_map(|name| table.dimension(name));
                counting.add(&texts.collect::<Vec<_>>(), table.time(), table.rows());
                return Ok(counting.finish());
            }
            let time = request.time.clone();
            self.fold(request, threads, counting, move |counting, piece, slots| {
                let texts = piece.columns.iter().filter_map(|(at, column)| match (slots[*at].role, column) {
                    (Role::Text, Column::Text(text)) => Some(text),
                    _ => None,
                });
                let times = piece.columns.iter().find_map(|(_, column)| match column {
                    Column::Time(times) if time.is_some() => Some(times.as_slice()),
                    _ => None,
                });
                counting.add(&texts.collect::<Vec<_>>(), times, piece.rows);
            })
            .await
            .map(Counting::finish)
        })
    }

    /// The newest time of the column `time`; `None` when there is none.
    ///
    /// # Errors
    /// [`ReadError`] as for [`Dataset::read`].
    pub fn newest<'a>(
        &'a self,
        time: &'a str,
        threads: usize,
    ) -> BoxFuture<'a, Result<Option<i64>, ReadError>> {
        let request = Request { time: Some(time.to_owned()), ..Request::default() };
        Box::pin(async move {
            self.fold(&request, threads, None, |newest: &mut Option<i64>, piece, _| {
                for (_, column) in &piece.columns {
                    let Column::Time(times) = column else { continue };
                    *newest = (*newest).max(times.iter().copied().filter(|time| *time != TIME_NULL).max());
                }
            })
            .await
        })
    }

    /// Folds the pieces of all rows, each with its columns in the order of the request's slots.
    pub(crate) async fn fold<T: Send + 'static>(
        &self,
        request: &Request,
        threads: usize,
        mut state: T,
        add: impl Fn(&mut T, &Decoded, &[Slot]) + Send + 'static,
    ) -> Result<T, ReadError> {
        let (data, slots, handle) = (self.clone(), request.slots(), Handle::current());
        let run = move || {
            let scan = Scan { slots: &slots, filter: None, threads, handle: &handle };
            data.scan(&scan, &mut |_, mut piece| {
                piece.columns.sort_by_key(|(slot, _)| *slot);
                add(&mut state, &piece, &slots);
                Ok::<_, ReadError>(())
            })?;
            Ok(state)
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(done) => done,
            Err(source) => Err(ReadError::Interrupted { source }),
        }
    }
}

/// Counts while pieces come.
struct Counting {
    dimensions: Vec<String>,
    windows: Vec<Window>,
    /// Per dimension the code of each value, by first appearance.
    codes: Vec<HashMap<String, u32>>,
    places: HashMap<Box<[u32]>, u32>,
    rows: Vec<u64>,
}

impl Counting {
    fn new(dimensions: &[String], windows: &[Window]) -> Counting {
        Counting {
            dimensions: dimensions.to_vec(),
            windows: windows.to_vec(),
            codes: dimensions.iter().map(|_| HashMap::new()).collect(),
            places: HashMap::new(),
            rows: Vec::new(),
        }
    }

    /// Adds rows; `texts` has one column for each dimension.
    fn add(&mut self, texts: &[&TextColumn], times: Option<&[i64]>, rows: usize) {
        let places = self.places_of(texts, rows);
        let windows = self.windows.len();
        for (at, window) in self.windows.iter().enumerate() {
            for (row, place) in places.iter().enumerate() {
                self.rows[*place as usize * windows + at] += u64::from(is_in(*window, times, row));
            }
        }
    }

    /// The place of each row's combination; new ones where they are new.
    fn places_of(&mut self, texts: &[&TextColumn], rows: usize) -> Vec<u32> {
        let global: Vec<Vec<u32>> =
            texts.iter().zip(&mut self.codes).map(|(text, codes)| intern(codes, &text.values)).collect();
        let mut key = vec![0; texts.len()];
        let mut place_of = |row: usize| {
            for (at, key) in key.iter_mut().enumerate() {
                *key = global[at].get(texts[at].codes[row] as usize).copied().unwrap_or(TEXT_NULL);
            }
            self.place(&key)
        };
        let Some((mut places, combinations)) = numbers(texts, rows) else {
            return (0..rows).map(place_of).collect();
        };
        let mut known = vec![u32::MAX; combinations];
        for (row, place) in places.iter_mut().enumerate() {
            let known = &mut known[*place as usize];
            if *known == u32::MAX {
                *known = place_of(row);
            }
            *place = *known;
        }
        places
    }

    fn place(&mut self, key: &[u32]) -> u32 {
        if let Some(place) = self.places.get(key) {
            return *place;
        }
        // Fits: so many combinations that it would not take hundreds of gigabytes.
        let place = self.places.len() as u32;
        self.places.insert(key.into(), place);
        self.rows.resize((place as usize + 1) * self.windows.len(), 0);
        place
    }

    fn finish(self) -> Counts {
        let (mut values, mut sorted) = (Vec::new(), Vec::new());
        for codes in self.codes {
            let mut named: Vec<(String, u32)> = codes.into_iter().collect();
            named.sort_unstable();
            let mut ranks = vec![0; named.len()];
            named.iter().zip(0u32..).for_each(|((_, code), rank)| ranks[*code as usize] = rank);
            sorted.push(ranks);
            values.push(named.into_iter().map(|(value, _)| value).collect());
        }
        let width = self.dimensions.len();
        let mut keys = vec![0; self.places.len() * width];
        for (key, place) in &self.places {
            for (at, code) in key.iter().enumerate() {
                let rank = sorted[at].get(*code as usize).copied();
                keys[*place as usize * width + at] = rank.unwrap_or(TEXT_NULL);
            }
        }
        Counts { dimensions: self.dimensions, windows: self.windows.len(), values, keys, rows: self.rows }
    }
}

/// One number for each row's codes, and how many numbers there may be; `None` where they are too many. Column by column, which is
/// several times as fast as row by row.
fn numbers(texts: &[&TextColumn], rows: usize) -> Option<(Vec<u32>, usize)> {
    // Each digit is a code, or one more for null.
    let sizes = || texts.iter().map(|text| text.values.len() + 1);
    let combinations = sizes().try_fold(1usize, |product, size| product.checked_mul(size))?;
    if combinations > DENSE_MAX {
        return None;
    }
    let mut numbers = vec![0u32; rows];
    for (text, size) in texts.iter().zip(sizes()) {
        let size = size as u32;
        for (number, code) in numbers.iter_mut().zip(&text.codes) {
            *number = *number * size + (*code).min(size - 1);
        }
    }
    Some((numbers, combinations))
}

/// The code of each of `values`, which are given new ones where they have none.
fn intern(codes: &mut HashMap<String, u32>, values: &[String]) -> Vec<u32> {
    let code = |value: &String| match codes.get(value) {
        Some(code) => *code,
        None => {
            let code = codes.len() as u32;
            codes.insert(value.clone(), code);
            code
        }
    };
    values.iter().map(code).collect()
}
