//! The rows of a scope.

use dataset::{Groups, Table};
use schemas::time::TIME_NULL;
use schemas::window::Window;

/// The rows of the group with these values that lie in `window`, ascending, so in time order.
/// A row without a time lies in no window but that of all time.
pub(super) fn rows<'a>(table: &Table, groups: &'a Groups, values: &[&str], window: Window) -> &'a [u32] {
    let Some(group) = groups.find_values(table, values) else { return &[] };
    within(groups.rows(group), table.time(), window)
}

fn within<'a>(rows: &'a [u32], times: Option<&[i64]>, window: Window) -> &'a [u32] {
    let Some(times) = times.filter(|_| window != Window::ALL) else { return rows };
    let time = |row: &u32| times[*row as usize];
    let timed = &rows[..rows.partition_point(|row| time(row) != TIME_NULL)];
    let from = window.from_ms.map_or(0, |from| timed.partition_point(|row| time(row) < from));
    let to = window.to_ms.map_or(timed.len(), |to| timed.partition_point(|row| time(row) < to));
    &timed[from..to.max(from)]
}

/// How many of `complete_rows` train: ⌊(1 − holdout) · n⌋, not misled by a last binary digit.
pub(super) fn train_rows(complete_rows: usize, holdout: f64) -> usize {
    let share = (1.0 - holdout) * complete_rows as f64;
    ((share + 1e-9).floor() as usize).min(complete_rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hold_out_counts_are_those_of_exact_arithmetic() {
        for n in 0..10_000usize {
            assert_eq!(train_rows(n, 0.2), n * 4 / 5, "{n}");
            assert_eq!(train_rows(n, 0.3), n * 7 / 10, "{n}");
        }
        assert_eq!(train_rows(7, 0.0), 7);
    }

    proptest! {
        #[test]
        fn a_window_takes_exactly_the_rows_inside(
            mut times in proptest::collection::vec(0i64..50, 0..40),
            nulls in 0usize..4,
            from in proptest::option::of(0i64..50),
            to in proptest::option::of(0i64..50),
        ) {
            times.sort_unstable();
            times.extend(std::iter::repeat_n(TIME_NULL, nulls));
            let rows: Vec<u32> = (0..times.len() as u32).collect();
            let window = Window { from_ms: from, to_ms: to };
            let inside = |row: &u32| window == Window::ALL
                || (times[*row as usize] != TIME_NULL && window.contains(times[*row as usize]));
            let expected: Vec<u32> = rows.iter().copied().filter(inside).collect();
            prop_assert_eq!(within(&rows, Some(&times), window), expected);
        }
    }
}
