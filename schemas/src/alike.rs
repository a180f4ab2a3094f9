//! Rows that have the same texts.

use ahash::RandomState;
use hashbrown::HashTable;

use crate::column::TextColumn;

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
        let (mut known, mut firsts) = (HashTable::new(), Vec::new());
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
        let mut next = 0;
        for end in &mut ends {
            // First where the group begins; in the end, when its rows are in their places, where it ends.
            next += std::mem::replace(end, next);
        }
        let mut rows = vec![0; group_of.len()];
        for (row, group) in (0u32..).zip(group_of) {
            let place = &mut ends[*group as usize];
            rows[*place as usize] = row;
            *place += 1;
        }
        Alike { rows, ends }
    }

    /// The rows of each group, ascending; groups in the order of their first rows.
    pub fn groups(&self) -> impl Iterator<Item = &[u32]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = begins.zip(&self.ends).filter(|(begin, end)| begin < *end);
        spans.map(|(begin, end)| &self.rows[begin as usize..*end as usize])
    }
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
    }
}
