//! Which predictor a row goes to: rendezvous hashing, so that each scope's fit stays hot in one of them.

/// The workers in the order in which `key` prefers them. When one leaves, only its keys move.
///
/// Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998).
pub fn preference(key: u64, workers: &[String]) -> Vec<&str> {
    let mut ranked: Vec<(u64, &str)> =
        workers.iter().map(|worker| (weight(key, worker), worker.as_str())).collect();
    ranked.sort_unstable_by(|a, b| b.cmp(a));
    ranked.into_iter().map(|(_, worker)| worker).collect()
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
    fn keys_spread_evenly() {
        let all = workers(4);
        let mut counts = [0; 4];
        (0..4_000u64).for_each(|key| counts[favourite(key.wrapping_mul(0x9e37_79b9), &all).unwrap()] += 1);
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert_eq!(favourite(1, &[]), None);
    }
}
