//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use runtime::settings::Connection;
use runtime::telemetry::LogArgs;
use schemas::subjects::Priority;

/// Trains one model for every slice of a data set, over a queue, and reports on it.
#[derive(Debug, Parser)]
#[command(
    name = "enqueue",
    version,
    about,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or bad input.\nEvery flag is also an environment variable, shown in brackets.\n\nBegin with:\n  enqueue dev                                          # everything on this machine\n  enqueue model add tests/data/arrival_delay.toml\n  enqueue train arrival_delay --scope 'carrier=*' --levels --wait"
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// Print one JSON value for programs instead of text for people
    #[arg(long, env = "SCOPEFORGE_JSON", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue, global = true)]
    pub json: bool,
    /// Where broker and store are
    #[command(flatten)]
    pub connection: Connection,
    /// Logging
    #[command(flatten)]
    pub log: LogArgs,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Adds, lists or shows model specs
    #[command(subcommand)]
    Model(ModelCommand),
    /// Shows what a campaign would train, without publishing anything
    #[command(
        after_help = "Example:\n  enqueue plan arrival_delay --scope 'carrier=*,origin=*,dest=*' --levels"
    )]
    Plan(PlanArgs),
    /// Trains scopes: publishes a campaign to the queue
    #[command(
        after_help = "Examples:\n  enqueue train arrival_delay --scope 'carrier=*,origin=*,dest=*' --levels --wait\n  enqueue train arrival_delay --scope 'carrier=UA|DL,time=last:90d' --algorithm elastic_net --param alpha=0.1\n  enqueue train arrival_delay --scope 'carrier=*' --algorithm 'ridge|boosting' --param 'alpha=1|10|100'\n  enqueue train daily_sales --scope 'store=*' --algorithm 'ets|theta|seasonal_naive' --param season=7 --wait\n\nScopes: `carrier=UA,origin=EWR` one scope; `carrier=*` one per value in the data; `carrier=UA|DL` one per listed value;\n`time=2013-01..2013-07` a half-open window; `time=last:90d` the newest 90 days of the data; '' all rows."
    )]
    Train(TrainArgs),
    /// Rewrites a model's source as one parquet file sorted by its dimensions, so that a scope is read from few bytes
    #[command(
        after_help = "Examples:\n  enqueue cluster arrival_delay --out data/flights.clustered.parquet\n  enqueue cluster arrival_delay --out s3://bucket/flights.clustered.parquet --memory-mib 2048\n\nThe file has the columns that the spec names. It appears when it is complete, and trains the same fits."
    )]
    Cluster(ClusterArgs),
    /// Predicts every row of a file, and writes them with their predictions
    #[command(
        after_help = "Examples:\n  enqueue predict arrival_delay tests/data/flights.parquet --out predicted.parquet\n  enqueue predict arrival_delay new.csv --out predicted.csv --channel next --force\n\nThe output has all columns of the input, and prediction, scope and level (of the fit that answered), and error, which is\nempty where the row was predicted; forecasts have lower_80, upper_80 … as well, and classes their probabilities. It appears when it is complete. Exit code 1: some rows have errors."
    )]
    Predict(PredictArgs),
    /// Lists, shows, watches, cancels or retries campaigns
    #[command(subcommand)]
    Campaign(CampaignCommand),
    /// Lists, shows, compares and moves channels: which campaigns' fits answer
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Shows, retries or drops packs that were set aside
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Holds the queue: packs stay in it, and trainers finish what they have
    #[command(after_help = "Example:\n  enqueue pause --seconds 600")]
    Pause(PauseArgs),
    /// Lets trainers have packs again
    #[command(after_help = "Example:\n  enqueue resume")]
    Resume,
    /// Removes blobs from the store that nothing names, and tells which are missing (a trainer does it every hour, too)
    #[command(after_help = "Example:\n  enqueue sweep --older-than-seconds 86400")]
    Sweep(SweepArgs),
    /// Shows how much work waits, who is there to do it, and how many workers there should be
    #[command(
        after_help = "Examples:\n  enqueue lag --watch\n  enqueue lag --json --target-seconds 300 --max-trainers 8\n\nDesired trainers: seconds of work left / target seconds / cores of a trainer, rounded up, and no more than there are packs\nfor; at least one while a campaign is open. Desired predictors: the time that predictors were busy in the last ten seconds\nor so, so that each is busy for 0.6 of it. docker/autoscaler follows this advice."
    )]
    Lag(LagArgs),
    /// Lists the fits that answer for a model
    #[command(
        after_help = "Examples:\n  enqueue fits arrival_delay\n  enqueue fits arrival_delay --scope carrier=UA --json"
    )]
    Fits(FitsArgs),
    /// Runs broker, trainers, predictors and gateway on this machine
    #[command(
        after_help = "Example:\n  enqueue dev --trainers 4\n\nEverything is kept in the state folder and survives a restart. Commands run in the same folder find the stack by\nthemselves, through STATE/dev.json. Ctrl-C ends it."
    )]
    Dev(DevArgs),
}

