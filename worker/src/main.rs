//! `worker train` pulls packs and lands fits; `worker infer` answers prediction batches.

use std::process::ExitCode;

use worker::args::Cli;

/// Columns and blocks are taken and returned all the time: an allocator that keeps their pages saves a fault for each.
#[global_allocator]
static ALLOCATOR: runtime::allocator::Mimalloc = runtime::allocator::Mimalloc;

fn main() -> ExitCode {
    match worker::run(runtime::settings::parse::<Cli>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
