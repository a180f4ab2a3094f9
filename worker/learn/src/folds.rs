//! Cross-validation in time: a fold predicts rows that are newer than all it learns from.

use std::ops::Range;

use schemas::spec::{FoldWindow, SearchSpec};

/// Places of rows in time order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// What it learns from.
    pub train: Range<usize>,
    /// What it predicts.
    pub validate: Range<usize>,
}

/// The folds of `rows` rows in time order: the rows are cut into `folds` + 1 stretches, the first of which takes what
/// does not divide; each but the first is predicted once. Fewer folds, or none, where there are too few rows.
pub fn folds(rows: usize, search: &SearchSpec) -> Vec<Fold> {
    let gap = usize::try_from(search.gap_rows).unwrap_or(usize::MAX);
    let count = (search.folds as usize).min(rows.saturating_sub(1));
    let stretch = rows / (count + 1);
    let first = rows - count * stretch;
    let fold = |place: usize| {
        let validate = first + place * stretch..first + (place + 1) * stretch;
        let end = validate.start.saturating_sub(gap);
        let start = match search.window {
            FoldWindow::Expanding => 0,
            FoldWindow::Sliding => end.saturating_sub(first.saturating_sub(gap).max(1)),
        };
        Fold { train: start..end, validate }
    };
    (0..count).map(fold).filter(|fold| !fold.train.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn folds_look_back_only_and_predict_the_newest_rows_once(
            rows in 0..500usize,
            folds_wanted in 1..20u32,
            gap_rows in 0..40u64,
            sliding in any::<bool>(),
        ) {
            let window = if sliding { FoldWindow::Sliding } else { FoldWindow::Expanding };
            let search = SearchSpec { folds: folds_wanted, gap_rows, window, ..SearchSpec::default() };
            let found = folds(rows, &search);
            prop_assert!(found.len() <= folds_wanted as usize);
            for fold in &found {
                prop_assert!(!fold.train.is_empty() && !fold.validate.is_empty());
                prop_assert_eq!(fold.train.end + gap_rows as usize, fold.validate.start);
                prop_assert!(sliding || fold.train.start == 0);
            }
            for pair in found.windows(2) {
                prop_assert_eq!(pair[0].validate.end, pair[1].validate.start);
                prop_assert_eq!(pair[0].validate.len(), pair[1].validate.len());
                prop_assert!(!sliding || pair[0].train.len() == pair[1].train.len());
            }
            if let Some(last) = found.last() {
                prop_assert_eq!(last.validate.end, rows);
            }
            prop_assert!(gap_rows > 0 || rows < 2 || !found.is_empty());
        }
    }
}
