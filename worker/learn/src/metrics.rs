//! How good predictions are.

use schemas::metrics::{ClassificationMetrics, Metrics, RegressionMetrics};

use crate::target::{summable, weight_of};

/// A row's class by its place, if it was learned, with its probabilities.
type Judged<'a> = (Option<usize>, &'a [f64]);

/// What a smaller probability counts as: scikit-learn's bound for `log_loss`.
const PROBABILITY_MIN: f64 = f64::EPSILON;

/// Scores of predicted numbers, as [`RegressionMetrics`] defines them; `None` for no rows. With `weights`, one per row, every
/// sum and count over rows is weighted; none count 1 each.
///
/// # Panics
/// When there is not one prediction per truth.
pub fn score(truth: &[f64], predicted: &[f64], weights: &[f64]) -> Option<Metrics> {
    assert_eq!(truth.len(), predicted.len(), "one prediction for each truth");
    let origin = *truth.first()?;
    let weights = &*summable(weights);
    let of_row = |row: usize| weight_of(weights, row);
    let count: f64 = (0..truth.len()).map(of_row).sum();
    let rows = || truth.iter().zip(predicted).enumerate().map(|(row, (y, p))| (of_row(row), *y, *p));
    let squares: f64 = rows().map(|(w, y, p)| w * (y - p) * (y - p)).sum();
    // Measured from the first truth, a truth that does not vary has a total of exactly 0.
    let offset = rows().map(|(w, y, _)| w * (y - origin)).sum::<f64>() / count;
    let total: f64 = rows().map(|(w, y, _)| w * (y - origin - offset).powi(2)).sum();
    let shares = rows().filter(|(_, y, _)| *y != 0.0).map(|(w, y, p)| (w * ((y - p) / y).abs(), w));
    let (share, shares) = shares.fold((0.0, 0.0), |(sum, count), (share, w)| (sum + share, count + w));
    let symmetric = |(w, y, p): (f64, f64, f64)| {
        if y == p { 0.0 } else { w * 2.0 * (y - p).abs() / (y.abs() + p.abs()) }
    };
    Some(Metrics::Regression(RegressionMetrics {
        rmse: (squares / count).sqrt(),
        mae: rows().map(|(w, y, p)| w * (y - p).abs()).sum::<f64>() / count,
        r2: if total > 0.0 { 1.0 - squares / total } else { f64::NAN },
        mape: share / shares,
        smape: rows().map(symmetric).sum::<f64>() / count,
    }))
}

/// Scores of predicted probabilities, as [`ClassificationMetrics`] defines them; `None` for no rows. `truth` has one number
/// per row, `classes` those that the fit learned, ascending, and `probabilities` one number per row and class; weights are as
/// in [`score`].
///
/// # Panics
/// When there is not one probability for each row and class.
pub fn score_classes(
    truth: &[f64],
    classes: &[f64],
    probabilities: &[f64],
    weights: &[f64],
) -> Option<Metrics> {
    assert_eq!(truth.len() * classes.len(), probabilities.len(), "one probability for each row and class");
    if truth.is_empty() || classes.is_empty() {
        return None;
    }
    let weights = &*summable(weights);
    let place = |y: &f64| classes.binary_search_by(|class| class.total_cmp(y)).ok();
    let own: Vec<Option<usize>> = truth.iter().map(place).collect();
    let rows: Vec<Judged> = own.iter().copied().zip(probabilities.chunks_exact(classes.len())).collect();
    let mean = |of_row: &dyn Fn(&Judged) -> f64| {
        let weighted = rows.iter().enumerate().map(|(row, own)| (weight_of(weights, row), of_row(own)));
        let (sum, count) = weighted.fold((0.0, 0.0), |(sum, count), (w, value)| (sum + w * value, count + w));
        sum / count
    };
    let of_own = |(own, p): &Judged| own.map_or(0.0, |own| p[own]);
    let guessed: Vec<usize> = rows.iter().map(|(_, p)| most_probable(p)).collect();
    Some(Metrics::Classification(ClassificationMetrics {
        log_loss: mean(&|row| -of_own(row).clamp(PROBABILITY_MIN, 1.0).ln()),
        accuracy: mean(&|(own, p)| f64::from(u8::from(*own == Some(most_probable(p))))),
        f1: f1(truth, classes, &guessed, weights),
        brier: mean(&|(own, p)| brier(*own, p)),
        auc: auc(&own, classes.len(), probabilities, weights),
    }))
}

