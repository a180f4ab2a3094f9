//! `enqueue`: plans campaigns, publishes them to the queue and reports on them.

use producer::args::Cli;
use producer::usage;

/// Columns and blocks are taken and returned all the time: an allocator that keeps their pages saves a fault for each.
#[global_allocator]
static ALLOCATOR: runtime::allocator::Mimalloc = runtime::allocator::Mimalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    usage::exit_code(producer::run(runtime::settings::parse::<Cli>()).await)
}
