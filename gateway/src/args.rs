//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Parser};
use runtime::settings::Connection;
use runtime::telemetry::LogArgs;

use crate::check::Probe;

/// Answers predictions over HTTP, each row from the right fit.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "gateway",
    version,
    about,
    after_help = "Example:\n  SCOPEFORGE_NATS_URL=nats://broker:4222 SCOPEFORGE_STORE=redis://redis:6379 gateway --listen 0.0.0.0:8080\n  curl -s localhost:8080/v1/models\n\nOne process, with no broker and no store:\n  gateway --predict-here --fits fits.pack"
)]
pub struct Cli {
    /// Address to listen on; port 0 takes a free one and logs it
    #[arg(long, env = "SCOPEFORGE_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Longest time from a request to its answer, in milliseconds
    #[arg(long, env = "SCOPEFORGE_DEADLINE_MS", default_value_t = 10_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..=600_000))]
    pub deadline_ms: u64,
    /// Threads that serve HTTP, each with its own connection to the broker [default: one per core with --predict-here;
    /// else one fewer, since broker and predictors have work to do too]
    #[arg(long, env = "SCOPEFORGE_THREADS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Connections that may be open at once; more wait to be accepted
    #[arg(long, env = "SCOPEFORGE_CONNECTIONS_MAX", default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections_max: u32,
    /// Seconds that a connection may be silent: between two requests, until the head of one is there, and while its client
    /// takes nothing of an answer
    #[arg(long, env = "SCOPEFORGE_IDLE_SECONDS", default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub idle_seconds: u64,
    /// Requests that may wait for one predictor in each of the threads, behind the up to 4096 rows that its next message takes;
    /// more are answered 503 at once
    #[arg(long, env = "SCOPEFORGE_WAITING_MAX", default_value_t = 1_024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub waiting_max: u32,
    /// Memory for the bodies of large requests that are read or answered at one time, in MiB; others wait for room, and are
    /// answered 503 when they had none until the deadline
    #[arg(long, env = "SCOPEFORGE_BODIES_MIB", default_value_t = 512, value_name = "MIB", value_parser = clap::value_parser!(u32).range(64..=1_000_000))]
    pub bodies_mib: u32,
    /// Predict in this process too, and prefer that to a way over the broker; others may ask it as any predictor
    #[arg(long, env = "SCOPEFORGE_PREDICT_HERE", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub predict_here: bool,
    /// Memory for loaded fits, in MiB, with --predict-here
    #[arg(long, env = "SCOPEFORGE_FIT_CACHE_MIB", default_value_t = 256, value_name = "MIB")]
    pub fit_cache_mib: u64,
    /// Answer from this bundle alone, as `enqueue channel export` writes them: models, channels and, with --predict-here, fits
    /// come from it. With --predict-here and no --nats-url nothing else is needed, no broker and no store; else predictors
    /// answer that have the same bundle, over a broker that needs no JetStream. Training, campaigns and the queue are not there
    #[arg(long, env = "SCOPEFORGE_FITS", value_name = "FILE")]
    pub fits: Option<PathBuf>,
    /// Seconds to finish open requests after the first SIGTERM
    #[arg(long, env = "SCOPEFORGE_GRACE_SECONDS", default_value_t = 20, value_name = "SECONDS")]
    pub grace_seconds: u64,
    /// Ask the gateway that listens at --listen, and tell by the exit code whether it is well: for health checks of containers
    #[arg(long, value_enum, value_name = "PROBE")]
    pub check: Option<Probe>,
    /// Where broker and store are
    #[command(flatten)]
    pub connection: Connection,
    /// Logging
    #[command(flatten)]
    pub log: LogArgs,
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        <super::Cli as clap::CommandFactory>::command().debug_assert();
    }
}
