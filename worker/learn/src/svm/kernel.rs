//! Rows of a Gaussian kernel's matrix, the last used ones kept.

use std::collections::HashMap;

use crate::neighbours::squared_distance;

/// Numbers that are kept (64 MiB).
const KEPT_VALUES: usize = 8 << 20;

/// exp(−gamma · ‖xᵢ − xⱼ‖²) of some rows.
pub(super) struct Gaussian<'a> {
    rows: &'a [f64],
    width: usize,
    count: usize,
    gamma: f64,
    kept: HashMap<u32, (u64, Vec<f64>)>,
    clock: u64,
}

impl<'a> Gaussian<'a> {
    /// Of `count` rows of `width` numbers, row by row.
    pub(super) fn new(rows: &'a [f64], (count, width): (usize, usize), gamma: f64) -> Gaussian<'a> {
        Gaussian { rows, width, count, gamma, kept: HashMap::new(), clock: 0 }
    }

    fn of(&self, place: u32) -> &'a [f64] {
        &self.rows[place as usize * self.width..][..self.width]
    }

    /// One element.
    pub(super) fn value(&self, a: u32, b: u32) -> f64 {
        (-self.gamma * squared_distance(self.of(a), self.of(b))).exp()
    }

    /// One row of the matrix.
    pub(super) fn row(&mut self, place: u32) -> &[f64] {
        self.clock += 1;
        if !self.kept.contains_key(&place) {
            let mut values = self.room();
            values.clear();
            values.extend((0..self.count as u32).map(|other| self.value(place, other)));
            self.kept.insert(place, (self.clock, values));
        }
        let clock = self.clock;
        let kept = self.kept.entry(place).or_default();
        kept.0 = clock;
        &kept.1
    }

    /// A buffer: a new one, or that of the row unused for longest. Two rows are always kept.
    fn room(&mut self) -> Vec<f64> {
        if self.kept.len() < (KEPT_VALUES / self.count.max(1)).max(2) {
            return Vec::with_capacity(self.count);
        }
        let oldest = self.kept.iter().min_by_key(|(_, (used, _))| *used).map(|(place, _)| *place);
        oldest.and_then(|place| self.kept.remove(&place)).map_or_else(Vec::new, |(_, values)| values)
    }
}
