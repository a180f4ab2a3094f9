//! One file per command.

mod campaign;
mod channel;
mod cluster;
mod dead;
mod export;
mod fits;
mod lag;
mod model;
mod pause;
mod plan;
mod predict;
mod retry;
mod sweep;
mod train;
mod verify;
mod watch;

use std::process::ExitCode;

use crate::args::channel::ChannelCommand;
use crate::args::{Cli, Command};
use crate::output::Output;
use crate::session::Session;
use crate::usage::usage;

/// Runs the command line.
///
/// # Errors
/// When the command fails; a [`crate::usage::Usage`] among the causes means that the caller has to change something.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut log = cli.log.clone();
    if !matches!(cli.command, Command::Dev(_)) && log.log == "info" {
        // What a command has to say, it says itself.
        log.log = "warn".into();
    }
    runtime::telemetry::init(&log).map_err(usage)?;
    let out = Output::new(cli.json);
    if let Command::Dev(args) = cli.command {
        return crate::dev::run(&cli.connection, args, out).await;
    }
    // A file is looked at wherever it is.
    if let Command::Channel(ChannelCommand::Verify { file }) = &cli.command {
        return verify::run(file, out).await.map(|()| ExitCode::SUCCESS);
    }
    let session = Session::open(&cli.connection).await?;
    let done = match cli.command {
        Command::Model(command) => model::run(&session, command, out).await,
        Command::Plan(args) => plan::run(&session, &args, out).await,
        Command::Train(args) => train::run(&session, &args, out).await,
        Command::Predict(args) => predict::run(&session, &args, out).await,
        Command::Cluster(args) => cluster::run(&session, &args, out).await,
        Command::Campaign(command) => campaign::run(&session, command, out).await,
        Command::Channel(command) => channel::run(&session, command, out).await,
        Command::Dead(command) => dead::run(&session, command, out).await,
        Command::Pause(args) => pause::pause(&session, &args, out).await,
        Command::Resume => pause::resume(&session, out).await,
        Command::Sweep(args) => sweep::run(&session, &args, out).await,
        Command::Lag(args) => lag::run(&session, &args, out).await,
        Command::Fits(args) => fits::run(&session, &args, out).await,
        Command::Dev(_) => Ok(ExitCode::SUCCESS),
    };
    session.broker.close().await;
    done
}
