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

use ::runtime::settings::cores;
use args::{Cli, Role};
use tokio::runtime::Runtime;

/// Runs the command line.
///
/// # Errors
/// When broker or store cannot be reached at the start.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.role {
        // Without any thread: a host makes copies of itself, and only a process of one thread can.
        Role::LearnHost => train::sandbox::host::run(),
        Role::Check(args) => health::check(&args),
        Role::Train(args) => threads(None)?.block_on(async {
            runtime::telemetry::init(&cli.log)?;
            train::run(cli.connection, args, runtime::shutdown::on_signals()?).await
        }),
        Role::Infer(args) => {
            let slots = args.threads.unwrap_or_else(cores);
            let pool = threads(Some(slots as usize))?;
            // One thread talks, and answers what is small: nobody has to be woken for that.
            let talk = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            talk.block_on(async {
                runtime::telemetry::init(&cli.log)?;
                let setting = (slots, pool.handle().clone());
                infer::run(cli.connection, args, setting, runtime::shutdown::on_signals()?).await
            })
        }
    }
}

/// A runtime of so many threads: one for each core, where nothing is said.
fn threads(count: Option<usize>) -> std::io::Result<Runtime> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    count.into_iter().for_each(|count| _ = threads.worker_threads(count));
    threads.enable_all().build()
}
