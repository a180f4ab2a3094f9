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
    /// Of what was found without a target.
    Structure(StructureMetrics),
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

/// Scores of what was found without a target; NaN where one has no meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StructureMetrics {
    /// How much nearer rows are to their own cluster than to the next one: Rousseeuw's mean of (b − a)/max(a, b), −1 to 1.
    pub silhouette: f64,
    /// Mean squared distance of rows to their centre.
    pub inertia: f64,
    /// Mean of ln p(row).
    pub log_likelihood: f64,
    /// Share of the rows' variance about the training mean that the components hold.
    pub explained_variance: f64,
    /// Mean anomaly score.
    pub anomaly_score: f64,
}

impl Default for StructureMetrics {
    fn default() -> StructureMetrics {
        let nan = f64::NAN;
        StructureMetrics {
            silhouette: nan,
            inertia: nan,
            log_likelihood: nan,
            explained_variance: nan,
            anomaly_score: nan,
        }
    }
}

impl Metrics {
    /// Scores of predicted numbers.
    pub fn regression(&self) -> Option<RegressionMetrics> {
        match self {
            Metrics::Regression(scores) => Some(*scores),
            Metrics::Classification(_) | Metrics::Structure(_) => None,
        }
    }

    /// Scores of predicted classes.
    pub fn classification(&self) -> Option<ClassificationMetrics> {
        match self {
            Metrics::Classification(scores) => Some(*scores),
            Metrics::Regression(_) | Metrics::Structure(_) => None,
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
    /// Each a number only where there was no target.
    #[serde(skip_serializing_if = "is_nan")]
    silhouette: f64,
    #[serde(skip_serializing_if = "is_nan")]
    inertia: f64,
    #[serde(skip_serializing_if = "is_nan")]
    log_likelihood: f64,
    #[serde(skip_serializing_if = "is_nan")]
    explained_variance: f64,
    #[serde(skip_serializing_if = "is_nan")]
    anomaly_score: f64,
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
            silhouette: nan,
            inertia: nan,
            log_likelihood: nan,
            explained_variance: nan,
            anomaly_score: nan,
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
            Metrics::Structure(scores) => Written {
                silhouette: scores.silhouette,
                inertia: scores.inertia,
                log_likelihood: scores.log_likelihood,
                explained_variance: scores.explained_variance,
                anomaly_score: scores.anomaly_score,
                ..Written::default()
            },
        }
    }
}

impl From<Written> for Metrics {
    fn from(written: Written) -> Metrics {
        let Written { rmse, mae, r2, mape, smape, log_loss, accuracy, f1, brier, auc, .. } = written;
        let structure = StructureMetrics {
            silhouette: written.silhouette,
            inertia: written.inertia,
            log_likelihood: written.log_likelihood,
            explained_variance: written.explained_variance,
            anomaly_score: written.anomaly_score,
        };
        let own = [
            structure.inertia,
            structure.log_likelihood,
            structure.explained_variance,
            structure.anomaly_score,
        ];
        if own.iter().any(|score| !score.is_nan()) {
            return Metrics::Structure(structure);
        }
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
    fn all_kinds_survive_the_wire() {
        let numbers = RegressionMetrics { rmse: 1.0, mae: 2.0, r2: 3.0, mape: 4.0, smape: 5.0 };
        let classes = ClassificationMetrics { log_loss: 0.0, accuracy: 1.0, f1: 1.0, brier: 0.0, auc: 1.0 };
        let structure = StructureMetrics {
            silhouette: 0.5,
            inertia: 0.0,
            log_likelihood: -3.0,
            explained_variance: 1.0,
            anomaly_score: 0.4,
        };
        for metrics in
            [Metrics::Regression(numbers), Metrics::Classification(classes), Metrics::Structure(structure)]
        {
            let bytes = rmp_serde::to_vec_named(&metrics).unwrap();
            assert_eq!(rmp_serde::from_slice::<Metrics>(&bytes).unwrap(), metrics);
        }
    }
}
