//! `enqueue channel …`.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Subcommand};

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
