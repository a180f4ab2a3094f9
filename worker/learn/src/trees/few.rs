//! Sums over the bins that a few rows touch, with work in proportion to the rows.

use super::bin::Bin;
use super::codes::Codes;

/// What few rows add up to, column by column.
pub(super) struct Few<B: Bin> {
    /// What each of the rows adds, side by side.
    ones: Vec<B::One>,
    /// Per code the sum of the rows that have it; empty between two columns.
    sums: Box<[B; 256]>,
    /// The bins of a column that the rows touch, ascending.
    filled: Vec<(u8, B)>,
}

impl<B: Bin> Few<B> {
    pub(super) fn new() -> Few<B> {
        Few { ones: Vec::new(), sums: Box::new([B::default(); 256]), filled: Vec::new() }
    }

    /// Takes other rows.
    pub(super) fn take(&mut self, rows: &[u32], ones: &[B::One]) {
        self.ones.clear();
        self.ones.extend(rows.iter().map(|row| ones[*row as usize]));
    }

    /// The rows added up by a column's codes: the bins that they touch, ascending.
    pub(super) fn add_up(&mut self, codes: &[u8], rows: &[u32]) -> &[(u8, B)] {
        let Few { ones, sums, filled } = self;
        filled.clear();
        let mut touched = Codes::default();
        for (row, one) in rows.iter().zip(ones) {
            let code = codes[*row as usize];
            sums[usize::from(code)].put(*one);
            touched.insert(code);
        }
        touched.each(|code| filled.push((code, std::mem::take(&mut sums[usize::from(code)]))));
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::super::bin::Sum;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_is_in_its_bin(rows in proptest::collection::vec((any::<u8>(), -9i32..9), 1..65)) {
            let codes: Vec<u8> = rows.iter().map(|(code, _)| *code).collect();
            let ones: Vec<Sum> = rows.iter().map(|(_, y)| Sum { sum: f64::from(*y), weight: 1.0 }).collect();
            let all: Vec<u32> = (0..rows.len() as u32).collect();
            let mut few: Few<Sum> = Few::new();
            // Twice: nothing stays of the first time.
            for _ in 0..2 {
                few.take(&all, &ones);
                let filled = few.add_up(&codes, &all);
                prop_assert!(filled.windows(2).all(|pair| pair[0].0 < pair[1].0));
                prop_assert_eq!(filled.iter().map(|(_, bin)| bin.weight as usize).sum::<usize>(), rows.len());
                for (code, bin) in filled {
                    let own = rows.iter().filter(|(other, _)| other == code);
                    prop_assert_eq!(bin.sum, own.map(|(_, y)| f64::from(*y)).sum::<f64>() + 0.0);
                }
            }
        }
    }
}
