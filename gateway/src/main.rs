//! `gateway`: HTTP in, request-reply out.

use std::process::ExitCode;

use gateway::args::Cli;

/// Columns and blocks are taken and returned all the time: an allocator that keeps their pages saves a fault for each.
#[global_allocator]
static ALLOCATOR: runtime::allocator::Mimalloc = runtime::allocator::Mimalloc;

fn main() -> ExitCode {
    match gateway::run(runtime::settings::parse::<Cli>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
