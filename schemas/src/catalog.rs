//! The catalog: the fold of the ledger that readers keep in memory. Scope → fit → where its bytes are.

use std::collections::HashMap;
use std::sync::Arc;

use crate::channel::Channel;
use crate::fit::{FitRef, Metrics};
use crate::outcome::Landing;
use crate::scope::Scope;
use crate::window::Window;

/// Landed fits by model and scope.
#[derive(Debug, Default)]
pub struct Catalog {
    models: HashMap<String, HashMap<Scope, Vec<Arc<Landed>>>>,
    fits: usize,
}

/// A fit that some campaign landed (or found unchanged).
#[derive(Debug, Clone, PartialEq)]
pub struct Landed {
    /// The campaign.
    pub campaign: Arc<str>,
    /// The fit's window.
    pub window: Window,
    /// Its fallback level.
    pub level: Option<u8>,
    /// Where its bytes are.
    pub fit: FitRef,
    /// Its scores.
    pub metrics: Option<Metrics>,
}

impl Catalog {
    /// Folds in one landing; folding the same again changes nothing.
    pub fn apply(&mut self, landing: Landing) {
        let campaign: Arc<str> = landing.campaign.into();
        let scopes = self.models.entry(landing.model).or_default();
        for outcome in landing.outcomes {
            let Some(fit) = outcome.fit else { continue };
            let fits = scopes.entry(outcome.scope).or_default();
            let known = |l: &Arc<Landed>| l.campaign == campaign && l.window == outcome.window;
            if fits.iter().any(known) {
                continue;
            }
            self.fits += 1;
            fits.push(Arc::new(Landed {
                campaign: campaign.clone(),
                window: outcome.window,
                level: outcome.level,
                fit,
                metrics: outcome.metrics,
            }));
        }
    }

    /// The fit that answers for exactly this scope: of the channel's newest campaign that has one, the newest window.
    pub fn resolve(&self, model: &str, channel: &Channel, scope: &Scope) -> Option<&Arc<Landed>> {
        let fits = self.models.get(model)?.get(scope)?;
        fits.iter()
            .filter_map(|landed| Some((channel.rank(&landed.campaign)?, landed)))
            .max_by_key(|(rank, landed)| (*rank, landed.window.recency()))
            .map(|(_, landed)| landed)
    }

    /// The fit of exactly this scope and window in the channel's newest campaign that has one.
    pub fn incumbent(
        &self,
        model: &str,
        channel: &Channel,
        scope: &Scope,
        window: Window,
    ) -> Option<&Arc<Landed>> {
        let fits = self.models.get(model)?.get(scope)?;
        fits.iter()
            .filter(|landed| landed.window == window)
            .filter_map(|landed| Some((channel.rank(&landed.campaign)?, landed)))
            .max_by_key(|(rank, _)| *rank)
            .map(|(_, landed)| landed)
    }

    /// Number of fits folded in.
    pub fn len(&self) -> usize {
        self.fits
    }

    /// Whether no fit has landed.
    pub fn is_empty(&self) -> bool {
        self.fits == 0
    }

    /// Scopes of `model` that have a fit.
    pub fn scopes(&self, model: &str) -> usize {
        self.models.get(model).map_or(0, HashMap::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;
    use crate::fit::Counts;
    use crate::outcome::{OutcomeKind, ScopeOutcome};

    fn landing(campaign: &str, pack: u32, window: Window, fingerprint: &str) -> Landing {
        let outcome = ScopeOutcome {
            scope: Scope::all(),
            window,
            level: Some(0),
            outcome: OutcomeKind::Trained,
            reason: None,
            counts: Counts::default(),
            algorithm: Algorithm::Mean,
            metrics: None,
            fit: Some(FitRef {
                fingerprint: fingerprint.into(),
                blob: "b".into(),
                index: 0,
                trained_at_ms: 0,
            }),
        };
        Landing {
            campaign: campaign.into(),
            model: "m".into(),
            pack,
            worker: "w".into(),
            at_ms: 0,
            took_ms: 0.0,
            outcomes: vec![outcome],
        }
    }

    #[test]
    fn the_newest_campaign_of_the_channel_wins_then_the_newest_window() {
        let mut catalog = Catalog::default();
        let half = Window { from_ms: Some(0), to_ms: Some(10) };
        catalog.apply(landing("c2", 0, half, "second half"));
        catalog.apply(landing("c2", 1, Window::ALL, "second all"));
        catalog.apply(landing("c1", 0, Window::ALL, "first"));
        catalog.apply(landing("c1", 0, Window::ALL, "first"));
        assert_eq!(catalog.len(), 3);
        let found = |campaigns: &[&str]| {
            let channel = Channel { campaigns: campaigns.iter().map(|c| (*c).to_owned()).collect() };
            catalog.resolve("m", &channel, &Scope::all()).map(|landed| landed.fit.fingerprint.clone())
        };
        assert_eq!(found(&["c1", "c2"]).as_deref(), Some("second all"));
        assert_eq!(found(&["c2", "c1"]).as_deref(), Some("first"));
        assert_eq!(found(&["c3"]), None);
        let both = Channel { campaigns: vec!["c1".into(), "c2".into()] };
        let half = catalog.incumbent("m", &both, &Scope::all(), half).unwrap();
        assert_eq!(half.fit.fingerprint, "second half");
    }
}
