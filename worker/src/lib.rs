//! The two workers.
//!
//! * [`train`]: pull packs → read the slice → fit, score → land a blob and the outcomes → confirm
//! * [`infer`]: take batches and answer them, by the crate `predictor`
//! * [`start`]: what both do first
//! * [`health`]: a sign of life, and who looks for it
//! * `memory`: how much data and fits may take
//! * [`faults`]: where tests may make it crash

pub mod args;
pub mod faults;
pub mod health;
pub mod infer;
mod memory;
pub mod start;
pub mod train;

use args::{Cli, Role};

/// Runs the command line.
///
/// # Errors
/// When broker or store cannot be reached at the start.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    if matches!(cli.role, Role::LearnHost) {
        // Before any thread: a host makes copies of itself, and only a process of one thread can.
        return train::sandbox::host::run();
    }
    if let Role::Check(args) = &cli.role {
        return health::check(args);
    }
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    threads.block_on(async {
        runtime::telemetry::init(&cli.log)?;
        let shutdown = runtime::shutdown::on_signals()?;
        match cli.role {
            Role::Train(args) => train::run(cli.connection, args, shutdown).await,
            Role::Infer(args) => infer::run(cli.connection, args, shutdown).await,
            Role::LearnHost | Role::Check(_) => Ok(()),
        }
    })
}
