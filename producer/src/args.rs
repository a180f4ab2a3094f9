//! The command line: what all commands share, and the list of them.
//!
//! | module | whose words |
//! |---|---|
//! | [`data`] | `model`, `cluster`, `predict`, `fits` |
//! | [`order`] | `plan`, `train` |
//! | [`operate`] | `campaign`, `dead`, `pause`, `sweep`, `lag`, `dev` |
//! | [`channel`] | `channel` |

pub mod channel;
pub mod data;
pub mod operate;
pub mod order;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Parser, Subcommand};
use runtime::settings::Connection;
use runtime::telemetry::LogArgs;

use self::channel::ChannelCommand;
use self::data::{ClusterArgs, FitsArgs, ModelCommand, PredictArgs};
use self::operate::{CampaignCommand, DeadCommand, DevArgs, LagArgs, PauseArgs, SweepArgs};
use self::order::{PlanArgs, TrainArgs};

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
