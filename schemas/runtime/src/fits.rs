//! The listing of a model's fits, as `enqueue fits` and the gateway show it.

mod views;

use futures::future::BoxFuture;
use std::collections::HashMap;

use schemas::catalog::Landed;
use schemas::channel::Channel;
use schemas::fit::Fit;
use schemas::outcome::{Landing, OutcomeKind, ScopeOutcome};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::subjects;
use schemas::window::Window;

use self::views::view;
pub use self::views::{FitView, FunctionView, MetricsView, ParametersView, WindowView};
use crate::broker::{Broker, BrokerError};
use crate::catalog::LiveCatalog;
use crate::ledger;
use crate::store::{Blobs, StoreError};

/// Why fits could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The ledger failed.
    #[error("reading the ledger")]
    Broker(#[from] BrokerError),
    /// The store failed, or a blob is damaged.
    #[error("reading fits")]
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

impl Selection<'_> {
    /// Whether a scope is meant, and can answer: one of dimensions that the model has no more is asked for by no row.
    fn has(&self, scope: &Scope) -> bool {
        let is_named = self.scopes.is_empty() || self.scopes.contains(scope);
        is_named && self.spec.mask_of(scope).is_some()
    }
}

/// What is known of a scope: whether it has a fit and how new its campaign is in the channel, the outcome, and the campaign.
type Newest = ((bool, usize), ScopeOutcome, String);

/// The fit that answers for each scope and window in a channel, or where there is none the newest outcome, by level and scope,
/// with parameters from the store.
///
/// # Errors
/// [`ListError`] when ledger or store fail, or a blob is damaged.
pub fn list<'a>(
    broker: &'a Broker,
    blobs: &'a Blobs,
    selection: Selection<'a>,
) -> BoxFuture<'a, Result<Vec<FitView>, ListError>> {
    Box::pin(async move {
        let mut newest: HashMap<(Scope, Window), Newest> = HashMap::new();
        let filter = subjects::model_landings(&selection.spec.name);
        ledger::replay(broker, &filter, 0, |landing: Landing| {
            let Some(rank) = selection.channel.rank(&landing.campaign) else { return };
            for outcome in landing.outcomes {
                if !selection.has(&outcome.scope) {
                    continue;
                }
                let key = (outcome.scope.clone(), outcome.window);
                // A fit answers on until another one does, however later campaigns ended.
                let order = (outcome.fit.is_some(), rank);
                if newest.get(&key).is_none_or(|(known, ..)| *known < order) {
                    newest.insert(key, (order, outcome, landing.campaign.clone()));
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

/// The fit that answers for each scope in a channel whose catalog is all that is known, as of a bundle: what outcomes say
/// beside their fits (candidates, gates) is not there, nor are scopes without a fit.
///
/// # Errors
/// [`StoreError`] when a blob cannot be read.
pub fn list_of<'a>(
    catalog: &'a LiveCatalog,
    blobs: &'a Blobs,
    selection: Selection<'a>,
) -> BoxFuture<'a, Result<Vec<FitView>, StoreError>> {
    Box::pin(async move {
        let Selection { spec, channel, .. } = selection;
        let mut found: Vec<(Scope, Landed)> = catalog.with(|catalog| {
            let answering = catalog.answering(&spec.name, channel);
            answering.filter(|(scope, _)| selection.has(scope)).collect()
        });
        // By blob, so that each is read once.
        found.sort_by(|(_, a), (_, b)| (&a.fit.blob, a.fit.index).cmp(&(&b.fit.blob, b.fit.index)));
        let mut views = Vec::with_capacity(found.len());
        for (scope, landed) in found {
            let fit = blobs.fit(&landed.fit).await?;
            let campaign = landed.campaign.to_string();
            views.push(view(outcome(scope, landed, &fit), campaign, Some(fit)));
        }
        views.sort_by(|a, b| place(a).cmp(&place(b)));
        Ok(views)
    })
}

/// How a scope ended that has this fit.
fn outcome(scope: Scope, landed: Landed, fit: &Fit) -> ScopeOutcome {
    ScopeOutcome {
        scope,
        window: landed.window,
        level: landed.level,
        outcome: OutcomeKind::Trained,
        reason: None,
        counts: fit.counts,
        algorithm: fit.algorithm,
        candidates: Vec::new(),
        tried: Vec::new(),
        metrics: landed.metrics,
        gate: None,
        fit: Some(landed.fit),
    }
}

fn place(view: &FitView) -> (u8, &str, Option<&str>, Option<&str>) {
    let window = &view.window;
    (view.level.unwrap_or(u8::MAX), &view.scope, window.from.as_deref(), window.to.as_deref())
}
