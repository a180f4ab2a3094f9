//! What is shown of a fit.

use std::collections::BTreeMap;

use schemas::algorithm::Params;
use schemas::classifier::{Classifier, Link};
use schemas::fit::{Fit, Metrics, Parameters, design_names};
use schemas::gate::Judgement;
use schemas::instances::Scaling;
use schemas::label::Label;
use schemas::outcome::{ScopeOutcome, Scored};
use schemas::structure::Structure;
use schemas::time::format_ms;
use serde::Serialize;

/// One scope's fit in a channel, or its newest outcome where it has none.
#[derive(Debug, Clone, Serialize)]
pub struct FitView {
    /// Canonical scope text.
    pub scope: String,
    /// Fallback level, if it is one.
    pub level: Option<u8>,
    /// Its window; `null` ends are open.
    pub window: WindowView,
    /// The campaign.
    pub campaign: String,
    /// How the scope ended there.
    pub outcome: &'static str,
    /// Why, for failed and rejected ones, and for series that are too short; of a fit why its gate compared it with nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Rows of the slice.
    pub rows: u64,
    /// Those without nulls.
    pub complete_rows: u64,
    /// Those learned from.
    pub train_rows: u64,
    /// Those scored on.
    pub holdout_rows: u64,
    /// The algorithm.
    pub algorithm: &'static str,
    /// The parameters it was given.
    pub params: Params,
    /// What the scope chose from; empty without a search.
    pub candidates: Vec<Scored>,
    /// Scores.
    pub metrics: Option<MetricsView>,
    /// What the spec's gate compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Judgement>,
    /// What was learned.
    pub parameters: Option<ParametersView>,
    /// The fit's name.
    pub fingerprint: Option<String>,
    /// The fit of older rows that it went on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// When it was trained.
    pub trained_at: Option<String>,
}

/// A window in RFC 3339.
#[derive(Debug, Clone, Serialize)]
pub struct WindowView {
    /// First moment inside.
    pub from: Option<String>,
    /// First moment after.
    pub to: Option<String>,
}

/// Scores; not a number is `null`.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum MetricsView {
    /// Of predicted numbers.
    Regression {
        /// Root mean squared error.
        rmse: Option<f64>,
        /// Mean absolute error.
        mae: Option<f64>,
        /// Share of the variance explained.
        r2: Option<f64>,
        /// Mean absolute error as a share of the target, over targets other than 0.
        mape: Option<f64>,
        /// The same as a share of the mean of target and prediction.
        smape: Option<f64>,
        /// Pinball loss at the median: half of the mean absolute error.
        pinball: Option<f64>,
    },
    /// Of predicted classes.
    Classification {
        /// Mean of −ln p(true class).
        log_loss: Option<f64>,
        /// Share of rows that are right.
        accuracy: Option<f64>,
        /// Mean over classes.
        f1: Option<f64>,
        /// Mean squared error of probabilities.
        brier: Option<f64>,
        /// Area under the ROC curve, mean of one class versus the rest.
        auc: Option<f64>,
    },
    /// Of what was found without a target.
    Structure {
        /// How much nearer rows are to their own cluster than to the next.
        #[serde(skip_serializing_if = "Option::is_none")]
        silhouette: Option<f64>,
        /// Mean squared distance to the own centre.
        #[serde(skip_serializing_if = "Option::is_none")]
        inertia: Option<f64>,
        /// Mean of ln p(row).
        #[serde(skip_serializing_if = "Option::is_none")]
        log_likelihood: Option<f64>,
        /// Share of the variance that the components hold.
        #[serde(skip_serializing_if = "Option::is_none")]
        explained_variance: Option<f64>,
        /// Mean anomaly score.
        #[serde(skip_serializing_if = "Option::is_none")]
        anomaly_score: Option<f64>,
    },
}

impl MetricsView {
    /// The score that is looked at first: its name and value, the smaller the better.
    pub fn first(&self) -> (&'static str, Option<f64>) {
        match self {
            MetricsView::Regression { rmse, .. } => ("rmse", *rmse),
            MetricsView::Classification { log_loss, .. } => ("log_loss", *log_loss),
            MetricsView::Structure { inertia: Some(inertia), .. } => ("inertia", Some(*inertia)),
            MetricsView::Structure { log_likelihood: Some(mean), .. } => ("-log_likelihood", Some(-mean)),
            MetricsView::Structure { explained_variance: Some(share), .. } => {
                ("unexplained", Some(1.0 - share))
            }
            MetricsView::Structure { anomaly_score, .. } => ("anomaly_score", *anomaly_score),
        }
    }
}

