//! How good predictions are.

use schemas::metrics::{ClassificationMetrics, Metrics, RegressionMetrics};

/// What a smaller probability counts as: scikit-learn's bound for `log_loss`.
const PROBABILITY_MIN: f64 = f64::EPSILON;

/// Scores of predicted numbers, as [`RegressionMetrics`] defines them; `None` for no rows.
///
/// # Panics
/// When there is not one prediction per truth.
pub fn score(truth: &[f64], predicted: &[f64]) -> Option<Metrics> {
    assert_eq!(truth.len(), predicted.len(), "one prediction for each truth");
    let origin = *truth.first()?;
    let count = truth.len() as f64;
    let pairs = || truth.iter().zip(predicted);
    let squares: f64 = pairs().map(|(y, p)| (y - p) * (y - p)).sum();
    // Measured from the first truth, a truth that does not vary has a total of exactly 0.
    let offset = truth.iter().map(|truth| truth - origin).sum::<f64>() / count;
    let total: f64 = truth.iter().map(|truth| (truth - origin - offset).powi(2)).sum();
    let shares = pairs().filter(|(y, _)| **y != 0.0).map(|(y, p)| ((y - p) / y).abs());
    let (share, shares) = shares.fold((0.0, 0.0), |(sum, count), share| (sum + share, count + 1.0));
    let symmetric =
        |(y, p): (&f64, &f64)| if y == p { 0.0 } else { 2.0 * (y - p).abs() / (y.abs() + p.abs()) };
    Some(Metrics::Regression(RegressionMetrics {
        rmse: (squares / count).sqrt(),
        mae: pairs().map(|(y, p)| (y - p).abs()).sum::<f64>() / count,
        r2: if total > 0.0 { 1.0 - squares / total } else { f64::NAN },
        mape: share / shares,
        smape: pairs().map(symmetric).sum::<f64>() / count,
    }))
}

/// Scores of predicted probabilities, as [`ClassificationMetrics`] defines them; `None` for no rows. `truth` has one number
/// per row, `classes` those that the fit learned, ascending, and `probabilities` one number per row and class.
///
/// # Panics
/// When there is not one probability for each row and class.
pub fn score_classes(truth: &[f64], classes: &[f64], probabilities: &[f64]) -> Option<Metrics> {
    assert_eq!(truth.len() * classes.len(), probabilities.len(), "one probability for each row and class");
    if truth.is_empty() || classes.is_empty() {
        return None;
    }
    let place = |y: &f64| classes.binary_search_by(|class| class.total_cmp(y)).ok();
    let own: Vec<Option<usize>> = truth.iter().map(place).collect();
    let rows: Vec<(Option<usize>, &[f64])> =
        own.iter().copied().zip(probabilities.chunks_exact(classes.len())).collect();
    let count = rows.len() as f64;
    let of_own = |(own, p): &(Option<usize>, &[f64])| own.map_or(0.0, |own| p[own]);
    let loss = |row: &(Option<usize>, &[f64])| -of_own(row).clamp(PROBABILITY_MIN, 1.0).ln();
    let guessed: Vec<usize> = rows.iter().map(|(_, p)| most_probable(p)).collect();
    let right = own.iter().zip(&guessed).filter(|(own, guess)| **own == Some(**guess)).count();
    Some(Metrics::Classification(ClassificationMetrics {
        log_loss: rows.iter().map(loss).sum::<f64>() / count,
        accuracy: right as f64 / count,
        f1: f1(truth, classes, &guessed),
        brier: rows.iter().map(|(own, p)| brier(*own, p)).sum::<f64>() / count,
        auc: auc(&own, classes.len(), probabilities),
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

fn f1(truth: &[f64], classes: &[f64], guessed: &[usize]) -> f64 {
    let mut all = truth.to_vec();
    all.extend(guessed.iter().map(|guess| classes[*guess]));
    all.sort_unstable_by(f64::total_cmp);
    all.dedup();
    let of = |class: &f64| {
        let pairs = truth.iter().zip(guessed).map(|(y, guess)| (y == class, classes[*guess] == *class));
        let (hits, misses) = pairs.fold((0.0, 0.0), |(hits, misses), (is_own, is_guessed)| {
            (hits + f64::from(is_own && is_guessed), misses + f64::from(is_own != is_guessed))
        });
        2.0 * hits / (2.0 * hits + misses)
    };
    all.iter().map(of).sum::<f64>() / all.len() as f64
}

/// The mean of each class against the rest; of two classes, both are alike.
fn auc(own: &[Option<usize>], classes: usize, probabilities: &[f64]) -> f64 {
    let of = |class: usize| {
        let p = probabilities[class..].iter().step_by(classes);
        area(&p.copied().zip(own.iter().map(|own| *own == Some(class))).collect::<Vec<_>>())
    };
    let areas: Vec<f64> = (0..classes).filter_map(of).collect();
    if areas.is_empty() { f64::NAN } else { areas.iter().sum::<f64>() / areas.len() as f64 }
}

/// The chance that a row of the class has a larger probability than one of another (Mann and Whitney), equals counting
/// half; `None` without rows of both.
fn area(rows: &[(f64, bool)]) -> Option<f64> {
    let positives = rows.iter().filter(|(_, is_own)| *is_own).count() as f64;
    let negatives = rows.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let mut sorted = rows.to_vec();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut wins) = (0.0, 0.0);
    for equals in sorted.chunk_by(|a, b| a.0 == b.0) {
        let own = equals.iter().filter(|(_, is_own)| *is_own).count() as f64;
        let others = equals.len() as f64 - own;
        wins += own * (below + others / 2.0);
        below += others;
    }
    Some(wins / (positives * negatives))
}
