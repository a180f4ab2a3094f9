//! Ordering a campaign, in steps of which each may be the last that a process lives to see: [`store`] its packs, [`enter`]
//! it, and from then on it will be brought to its end; [`queue`] its packs.

use futures::future::BoxFuture;
use schemas::campaign::{Campaign, Publish};
use schemas::pack::Pack;

use crate::broker::{Broker, BrokerError};
use crate::bucket::{self, BucketError};
use crate::jobs::{self, Message, PublishError};
use crate::{channels, plans};

/// Why a campaign could not be ordered.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// A pack does not serialise.
    #[error(transparent)]
    Pack(#[from] PublishError),
    /// Nothing has happened but for some stored packs, which are swept.
    #[error("storing the packs")]
    Store(#[source] BrokerError),
    /// As [`OrderError::Store`].
    #[error("moving the channel")]
    Channel(#[source] BucketError),
    /// As [`OrderError::Store`], but the channel names a campaign that there is not.
    #[error("putting the campaign on record")]
    Record(#[source] BucketError),
    /// It has been ordered all the same.
    #[error("queueing the campaign {campaign} (it is on record, and trainers will bring it to its end)")]
    Queue {
        /// The campaign.
        campaign: String,
        /// Why.
        #[source]
        source: BrokerError,
    },
}

/// All steps of ordering a campaign.
///
/// # Errors
/// [`OrderError`], which tells whether it has been ordered all the same.
pub fn order<'a>(
    broker: &'a Broker,
    campaign: &'a Campaign,
    packs: &'a [Pack],
) -> BoxFuture<'a, Result<(), OrderError>> {
    Box::pin(async move {
        let messages = store(broker, campaign, packs).await?;
        enter(broker, campaign).await?;
        queue(broker, campaign, messages).await
    })
}

/// Stores a campaign's packs; gives them as they travel.
///
/// # Errors
/// [`OrderError::Pack`] or [`OrderError::Store`].
pub async fn store(broker: &Broker, campaign: &Campaign, packs: &[Pack]) -> Result<Vec<Message>, OrderError> {
    let messages = jobs::messages(packs)?;
    plans::store(broker, &campaign.id, &messages).await.map_err(OrderError::Store)?;
    Ok(messages)
}

/// Moves the channel and puts the campaign on record; safe to repeat.
///
/// # Errors
/// [`OrderError::Channel`] or [`OrderError::Record`].
pub async fn enter(broker: &Broker, campaign: &Campaign) -> Result<(), OrderError> {
    if campaign.publish == Publish::Each {
        let channels = bucket::channels(broker).await.map_err(|error| OrderError::Channel(error.into()))?;
        channels::promote(broker, &channels, campaign).await.map_err(OrderError::Channel)?;
    }
    let campaigns = bucket::campaigns(broker).await.map_err(|error| OrderError::Record(error.into()))?;
    match campaigns.replace(&campaign.id, campaign, 0).await {
        // A try whose answer was lost has put it there.
        Ok(_) | Err(BucketError::Conflict { .. }) => Ok(()),
        Err(error) => Err(OrderError::Record(error)),
    }
}

/// Queues the packs, but for merges, which their shards' trainers queue.
///
/// # Errors
/// [`OrderError::Queue`].
pub async fn queue(broker: &Broker, campaign: &Campaign, messages: Vec<Message>) -> Result<(), OrderError> {
    let messages = messages.into_iter().filter(|message| !message.waits).collect();
    let queued = jobs::publish(broker, campaign.priority, &campaign.id, messages).await;
    queued.map_err(|source| OrderError::Queue { campaign: campaign.id.clone(), source })
}
