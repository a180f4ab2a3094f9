//! Log lines on standard error.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How a process logs.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// What to log: error, warn, info, debug, trace, or a filter such as `info,runtime=debug`
    #[arg(long, env = "SCOPEFORGE_LOG", default_value = "info", value_name = "FILTER", global = true)]
    pub log: String,
    /// How log lines look
    #[arg(long, env = "SCOPEFORGE_LOG_FORMAT", default_value = "text", value_enum, global = true)]
    pub log_format: LogFormat,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
#[error("--log {filter:?} is no filter (try info, or info,runtime=debug)")]
pub struct LogError {
    filter: String,
    #[source]
    source: tracing_subscriber::filter::ParseError,
}

/// Sends log lines to standard error from now on. A second call changes nothing.
///
/// # Errors
/// When the filter does not parse.
pub fn init(args: &LogArgs) -> Result<(), LogError> {
    // The client library reports each reconnection attempt as info; `broker` says what matters of it.
    let filter = EnvFilter::try_new(format!("async_nats=warn,{}", args.log))
        .map_err(|source| LogError { filter: args.log.clone(), source })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // An error means that a subscriber exists already, as in tests that share a process.
    drop(match args.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    });
    Ok(())
}
