//! Commands that look after what runs: `campaign`, `dead`, `pause`, `sweep`, `lag`, `dev`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Subcommand};

/// `enqueue campaign …`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  enqueue campaign list")]
pub enum CampaignCommand {
    /// Lists all campaigns, newest first
    #[command(after_help = "Example:\n  enqueue campaign list")]
    List,
    /// Shows how far a campaign is, or how it ended
    #[command(after_help = "Example:\n  enqueue campaign show 20261122t215601047-7k3qm --json")]
    Show {
        /// The campaign
        id: String,
    },
    /// Ends a campaign: what has not landed ends `cancelled`, at once; what has landed stays
    #[command(after_help = "Example:\n  enqueue campaign cancel 20261122t215601047-7k3qm")]
    Cancel {
        /// The campaign
        id: String,
    },
    /// Trains the failed and cancelled scopes of a campaign again, in a new campaign
    #[command(after_help = "Example:\n  enqueue campaign retry 20261122t215601047-7k3qm --wait")]
    Retry {
        /// The campaign
        id: String,
        /// Wait until every scope has its outcome; exit with 1 when one failed
        #[arg(long, env = "SCOPEFORGE_WAIT", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
        wait: bool,
        /// With --wait: give up after so many seconds without news
        #[arg(long, default_value_t = 3_600, env = "SCOPEFORGE_WAIT_SECONDS", value_name = "SECONDS")]
        wait_seconds: u64,
    },
    /// Follows a campaign until it has ended; exits with 1 when a scope failed or the campaign was cancelled
    #[command(after_help = "Example:\n  enqueue campaign watch 20261122t215601047-7k3qm")]
    Watch {
        /// The campaign
        id: String,
        /// Give up after so many seconds without news
        #[arg(long, default_value_t = 3_600, env = "SCOPEFORGE_WAIT_SECONDS", value_name = "SECONDS")]
        wait_seconds: u64,
    },
}

/// `enqueue dead …`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  enqueue dead list")]
pub enum DeadCommand {
    /// Lists what was set aside, oldest first
    #[command(after_help = "Example:\n  enqueue dead list --json")]
    List,
    /// Shows one: payload, reason, deliveries, when, by whom
    #[command(after_help = "Example:\n  enqueue dead show 17")]
    Show {
        /// Its number, as listed
        id: u64,
    },
    /// Trains the scopes of one again, in a new campaign
    #[command(after_help = "Example:\n  enqueue dead retry 17")]
    Retry {
        /// Its number, as listed
        id: u64,
    },
    /// Forgets some
    #[command(after_help = "Example:\n  enqueue dead drop 17 18")]
    Drop {
        /// Their numbers, as listed
        #[arg(required = true)]
        ids: Vec<u64>,
    },
}

/// `enqueue pause`
#[derive(Debug, Clone, Args)]
pub struct PauseArgs {
    /// Release it by itself after so many seconds
    #[arg(long, env = "SCOPEFORGE_SECONDS", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_155_760_000))]
    pub seconds: Option<u64>,
}

/// `enqueue sweep`
#[derive(Debug, Clone, Args)]
pub struct SweepArgs {
    /// Leave younger ones: a trainer may be about to land them
    #[arg(long, env = "SCOPEFORGE_OLDER_THAN_SECONDS", value_name = "SECONDS", default_value_t = runtime::sweep::OLD_SECONDS)]
    pub older_than_seconds: u64,
}

/// `enqueue lag`
#[derive(Debug, Clone, Args)]
pub struct LagArgs {
    /// Look again every second until Ctrl-C
    #[arg(long, env = "SCOPEFORGE_WATCH", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub watch: bool,
    /// Advise so many trainers that the work left ends within this time
    #[arg(long, default_value_t = 60.0, env = "SCOPEFORGE_TARGET_SECONDS", value_name = "N")]
    pub target_seconds: f64,
    /// Advise no fewer trainers
    #[arg(long, default_value_t = 0, env = "SCOPEFORGE_MIN_TRAINERS", value_name = "N")]
    pub min_trainers: u64,
    /// Advise no more trainers [default: any number]
    #[arg(long, env = "SCOPEFORGE_MAX_TRAINERS", value_name = "N")]
    pub max_trainers: Option<u64>,
    /// Advise no fewer predictors
    #[arg(long, default_value_t = 1, env = "SCOPEFORGE_MIN_PREDICTORS", value_name = "N")]
    pub min_predictors: u64,
    /// Advise no more predictors [default: any number]
    #[arg(long, env = "SCOPEFORGE_MAX_PREDICTORS", value_name = "N")]
    pub max_predictors: Option<u64>,
}

/// `enqueue dev`
#[derive(Debug, Clone, Args)]
pub struct DevArgs {
    /// Address of the gateway [default: 127.0.0.1:8080, or a free port when that is taken]
    #[arg(long, env = "SCOPEFORGE_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Trainer processes; they share the machine's cores
    #[arg(long, default_value_t = 2, env = "SCOPEFORGE_TRAINERS", value_name = "N", value_parser = clap::value_parser!(u32).range(0..=256))]
    pub trainers: u32,
    /// Predictor processes
    #[arg(long, default_value_t = 1, env = "SCOPEFORGE_PREDICTORS", value_name = "N", value_parser = clap::value_parser!(u32).range(0..=256))]
    pub predictors: u32,
    /// The nats-server program, 2.14.5 or newer [default: that on PATH, or the one fetched by `make`]
    #[arg(long, env = "SCOPEFORGE_NATS_SERVER", value_name = "FILE")]
    pub nats_server: Option<PathBuf>,
}
