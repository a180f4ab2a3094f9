//! Rows in time order.

use schemas::column::Column;

/// Bits of a time that one sorting pass looks at: its counters stay in a core's cache.
const DIGIT_BITS: u32 = 10;

/// For each rank the row that holds it, by (time, position), missing times last; `None` when that is the order already.
pub(crate) fn by_time(times: &[i64]) -> Option<Vec<u32>> {
    if times.is_sorted_by_key(|time| key(*time)) {
        return None;
    }
    let least = times.iter().map(|time| key(*time)).min().unwrap_or(0);
    let keyed = (0u32..).zip(times).map(|(row, time)| (key(*time) - least, row));
    let mut keyed: Vec<(u64, u32)> = keyed.collect();
    // Times are often whole hours or days within some years: only the bits that differ need a pass.
    let differing = keyed.iter().fold(0, |bits, (key, _)| bits | key);
    let mut shift = differing.trailing_zeros();
    while shift < u64::BITS && differing >> shift != 0 {
        let digit = |(key, _): (u64, u32)| (key >> shift) as usize & ((1 << DIGIT_BITS) - 1);
        keyed = counting_sort(&keyed, 1 << DIGIT_BITS, digit);
        shift += DIGIT_BITS;
    }
    Some(keyed.into_iter().map(|(_, row)| row).collect())
}

/// The items by `digit`, which is below `size`; equals stay in the order they had.
pub(crate) fn counting_sort<T: Copy + Default>(
    items: &[T],
    size: usize,
    digit: impl Fn(T) -> usize,
) -> Vec<T> {
    let mut next = vec![0u32; size + 1];
    for item in items {
        next[digit(*item) + 1] += 1;
    }
    for at in 1..next.len() {
        next[at] += next[at - 1];
    }
    let mut sorted = vec![T::default(); items.len()];
    for item in items {
        let place = &mut next[digit(*item)];
        sorted[*place as usize] = *item;
        *place += 1;
    }
    sorted
}

/// Orders like the time, with the missing one, which is the smallest `i64`, last.
pub(crate) fn key(time: i64) -> u64 {
    ((time as u64) ^ (1 << 63)).wrapping_sub(1)
}

/// The column with row `order[i]` as its row `i`.
pub(crate) fn reorder(column: Column, order: &[u32]) -> Column {
    fn pick<T: Copy>(values: &[T], order: &[u32]) -> Vec<T> {
        order.iter().map(|row| values[*row as usize]).collect()
    }
    match column {
        Column::Number(values) => Column::Number(pick(&values, order)),
        Column::Time(times) => Column::Time(pick(&times, order)),
        Column::Text(mut text) => {
            text.codes = pick(&text.codes, order);
            Column::Text(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::time::TIME_NULL;

    use super::*;

    proptest! {
        #[test]
        fn the_order_is_the_stable_one_with_nulls_last(
            times in prop::collection::vec(prop_oneof![Just(TIME_NULL), -3i64..3, any::<i64>(), (0i64..900).prop_map(|hour| hour * 3_600_000)], 0..60)
        ) {
            let mut expected: Vec<u32> = (0..times.len() as u32).collect();
            expected.sort_by_key(|row| {
                let time = times[*row as usize];
                (time == TIME_NULL, time)
            });
            let order = by_time(&times).unwrap_or_else(|| (0..times.len() as u32).collect());
            prop_assert_eq!(order, expected);
        }
    }
}
