//! The keeper: brings every campaign to its end, with no `enqueue` process alive.
//!
//! Every trainer runs one. They need no leader: a keeper only ever does what follows from the ledger and from a campaign's
//! record, and each of its steps is one that the broker admits once: a landing, a queued pack, a compare-and-set. So two
//! keepers cannot disagree, one that dies between two steps is finished by another, and any one of them is enough.
//!
//! For each campaign that has not ended:
//! * all packs have landed → move its channel (if it publishes together), close its record, forget its packs;
//! * it is being cancelled → take its packs off the queue, land those that have not as `cancelled`;
//! * nothing has landed for a while → queue again those that neither wait nor have landed: their producer died, or the
//!   queue lost them; a merge whose shards have all landed is such a pack, one that still waits for shards is not;
//! * a pack was delivered too often → set it aside, land its scopes as `failed`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use schemas::campaign::{Campaign, CampaignState, Tally};
use schemas::channel::Channel;
use schemas::cost::CostModel;
use schemas::envelope;
use schemas::limits::DELIVERIES_MAX;
use schemas::outcome::{Landing, OutcomeKind};
use schemas::pack::{Pack, block_of};
use schemas::subjects;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, BrokerError};
use crate::bucket::{self, Bucket, BucketError};
use crate::campaigns::{self, CampaignError};
use crate::clock::now_ms;
use crate::dead::{self, Exhausted};
use crate::mirror::Mirror;
use crate::patience::chain;
use crate::stored::PUBLISHES_AT_ONCE;
use crate::{jobs, ledger, merges, plans};

/// How often running campaigns are looked at, besides after each landing of one's own.
const SWEEP: Duration = Duration::from_secs(5);

/// Between two tidyings: ten minutes.
const SWEEPS_PER_TIDY: u32 = 120;

/// Age of packs without a campaign's record after which their producer is believed dead: longer than storing them takes.
const ORPHANED_AFTER_MS: i64 = 6 * 3_600 * 1_000;

/// Silence of a campaign after which its packs are searched for.
const SEARCH_AFTER: Duration = Duration::from_secs(10);

/// Brings campaigns to their end.
#[derive(Debug, Clone)]
pub struct Keeper {
    broker: Broker,
    name: String,
    campaigns: Bucket<Campaign>,
    channels: Bucket<Channel>,
    folds: Arc<Mutex<HashMap<String, Fold>>>,
}

/// What of a campaign's ledger has been folded.
#[derive(Debug)]
struct Fold {
    tally: Tally,
    next: u64,
    news: Instant,
}

impl Default for Fold {
    fn default() -> Fold {
        Fold { tally: Tally::default(), next: 0, news: Instant::now() }
    }
}

impl Keeper {
    /// A keeper of a declared topology, run by the process called `name`.
    ///
    /// # Errors
    /// [`BucketError`] when the topology is not there.
    pub async fn open(broker: &Broker, name: &str) -> Result<Keeper, BucketError> {
        Ok(Keeper {
            broker: broker.clone(),
            name: name.to_owned(),
            campaigns: bucket::campaigns(broker).await?,
            channels: bucket::channels(broker).await?,
            folds: Arc::default(),
        })
    }