/// What a fit learned.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum ParametersView {
    /// A linear fit, in the features' own units.
    Linear {
        /// The prediction where all columns are zero.
        intercept: f64,
        /// By design column.
        coefficients: BTreeMap<String, f64>,
    },
    /// A fit whose logarithm is linear, in the features' own units.
    LogLinear {
        /// Always `log`: predictions are exp(intercept + Σ coefficient · column).
        link: &'static str,
        /// The prediction's logarithm where all columns are zero.
        intercept: f64,
        /// By design column.
        coefficients: BTreeMap<String, f64>,
    },
    /// Trees, by their size.
    Trees {
        /// Number of trees.
        trees: usize,
        /// Nodes of all of them, leaves included.
        nodes: usize,
    },
    /// Clusters, in the features' own units.
    Clusters {
        /// Their centres or means, by design column; columns that did not vary stand at their value.
        centres: Vec<BTreeMap<String, f64>>,
    },
    /// Directions of most variance.
    Components {
        /// Loadings by design column.
        directions: Vec<BTreeMap<String, f64>>,
        /// Variance along each.
        variances: Vec<f64>,
        /// Share of all variance that each holds.
        explained_variance_ratio: Vec<f64>,
    },
    /// Rows that a fit keeps.
    Rows {
        /// Number of rows.
        rows: usize,
    },
    /// A classifier.
    Classes {
        /// What it tells apart, in the order of its functions.
        classes: Vec<Label>,
        /// From functions to probabilities, where there are functions.
        #[serde(skip_serializing_if = "Option::is_none")]
        link: Option<Link>,
        /// Linear functions in the features' own units: one for the second of two classes, or one per class.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        functions: Vec<FunctionView>,
        /// Number of trees.
        #[serde(skip_serializing_if = "Option::is_none")]
        trees: Option<usize>,
        /// Number of rows that the fit keeps.
        #[serde(skip_serializing_if = "Option::is_none")]
        rows: Option<usize>,
    },
    /// A forecast of a time series.
    Forecast {
        /// What was fitted: `ETS(M,Ad,M)`.
        model: String,
        /// Its parameters.
        settings: BTreeMap<String, f64>,
        /// The distance of the points.
        step: String,
        /// When the last step begins that it learned from.
        last: String,
        /// Steps foretold.
        horizon: usize,
    },
}

/// A linear function.
#[derive(Debug, Clone, Serialize)]
pub struct FunctionView {
    /// Its value where all columns are zero.
    pub intercept: f64,
    /// By design column.
    pub coefficients: BTreeMap<String, f64>,
}

/// What is shown of an outcome, with its fit where there is one.
pub(super) fn view(outcome: ScopeOutcome, campaign: String, fit: Option<Fit>) -> FitView {
    FitView {
        scope: outcome.scope.to_string(),
        level: outcome.level,
        window: WindowView {
            from: outcome.window.from_ms.map(format_ms),
            to: outcome.window.to_ms.map(format_ms),
        },
        campaign,
        outcome: outcome.outcome.name(),
        reason: outcome.reason,
        rows: outcome.counts.rows,
        complete_rows: outcome.counts.complete_rows,
        train_rows: outcome.counts.train_rows,
        holdout_rows: outcome.counts.holdout_rows,
        algorithm: fit.as_ref().map_or(outcome.algorithm, |fit| fit.algorithm).name(),
        params: fit.as_ref().map(|fit| fit.params.clone()).unwrap_or_default(),
        candidates: outcome.candidates,
        metrics: outcome.metrics.map(MetricsView::from),
        gate: outcome.gate,
        parameters: fit.as_ref().map(ParametersView::from),
        fingerprint: outcome.fit.as_ref().map(|fit| fit.fingerprint.clone()),
        continues: fit.as_ref().and_then(|fit| fit.continues.clone()),
        trained_at: outcome.fit.map(|fit| format_ms(fit.trained_at_ms)),
    }
}

impl From<Metrics> for MetricsView {
    fn from(metrics: Metrics) -> Self {
        let finite = |value: f64| value.is_finite().then_some(value);
        match metrics {
            Metrics::Regression(scores) => MetricsView::Regression {
                rmse: finite(scores.rmse),
                mae: finite(scores.mae),
                r2: finite(scores.r2),
                mape: finite(scores.mape),
                smape: finite(scores.smape),
                pinball: finite(scores.mae / 2.0),
            },
            Metrics::Classification(scores) => MetricsView::Classification {
                log_loss: finite(scores.log_loss),
                accuracy: finite(scores.accuracy),
                f1: finite(scores.f1),
                brier: finite(scores.brier),
                auc: finite(scores.auc),
            },
            Metrics::Structure(scores) => MetricsView::Structure {
                silhouette: finite(scores.silhouette),
                inertia: finite(scores.inertia),
                log_likelihood: finite(scores.log_likelihood),
                explained_variance: finite(scores.explained_variance),
                anomaly_score: finite(scores.anomaly_score),
            },
        }
    }
}

