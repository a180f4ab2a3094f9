//! The rows of a scope.

use dataset::{Groups, Table};
use schemas::window::Window;

/// The rows of the group with these values that lie in `window`, ascending, so in time order.
pub(super) fn rows<'a>(table: &Table, groups: &'a Groups, values: &[&str], window: Window) -> &'a [u32] {
    let Some(group) = groups.find_values(table, values) else { return &[] };
    table.within(groups.rows(group), window)
}

/// How many of `complete_rows` train: ⌊(1 − holdout) · n⌋, not misled by a last binary digit.
pub(super) fn train_rows(complete_rows: usize, holdout: f64) -> usize {
    let share = (1.0 - holdout) * complete_rows as f64;
    ((share + 1e-9).floor() as usize).min(complete_rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hold_out_counts_are_those_of_exact_arithmetic() {
        for n in 0..10_000usize {
            assert_eq!(train_rows(n, 0.2), n * 4 / 5, "{n}");
            assert_eq!(train_rows(n, 0.3), n * 7 / 10, "{n}");
        }
        assert_eq!(train_rows(7, 0.0), 7);
    }
}
