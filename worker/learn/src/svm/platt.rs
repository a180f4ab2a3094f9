//! From margins to probabilities: Platt, "Probabilistic outputs for support vector machines" (1999).

use crate::error::LearnError;
use crate::linked::Linked;
use crate::logistic::TwoClasses;
use crate::newton::minimise;

/// Rows whose margins are looked at come from machines that did not see them.
const FOLDS: usize = 3;

/// Keeps the slope finite where all margins are alike.
const PENALTY: f64 = 1e-9;

/// Slope and offset: p(positive) = 1/(1 + exp(−slope · margin − offset)). `margins` learns from some rows and gives the
/// margins of others. Each side's rows are dealt out to three folds in turn; a side with fewer rows is measured on what it
/// was learned from.
///
/// # Errors
/// Those of `margins` and of [`minimise`].
pub(super) fn platt(
    is_positive: &[bool],
    margins: impl Fn(&[u32], &[u32]) -> Result<Vec<f64>, LearnError>,
) -> Result<(f64, f64), LearnError> {
    let rows = is_positive.len();
    let mut dealt = [0usize; 2];
    let fold = |positive: &bool| {
        let side = &mut dealt[usize::from(*positive)];
        *side += 1;
        (*side - 1) % FOLDS
    };
    let folds: Vec<usize> = is_positive.iter().map(fold).collect();
    let mut found = vec![0.0; rows];
    if dealt.iter().any(|side| *side < FOLDS) {
        let all: Vec<u32> = (0..rows as u32).collect();
        found = margins(&all, &all)?;
    } else {
        for fold in 0..FOLDS {
            let (test, train): (Vec<u32>, Vec<u32>) =
                (0..rows as u32).partition(|row| folds[*row as usize] == fold);
            let own = margins(&train, &test)?;
            test.iter().zip(own).for_each(|(row, margin)| found[*row as usize] = margin);
        }
    }
    fit(is_positive, dealt, &found)
}

/// Targets are a little inside of 0 and 1, as if one more row of the other side had been seen.
fn fit(
    is_positive: &[bool],
    [negatives, positives]: [usize; 2],
    margins: &[f64],
) -> Result<(f64, f64), LearnError> {
    let (negatives, positives) = (negatives as f64, positives as f64);
    let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
    let truth = is_positive.iter().map(|positive| if *positive { high } else { low }).collect();
    let problem = Linked {
        weights: &[],
        columns: vec![margins],
        rows: margins.len(),
        loss: TwoClasses(truth),
        penalty: PENALTY,
        penalises_intercept: false,
    };
    let solution = minimise(&problem, vec![((positives + 1.0) / (negatives + 1.0)).ln(), 0.0])?;
    Ok((solution[1], solution[0]))
}
