//! From a batch of rows to predictions: find each row's fit, then predict by columns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ahash::{HashMap, HashMapExt};
use runtime::catalog::LiveCatalog;
use runtime::mirror::Mirror;
use schemas::alike::Alike;
use schemas::channel::{Channel, ChannelState, LIVE};
use schemas::predict::{PredictReply, PredictRequest, Predictions, Refusal, RowErrorKind};
use schemas::spec::ModelSpec;
use schemas::subjects::channel_key;
use tokio::time::Instant;

use crate::answers::Answers;
use crate::cache::FitCache;
use crate::columns::{Columns, Dimensions};
use crate::explained::Effort;
use crate::route::{Last, Route};
use crate::targets::{Target, Targets, Way, scope_of};

/// How long a request waits for news of its channel, and between two looks.
const BEHIND_MAX: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Answers requests from what it has in memory, loading fits as they are needed.
#[derive(Debug)]
pub struct Predictor {
    /// Model specs.
    pub models: Mirror<ModelSpec>,
    /// Channels.
    pub channels: Mirror<Channel>,
    /// Which fits there are.
    pub catalog: LiveCatalog,
    /// Their bytes.
    pub fits: FitCache,
    /// Which fit answers which rows.
    pub targets: Targets,
    /// The digest of the bundle that all of this is from, if it is.
    pub bundle: Option<Arc<String>>,
    /// Whether it had caught up when that was asked last: it does not fall back.
    pub was_ready: AtomicBool,
}

impl Predictor {
    /// Whether it has caught up with the broker.
    pub fn is_ready(&self) -> bool {
        if self.was_ready.load(Ordering::Relaxed) {
            return true;
        }
        let is_ready = self.models.is_ready() && self.channels.is_ready() && self.catalog.is_ready();
        self.was_ready.store(is_ready, Ordering::Relaxed);
        is_ready
    }

    /// Predicts every row that can be; the others are errors at their index. `last` is the thread's own.
    pub async fn answer(&self, request: &PredictRequest, last: &Last) -> PredictReply {
        match self.predict(request, last).await {
            Ok(predictions) => PredictReply::Done(predictions),
            Err(refusal) => PredictReply::Refused(refusal),
        }
    }

    async fn predict(&self, request: &PredictRequest, last: &Last) -> Result<Predictions, Refusal> {
        // The same names may mean other specs, channels and fits elsewhere.
        if request.bundle != self.bundle {
            return Err(Refusal::Behind);
        }
        let route = self.route(request, last).await?;
        let rows = request.rows as usize;
        let columns = Columns::new(&request.columns, rows)?;
        let mut answers = Answers::new(&columns, rows, request.explain);
        let dimensions = Dimensions::new(&route.spec, &columns);
        let mut effort = Effort::default();
        let (targets, shares) = self.shares(&route, &dimensions, rows, &mut answers);
        let mut fits = self.fits.reader();
        for (target, rows) in targets.iter().zip(shares.groups()) {
            match fits.get(&target.fit).await {
                // A single row is explained whatever it takes.
                Ok(fit)
                    if request.explain && request.rows > 1 && effort.is_too_much_with(fit, rows.len()) =>
                {
                    return Err(Refusal::AnswerTooLarge);
                }
                Ok(fit) => answers.add(fit, &target.used, rows),
                Err(error) => {
                    let message = format!("{:#}", anyhow::Error::from(error));
                    answers.all(rows, RowErrorKind::Unavailable, None, &message);
                }
            }
        }
        Ok(answers.done())
    }

    /// The fits that answer, in the order of their first rows, and the rows of each; rows without one are errors.
    fn shares(
        &self,
        route: &Route,
        dimensions: &Dimensions,
        rows: usize,
        answers: &mut Answers,
    ) -> (Vec<Arc<Target>>, Alike) {
        let alike = dimensions.alike(rows);
        let values: Vec<_> = alike.groups().map(|alike| dimensions.values(alike[0] as usize)).collect();
        let found = route.table.find_each(&route.way(), &self.catalog, &values);
        if let [Some(only)] = found.as_slice() {
            return (vec![only.clone()], alike);
        }
        let mut targets = Vec::with_capacity(found.len());
        let mut places: HashMap<*const Target, u32> = HashMap::with_capacity(found.len());
        let place = |(alike, target): (&[u32], Option<Arc<Target>>)| match target {
            Some(target) => Some(*places.entry(Arc::as_ptr(&target)).or_insert_with(|| {
                targets.push(target);
                targets.len() as u32 - 1
            })),
            None => {
                answers.no_fit(alike, &no_fit(&route.way(), dimensions, alike[0] as usize));
                None
            }
        };
        let places: Vec<Option<u32>> = alike.groups().zip(found).map(place).collect();
        let shares = alike.joined(&places, targets.len());
        (targets, shares)
    }

    /// The channel in the state that the request names. One that is not there yet is waited for: a move reaches all predictors within
    /// moments.
    pub(crate) async fn channel(&self, request: &PredictRequest) -> Result<Arc<Channel>, Refusal> {
        let key = channel_key(&request.model, &request.channel);
        let until = Instant::now() + BEHIND_MAX;
        loop {
            match self.channel_now(&key, request.state.as_deref()) {
                Some(channel) => return Ok(channel),
                None if Instant::now() >= until => return Err(Refusal::Behind),
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// The channel in this state, where it is or has been in it, and all fits are known that had landed when it came there.
    fn channel_now(&self, key: &str, state: Option<&ChannelState>) -> Option<Arc<Channel>> {
        let now = self.channels.get(key).unwrap_or_default();
        let channel = match state {
            None => now,
            // It may have been taken back since the request was sent.
            Some(state) => now
                .in_state(state)
                .or_else(|| self.channels.past(key).into_iter().find_map(|before| before.in_state(state)))?,
        };
        self.catalog.has(channel.ledger_place).then_some(channel)
    }
}

/// Why a row has no answer, and what to do.
fn no_fit(way: &Way, dimensions: &Dimensions, row: usize) -> String {
    let values: Vec<Option<&str>> = dimensions.values(row).collect();
    let most_exact = way.spec.level_masks().into_iter().find_map(|mask| scope_of(way.spec, &values, mask));
    let scope = most_exact.map(|scope| scope.to_string()).unwrap_or_default();
    let option = if way.name == LIVE { String::new() } else { format!(" --channel {}", way.name) };
    // The sum over all shops is no forecast of one of them.
    let above = if way.spec.adds_up() { ", and sums have none above it" } else { " nor any level above it" };
    // A bundle says the same: it answers as the system that it is from, to the last byte.
    format!(
        "no fit on channel `{}` for scope `{scope}`{above}; train it with `enqueue train {} --scope '{scope}' --levels{option}`, which tells if it has too few rows",
        way.name, way.spec.name
    )
}
