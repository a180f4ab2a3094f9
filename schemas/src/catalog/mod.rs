//! The catalog: the fold of the ledger that readers keep in memory. Scope → fit → where its bytes are.
//!
//! A million fits are the usual size, so an entry is a few numbers: campaigns, windows and blobs are named once, and the
//! entries of a scope are a chain from the newest to the oldest.

mod snapshot;

use std::hash::Hash;
use std::sync::Arc;

use ahash::HashMap;

pub use self::snapshot::{ModelSnapshot, SnapshotError};
use crate::channel::Channel;
use crate::fit::{FitRef, Metrics};
use crate::outcome::Landing;
use crate::scope::Scope;
use crate::window::Window;

/// Landed fits by model and scope.
#[derive(Debug, Default)]
pub struct Catalog {
    models: HashMap<String, ModelFits>,
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

/// The fits of one model.
#[derive(Debug, Default)]
struct ModelFits {
    /// The newest entry of each scope.
    newest: HashMap<Scope, u32>,
    /// In the order of landing.
    entries: Vec<Entry>,
    campaigns: Names<Arc<str>>,
    blobs: Names<Arc<str>>,
    windows: Names<Window>,
}

/// A landed fit, by numbers.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The entry before it of the same scope, or [`NONE`].
    older: u32,
    campaign: u32,
    window: u32,
    blob: u32,
    index: u32,
    level: Option<u8>,
    fingerprint: u128,
    trained_at_ms: i64,
    metrics: Option<Metrics>,
}

/// No entry.
const NONE: u32 = u32::MAX;

/// Things that are named by their number.
#[derive(Debug)]
struct Names<T> {
    list: Vec<T>,
    places: HashMap<T, u32>,
}

impl<T> Default for Names<T> {
    fn default() -> Names<T> {
        Names { list: Vec::new(), places: HashMap::default() }
    }
}

impl<T: Clone + Eq + Hash> Names<T> {
    fn of(list: Vec<T>) -> Names<T> {
        let places = list.iter().cloned().zip(0..).collect();
        Names { list, places }
    }

    fn number(&mut self, thing: T) -> u32 {
        let next = self.list.len() as u32;
        *self.places.entry(thing.clone()).or_insert_with(|| {
            self.list.push(thing);
            next
        })
    }
}

impl Catalog {
    /// Folds in one landing; folding the same again, in whatever order, changes nothing.
    pub fn apply(&mut self, landing: Landing) {
        let model = self.models.entry(landing.model).or_default();
        let campaign = model.campaigns.number(landing.campaign.into());
        for outcome in landing.outcomes {
            let Some(fit) = outcome.fit else { continue };
            // Fingerprints are 32 hex digits; another text names no fit of ours.
            let Ok(fingerprint) = u128::from_str_radix(&fit.fingerprint, 16) else { continue };
            let window = model.windows.number(outcome.window);
            if model.chain(&outcome.scope).any(|entry| entry.campaign == campaign && entry.window == window) {
                continue;
            }
            let blob = model.blobs.number(fit.blob.into());
            model.add(outcome.scope, |older| Entry {
                older,
                campaign,
                window,
                blob,
                index: fit.index,
                level: outcome.level,
                fingerprint,
                trained_at_ms: fit.trained_at_ms,
                metrics: outcome.metrics,
            });
        }
    }

    /// Adds a fit as the newest of its scope.
    pub fn add(&mut self, model: &str, scope: Scope, landed: &Landed) {
        // Fingerprints are 32 hex digits; another text names no fit of ours.
        let Ok(fingerprint) = u128::from_str_radix(&landed.fit.fingerprint, 16) else { return };
        let model = self.models.entry(model.to_owned()).or_default();
        let campaign = model.campaigns.number(landed.campaign.clone());
        let window = model.windows.number(landed.window);
        let blob = model.blobs.number(landed.fit.blob.as_str().into());
        model.add(scope, |older| Entry {
            older,
            campaign,
            window,
            blob,
            index: landed.fit.index,
            level: landed.level,
            fingerprint,
            trained_at_ms: landed.fit.trained_at_ms,
            metrics: landed.metrics,
        });
    }

