//! The listing of a model's fits, as `enqueue fits` and the gateway show it.

use futures::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};

use schemas::algorithm::Params;
use schemas::channel::Channel;
use schemas::fit::{Fit, Metrics, Parameters, design_names};
use schemas::outcome::{Landing, ScopeOutcome, Scored};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::subjects;
use schemas::time::format_ms;
use schemas::window::Window;
use serde::Serialize;

use crate::broker::{Broker, BrokerError};
use crate::ledger;
use crate::store::{Blobs, StoreError};

/// One scope's newest outcome in a channel.
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
    /// Why, for failed and rejected ones.
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
    /// What was learned.
    pub parameters: Option<ParametersView>,
    /// The fit's name.
    pub fingerprint: Option<String>,
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
pub struct MetricsView {
    /// Root mean squared error.
    pub rmse: Option<f64>,
    /// Mean absolute error.
    pub mae: Option<f64>,
    /// Share of the variance explained.
    pub r2: Option<f64>,
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

/// Why fits could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The ledger failed.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The store failed, or a blob is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which fits to list.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// The model.
    pub spec: &'a ModelSpec,
    /// The channel's campaigns.
    pub channel: &'a Channel,
    /// Only these scopes; empty for all.
    pub scopes: &'a [Scope],
}

/// The newest outcome of each scope and window in a channel, by level and scope, with parameters from the store.
///
/// # Errors
/// [`ListError`] when ledger or store fail, or a blob is damaged.
pub fn list<'a>(
    broker: &'a Broker,
    blobs: &'a Blobs,
    selection: Selection<'a>,
) -> BoxFuture<'a, Result<Vec<FitView>, ListError>> {
    Box::pin(async move {
        let mut newest: HashMap<(Scope, Window), (usize, ScopeOutcome, String)> = HashMap::new();
        let filter = subjects::model_landings(&selection.spec.name);
        ledger::replay(broker, &filter, 0, |landing: Landing| {
            let Some(rank) = selection.channel.rank(&landing.campaign) else { return };
            for outcome in landing.outcomes {
                if !selection.scopes.is_empty() && !selection.scopes.contains(&outcome.scope) {
                    continue;
                }
                let key = (outcome.scope.clone(), outcome.window);
                if newest.get(&key).is_none_or(|(known, ..)| *known < rank) {
                    newest.insert(key, (rank, outcome, landing.campaign.clone()));
                }
            }
        })
        .await?;
        let mut found: Vec<_> = newest.into_values().collect();
        // By blob, so that each is read once.
        let blob = |outcome: &ScopeOutcome| outcome.fit.as_ref().map(|fit| (fit.blob.clone(), fit.index));
        found.sort_by_cached_key(|(_, outcome, ..)| blob(outcome));
        let mut views = Vec::with_capacity(found.len());
        for (_, outcome, campaign) in found {
            let fit = match &outcome.fit {
                Some(at) => Some(blobs.fit(at).await?),
                None => None,
            };
            views.push(view(outcome, campaign, fit));
        }
        views.sort_by(|a, b| place(a).cmp(&place(b)));
        Ok(views)
    })
}

fn place(view: &FitView) -> (u8, &str, Option<&str>, Option<&str>) {
    let window = &view.window;
    (view.level.unwrap_or(u8::MAX), &view.scope, window.from.as_deref(), window.to.as_deref())
}

fn view(outcome: ScopeOutcome, campaign: String, fit: Option<Fit>) -> FitView {
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
        parameters: fit.as_ref().map(ParametersView::from),
        fingerprint: outcome.fit.as_ref().map(|fit| fit.fingerprint.clone()),
        trained_at: outcome.fit.map(|fit| format_ms(fit.trained_at_ms)),
    }
}

impl From<Metrics> for MetricsView {
    fn from(metrics: Metrics) -> Self {
        let finite = |value: f64| value.is_finite().then_some(value);
        MetricsView { rmse: finite(metrics.rmse), mae: finite(metrics.mae), r2: finite(metrics.r2) }
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
