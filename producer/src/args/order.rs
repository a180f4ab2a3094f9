//! `enqueue plan` and `enqueue train`.

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use schemas::subjects::Priority;

/// Which scopes, and by what spec.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The model
    pub model: String,
    /// Which scopes, e.g. `carrier=*,origin=EWR`; may be given several times
    #[arg(long = "scope", required = true, value_name = "PATTERN", env = "SCOPEFORGE_SCOPE")]
    pub scopes: Vec<String>,
    /// Also train every fallback level above
    #[arg(long, env = "SCOPEFORGE_LEVELS", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub levels: bool,
    /// Use this algorithm instead of the spec's; of several, as in `ridge|forest`, each scope takes the best
    #[arg(long, value_name = "NAME", env = "SCOPEFORGE_ALGORITHM")]
    pub algorithm: Option<String>,
    /// Set a parameter of the algorithm, or let each scope take the best of several values, as in `alpha=0.1|1|10`; may
    /// be given several times
    #[arg(long = "param", value_name = "NAME=VALUE", env = "SCOPEFORGE_PARAM", value_delimiter = ';')]
    pub params: Vec<String>,
}

/// `enqueue train`
#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    /// What to train
    #[command(flatten)]
    pub plan: PlanArgs,
    /// The channel that the fits go to
    #[arg(long, default_value = "live", env = "SCOPEFORGE_CHANNEL", value_name = "NAME")]
    pub channel: String,
    /// When fits begin to answer: each as it lands, or all together at the end
    #[arg(long, default_value = "each", env = "SCOPEFORGE_PUBLISH", value_enum)]
    pub publish: PublishArg,
    /// How urgent it is
    #[arg(long, default_value = "normal", env = "SCOPEFORGE_PRIORITY", value_enum)]
    pub priority: PriorityArg,
    /// Train scopes whose data has not changed, too
    #[arg(long, env = "SCOPEFORGE_FORCE", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub force: bool,
    /// Wait until every scope has its outcome; exit with 1 when one failed
    #[arg(long, env = "SCOPEFORGE_WAIT", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub wait: bool,
    /// With --wait: give up after so many seconds without news (the campaign goes on)
    #[arg(long, default_value_t = 3_600, env = "SCOPEFORGE_WAIT_SECONDS", value_name = "SECONDS")]
    pub wait_seconds: u64,
}

/// When fits begin to answer.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PublishArg {
    /// Each as it lands
    Each,
    /// All at once when the campaign is complete
    Together,
}

/// How urgent.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PriorityArg {
    /// Before everything else
    High,
    /// As usual
    Normal,
    /// When nothing else waits
    Low,
}

impl From<PriorityArg> for Priority {
    fn from(arg: PriorityArg) -> Priority {
        match arg {
            PriorityArg::High => Priority::High,
            PriorityArg::Normal => Priority::Normal,
            PriorityArg::Low => Priority::Low,
        }
    }
}