/// `enqueue model …`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  enqueue model add tests/data/arrival_delay.toml")]
pub enum ModelCommand {
    /// Adds a model from its spec file, or replaces its spec
    #[command(after_help = "Example:\n  enqueue model add tests/data/arrival_delay.toml")]
    Add {
        /// The spec, a TOML file
        file: PathBuf,
        /// Add it without looking at the source first
        #[arg(long, env = "SCOPEFORGE_UNCHECKED", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
        unchecked: bool,
    },
    /// Lists all models
    #[command(after_help = "Example:\n  enqueue model list --json")]
    List,
    /// Shows one model's spec
    #[command(after_help = "Example:\n  enqueue model show arrival_delay")]
    Show {
        /// The model
        model: String,
    },
}

/// A share of a channel's scopes for another one.
#[derive(Debug, Args)]
pub struct ShareArgs {
    /// The model
    pub model: String,
    /// The channel that gets the share
    #[arg(required_unless_present = "off")]
    pub channel: Option<String>,
    /// How many in a hundred scopes, chosen by a hash of the scope
    #[arg(long, default_value_t = 5.0, value_name = "P", value_parser = percent)]
    pub percent: f64,
    /// Ends it
    #[arg(long, conflicts_with_all = ["channel", "percent"])]
    pub off: bool,
    /// The channel whose scopes are shared
    #[arg(long, default_value = "live", value_name = "CHANNEL")]
    pub of: String,
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.trim_end_matches('%').parse::<f64>().ok();
    percent.filter(|percent| (0.0..=100.0).contains(percent)).ok_or_else(|| "a number from 0 to 100".into())
}

/// `enqueue channel …`
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example: train beside what answers, compare, release, and take it back\n  enqueue train arrival_delay --scope 'carrier=*' --channel next --wait\n  enqueue channel diff arrival_delay live next\n  enqueue channel promote arrival_delay next\n  enqueue channel rollback arrival_delay"
)]
pub enum ChannelCommand {
    /// Lists the channels of all models, or of one
    #[command(after_help = "Example:\n  enqueue channel list arrival_delay")]
    List {
        /// The model
        model: Option<String>,
    },
    /// Shows a channel's campaigns, the one that answers first on top
    #[command(after_help = "Example:\n  enqueue channel show arrival_delay next")]
    Show {
        /// The model
        model: String,
        /// The channel
        #[arg(default_value = "live")]
        channel: String,
    },
    /// Lets the campaigns of another channel, or one campaign, answer first, all of their fits at once
    #[command(
        after_help = "Examples:\n  enqueue channel promote arrival_delay next\n  enqueue channel promote arrival_delay 20261122t215601047-7k3qm --to next"
    )]
    Promote {
        /// The model
        model: String,
        /// A channel of the model, or a campaign
        from: String,
        /// The channel that is moved
        #[arg(long, default_value = "live", value_name = "CHANNEL")]
        to: String,
    },
    /// Takes back the last move of a channel that changed an answer, by an order or by `promote`
    #[command(
        after_help = "Example:\n  enqueue channel rollback arrival_delay\n\nMoves after it that changed no answer (all scopes unchanged, rejected or without rows enough) are taken back with it. So is\nwhat a gateway ordered for scopes without a fit since."
    )]
    Rollback {
        /// The model
        model: String,
        /// The channel
        #[arg(default_value = "live")]
        channel: String,
    },
    /// Lets another channel answer for a share of the scopes, always the same ones; the rest is answered as before
    #[command(
        after_help = "Examples:\n  enqueue channel canary arrival_delay next --percent 5\n  enqueue channel canary arrival_delay --off"
    )]
    Canary(ShareArgs),
    /// Lets another channel predict as well for a share of the scopes; the gateways measure the difference, answers stay
    #[command(
        after_help = "Examples:\n  enqueue channel shadow arrival_delay next --percent 100\n  enqueue channel shadow arrival_delay --off\nThe gateways log the mean difference once a minute, and /metrics has scopeforge_shadow_*."
    )]
    Shadow(ShareArgs),
    /// Lists scopes that another channel answers with another fit: new, gone, or changed, the worst first
    #[command(after_help = "Example:\n  enqueue channel diff arrival_delay live next --json")]
    Diff {
        /// The model
        model: String,
        /// The channel to compare with
        from: String,
        /// The channel that is compared
        to: String,
    },
    /// Writes a channel's specs, catalog and fits into one compressed, checksummed file, to answer from without broker and store
    #[command(
        after_help = "Examples:\n  enqueue channel export live --out fits.pack\n  enqueue channel export next --out fits.pack --model arrival_delay --force\n\nThe file appears when it is complete. Answer from it with `gateway --predict-here --fits fits.pack` or\n`worker infer --fits fits.pack`, or put it into an image with `docker/bake --fits fits.pack`. It holds the fits that answer\nnow; it does not change when the channel moves. A canary or shadow of the channel is left out."
    )]
    Export(ExportArgs),
    /// Checks every byte and every fit of an exported file, and lists what is in it; needs no broker
    #[command(
        after_help = "Example:\n  enqueue channel verify fits.pack --json\n\nExit codes: 0 it is whole, 1 it is not, 2 there is no such file."
    )]
    Verify {
        /// The file
        file: PathBuf,
    },
}

