//! Which predictor a row goes to: rendezvous hashing, so that each scope's fit stays hot in one of them.

/// A worker takes at most so many times its share of what is open.
const LOAD_FACTOR: usize = 2;

/// Open requests that no worker is spared for.
const OPEN_FREE: usize = 64;

/// The workers in the order in which `key` prefers them. When one leaves, only its keys move.
///
/// Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998).
pub fn preference(key: u64, workers: &[String]) -> Vec<&str> {
    let mut ranked: Vec<(u64, &str)> =
        workers.iter().map(|worker| (weight(key, worker), worker.as_str())).collect();
    ranked.sort_unstable_by(|a, b| b.cmp(a));
    ranked.into_iter().map(|(_, worker)| worker).collect()
}

/// The workers in the order in which `key` should try them: as it prefers, but those that have more open requests than
/// their share come last, so that one hot scope does not drown its favourite. `open` has one number for each worker.
///
/// Source: Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with bounded loads" (2018).
pub fn bounded<'a>(key: u64, workers: &'a [String], open: &[usize]) -> Vec<&'a str> {
    let preferred = preference(key, workers);
    let share = open.iter().sum::<usize>().div_ceil(workers.len().max(1));
    let bound = (LOAD_FACTOR * share).max(OPEN_FREE);
    let is_light = |worker: &&str| {
        let place = workers.iter().position(|known| known == worker);
        place.and_then(|place| open.get(place)).is_none_or(|open| *open < bound)
    };
    let (mut light, heavy): (Vec<&str>, Vec<&str>) = preferred.into_iter().partition(is_light);
    light.extend(heavy);
    light
}

/// The worker that `key` prefers; `None` when there are none.
pub fn favourite(key: u64, workers: &[String]) -> Option<usize> {
    let weights = workers.iter().enumerate().map(|(place, worker)| (weight(key, worker), place));
    weights.max().map(|(_, place)| place)
}

/// FNV-1a over the worker's name from a start that the key decides, then a finalising mix (MurmurHash3).
fn weight(key: u64, worker: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ key;
    let mut hash =
        worker.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn workers(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("predictor-{i}")).collect()
    }

    proptest! {
        #[test]
        fn only_the_keys_of_a_leaving_worker_move(key in any::<u64>(), n in 2usize..8, gone in 0usize..8) {
            let all = workers(n);
            let mut left = all.clone();
            let gone = left.remove(gone % n);
            let before = preference(key, &all);
            let after = preference(key, &left);
            prop_assert_eq!(before.iter().filter(|w| **w != gone).collect::<Vec<_>>(), after.iter().collect::<Vec<_>>());
            prop_assert_eq!(favourite(key, &all).map(|place| all[place].as_str()), before.first().copied());
        }
    }

    #[test]
    fn a_hot_favourite_is_tried_last_and_a_light_one_first() {
        let all = workers(3);
        let mut ranked = preference(7, &all);
        let place = all.iter().position(|worker| worker == ranked[0]).unwrap();
        let mut open = [10, 10, 10];
        assert_eq!(bounded(7, &all, &open), ranked);
        open[place] = 500;
        ranked.rotate_left(1);
        assert_eq!(bounded(7, &all, &open), ranked);
        assert_eq!(bounded(7, &all, &[500; 3]), preference(7, &all));
    }

    #[test]
    fn keys_spread_evenly() {
        let all = workers(4);
        let mut counts = [0; 4];
        (0..4_000u64).for_each(|key| counts[favourite(key.wrapping_mul(0x9e37_79b9), &all).unwrap()] += 1);
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert_eq!(favourite(1, &[]), None);
    }
}