    /// The fit that answers for exactly this scope: of the channel's newest campaign that has one, the newest window.
    pub fn resolve(&self, model: &str, channel: &Channel, scope: &Scope) -> Option<Landed> {
        let model = self.models.get(model)?;
        model
            .chain(scope)
            .filter_map(|entry| Some((channel.rank(model.campaign(entry))?, entry)))
            .max_by_key(|(rank, entry)| (*rank, model.window(entry).recency()))
            .map(|(_, entry)| model.landed(entry))
    }

    /// The fit of exactly this scope and window in the channel's newest campaign that has one.
    pub fn incumbent(&self, model: &str, channel: &Channel, scope: &Scope, window: Window) -> Option<Landed> {
        let model = self.models.get(model)?;
        model
            .chain(scope)
            .filter(|entry| model.window(entry) == window)
            .filter_map(|entry| Some((channel.rank(model.campaign(entry))?, entry)))
            .max_by_key(|(rank, _)| *rank)
            .map(|(_, entry)| model.landed(entry))
    }

    /// The scopes of a model that have a fit in `channel`, each with the one that answers.
    pub fn answering<'a>(
        &'a self,
        model: &'a str,
        channel: &'a Channel,
    ) -> impl Iterator<Item = (Scope, Landed)> + 'a {
        let scopes = self.models.get(model).into_iter().flat_map(|model| model.newest.keys());
        scopes.filter_map(move |scope| Some((scope.clone(), self.resolve(model, channel, scope)?)))
    }

    /// Number of fits folded in.
    pub fn len(&self) -> usize {
        self.models.values().map(|model| model.entries.len()).sum()
    }

    /// Whether no fit has landed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fits of `model` folded in: another number than before means that something has landed.
    pub fn landed(&self, model: &str) -> usize {
        self.models.get(model).map_or(0, |model| model.entries.len())
    }

    /// Scopes of `model` that have a fit.
    pub fn scopes(&self, model: &str) -> usize {
        self.models.get(model).map_or(0, |model| model.newest.len())
    }
}

impl ModelFits {
    fn add(&mut self, scope: Scope, entry: impl FnOnce(u32) -> Entry) {
        let place = self.entries.len() as u32;
        let older = self.newest.insert(scope, place).unwrap_or(NONE);
        self.entries.push(entry(older));
    }

    /// The entries of a scope, newest first.
    fn chain(&self, scope: &Scope) -> impl Iterator<Item = &Entry> {
        let first = self.newest.get(scope).copied().unwrap_or(NONE);
        let entry = |place: u32| self.entries.get(place as usize);
        std::iter::successors(entry(first), move |one| entry(one.older))
    }

    fn campaign(&self, entry: &Entry) -> &Arc<str> {
        &self.campaigns.list[entry.campaign as usize]
    }

    fn window(&self, entry: &Entry) -> Window {
        self.windows.list[entry.window as usize]
    }

