//! `gateway`: HTTP in, request-reply out.

use std::process::ExitCode;

use clap::Parser;
use gateway::args::Cli;

/// Columns and blocks are taken and returned all the time: an allocator that keeps their pages saves a fault for each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(probe) = cli.check {
        return gateway::check::ask(cli.listen, probe);
    }
    runtime::telemetry::init(&cli.log)?;
    let shutdown = runtime::shutdown::on_signals()?;
    gateway::run(cli, shutdown).await
}
