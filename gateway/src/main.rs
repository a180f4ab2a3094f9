//! `gateway`: HTTP in, request-reply out.

use clap::Parser;
use gateway::args::Cli;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    runtime::telemetry::init(&cli.log)?;
    let shutdown = runtime::shutdown::on_signals()?;
    gateway::run(cli, shutdown).await
}