    fn landed(&self, entry: &Entry) -> Landed {
        Landed {
            campaign: self.campaign(entry).clone(),
            window: self.window(entry),
            level: entry.level,
            fit: FitRef {
                fingerprint: format!("{:032x}", entry.fingerprint),
                blob: self.blobs.list[entry.blob as usize].to_string(),
                index: entry.index,
                trained_at_ms: entry.trained_at_ms,
            },
            metrics: entry.metrics,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;
    use crate::fit::{ClassificationMetrics, Counts, RegressionMetrics};
    use crate::outcome::{OutcomeKind, ScopeOutcome};
    use proptest::prelude::*;

    fn metrics(of: u128) -> Metrics {
        match of.is_multiple_of(4) {
            true => Metrics::Regression(RegressionMetrics {
                rmse: 1.0,
                mae: 0.5,
                r2: 0.25,
                mape: 0.1,
                smape: 0.2,
            }),
            false => Metrics::Classification(ClassificationMetrics {
                log_loss: 0.3,
                accuracy: 0.9,
                f1: 0.8,
                brier: 0.1,
                auc: 0.7,
            }),
        }
    }

    fn landing(campaign: &str, pack: u32, scope: Scope, window: Window, fingerprint: u128) -> Landing {
        let outcome = ScopeOutcome {
            scope,
            window,
            level: Some(0),
            outcome: OutcomeKind::Trained,
            reason: None,
            counts: Counts::default(),
            algorithm: Algorithm::Mean,
            gate: None,
            candidates: Vec::new(),
            tried: Vec::new(),
            metrics: fingerprint.is_multiple_of(2).then_some(metrics(fingerprint)),
            fit: Some(FitRef {
                fingerprint: format!("{fingerprint:032x}"),
                blob: format!("b{fingerprint}"),
                index: pack,
                trained_at_ms: 7,
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
            ..Landing::default()
        }
    }

    #[test]
    fn the_newest_campaign_of_the_channel_wins_then_the_newest_window() {
        let mut catalog = Catalog::default();
        let half = Window { from_ms: Some(0), to_ms: Some(10) };
        let all = |campaign, pack, window, name| landing(campaign, pack, Scope::all(), window, name);
        catalog.apply(all("c2", 0, half, 21));
        catalog.apply(all("c2", 1, Window::ALL, 22));
        catalog.apply(all("c1", 0, Window::ALL, 11));
        catalog.apply(all("c1", 0, Window::ALL, 11));
        assert_eq!(catalog.len(), 3);
        let found = |campaigns: &[&str]| {
            let channel = Channel {
                campaigns: campaigns.iter().map(|c| (*c).to_owned()).collect(),
                ..Channel::default()
            };
            catalog.resolve("m", &channel, &Scope::all()).map(|landed| landed.fit.blob)
        };
        assert_eq!(found(&["c1", "c2"]).as_deref(), Some("b22"));
        assert_eq!(found(&["c2", "c1"]).as_deref(), Some("b11"));
        assert_eq!(found(&["c3"]), None);
        let both = Channel { campaigns: vec!["c1".into(), "c2".into()], ..Channel::default() };
        let half = catalog.incumbent("m", &both, &Scope::all(), half).unwrap();
        assert_eq!(half.fit.blob, "b21");
    }

    proptest! {
        /// A catalog that went through snapshots at any moments answers as the one that folded everything.
        #[test]
        fn snapshots_change_no_answer(
            landed in proptest::collection::vec((0u32..4, 0usize..5, 0i64..2, 0u32..3), 0..40),
            cut in 0usize..40,
        ) {
            let windows = [Window::ALL, Window { from_ms: Some(0), to_ms: Some(10) }];
            let scope = |at: usize| Scope::new([("k", ["a", "b", "c", "d", "e"][at])]);
            let (mut whole, mut cut_up) = (Catalog::default(), Catalog::default());
            for (place, (campaign, at, window, pack)) in landed.iter().enumerate() {
                let one = || {
                    let window = windows[*window as usize];
                    landing(&format!("c{campaign}"), *pack, scope(*at), window, place as u128)
                };
                whole.apply(one());
                cut_up.apply(one());
                if place == cut {
                    let bytes: Vec<Vec<u8>> = cut_up.snapshots().iter()
                        .map(|snapshot| crate::envelope::encode(snapshot).unwrap()).collect();
                    cut_up = Catalog::default();
                    for bytes in bytes {
                        let snapshot: ModelSnapshot = crate::envelope::decode(&bytes).unwrap();
                        cut_up.restore(snapshot).unwrap();
                    }
                }
            }
            let channel = Channel { campaigns: (0..4).map(|c| format!("c{c}")).collect(), ..Channel::default() };
            prop_assert_eq!(whole.len(), cut_up.len());
            for at in 0..5 {
                let of = |catalog: &Catalog| catalog.resolve("m", &channel, &scope(at));
                prop_assert_eq!(of(&whole), of(&cut_up));
                for window in windows {
                    let of = |catalog: &Catalog| catalog.incumbent("m", &channel, &scope(at), window);
                    prop_assert_eq!(of(&whole), of(&cut_up));
                }
            }
        }
    }
}
