//! Scopes that were asked for and have no fit of their own, where the spec says that one is to be trained.
//!
//! Requests only note them; a task orders what was noted, all of a model at once, and not too often.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dispatch::Scopes;
use runtime::broker::Broker;
use runtime::misses::{self, Outcome};
use runtime::store::Blobs;
use schemas::channel::LIVE;
use schemas::limits::PACK_SCOPES_MAX;
use schemas::predict::{NO_FIT, NamedColumn, Predictions, RowErrorKind};
use schemas::scope::Scope;
use schemas::spec::{ModelSpec, OnMiss};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Scopes of one model that wait to be ordered; more are noted when they are asked for again.
const WAITING_MAX: usize = 10_000;

/// Scopes of one model that are remembered as ordered; the broker remembers the others.
const REMEMBERED_MAX: usize = 100_000;

/// Time between two orders of one model: each is a campaign in its channel.
const PAUSE: Duration = Duration::from_secs(5);

/// The longer time once a channel has this many campaigns, so that these never push others out of it.
const MANY_CAMPAIGNS: usize = 1_000;
const LONG_PAUSE: Duration = Duration::from_secs(600);

/// What was noted, by model and channel.
#[derive(Debug, Clone, Default)]
pub struct Misses {
    noted: Arc<Mutex<HashMap<(String, String), Noted>>>,
    wake: Arc<Notify>,
}

#[derive(Debug)]
struct Noted {
    spec: Arc<ModelSpec>,
    waiting: Vec<Scope>,
    /// Waiting or ordered.
    known: HashSet<u64>,
    /// When the next order may go out.
    not_before: Instant,
    campaigns: usize,
}

/// Scopes to be ordered.
#[derive(Debug)]
struct Due {
    channel: String,
    spec: Arc<ModelSpec>,
    scopes: Vec<Scope>,
    /// Until the model's next order.
    pause: Duration,
}

impl Misses {
    /// Notes the scopes of rows that a coarser fit or none has answered. `campaigns` is how many the channel has; one without
    /// any, beside `live`, is a caller's mistyped word.
    pub fn note(
        &self,
        (spec, channel): (&Arc<ModelSpec>, &str),
        campaigns: usize,
        columns: &[NamedColumn],
        answer: &Predictions,
    ) {
        let is_there = campaigns > 0 || channel == LIVE;
        if spec.release.on_miss != OnMiss::Train || !is_there {
            return;
        }
        let missing = missing(spec, columns, answer);
        if missing.is_empty() {
            return;
        }
        let mut all = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = all.entry((spec.name.clone(), channel.to_owned())).or_insert_with(|| Noted::new(spec));
        if !Arc::ptr_eq(&noted.spec, spec) {
            *noted = Noted { not_before: noted.not_before, ..Noted::new(spec) };
        }
        noted.campaigns = campaigns;
        let before = noted.waiting.len();
        missing.into_iter().for_each(|scope| noted.add(scope));
        if noted.waiting.len() > before {
            self.wake.notify_one();
        }
    }

    /// Orders what is noted until `shutdown`.
    pub async fn run(self, broker: Broker, blobs: Blobs, shutdown: CancellationToken) {
        loop {
            let next = self.order_due(&broker, &blobs).await;
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(next) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Orders what may be ordered now; says when to look again.
    async fn order_due(&self, broker: &Broker, blobs: &Blobs) -> Instant {
        let now = Instant::now();
        for Due { channel, spec, scopes, pause } in self.take_due(now) {
            match misses::order(broker, blobs, (&spec, &channel), &scopes, pause).await {
                Ok(Outcome::Known) => {}
                Ok(Outcome::TooSoon(left)) => self.put_back((&spec, &channel), scopes, now + left),
                Ok(Outcome::Ordered(campaign)) => tracing::info!(
                    model = spec.name,
                    campaign = campaign.id,
                    scopes = campaign.planned,
                    "training what was asked for"
                ),
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    tracing::warn!(model = spec.name, "not ordered, until it is asked for again: {error:#}");
                    self.forget(&spec, &channel, &scopes);
                }
            }
        }
        let all = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = all.values().filter(|noted| !noted.waiting.is_empty());
        waiting.map(|noted| noted.not_before).min().unwrap_or(now + LONG_PAUSE)
    }

    fn take_due(&self, now: Instant) -> Vec<Due> {
        let mut all = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let due = all.iter_mut().filter(|(_, noted)| !noted.waiting.is_empty() && noted.not_before <= now);
        due.map(|((_, channel), noted)| {
            let pause = if noted.campaigns < MANY_CAMPAIGNS { PAUSE } else { LONG_PAUSE };
            noted.not_before = now + pause;
            let rest = noted.waiting.split_off(noted.waiting.len().min(PACK_SCOPES_MAX));
            let scopes = std::mem::replace(&mut noted.waiting, rest);
            Due { channel: channel.clone(), spec: noted.spec.clone(), scopes, pause }
        })
        .collect()
    }

    /// Lets scopes wait again, before the others.
    fn put_back(&self, (spec, channel): (&ModelSpec, &str), mut scopes: Vec<Scope>, not_before: Instant) {
        let mut all = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noted) = all.get_mut(&(spec.name.clone(), channel.to_owned())) {
            scopes.append(&mut noted.waiting);
            (noted.waiting, noted.not_before) = (scopes, not_before);
        }
    }

    fn forget(&self, spec: &ModelSpec, channel: &str, scopes: &[Scope]) {
        let mut all = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noted) = all.get_mut(&(spec.name.clone(), channel.to_owned())) {
            scopes.iter().for_each(|scope| _ = noted.known.remove(&scope.stable_hash()));
        }
    }
}