impl From<&Fit> for ParametersView {
    fn from(fit: &Fit) -> Self {
        let named = |coefficients: &[f64]| {
            design_names(&fit.inputs).into_iter().zip(coefficients.iter().copied()).collect()
        };
        match &fit.parameters {
            Parameters::Linear { intercept, coefficients } => {
                ParametersView::Linear { intercept: *intercept, coefficients: named(coefficients) }
            }
            Parameters::LogLinear { intercept, coefficients } => {
                let coefficients = named(coefficients);
                ParametersView::LogLinear { link: "log", intercept: *intercept, coefficients }
            }
            Parameters::Trees(trees) => {
                ParametersView::Trees { trees: trees.roots.len(), nodes: trees.columns.len() }
            }
            Parameters::Kernel(kernel) => ParametersView::Rows { rows: kernel.weights.len() },
            Parameters::Neighbours(kept) => ParametersView::Rows { rows: kept.targets.len() },
            Parameters::Classifier(classifier) => of_classes(fit, classifier),
            Parameters::Structure(structure) => of_structure(fit, structure),
            Parameters::Forecast(forecast) => ParametersView::Forecast {
                model: forecast.model.clone(),
                settings: forecast.settings.clone(),
                step: forecast.step.to_string(),
                last: format_ms(forecast.step.start_ms(forecast.last)),
                horizon: forecast.values.len(),
            },
        }
    }
}

fn of_structure(fit: &Fit, structure: &Structure) -> ParametersView {
    let names = design_names(&fit.inputs);
    // Points in z, with what a column shows that is left out of it.
    let named = |scaling: &Scaling, points: &[f64], shown: &dyn Fn(usize, Option<f64>) -> f64| {
        let width = scaling.width();
        let one = |z: &[f64]| {
            let mut z = z.iter().copied();
            let own =
                scaling.deviations.iter().map(|deviation| if *deviation > 0.0 { z.next() } else { None });
            let own: Vec<Option<f64>> = own.collect();
            names.iter().cloned().zip(own.into_iter().enumerate().map(|(i, z)| shown(i, z))).collect()
        };
        match width {
            0 => Vec::new(),
            _ => points.chunks_exact(width).map(one).collect::<Vec<BTreeMap<String, f64>>>(),
        }
    };
    match structure {
        Structure::Centres { scaling, centres: points, .. }
        | Structure::Mixture { scaling, means: points, .. } => {
            let own = |i: usize, z: Option<f64>| scaling.means[i] + z.unwrap_or(0.0) * scaling.deviations[i];
            ParametersView::Clusters { centres: named(scaling, points, &own) }
        }
        Structure::Components { scaling, directions, variances, total_variance } => {
            ParametersView::Components {
                directions: named(scaling, directions, &|_, z| z.unwrap_or(0.0)),
                variances: variances.clone(),
                explained_variance_ratio: variances.iter().map(|own| own / total_variance).collect(),
            }
        }
        Structure::Isolation { trees, .. } => {
            ParametersView::Trees { trees: trees.roots.len(), nodes: trees.columns.len() }
        }
    }
}

fn of_classes(fit: &Fit, classifier: &Classifier) -> ParametersView {
    let (mut link, mut functions, mut trees, mut rows) = (None, Vec::new(), None, None);
    match classifier {
        Classifier::Constant { .. } | Classifier::GaussianBayes { .. } => {}
        Classifier::Linear { link: own, intercepts, coefficients } => {
            let names = design_names(&fit.inputs);
            let named = |own: &[f64]| names.iter().cloned().zip(own.iter().copied()).collect();
            let coefficients = coefficients.chunks(names.len().max(1));
            let pairs = intercepts.iter().zip(coefficients);
            functions.extend(
                pairs
                    .map(|(intercept, own)| FunctionView { intercept: *intercept, coefficients: named(own) }),
            );
            link = Some(*own);
        }
        Classifier::Forest { trees: own, .. } => trees = Some(own.roots.len()),
        Classifier::Boosted { link: own, functions } => {
            trees = Some(functions.iter().map(|function| function.roots.len()).sum());
            link = Some(*own);
        }
        Classifier::Kernel { link: own, kernel } => {
            rows = Some(kernel.weights.len() / kernel.intercepts.len().max(1));
            link = Some(*own);
        }
        Classifier::Neighbours { rows: kept, .. } => rows = Some(kept.targets.len()),
    }
    ParametersView::Classes { classes: fit.classes.clone(), link, functions, trees, rows }
}