    /// Looks at every campaign that has not ended from time to time, until `shutdown`.
    pub async fn run(self, mirror: Mirror<Campaign>, shutdown: CancellationToken) {
        let mut ticks = crate::clock::ticks(SWEEP);
        for sweeps in 0u32.. {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.cancelled() => return,
            }
            let sweep = async {
                if sweeps % SWEEPS_PER_TIDY == 0
                    && let Err(error) = self.tidy().await
                {
                    tracing::warn!("{}; tidying again later", chain(&error));
                }
                if let Err(error) = self.bury_exhausted().await {
                    tracing::warn!("{}; looking again in {} s", chain(&error), SWEEP.as_secs());
                }
                self.sweep(&mirror).await;
            };
            tokio::select! {
                () = sweep => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Looks at every campaign that has not ended once.
    pub fn sweep<'a>(&'a self, mirror: &'a Mirror<Campaign>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            for (id, campaign) in mirror.all() {
                if campaign.state.is_final() {
                    continue;
                }
                if let Err(error) = self.look(&campaign).await {
                    tracing::warn!(
                        campaign = id,
                        "{}; looking again in {} s",
                        chain(&error),
                        SWEEP.as_secs()
                    );
                }
            }
        })
    }

    /// Does what can be done for one campaign.
    ///
    /// # Errors
    /// [`CampaignError`] when the broker fails; looking again is safe.
    pub fn look<'a>(&'a self, campaign: &'a Campaign) -> BoxFuture<'a, Result<(), CampaignError>> {
        Box::pin(async move {
            // One look at a time: two would fold the same landings.
            let mut folds = self.folds.lock().await;
            let fold = folds.entry(campaign.id.clone()).or_default();
            self.fold(campaign, fold).await?;
            if fold.tally.packs() < campaign.packs {
                if campaign.state == CampaignState::Cancelling {
                    self.cancel_rest(campaign, &fold.tally).await?;
                    self.fold(campaign, fold).await?;
                } else if fold.news.elapsed() > SEARCH_AFTER {
                    self.queue_lost(campaign, &fold.tally).await?;
                    fold.news = Instant::now();
                }
            }
            if let Some(closed) = campaign.close(&fold.tally) {
                let buckets = (&self.campaigns, &self.channels);
                campaigns::close(&self.broker, buckets, &closed.id, &fold.tally).await?;
                tracing::info!(campaign = closed.id, scopes = fold.tally.scopes(), "campaign ended");
                folds.remove(&closed.id);
            }
            Ok(())
        })
    }

    async fn fold(&self, campaign: &Campaign, fold: &mut Fold) -> Result<(), BrokerError> {
        let filter = subjects::campaign_landings(&campaign.spec.name, &campaign.id);
        let mut news = false;
        let (cost, tally) = (CostModel::new(&campaign.spec), &mut fold.tally);
        fold.next = ledger::replay(&self.broker, &filter, fold.next, |landing| {
            news |= tally.add(&cost, &landing);
        })
        .await?;
        if news {
            fold.news = Instant::now();
        }
        Ok(())
    }

    /// Ends what has not landed of a campaign that is being cancelled.
    async fn cancel_rest(&self, campaign: &Campaign, tally: &Tally) -> Result<(), CampaignError> {
        jobs::purge(&self.broker, &campaign.id).await?;
        for near in missing(campaign, tally).chunk_by(|a, b| block_of(*a) == block_of(*b)) {
            let planned = plans::get_all(&self.broker, &campaign.id, near).await?;
            let ends = planned.into_iter().map(|(_, payload)| async move {
                self.end(campaign, &read(&payload)?, (OutcomeKind::Cancelled, "")).await
            });
            stream::iter(ends).buffer_unordered(PUBLISHES_AT_ONCE).try_collect::<()>().await?;
        }
        Ok(())
    }

    /// Queues those packs again that neither wait, nor are out, nor have landed.
    async fn queue_lost(&self, campaign: &Campaign, tally: &Tally) -> Result<(), CampaignError> {
        let there: HashSet<u32> = jobs::waiting(&self.broker, &campaign.id).await?.into_iter().collect();
        let mut lost = missing(campaign, tally);
        lost.retain(|pack| !there.contains(pack));
        for near in lost.chunk_by(|a, b| block_of(*a) == block_of(*b)) {
            for (pack, payload) in plans::get_all(&self.broker, &campaign.id, near).await? {
                if !merges::may_start(&payload, |shard| tally.landed.contains(&shard)) {
                    continue;
                }
                tracing::warn!(campaign = campaign.id, pack, "neither queued nor landed; queueing it again");
                jobs::queue(&self.broker, campaign.priority, &campaign.id, pack, payload).await?;
            }
        }
        jobs::wake(&self.broker).await;
        Ok(())
    }

    async fn end(
        &self,
        campaign: &Campaign,
        pack: &Pack,
        how: (OutcomeKind, &str),
    ) -> Result<(), CampaignError> {
        let landing = Landing::without_fits(&campaign.spec, pack, how, &self.name, now_ms());
        ledger::land(&self.broker, &landing).await?;
        Ok(())
    }

    /// Forgets the packs of campaigns that have ended, or that never came to be.
    async fn tidy(&self) -> Result<(), CampaignError> {
        for id in plans::campaigns(&self.broker).await? {
            let over = match self.campaigns.get(&id).await? {
                Some(record) => record.value.state.is_final(),
                None => match plans::stored_ms(&self.broker, &id).await? {
                    Some(stored_ms) => now_ms() - stored_ms > ORPHANED_AFTER_MS,
                    None => false,
                },
            };
            if over {
                plans::forget(&self.broker, &id).await?;
            }
        }
        Ok(())
    }

    /// Sets aside what the broker will not deliver any more; its scopes end `failed`.
    ///
    /// # Errors
    /// [`CampaignError`] when the broker fails; trying again is safe.
    pub fn bury_exhausted<'a>(&'a self) -> BoxFuture<'a, Result<(), CampaignError>> {
        Box::pin(async move {
            for message in dead::exhausted(&self.broker).await? {
                self.bury(&message).await?;
            }
            Ok(())
        })
    }

    async fn bury(&self, message: &Exhausted) -> Result<(), CampaignError> {
        let reason = format!(
            "delivered {DELIVERIES_MAX} times, and no trainer lived to answer: it may take more memory than they have"
        );
        if let Ok(pack) = envelope::decode::<Pack>(&message.payload) {
            if ledger::has_landed(&self.broker, &pack.model, &pack.campaign, pack.index).await?.is_some() {
                return Ok(dead::take_off(&self.broker, message.stream_sequence).await?);
            }
            if let Some(campaign) = self.campaigns.get(&pack.campaign).await? {
                self.end(&campaign.value, &pack, (OutcomeKind::Failed, &reason)).await?;
            }
        }
        tracing::error!(subject = message.subject, "pack set aside as dead: {reason}");
        Ok(dead::bury_exhausted(&self.broker, message, (&reason, DELIVERIES_MAX), &self.name).await?)
    }
}

fn read(payload: &[u8]) -> Result<Pack, BrokerError> {
    envelope::decode(payload).map_err(|error| BrokerError::new("read a planned pack", error))
}

/// The packs that have not landed.
fn missing(campaign: &Campaign, tally: &Tally) -> Vec<u32> {
    (0..campaign.packs).filter(|pack| !tally.landed.contains(pack)).collect()
}
