//! `worker train` pulls packs and lands fits; `worker infer` answers prediction batches.

use clap::Parser;
use worker::args::{Cli, Role};

/// Columns and blocks are taken and returned all the time: an allocator that keeps their pages saves a fault for each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    runtime::telemetry::init(&cli.log)?;
    let shutdown = runtime::shutdown::on_signals()?;
    match cli.role {
        Role::Train(args) => worker::train::run(cli.connection, args, shutdown).await,
        Role::Infer(args) => worker::infer::run(cli.connection, args, shutdown).await,
    }
}
