//! Threads that share the work on one tree: each does stretches of its rows, and what comes out does not depend on how many
//! threads there are.

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

/// Rows that one thread does before another takes some, at least.
pub(super) const STRETCH_ROWS: usize = 1 << 14;

/// Grows from so many rows with a team of `threads`, which the functions below use.
pub(crate) fn with_team<T: Send>((threads, rows): (u32, usize), grow: impl FnOnce() -> T + Send) -> T {
    let team = || ThreadPoolBuilder::new().num_threads(threads as usize).build();
    match (threads > 1 && rows > STRETCH_ROWS).then(team) {
        Some(Ok(team)) => team.install(grow),
        // Without more threads it takes longer.
        Some(Err(_)) | None => grow(),
    }
}

/// Whether this thread is one of a team.
pub(super) fn is_team() -> bool {
    rayon::current_thread_index().is_some()
}

/// What `one` makes of each stretch of so many of `rows`, given to `take` in the order of the rows; each thread has one result in
/// memory.
pub(super) fn by_stretches<T: Send>(
    (rows, stretch): (&[u32], usize),
    one: impl Fn(&[u32]) -> T + Sync,
    mut take: impl FnMut(T),
) {
    if !is_team() {
        return rows.chunks(stretch).for_each(|rows| take(one(rows)));
    }
    for rows in rows.chunks(stretch * rayon::current_num_threads()) {
        let made: Vec<T> = rows.par_chunks(stretch).map(&one).collect();
        made.into_iter().for_each(&mut take);
    }
}

/// Brings the rows that go left to the front, both sides in their order; says how many there are. `right` is room.
pub(super) fn partition(
    rows: &mut [u32],
    goes_left: impl Fn(&u32) -> bool + Sync,
    right: &mut Vec<u32>,
) -> usize {
    if !is_team() || rows.len() <= STRETCH_ROWS {
        return partition_one(rows, &goes_left, right);
    }
    let stretches = rows.par_chunks_mut(STRETCH_ROWS);
    let lefts: Vec<usize> =
        stretches.map_init(Vec::new, |right, rows| partition_one(rows, &goes_left, right)).collect();
    let (mut left, mut from) = (0, 0);
    right.clear();
    for own in lefts {
        let to = rows.len().min(from + STRETCH_ROWS);
        right.extend(&rows[from + own..to]);
        rows.copy_within(from..from + own, left);
        (left, from) = (left + own, to);
    }
    rows[left..].copy_from_slice(right);
    left
}

/// As [`partition`], by this thread alone, of rows by any numbers. Each row is written to both sides, and then stays on one: which
/// is as good as a coin's throw, and a wrong guess costs more than a write.
pub(super) fn partition_one<T: Copy + Default>(
    rows: &mut [T],
    goes_left: impl Fn(&T) -> bool,
    right: &mut Vec<T>,
) -> usize {
    right.resize(rows.len().max(right.len()), T::default());
    let (mut left, mut others) = (0, 0);
    for at in 0..rows.len() {
        let row = rows[at];
        let is_left = usize::from(goes_left(&row));
        // Not behind what is still to be read.
        rows[left] = row;
        right[others] = row;
        left += is_left;
        others += 1 - is_left;
    }
    rows[left..].copy_from_slice(&right[..others]);
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn rows_keep_their_order_however_many_threads_divide_them(rows in 0..200_000u32, of in 2..9u32, threads in 1..4u32) {
            let mut all: Vec<u32> = (0..rows).map(|row| row.wrapping_mul(2_654_435_761) % 1_000).collect();
            let goes_left = |row: &u32| row.is_multiple_of(of);
            let (left, right): (Vec<u32>, Vec<u32>) = all.iter().partition(|row| goes_left(row));
            let size = (threads, all.len());
            let count = with_team(size, || partition(&mut all, goes_left, &mut Vec::new()));
            prop_assert_eq!(count, left.len());
            prop_assert_eq!(all, [left, right].concat());
        }

        #[test]
        fn stretches_are_taken_in_their_order(rows in 0..100_000u32, stretch in 1_000..30_000usize, threads in 1..4u32) {
            let all: Vec<u32> = (0..rows).collect();
            let mut seen: Vec<u32> = Vec::new();
            let take = |own: Vec<u32>| seen.extend(own);
            with_team((threads, all.len()), || by_stretches((&all, stretch), <[u32]>::to_vec, take));
            prop_assert_eq!(seen, all);
        }
    }
}
