//! Commands that read or write data: `model`, `cluster`, `predict`, `fits`.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Subcommand};

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
