//! Campaigns of scopes that are named one by one, as HTTP callers and misses order them: nobody has to read the source to
//! know them.

use futures::future::BoxFuture;
use schemas::campaign::{Campaign, CampaignState, Publish};
use schemas::pack::{Pack, PackScope, grouped};
use schemas::scope::Scope;
use schemas::shard::Work;
use schemas::spec::ModelSpec;
use schemas::subjects::Priority;
use schemas::window::Window;

use crate::broker::Broker;
use crate::clock::now_ms;
use crate::ids;
use crate::orders::{self, OrderError};
use crate::rivals::{Rivals, RivalsError};
use crate::store::Blobs;

/// What learning a scope takes, in seconds of one core: nobody has counted its rows.
const PLANNED_SECONDS: f64 = 0.01;

/// Why scopes could not be ordered.
#[derive(Debug, thiserror::Error)]
pub enum ExactError {
    /// What exists could not be read.
    #[error(transparent)]
    Rivals(#[from] RivalsError),
    /// The campaign could not be ordered.
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// How scopes are to be trained.
#[derive(Debug, Clone, Copy)]
pub struct Exact<'a> {
    /// The model.
    pub spec: &'a ModelSpec,
    /// The channel that their fits go to, each as it lands.
    pub channel: &'a str,
    /// How urgent they are.
    pub priority: Priority,
    /// Whether they are trained where nothing has changed.
    pub force: bool,
}

impl Exact<'_> {
    /// A campaign of no scope yet.
    pub fn campaign(&self) -> Campaign {
        let created_at_ms = now_ms();
        Campaign {
            id: ids::campaign(created_at_ms),
            revision: self.spec.revision(),
            spec: self.spec.clone(),
            patterns: Vec::new(),
            levels: false,
            channel: self.channel.to_owned(),
            publish: Publish::Each,
            priority: self.priority,
            force: self.force,
            planned: 0,
            packs: 0,
            estimated_seconds: 0.0,
            created_at_ms,
            retry_of: None,
            on_miss: false,
            state: CampaignState::Running,
            closed: None,
        }
    }
}

/// Orders a campaign of these scopes; gives it as it is on record. Of scopes that are `new`, which have no fit of their own, only
/// a gate has something to compare with.
///
/// # Errors
/// [`ExactError`].
pub fn order<'a>(
    broker: &'a Broker,
    blobs: &'a Blobs,
    campaign: Campaign,
    scopes: Vec<(Scope, Window)>,
    new: bool,
) -> BoxFuture<'a, Result<Campaign, ExactError>> {
    Box::pin(async move {
        let spec = &campaign.spec;
        let rivals = match Rivals::matter(spec, campaign.force || new) {
            true => Rivals::read(broker, Some(blobs), &spec.name, &campaign.channel).await?,
            false => Rivals::default(),
        };
        let scopes = scopes.into_iter().map(|(scope, window)| rivals.meet(spec, scope, window)).collect();
        let (campaign, packs) = with_scopes(campaign, scopes);
        orders::order(broker, &campaign, &packs).await?;
        Ok(campaign)
    })
}

/// A campaign with these scopes, and its packs.
fn with_scopes(campaign: Campaign, scopes: Vec<PackScope>) -> (Campaign, Vec<Pack>) {
    let planned = scopes.len();
    let groups = grouped(scopes);
    let campaign = Campaign {
        planned: planned as u64,
        packs: groups.len() as u32,
        estimated_seconds: PLANNED_SECONDS * planned as f64,
        ..campaign
    };
    let pack = |(index, scopes): (u32, Vec<PackScope>)| Pack {
        campaign: campaign.id.clone(),
        model: campaign.spec.name.clone(),
        index,
        planned_seconds: PLANNED_SECONDS * scopes.len() as f64,
        work: Work::default(),
        scopes,
    };
    let packs = (0..).zip(groups).map(pack).collect();
    (campaign, packs)
}
