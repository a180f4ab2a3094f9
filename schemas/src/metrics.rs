//! How good a fit is on rows it has not seen.

use serde::{Deserialize, Serialize};

/// Scores on held-out rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum Metrics {
    /// Of predicted numbers.
    Regression(RegressionMetrics),
    /// Of predicted classes.
    Classification(ClassificationMetrics),
}

/// Scores of predicted numbers ŷ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegressionMetrics {
    /// √(Σ(y − ŷ)²/n).
    pub rmse: f64,
    /// Σ|y − ŷ|/n.
    pub mae: f64,
    /// 1 − Σ(y − ŷ)²/Σ(y − ȳ)²; NaN where the held-out target does not vary.
    pub r2: f64,
    /// The mean of |y − ŷ|/|y| over the rows with y ≠ 0; NaN where there are none.
    pub mape: f64,
    /// Σ2|y − ŷ|/(|y| + |ŷ|)/n, from 0 to 2; a term of two zeros is 0.
    pub smape: f64,
}

/// Scores of predicted classes with probabilities p.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassificationMetrics {
    /// −Σ ln p(true class)/n; a probability below 2.2e-16, or of a class never learned, counts as 2.2e-16.
    pub log_loss: f64,
    /// Share of rows whose most probable class is the true one.
    pub accuracy: f64,
    /// The mean over classes of 2TP/(2TP + FP + FN), over all classes that are true or predicted somewhere.
    pub f1: f64,
    /// Σ over rows and classes (p − 1{true})²/n; for two classes half of that: Σ(p(second) − 1{second})²/n.
    pub brier: f64,
    /// Area under the ROC curve; for more than two classes the mean of one versus the rest. NaN where no class has both
    /// rows of its own and of others.
    pub auc: f64,
}

impl Metrics {
    /// Scores of predicted numbers.
    pub fn regression(&self) -> Option<RegressionMetrics> {
        match self {
            Metrics::Regression(scores) => Some(*scores),
            Metrics::Classification(_) => None,
        }
    }

    /// Scores of predicted classes.
    pub fn classification(&self) -> Option<ClassificationMetrics> {
        match self {
            Metrics::Classification(scores) => Some(*scores),
            Metrics::Regression(_) => None,
        }
    }
}

/// The form in messages: one map of all scores, as the first release wrote it.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Written {
    rmse: f64,
    mae: f64,
    r2: f64,
    #[serde(skip_serializing_if = "is_nan")]
    mape: f64,
    #[serde(skip_serializing_if = "is_nan")]
    smape: f64,
    /// A number for predicted classes, and only for them.
    #[serde(skip_serializing_if = "is_nan")]
    log_loss: f64,
    #[serde(skip_serializing_if = "is_nan")]
    accuracy: f64,
    #[serde(skip_serializing_if = "is_nan")]
    f1: f64,
    #[serde(skip_serializing_if = "is_nan")]
    brier: f64,
    #[serde(skip_serializing_if = "is_nan")]
    auc: f64,
}

fn is_nan(value: &f64) -> bool {
    value.is_nan()
}

impl Default for Written {
    fn default() -> Written {
        let nan = f64::NAN;
        Written {
            rmse: nan,
            mae: nan,
            r2: nan,
            mape: nan,
            smape: nan,
            log_loss: nan,
            accuracy: nan,
            f1: nan,
            brier: nan,
            auc: nan,
        }
    }
}

impl From<Metrics> for Written {
    fn from(metrics: Metrics) -> Written {
        match metrics {
            Metrics::Regression(RegressionMetrics { rmse, mae, r2, mape, smape }) => {
                Written { rmse, mae, r2, mape, smape, ..Written::default() }
            }
            Metrics::Classification(ClassificationMetrics { log_loss, accuracy, f1, brier, auc }) => {
                Written { log_loss, accuracy, f1, brier, auc, ..Written::default() }
            }
        }
    }
}

impl From<Written> for Metrics {
    fn from(written: Written) -> Metrics {
        let Written { rmse, mae, r2, mape, smape, log_loss, accuracy, f1, brier, auc } = written;
        match log_loss.is_nan() {
            true => Metrics::Regression(RegressionMetrics { rmse, mae, r2, mape, smape }),
            false => Metrics::Classification(ClassificationMetrics { log_loss, accuracy, f1, brier, auc }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_the_first_release_are_still_read() {
        let golden = b"\x83\xa4rmse\xcb\x3f\xf8\0\0\0\0\0\0\xa3mae\xcb\x3f\xf0\0\0\0\0\0\0\xa2r2\xcb\x3f\xe0\0\0\0\0\0\0";
        let read: Metrics = rmp_serde::from_slice(golden).unwrap();
        let scores = read.regression().unwrap();
        assert_eq!((scores.rmse, scores.mae, scores.r2), (1.5, 1.0, 0.5));
        assert!(scores.mape.is_nan() && scores.smape.is_nan());
        assert_eq!(rmp_serde::to_vec_named(&read).unwrap(), golden);
    }

    #[test]
    fn both_kinds_survive_the_wire() {
        let numbers = RegressionMetrics { rmse: 1.0, mae: 2.0, r2: 3.0, mape: 4.0, smape: 5.0 };
        let classes = ClassificationMetrics { log_loss: 0.0, accuracy: 1.0, f1: 1.0, brier: 0.0, auc: 1.0 };
        for metrics in [Metrics::Regression(numbers), Metrics::Classification(classes)] {
            let bytes = rmp_serde::to_vec_named(&metrics).unwrap();
            assert_eq!(rmp_serde::from_slice::<Metrics>(&bytes).unwrap(), metrics);
        }
    }
}
