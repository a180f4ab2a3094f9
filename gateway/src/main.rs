//! `gateway`: HTTP in, request-reply out.

use clap::Parser;
use gateway::args::Cli;

/// Columns and blocks are taken and returned all the time: an allocator that keeps their pages saves a fault for each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    runtime::telemetry::init(&cli.log)?;
    let shutdown = runtime::shutdown::on_signals()?;
    gateway::run(cli, shutdown).await
}
