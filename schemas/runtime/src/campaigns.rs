//! Campaign records: how far a campaign is, and closing it.

use futures::future::BoxFuture;
use std::collections::BTreeMap;

use schemas::campaign::{Campaign, CampaignState, FailedScope, Publish, Tally};
use schemas::channel::Channel;
use schemas::cost::CostModel;
use schemas::outcome::OutcomeKind;
use schemas::states::{CampaignEvent, Illegal};
use schemas::subjects;
use schemas::time::format_ms;
use serde::Serialize;

use crate::broker::{Broker, BrokerError};
use crate::bucket::{Bucket, BucketError};
use crate::clock::now_ms;
use crate::ledger::LandError;
use crate::{channels, ledger, plans};

/// Why a campaign could not be read or closed.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// A bucket failed.
    #[error("reading or writing the campaign's record")]
    Bucket(#[from] BucketError),
    /// The ledger failed.
    #[error("reading the ledger")]
    Ledger(#[from] BrokerError),
    /// A pack could not be ended.
    #[error("ending a pack")]
    Land(#[from] LandError),
    /// The campaign is not in a state for it.
    #[error("campaign {id}: {source}")]
    State {
        /// The campaign.
        id: String,
        /// Why.
        #[source]
        source: Illegal<CampaignState, CampaignEvent>,
    },
}

/// The sum of what a campaign has landed: from its record when it is closed, else from the ledger.
///
/// # Errors
/// [`CampaignError`] when the ledger cannot be read.
pub fn tally<'a>(broker: &'a Broker, campaign: &'a Campaign) -> BoxFuture<'a, Result<Tally, CampaignError>> {
    Box::pin(async move {
        if let Some(closed) = &campaign.closed {
            return Ok(closed.tally.clone());
        }
        let (cost, mut tally) = (CostModel::new(&campaign.spec), Tally::default());
        let filter = subjects::campaign_landings(&campaign.spec.name, &campaign.id);
        ledger::replay(broker, &filter, 0, |landing| {
            tally.add(&cost, &landing);
        })
        .await?;
        Ok(tally)
    })
}

/// Closes the campaign `id` if `tally` says that every pack has landed: moves its channel, then its record, each by
/// compare-and-set, so that any number of processes may try; then forgets its packs. Returns the record as it is afterwards.
///
/// # Errors
/// [`CampaignError`] when the broker fails; trying again is safe.
pub fn close<'a>(
    broker: &'a Broker,
    (campaigns, channel_bucket): (&'a Bucket<Campaign>, &'a Bucket<Channel>),
    id: &'a str,
    tally: &'a Tally,
) -> BoxFuture<'a, Result<Option<Campaign>, CampaignError>> {
    Box::pin(async move {
        loop {
            let Some(found) = campaigns.get(id).await? else { return Ok(None) };
            let Some(closed) = found.value.close(tally) else { return Ok(Some(found.value)) };
            if closed.publish == Publish::Together && closed.state == CampaignState::Complete {
                channels::promote(broker, channel_bucket, &closed).await?;
            }
            match campaigns.replace(id, &closed, found.revision).await {
                // Whoever was faster wrote the same or a final state: read it.
                Err(BucketError::Conflict { .. }) => {}
                Ok(_) => {
                    plans::forget(broker, id).await?;
                    return Ok(Some(closed));
                }
                Err(error) => return Err(error.into()),
            }
        }
    })
}

/// Marks the campaign `id` as being cancelled; a keeper ends what has not landed. Returns the record as it is afterwards,
/// or `None` when there is no such campaign.
///
/// # Errors
/// [`CampaignError::State`] when it has ended already.
pub fn cancel<'a>(
    campaigns: &'a Bucket<Campaign>,
    id: &'a str,
) -> BoxFuture<'a, Result<Option<Campaign>, CampaignError>> {
    Box::pin(async move {
        loop {
            let Some(found) = campaigns.get(id).await? else { return Ok(None) };
            let next = found.value.cancel();
            let next = next.map_err(|source| CampaignError::State { id: id.to_owned(), source })?;
            match campaigns.replace(id, &next, found.revision).await {
                Err(BucketError::Conflict { .. }) => {}
                Ok(_) => return Ok(Some(next)),
                Err(error) => return Err(error.into()),
            }
        }
    })
}

