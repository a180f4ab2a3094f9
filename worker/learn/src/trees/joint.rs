//! Columns of few bins, counted together: a row adds to one cell for all columns of a group, and the cells are added up to bins
//! when all rows have been counted. For large nodes that is less work than a bin of each column for each row.

use super::bin::Bin;

/// Cells of a group of several columns.
const GROUP_CELLS_MAX: usize = 1 << 10;

/// Cells of all groups: their numbers fit two bytes, and what is counted in them a core's nearest memory.
const CELLS_MAX: usize = 1 << 13;

/// From so many rows for each cell on, adding cells up costs little beside counting.
const ROWS_PER_CELL: usize = 4;

/// Rows by the cells that they lie in.
#[derive(Debug)]
pub(super) struct Joint {
    /// Groups of columns.
    groups: usize,
    /// Each row's cell of each group, row by row.
    cells_of: Vec<u16>,
    /// Per cell its bins in a histogram over all columns, one for each column of its group, and where the next cell's begin.
    bins_of: Vec<u32>,
    ends: Vec<usize>,
}

impl Joint {
    /// Groups columns whose codes are at `by_column`, and whose bins begin at `starts` in a histogram over all columns; the last
    /// start is its end. None where that would not pay.
    pub(super) fn new(by_column: &[u8], starts: &[usize], rows: usize) -> Option<Joint> {
        let bins = |column: usize| starts[column + 1] - starts[column];
        let width = starts.len() - 1;
        let groups = groups(width, bins);
        let cells_in = |group: &[usize]| group.iter().map(|column| bins(*column)).product::<usize>();
        let cells: usize = groups.iter().map(|group| cells_in(group)).sum();
        if groups.len() == width || cells > CELLS_MAX || rows < cells * ROWS_PER_CELL {
            return None;
        }
        let mut joint = Joint {
            groups: groups.len(),
            cells_of: vec![0; rows * groups.len()],
            bins_of: Vec::new(),
            ends: Vec::with_capacity(cells),
        };
        for (place, group) in groups.iter().enumerate() {
            let first = joint.ends.len();
            for cell in 0..cells_in(group) {
                let mut rest = cell;
                for column in group {
                    joint.bins_of.push((starts[*column] + rest % bins(*column)) as u32);
                    rest /= bins(*column);
                }
                joint.ends.push(joint.bins_of.len());
            }
            let mut step = 1;
            for column in group {
                let codes = &by_column[column * rows..][..rows];
                let cells = joint.cells_of.iter_mut().skip(place).step_by(groups.len());
                cells.zip(codes).for_each(|(cell, code)| *cell += (step * usize::from(*code)) as u16);
                step *= bins(*column);
            }
            let cells = joint.cells_of.iter_mut().skip(place).step_by(groups.len());
            cells.for_each(|cell| *cell += first as u16);
        }
        Some(joint)
    }

    /// Whether so many rows are counted faster together.
    pub(super) fn pays(&self, rows: usize) -> bool {
        rows >= self.ends.len() * ROWS_PER_CELL
    }

    /// Adds rows to the bins of all columns.
    pub(super) fn fill<B: Bin>(&self, bins: &mut [B], rows: &[u32], ones: &[B::One]) {
        // Neighbours in time are often alike: two of them do not wait for each other where each has cells of its own.
        let mut cells = vec![B::default(); 2 * self.ends.len()];
        let (even, odd) = cells.split_at_mut(self.ends.len());
        let (pairs, last) = rows.as_chunks();
        for [row, next] in pairs {
            let (one, other) = (ones[*row as usize], ones[*next as usize]);
            for (cell, next) in self.cells_of(*row).iter().zip(self.cells_of(*next)) {
                even[usize::from(*cell)].put(one);
                odd[usize::from(*next)].put(other);
            }
        }
        for row in last {
            self.cells_of(*row).iter().for_each(|cell| even[usize::from(*cell)].put(ones[*row as usize]));
        }
        let mut from = 0;
        for ((cell, odd), to) in even.iter_mut().zip(odd).zip(&self.ends) {
            cell.add(odd);
            self.bins_of[from..*to].iter().for_each(|bin| bins[*bin as usize].add(cell));
            from = *to;
        }
    }

    /// A row's cell of each group.
    fn cells_of(&self, row: u32) -> &[u16] {
        &self.cells_of[row as usize * self.groups..][..self.groups]
    }
}

/// Columns in groups of at most [`GROUP_CELLS_MAX`] cells, each column in the first group that has room, those of few bins first.
fn groups(width: usize, bins: impl Fn(usize) -> usize) -> Vec<Vec<usize>> {
    let mut columns: Vec<usize> = (0..width).collect();
    columns.sort_by_key(|column| bins(*column));
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    for column in columns {
        match groups.iter_mut().find(|(cells, _)| cells * bins(column) <= GROUP_CELLS_MAX) {
            Some((cells, group)) => {
                *cells *= bins(column);
                group.push(column);
            }
            None => groups.push((bins(column), vec![column])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::bin::Sum;
    use super::super::binned::Binned;
    use super::super::histogram::fill;
    use super::*;
    use crate::block::Block;

    proptest! {
        /// Sums of whole numbers are exact, whatever is added up first.
        #[test]
        fn bins_hold_the_same_as_counted_one_by_one(
            rows in proptest::collection::vec((0..3u8, 0..2u8, 0..7u8, 0..40u8, -9i32..9), 400..900),
            some in 1..4usize,
        ) {
            let column = |of: fn(&(u8, u8, u8, u8, i32)) -> u8| -> Vec<f64> {
                rows.iter().map(|row| f64::from(of(row))).collect()
            };
            let columns = [column(|row| row.3), column(|row| row.0), column(|row| row.2), column(|row| row.1)];
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let binned = Binned::new(&Block::from_columns(rows.len(), &columns));
            let joint = binned.joint(rows.len()).expect("few bins and many rows");
            prop_assert!(joint.groups < 4);
            let ones: Vec<Sum> = rows.iter().map(|row| Sum { sum: f64::from(row.4), weight: 1.0 }).collect();
            let chosen: Vec<u32> = (0..rows.len() as u32).step_by(some).collect();
            let (mut one_by_one, mut together) = (vec![Sum::default(); binned.bins()], vec![Sum::default(); binned.bins()]);
            fill(&mut one_by_one, &binned, &chosen, &ones);
            joint.fill(&mut together, &chosen, &ones);
            for (bin, other) in one_by_one.iter().zip(&together) {
                prop_assert_eq!((bin.sum, bin.weight), (other.sum, other.weight));
            }
        }

        #[test]
        fn every_column_is_in_one_group(bins in proptest::collection::vec(1..256usize, 0..40)) {
            let groups = groups(bins.len(), |column| bins[column]);
            let mut all: Vec<usize> = groups.concat();
            all.sort_unstable();
            prop_assert!(all.iter().copied().eq(0..bins.len()));
            for group in groups {
                prop_assert!(group.iter().map(|column| bins[*column]).product::<usize>() <= GROUP_CELLS_MAX);
            }
        }
    }
}