/// `enqueue channel export`
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// The channel
    #[arg(default_value = "live")]
    pub channel: String,
    /// Where the file goes
    #[arg(long, env = "SCOPEFORGE_OUT", value_name = "FILE")]
    pub out: PathBuf,
    /// Only this model; may be given several times [default: all that have fits on the channel]
    #[arg(long = "model", env = "SCOPEFORGE_MODEL", value_name = "MODEL")]
    pub models: Vec<String>,
    /// Replace what is there
    #[arg(long, env = "SCOPEFORGE_FORCE", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub force: bool,
}

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

/// `enqueue cluster`
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// The model
    pub model: String,
    /// Where the file will be: a path or URL that ends in .parquet [default: MODEL.clustered.parquet in this folder]
    #[arg(long, env = "SCOPEFORGE_OUT", value_name = "PLACE")]
    pub out: Option<String>,
    /// Memory for sorting, in MiB, besides a decoded row group of the source per core
    #[arg(long, env = "SCOPEFORGE_MEMORY_MIB", value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(16..=1_048_576))]
    pub memory_mib: u64,
    /// Folder for temporary files, as large as the decoded columns [default: the system's]
    #[arg(long, env = "SCOPEFORGE_TEMPORARY", value_name = "FOLDER")]
    pub temporary: Option<PathBuf>,
    /// Replaces a local file that is there already, once the new one is complete
    #[arg(long)]
    pub force: bool,
}

/// `enqueue predict`
#[derive(Debug, Clone, Args)]
pub struct PredictArgs {
    /// The model
    pub model: String,
    /// The rows: a parquet, CSV or NDJSON file, by path or URL; or several of one form by a glob or folder
    pub file: String,
    /// Where the predictions go: a path that ends in .parquet, .csv, .tsv or .ndjson
    #[arg(long, env = "SCOPEFORGE_OUT", value_name = "FILE")]
    pub out: PathBuf,
    /// The channel whose fits answer
    #[arg(long, default_value = "live", env = "SCOPEFORGE_CHANNEL", value_name = "NAME")]
    pub channel: String,
    /// Replace what is there
    #[arg(long, env = "SCOPEFORGE_FORCE", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub force: bool,
}

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

/// `enqueue fits`
#[derive(Debug, Clone, Args)]
pub struct FitsArgs {
    /// The model
    pub model: String,
    /// Only this scope, e.g. `carrier=UA`; '' is the scope of all rows; may be given several times
    #[arg(long = "scope", value_name = "SCOPE", env = "SCOPEFORGE_SCOPE")]
    pub scopes: Vec<String>,
    /// The channel to look at
    #[arg(long, default_value = "live", env = "SCOPEFORGE_CHANNEL", value_name = "NAME")]
    pub channel: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_scope_of_all_rows_can_be_given() {
        let cli = Cli::parse_from(["enqueue", "plan", "m", "--scope", "", "--scope", "a=1|2"]);
        let Command::Plan(args) = cli.command else { panic!("another command") };
        assert_eq!(args.scopes, ["", "a=1|2"]);
    }
}