/// The place of the largest probability, the first of equals.
///
/// # Panics
/// Without any.
pub fn most_probable(probabilities: &[f64]) -> usize {
    let mut best = 0;
    for (place, p) in probabilities.iter().enumerate() {
        if *p > probabilities[best] {
            best = place;
        }
    }
    best
}

/// Of two classes, both terms are alike: one of them counts.
fn brier(own: Option<usize>, p: &[f64]) -> f64 {
    let square = |(place, p): (usize, &f64)| (p - f64::from(u8::from(Some(place) == own))).powi(2);
    let sum: f64 = p.iter().enumerate().map(square).sum();
    // A class that was never learned has probability 0 where it should have 1.
    let unknown = usize::from(own.is_none());
    (sum + unknown as f64) / if p.len() + unknown <= 2 { 2.0 } else { 1.0 }
}

fn f1(truth: &[f64], classes: &[f64], guessed: &[usize], weights: &[f64]) -> f64 {
    let mut all = truth.to_vec();
    all.extend(guessed.iter().map(|guess| classes[*guess]));
    all.sort_unstable_by(f64::total_cmp);
    all.dedup();
    let of = |class: &f64| {
        let pairs = truth.iter().zip(guessed).map(|(y, guess)| (y == class, classes[*guess] == *class));
        let (hits, misses) =
            pairs.enumerate().fold((0.0, 0.0), |(hits, misses), (row, (is_own, is_guessed))| {
                let weight = |is: bool| if is { weight_of(weights, row) } else { 0.0 };
                (hits + weight(is_own && is_guessed), misses + weight(is_own != is_guessed))
            });
        // Rows that count nothing may be the only ones of a class.
        if hits + misses > 0.0 { 2.0 * hits / (2.0 * hits + misses) } else { 0.0 }
    };
    all.iter().map(of).sum::<f64>() / all.len() as f64
}

/// The mean of each class against the rest; of two classes, both are alike.
fn auc(own: &[Option<usize>], classes: usize, probabilities: &[f64], weights: &[f64]) -> f64 {
    let of = |class: usize| {
        let p = probabilities[class..].iter().step_by(classes);
        let rows = p.zip(own).enumerate();
        area(
            &rows
                .map(|(row, (p, own))| (*p, *own == Some(class), weight_of(weights, row)))
                .collect::<Vec<_>>(),
        )
    };
    let areas: Vec<f64> = (0..classes).filter_map(of).collect();
    if areas.is_empty() { f64::NAN } else { areas.iter().sum::<f64>() / areas.len() as f64 }
}

/// The chance that a row of the class has a larger probability than one of another (Mann and Whitney), equals counting
/// half, each row drawn by its weight; `None` without rows of both.
fn area(rows: &[(f64, bool, f64)]) -> Option<f64> {
    let sum = |rows: &[(f64, bool, f64)], own: bool| -> f64 {
        rows.iter().filter(|(_, is_own, _)| *is_own == own).map(|(.., weight)| weight).sum()
    };
    let (positives, negatives) = (sum(rows, true), sum(rows, false));
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let mut sorted = rows.to_vec();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut wins) = (0.0, 0.0);
    for equals in sorted.chunk_by(|a, b| a.0 == b.0) {
        let others = sum(equals, false);
        wins += sum(equals, true) * (below + others / 2.0);
        below += others;
    }
    Some(wins / (positives * negatives))
}
