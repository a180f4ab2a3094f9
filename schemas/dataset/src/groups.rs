//! Which rows belong to which combination of dimension values.

use std::cmp::Ordering;
use std::ops::Range;

use schemas::column::{TEXT_NULL, TextColumn};

use crate::order::counting_sort;
use crate::table::Table;

/// Largest number of counters of one sorting pass: they stay in a core's cache.
const COUNTERS_MAX: usize = 1 << 16;

/// The rows of each combination of values that occurs, as one array cut into groups. Groups are in the order of their
/// values; the rows of a group are ascending, so they are in time order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    dimensions: Vec<String>,
    /// Row ids, group after group.
    rows: Vec<u32>,
    /// Where each group begins in `rows`; one entry more than groups.
    starts: Vec<u32>,
    /// Per group one code for each dimension.
    keys: Vec<u32>,
    nulls: usize,
}

impl Groups {
    /// Groups the rows by `dimensions`, or those of them that `keep` marks (one entry per row). A row with a null in
    /// one of the dimensions belongs to no group. No dimensions: one group with all rows, even when there are none.
    ///
    /// A dimension that the table does not have is null in every row.
    pub fn build(table: &Table, dimensions: &[&str], keep: Option<&[bool]>) -> Groups {
        // Fits: a table has fewer than 2³² rows.
        let all = 0..table.rows() as u32;
        let rows: Vec<u32> = all.filter(|row| keep.is_none_or(|keep| keep[*row as usize])).collect();
        let mut groups = Groups {
            dimensions: dimensions.iter().map(|name| (*name).to_owned()).collect(),
            starts: vec![0, rows.len() as u32],
            rows,
            keys: Vec::new(),
            nulls: 0,
        };
        let columns: Option<Vec<&TextColumn>> = dimensions.iter().map(|name| table.dimension(name)).collect();
        match columns {
            Some(columns) if columns.is_empty() => {}
            Some(columns) => groups.split(&columns),
            None => (groups.nulls, groups.rows, groups.starts) = (groups.rows.len(), Vec::new(), vec![0]),
        }
        groups
    }

    fn split(&mut self, columns: &[&TextColumn]) {
        let before = self.rows.len();
        for column in columns.iter().filter(|column| column.codes.contains(&TEXT_NULL)) {
            self.rows.retain(|row| column.codes[*row as usize] != TEXT_NULL);
        }
        self.nulls = before - self.rows.len();
        let digits = digits(columns, &self.rows);
        // Sorting by the last digit first, each time keeping the order of equals, sorts by all of them.
        for digit in digits.iter().rev() {
            self.rows = counting_sort(&self.rows, digit.size, |row| digit.of(row) as usize);
        }
        let is_new = |pair: &[u32]| digits.iter().any(|digit| digit.of(pair[0]) != digit.of(pair[1]));
        let cuts = (1u32..).zip(self.rows.windows(2)).filter(|(_, pair)| is_new(pair)).map(|(at, _)| at);
        self.starts = std::iter::once(0).chain(cuts).collect();
        self.starts.extend((!self.rows.is_empty()).then_some(self.rows.len() as u32));
        let firsts = self.starts[..self.starts.len() - 1].iter().map(|start| self.rows[*start as usize]);
        self.keys =
            firsts.flat_map(|row| columns.iter().map(move |column| column.codes[row as usize])).collect();
    }

    /// The dimensions, as they were asked for.
    pub fn dimensions(&self) -> &[String] {
        &self.dimensions
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row ids of a group, ascending. The group must be below [`Groups::len`].
    pub fn rows(&self, group: usize) -> &[u32] {
        &self.rows[self.starts[group] as usize..self.starts[group + 1] as usize]
    }

    /// The row ids of all groups, group after group.
    pub fn all_rows(&self) -> &[u32] {
        &self.rows
    }

    /// Per row of a table of so many rows its group; [`u32::MAX`] for a row that is in none.
    pub(crate) fn by_row(&self, rows: usize) -> Vec<u32> {
        let mut groups = vec![u32::MAX; rows];
        for (group, rows) in (0u32..).zip((0..self.len()).map(|group| self.rows(group))) {
            rows.iter().for_each(|row| groups[*row as usize] = group);
        }
        groups
    }

    /// The codes of a group, one for each dimension.
    pub fn key(&self, group: usize) -> &[u32] {
        &self.keys[group * self.dimensions.len()..][..self.dimensions.len()]
    }

    /// The texts of a group, one for each dimension; `table` is the one the groups were built from.
    pub fn values<'a>(&self, table: &'a Table, group: usize) -> Vec<&'a str> {
        let coded = self.dimensions.iter().zip(self.key(group));
        coded
            .filter_map(|(name, code)| Some(table.dimension(name)?.values.get(*code as usize)?.as_str()))
            .collect()
    }

    /// The group with these codes; `None` when no row has them.
    pub fn find(&self, codes: &[u32]) -> Option<usize> {
        let found = self.leading(codes);
        (codes.len() == self.dimensions.len() && !found.is_empty()).then_some(found.start)
    }

    /// The groups whose first dimensions have these codes: they lie side by side.
    pub fn leading(&self, codes: &[u32]) -> Range<usize> {
        let first_not = |before: fn(Ordering) -> bool| {
            let (mut low, mut high) = (0, self.len());
            while low < high {
                let middle = usize::midpoint(low, high);
                let key = self.key(middle);
                match before(key[..codes.len().min(key.len())].cmp(codes)) {
                    true => low = middle + 1,
                    false => high = middle,
                }
            }
            low
        };
        first_not(Ordering::is_lt)..first_not(Ordering::is_le)
    }

    /// The group with these texts, one for each dimension; `None` when no row has them.
    pub fn find_values(&self, table: &Table, values: &[&str]) -> Option<usize> {
        if values.len() != self.dimensions.len() {
            return None;
        }
        let codes = self.dimensions.iter().zip(values).map(|(name, value)| table.code(name, value));
        self.find(&codes.collect::<Option<Vec<u32>>>()?)
    }

    /// How many rows belong to no group because a dimension is null in them.
    pub fn nulls(&self) -> usize {
        self.nulls
    }

    /// Bytes in memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<u32>() * (self.rows.len() + self.starts.len() + self.keys.len())
    }
}

/// One or several neighbouring dimensions as one number, by which one counting pass sorts.
struct Digit {
    /// Per row of the table.
    values: Vec<u32>,
    /// All values are below it.
    size: usize,
}

/// Joins neighbouring dimensions while their combinations are few.
fn digits(columns: &[&TextColumn], rows: &[u32]) -> Vec<Digit> {
    let mut digits: Vec<Digit> = Vec::new();
    for column in columns {
        let size = column.values.len();
        match digits.last_mut() {
            Some(digit) if digit.size.saturating_mul(size) <= COUNTERS_MAX => {
                digit.size *= size;
                for (value, code) in digit.values.iter_mut().zip(&column.codes) {
                    // Wraps only in rows with a null, which are in no group.
                    *value = value.wrapping_mul(size as u32).wrapping_add(*code);
                }
            }
            _ => digits.push(Digit { values: column.codes.clone(), size }),
        }
    }
    debug_assert!(digits.iter().all(|digit| rows.iter().all(|row| (digit.of(*row) as usize) < digit.size)));
    digits
}

impl Digit {
    fn of(&self, row: u32) -> u32 {
        self.values[row as usize]
    }
}
