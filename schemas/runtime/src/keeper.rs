//! The keeper: closes campaigns, so that they end with no `enqueue` process alive.
//!
//! Every trainer runs one. They need no leader: closing is a compare-and-set of a record and of a channel, and its
//! outcome follows from the ledger alone, so two keepers cannot disagree, and any one of them is enough.

use futures::future::BoxFuture;
use std::time::Duration;

use schemas::campaign::Campaign;
use schemas::channel::Channel;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::bucket::{self, Bucket, BucketError};
use crate::campaigns::{self, CampaignError};
use crate::mirror::Mirror;

/// How often running campaigns are looked at, besides after each landing of one's own.
const SWEEP: Duration = Duration::from_secs(5);

/// Closes campaigns whose last pack has landed.
#[derive(Debug, Clone)]
pub struct Keeper {
    broker: Broker,
    campaigns: Bucket<Campaign>,
    channels: Bucket<Channel>,
}

impl Keeper {
    /// A keeper of a declared topology.
    ///
    /// # Errors
    /// [`BucketError`] when the topology is not there.
    pub async fn open(broker: &Broker) -> Result<Keeper, BucketError> {
        Ok(Keeper {
            broker: broker.clone(),
            campaigns: bucket::campaigns(broker).await?,
            channels: bucket::channels(broker).await?,
        })
    }

    /// Closes `campaign` if it is complete.
    ///
    /// # Errors
    /// [`CampaignError`] when the broker fails.
    pub async fn look(&self, campaign: &Campaign) -> Result<(), CampaignError> {
        let tally = campaigns::tally(&self.broker, campaign).await?;
        if let Some(closed) = campaign.close(&tally) {
            campaigns::close(&self.campaigns, &self.channels, &closed.id, &tally).await?;
            tracing::info!(campaign = closed.id, scopes = tally.scopes(), "campaign complete");
        }
        Ok(())
    }

    /// Looks at every running campaign from time to time, until `shutdown`.
    pub async fn run(self, mirror: Mirror<Campaign>, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.cancelled() => return,
            }
            self.sweep(&mirror).await;
        }
    }

    /// Looks at every running campaign once.
    pub fn sweep<'a>(&'a self, mirror: &'a Mirror<Campaign>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            for (id, campaign) in mirror.all() {
                if campaign.closed.is_some() {
                    continue;
                }
                if let Err(error) = self.look(&campaign).await {
                    tracing::warn!(campaign = id, "{error}; looking again in {} s", SWEEP.as_secs());
                }
            }
        })
    }
}