/// The campaigns that are still running.
pub fn running<'a>(all: impl IntoIterator<Item = &'a Campaign>) -> impl Iterator<Item = &'a Campaign> {
    all.into_iter().filter(|campaign| campaign.state == CampaignState::Running)
}

/// A campaign as programs see it.
#[derive(Debug, Clone, Serialize)]
pub struct CampaignView {
    /// Its name.
    pub id: String,
    /// The model.
    pub model: String,
    /// `running`, `complete` or `cancelled`.
    pub state: &'static str,
    /// Scopes it gives an outcome to.
    pub planned: u64,
    /// Scopes by how they ended so far.
    pub outcomes: BTreeMap<OutcomeKind, u64>,
    /// From the order to the last landing (or to now), in seconds.
    pub seconds: f64,
    /// Scopes with an outcome, per second.
    pub scopes_per_second: f64,
    /// The first failed scopes.
    pub failed: Vec<FailedScope>,
    /// The first scopes whose new fit the gate rejected, and what it compared.
    pub rejected: Vec<FailedScope>,
    /// Packs, and those that have landed.
    pub packs: u32,
    /// Packs that have landed.
    pub landed_packs: u32,
    /// What learning was planned to take, in seconds of one core, and what it has taken so far.
    pub estimated_seconds: f64,
    /// What it has taken so far.
    pub learn_seconds: f64,
    /// Packs whose time could be compared with their plan, and how many of these were right within a factor of 2.
    pub packs_measured: u64,
    /// Packs planned right within a factor of 2.
    pub packs_within_2: u64,
    /// The channel its fits go to.
    pub channel: String,
    /// The patterns it was given.
    pub patterns: Vec<String>,
    /// The campaign whose failed scopes it trains again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// When it was ordered.
    pub created_at: String,
}

/// How far a campaign is, from its record and the ledger.
///
/// # Errors
/// [`CampaignError`] when the ledger cannot be read.
pub fn view<'a>(
    broker: &'a Broker,
    campaign: &'a Campaign,
) -> BoxFuture<'a, Result<CampaignView, CampaignError>> {
    Box::pin(async move { Ok(view_of(campaign, &tally(broker, campaign).await?)) })
}

/// How far a campaign is, given the sum of its landings.
pub fn view_of(campaign: &Campaign, tally: &Tally) -> CampaignView {
    let until_ms = match campaign.state {
        CampaignState::Running | CampaignState::Cancelling if tally.packs() < campaign.packs => now_ms(),
        _ => tally.newest_ms.max(campaign.created_at_ms),
    };
    let seconds = (until_ms - campaign.created_at_ms).max(0) as f64 / 1_000.0;
    CampaignView {
        id: campaign.id.clone(),
        model: campaign.spec.name.clone(),
        state: campaign.state.name(),
        planned: campaign.planned,
        outcomes: tally.outcomes.clone(),
        seconds,
        scopes_per_second: if seconds > 0.0 { tally.scopes() as f64 / seconds } else { 0.0 },
        failed: tally.failed.clone(),
        rejected: tally.rejected.clone(),
        packs: campaign.packs,
        landed_packs: if campaign.closed.is_some() { campaign.packs } else { tally.packs() },
        estimated_seconds: campaign.estimated_seconds,
        learn_seconds: tally.learn_seconds,
        packs_measured: tally.lessons.packs,
        packs_within_2: tally.lessons.within_2,
        channel: campaign.channel.clone(),
        patterns: campaign.patterns.clone(),
        retry_of: campaign.retry_of.clone(),
        created_at: format_ms(campaign.created_at_ms),
    }
}
