//! The command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use runtime::settings::Connection;
use runtime::telemetry::LogArgs;

/// Trains and serves one model per slice of a data set.
#[derive(Debug, Parser)]
#[command(
    name = "worker",
    version,
    about,
    after_help = "Every flag is also an environment variable; see each role's --help."
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub role: Role,
    /// Where broker and store are
    #[command(flatten)]
    pub connection: Connection,
    /// Logging
    #[command(flatten)]
    pub log: LogArgs,
}

/// What a worker does.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Pulls packs of scopes from the queue, trains them and lands the fits
    #[command(
        after_help = "Example:\n  SCOPEFORGE_NATS_URL=nats://broker:4222 SCOPEFORGE_STORE=redis://redis:6379 worker train --threads 4"
    )]
    Train(TrainArgs),
    /// Answers prediction batches
    #[command(
        after_help = "Examples:\n  SCOPEFORGE_NATS_URL=nats://broker:4222 SCOPEFORGE_STORE=redis://redis:6379 worker infer\n  SCOPEFORGE_NATS_URL=nats://broker:4222 worker infer --fits fits.pack"
    )]
    Infer(InferArgs),
    /// Tells by its exit code whether the worker that writes --health-file is alive, for health checks of containers
    #[command(
        after_help = "Example:\n  SCOPEFORGE_HEALTH_FILE=/dev/shm/worker worker check --ready\n\nIt asks neither broker nor store. Exit codes: 0 alive (with --ready: and taking work), 1 not."
    )]
    Check(CheckArgs),
    /// Reads data and makes learners, for `worker train`, which talks to it over pipes
    #[command(hide = true)]
    LearnHost,
}

/// Flags of `worker train`.
#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    /// Packs to train at once [default: one per core]
    #[arg(long, env = "SCOPEFORGE_THREADS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Memory for decoded data that several packs share, in MiB [default: a quarter of what the machine or container has]
    #[arg(long, env = "SCOPEFORGE_DATA_CACHE_MIB", value_name = "MIB")]
    pub data_cache_mib: Option<u64>,
    /// Seconds without a sign of life after which a pack goes to another trainer; holds for all trainers of the system
    /// [default: what the queue has, 30 at first]
    #[arg(long, env = "SCOPEFORGE_LEASE_SECONDS", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub lease_seconds: Option<u64>,
    /// Seconds to finish running packs after the first SIGTERM; what is not done by then is handed back
    #[arg(long, env = "SCOPEFORGE_GRACE_SECONDS", value_name = "SECONDS", default_value_t = 20)]
    pub grace_seconds: u64,
    /// For health checks
    #[command(flatten)]
    pub health: HealthArgs,
}

/// Flags of `worker infer`.
#[derive(Debug, Clone, Args)]
pub struct InferArgs {
    /// Requests to work on at once [default: one per core]
    #[arg(long, env = "SCOPEFORGE_THREADS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Memory for loaded fits, in MiB [default: 256, or a quarter of what the machine or container has, if that is less]
    #[arg(long, env = "SCOPEFORGE_FIT_CACHE_MIB", value_name = "MIB")]
    pub fit_cache_mib: Option<u64>,
    /// Seconds to finish requests after the first SIGTERM
    #[arg(long, env = "SCOPEFORGE_GRACE_SECONDS", value_name = "SECONDS", default_value_t = 20)]
    pub grace_seconds: u64,
    /// Answer from this bundle alone, as `enqueue channel export` writes them: no store is needed, and of the broker neither
    /// models nor ledger (no JetStream)
    #[arg(long, env = "SCOPEFORGE_FITS", value_name = "FILE")]
    pub fits: Option<PathBuf>,
    /// For health checks
    #[command(flatten)]
    pub health: HealthArgs,
}

/// Where a worker gives a sign of life.
#[derive(Debug, Clone, Args)]
pub struct HealthArgs {
    /// A file that the worker writes every second, and `worker check` reads [default: none]
    #[arg(id = "health_file", long = "health-file", env = "SCOPEFORGE_HEALTH_FILE", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Flags of `worker check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Which worker
    #[command(flatten)]
    pub health: HealthArgs,
    /// Fail also while the worker does not take work yet, or any more
    #[arg(long, action = ArgAction::SetTrue)]
    pub ready: bool,
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        <super::Cli as clap::CommandFactory>::command().debug_assert();
    }
}
