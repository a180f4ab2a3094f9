//! Where messages go. Scopes never become subject tokens: a broker's cost grows with its subjects. Packs do, because
//! that is what makes each of them wait once and land once.

use serde::{Deserialize, Serialize};

/// Work-queue stream of packs.
pub const JOBS_STREAM: &str = "JOBS";
/// Stream of every pack of the campaigns that have not ended.
pub const PLANS_STREAM: &str = "PLANS";
/// Stream of landings.
pub const LEDGER_STREAM: &str = "LEDGER";
/// Stream of dead packs and max-delivery advisories.
pub const DEAD_STREAM: &str = "DEAD";

/// Key-value bucket of model specs, by model name.
pub const MODELS_BUCKET: &str = "models";
/// Key-value bucket of campaign records, by campaign.
pub const CAMPAIGNS_BUCKET: &str = "campaigns";
/// Key-value bucket of channels, by `model.channel`.
pub const CHANNELS_BUCKET: &str = "channels";

/// Key-value bucket of what readers of the catalog begin with.
pub const SNAPSHOTS_BUCKET: &str = "snapshots";
/// The key of the newest snapshot of the catalog.
pub const CATALOG_SNAPSHOT: &str = "catalog";

/// Key-value bucket of the scopes that were trained because they were asked for, so that none is twice.
pub const MISSES_BUCKET: &str = "misses";

/// Key-value bucket of what a whole system shares, by setting.
pub const SETTINGS_BUCKET: &str = "settings";
/// The setting that holds the store's address.
pub const STORE_SETTING: &str = "store";

/// All packs that wait or are out: priority, campaign, number.
pub const JOBS: &str = "jobs.*.*.*";
/// All planned packs.
pub const PLANS: &str = "plan.>";
/// All landings.
pub const LEDGER: &str = "ledger.>";
/// All dead packs.
pub const DEAD: &str = "dead.>";
/// The broker's word that a pack was delivered too often.
pub const MAX_DELIVERIES: &str = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.JOBS.*";
/// An empty message here tells idle trainers that there is work.
pub const WAKE: &str = "wake.jobs";
/// All announcements.
pub const ANNOUNCE: &str = "announce.*.*";
/// A message here makes every worker announce itself at once, to the reply subject if there is one.
pub const ROLL_CALL: &str = "rollcall";

/// Where services are asked `verb`: all of them, those called `name`, and one by its id.
///
/// Source: NATS's ADR-32, "Service API".
pub fn discovery(verb: &str, name: &str, id: &str) -> [String; 3] {
    [format!("$SRV.{verb}"), format!("$SRV.{verb}.{name}"), format!("$SRV.{verb}.{name}.{id}")]
}

/// How urgent a campaign's packs are. Trainers take all of one kind before the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before everything else.
    High,
    /// The default.
    #[default]
    Normal,
    /// When nothing else waits.
    Low,
}

impl Priority {
    /// All priorities, most urgent first.
    pub const ALL: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

    /// Its name: the last token of its subject, and its consumer's name.
    pub fn name(self) -> &'static str {
        match self {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        }
    }

    /// All packs of this priority.
    pub fn subjects(self) -> String {
        format!("jobs.{}.*.*", self.name())
    }

    /// Where one pack waits: there is room for one message, so a pack cannot wait twice.
    pub fn job(self, campaign: &str, pack: u32) -> String {
        format!("jobs.{}.{campaign}.{pack}", self.name())
    }

    /// The durable consumer that hands its packs to trainers.
    pub fn consumer(self) -> String {
        format!("trainers_{}", self.name())
    }
}

/// All packs of a campaign that wait or are out, of whatever priority.
pub fn campaign_jobs(campaign: &str) -> String {
    format!("jobs.*.{campaign}.*")
}

/// Where one pack stands from before its campaign is on record until it has ended.
pub fn plan(campaign: &str, pack: u32) -> String {
    format!("plan.{campaign}.{pack}")
}

/// Where packs that follow each other stand together: see [`crate::pack::Block`].
pub fn plan_block(campaign: &str, block: u32) -> String {
    format!("plan.{campaign}.b{block}")
}

/// All packs of a campaign.
pub fn campaign_plan(campaign: &str) -> String {
    format!("plan.{campaign}.*")
}

/// The number of a pack: the last token of its subject in JOBS, PLANS or LEDGER.
pub fn pack_of(subject: &str) -> Option<u32> {
    subject.rsplit('.').next()?.parse().ok()
}

/// Where the landing of one pack goes; at most one message ever lands there.
pub fn landing(model: &str, campaign: &str, pack: u32) -> String {
    format!("ledger.{model}.{campaign}.{pack}")
}

/// All landings of one campaign.
pub fn campaign_landings(model: &str, campaign: &str) -> String {
    format!("ledger.{model}.{campaign}.*")
}

/// All landings of one model.
pub fn model_landings(model: &str) -> String {
    format!("ledger.{model}.*.*")
}

/// Where a message of JOBS goes when it is set aside, by its place there: at most one message ever lands there.
pub fn dead(stream_sequence: u64) -> String {
    format!("dead.{stream_sequence}")
}

/// The predictor's own subject.
pub fn infer(worker: &str) -> String {
    format!("infer.{worker}")
}

/// Where a worker announces itself.
pub fn announce(role: &str, worker: &str) -> String {
    format!("announce.{role}.{worker}")
}

/// The key of a channel in its bucket.
pub fn channel_key(model: &str, channel: &str) -> String {
    [model, ".", channel].concat()
}