impl Noted {
    fn new(spec: &Arc<ModelSpec>) -> Noted {
        Noted {
            spec: spec.clone(),
            waiting: Vec::new(),
            known: HashSet::new(),
            not_before: Instant::now(),
            campaigns: 0,
        }
    }

    fn add(&mut self, scope: Scope) {
        if self.waiting.len() >= WAITING_MAX {
            return;
        }
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        if self.known.insert(scope.stable_hash()) {
            self.waiting.push(scope);
        }
    }
}

/// The most exact scopes of the rows that have no fit of their own, each once. A row without a value in some dimension is of
/// no such scope.
fn missing(spec: &ModelSpec, columns: &[NamedColumn], answer: &Predictions) -> Vec<Scope> {
    let no_fit: HashSet<u32> = {
        let errors = answer.errors.iter().filter(|error| error.kind == RowErrorKind::NoFit);
        errors.map(|error| error.row).collect()
    };
    let is_missed = |row: usize| match answer.fit_of[row] {
        NO_FIT => no_fit.contains(&(row as u32)),
        fit => answer.fits.get(fit as usize).is_some_and(|fit| fit.level > 0),
    };
    let known = Scopes::of(spec, columns);
    let missed = (0..answer.fit_of.len()).filter(|row| is_missed(*row));
    let mut scopes: Vec<Scope> = missed.filter_map(|row| known.exact(row)).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::column::{Column, TextColumn};
    use schemas::predict::{RowError, UsedFit};

    fn spec() -> Arc<ModelSpec> {
        let text = "name = \"m\"\n[data]\nsource = \"x.csv\"\n[scope]\ndimensions = [\"a\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\n[release]\non_miss = \"train\"";
        Arc::new(ModelSpec::parse(text).unwrap())
    }

    fn used(level: u8) -> UsedFit {
        UsedFit {
            scope: Scope::all(),
            level,
            fingerprint: String::new(),
            campaign: String::new(),
            trained_at_ms: 0,
            classes: Vec::new(),
            scores: 0,
        }
    }

    /// A row of each scope `a`, answered by the fit of all.
    fn answered(texts: &[&str]) -> ([NamedColumn; 1], Predictions) {
        let rows = texts.len();
        let columns =
            [NamedColumn::new("a", Column::Text(TextColumn::from_rows(texts.iter().copied().map(Some))))];
        let fits = vec![Arc::new(used(1))];
        (
            columns,
            Predictions { values: vec![0.0; rows], fit_of: vec![0; rows], fits, ..Predictions::default() },
        )
    }

    #[tokio::test]
    async fn a_channel_that_is_not_there_is_not_trained() {
        let (misses, spec) = (Misses::default(), spec());
        let (columns, answer) = answered(&["b"]);
        misses.note((&spec, "nxet"), 0, &columns, &answer);
        assert!(misses.take_due(Instant::now()).is_empty());
        misses.note((&spec, "next"), 1, &columns, &answer);
        misses.note((&spec, LIVE), 0, &columns, &answer);
        assert_eq!(misses.take_due(Instant::now()).len(), 2);
    }

    #[tokio::test]
    async fn what_came_too_soon_waits_before_the_others() {
        let (misses, spec) = (Misses::default(), spec());
        let (columns, answer) = answered(&["b"]);
        misses.note((&spec, LIVE), 1, &columns, &answer);
        let now = Instant::now();
        let due = misses.take_due(now).remove(0);
        let (columns, answer) = answered(&["b", "c"]);
        misses.note((&spec, LIVE), 1, &columns, &answer);
        misses.put_back((&spec, LIVE), due.scopes, now + PAUSE / 2);
        assert!(misses.take_due(now).is_empty());
        let due = misses.take_due(now + PAUSE / 2).remove(0);
        assert_eq!(due.scopes.iter().map(Scope::as_str).collect::<Vec<_>>(), ["a=b", "a=c"]);
    }

    #[tokio::test]
    async fn only_rows_without_a_fit_of_their_own_are_noted_and_each_scope_once() {
        let texts = [Some("own"), Some("coarse"), None, Some("none"), Some("coarse"), Some("bad")];
        let columns = [NamedColumn::new("a", Column::Text(TextColumn::from_rows(texts)))];
        let error = |row, kind| RowError { row, kind, field: None, message: String::new() };
        let answer = Predictions {
            values: vec![0.0; 6],
            fit_of: vec![0, 1, 1, NO_FIT, 1, NO_FIT],
            fits: vec![Arc::new(used(0)), Arc::new(used(1))],
            errors: vec![error(3, RowErrorKind::NoFit), error(5, RowErrorKind::Invalid)],
            ..Predictions::default()
        };
        let (misses, spec) = (Misses::default(), spec());
        misses.note((&spec, "live"), 1, &columns, &answer);
        misses.note((&spec, "live"), 1, &columns, &answer);
        let due = misses.take_due(Instant::now());
        let scopes: Vec<&str> = due[0].scopes.iter().map(Scope::as_str).collect();
        assert_eq!((due.len(), due[0].channel.as_str(), scopes), (1, "live", vec!["a=coarse", "a=none"]));
        misses.note((&spec, "live"), 1, &columns, &answer);
        assert!(misses.take_due(Instant::now() + LONG_PAUSE).is_empty());
        misses.forget(&spec, "live", &due[0].scopes);
        misses.note((&spec, "live"), 1, &columns, &answer);
        assert!(misses.take_due(Instant::now()).is_empty());
        assert_eq!(misses.take_due(Instant::now() + PAUSE)[0].scopes.len(), 2);
    }
}
