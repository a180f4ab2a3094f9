//! Rows that have the same texts.

use ahash::RandomState;
use hashbrown::HashTable;

use crate::column::TextColumn;

/// Groups that there is room for at once: most requests have no more.
const ROOM_MAX: usize = 128;

/// Rows grouped by their codes in some columns. Rows of equal texts can be in several groups, where a text stands twice in its
/// column.
#[derive(Debug)]
pub struct Alike {
    /// Group after group.
    rows: Vec<u32>,
    /// Where each group ends among them.
    ends: Vec<u32>,
}

impl Alike {
    /// Groups the first `rows` rows of columns.
    ///
    /// # Panics
    /// When a column has fewer rows.
    pub fn of(columns: &[&TextColumn], rows: usize) -> Alike {
        if rows < 2 || columns.is_empty() {
            return Alike { rows: (0..rows as u32).collect(), ends: vec![rows as u32] };
        }
        let are_alike = |one: usize, other: usize| columns.iter().all(|c| c.codes[one] == c.codes[other]);
        let state = RandomState::new();
        let hash = |row: usize| columns.iter().fold(0u64, |all, c| state.hash_one((all, c.codes[row])));
        let (mut known, mut firsts) = (HashTable::with_capacity(rows.min(ROOM_MAX)), Vec::new());
        let mut group_of: Vec<u32> = Vec::with_capacity(rows);
        for row in 0..rows {
            // Rows of one scope mostly follow each other.
            if let Some(last) = group_of.last()
                && are_alike(row - 1, row)
            {
                group_of.push(*last);
                continue;
            }
            let own = hash(row);
            let found = known.find(own, |group: &u32| are_alike(firsts[*group as usize], row));
            group_of.push(found.copied().unwrap_or_else(|| {
                let group = firsts.len() as u32;
                firsts.push(row);
                known.insert_unique(own, group, |group| hash(firsts[*group as usize]));
                group
            }));
        }
        Alike::sorted(&group_of, firsts.len())
    }

    /// By counting.
    fn sorted(group_of: &[u32], groups: usize) -> Alike {
        let mut ends = vec![0; groups];
        group_of.iter().for_each(|group| ends[*group as usize] += 1);
        begin_of_each(&mut ends);
        let mut rows = vec![0; group_of.len()];
        for (row, group) in (0u32..).zip(group_of) {
            let place = &mut ends[*group as usize];
            rows[*place as usize] = row;
            *place += 1;
        }
        Alike { rows, ends }
    }

    /// Groups with the same number put together, those of lower numbers first; groups without one are left out. `numbers` has
    /// one for each group, each below `count`.
    ///
    /// # Panics
    /// When a number is not.
    #[must_use]
    pub fn joined(&self, numbers: &[Option<u32>], count: usize) -> Alike {
        let mut ends = vec![0; count];
        let named =
            || self.groups().zip(numbers).filter_map(|(rows, number)| Some((rows, (*number)? as usize)));
        named().for_each(|(rows, number)| ends[number] += rows.len() as u32);
        let mut rows = vec![0; begin_of_each(&mut ends) as usize];
        for (group, number) in named() {
            let place = ends[number] as usize;
            rows[place..place + group.len()].copy_from_slice(group);
            ends[number] += group.len() as u32;
        }
        Alike { rows, ends }
    }

    /// The rows of each group, ascending unless they were [`Alike::joined`]; groups in the order of their first rows.
    pub fn groups(&self) -> impl Iterator<Item = &[u32]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = begins.zip(&self.ends).filter(|(begin, end)| begin < *end);
        spans.map(|(begin, end)| &self.rows[begin as usize..*end as usize])
    }
}

/// Turns sizes of groups into where each begins; says where the last one ends. When each group's rows have been put in their
/// places, and it was counted on with each, these are where the groups end.
fn begin_of_each(sizes: &mut [u32]) -> u32 {
    let mut next = 0;
    for size in sizes {
        next += std::mem::replace(size, next);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_are_together_when_their_codes_are_equal(
            codes in proptest::collection::vec((0u32..4, 0u32..4, 0u32..3), 0..80),
            columns in 0..4usize,
        ) {
            let column = |code: fn(&(u32, u32, u32)) -> u32| TextColumn {
                codes: codes.iter().map(code).collect(),
                values: Vec::new(),
            };
            let all = [column(|c| c.0), column(|c| c.1), column(|c| c.2)];
            let own: Vec<&TextColumn> = all.iter().take(columns).collect();
            let key = |row: u32| own.iter().map(|column| column.codes[row as usize]).collect::<Vec<u32>>();
            let alike = Alike::of(&own, codes.len());
            let groups: Vec<&[u32]> = alike.groups().collect();
            prop_assert!(groups.iter().all(|group| group.windows(2).all(|pair| pair[0] < pair[1])));
            prop_assert!(groups.windows(2).all(|pair| pair[0][0] < pair[1][0]));
            let mut seen: Vec<u32> = groups.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..codes.len() as u32).collect::<Vec<_>>());
            let mut keys = Vec::new();
            for group in groups {
                prop_assert!(group.iter().all(|row| key(*row) == key(group[0])));
                keys.push(key(group[0]));
            }
            let count = keys.len();
            keys.sort_unstable();
            keys.dedup();
            prop_assert_eq!(keys.len(), count);
        }

        #[test]
        fn joined_groups_have_the_rows_of_all_that_have_their_number(
            codes in proptest::collection::vec(0u32..9, 0..40),
            numbers in proptest::collection::vec(proptest::option::of(0u32..3), 40),
        ) {
            let column = TextColumn { codes, values: Vec::new() };
            let alike = Alike::of(&[&column], column.codes.len());
            let mut wanted: Vec<Vec<u32>> = vec![Vec::new(); 3];
            for (group, number) in alike.groups().zip(&numbers) {
                number.iter().for_each(|number| wanted[*number as usize].extend(group));
            }
            wanted.retain(|rows| !rows.is_empty());
            let joined = alike.joined(&numbers, 3);
            prop_assert_eq!(joined.groups().map(<[u32]>::to_vec).collect::<Vec<_>>(), wanted);
        }
    }
}
