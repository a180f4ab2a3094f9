//! `enqueue`: plans campaigns, publishes them to the queue and reports on them.

use clap::Parser;
use producer::args::Cli;
use producer::usage;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    usage::exit_code(producer::run(Cli::parse()).await)
}
