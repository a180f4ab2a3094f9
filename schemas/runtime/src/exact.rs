//! Campaigns of scopes that are named one by one, as HTTP callers and misses order them: nobody has to read the source to
//! know them.

use schemas::campaign::{Campaign, CampaignState, Publish};
use schemas::pack::{Pack, PackScope, grouped};
use schemas::shard::Work;
use schemas::spec::ModelSpec;
use schemas::subjects::Priority;

use crate::clock::now_ms;
use crate::ids;

/// What learning a scope takes, in seconds of one core: nobody has counted its rows.
const PLANNED_SECONDS: f64 = 0.01;

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
            state: CampaignState::Running,
            closed: None,
        }
    }
}

/// A campaign with these scopes, and its packs.
pub fn with_scopes(campaign: Campaign, scopes: Vec<PackScope>) -> (Campaign, Vec<Pack>) {
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
