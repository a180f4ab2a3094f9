//! Times the reads and indices of a campaign over the flights: run from the workspace's root with `--release`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement, not a program for users")]

use std::time::Instant;

use dataset::{Groups, Request, RowHashes, open};
use schemas::spec::ModelSpec;

const ROUNDS: usize = 15;

#[tokio::main]
async fn main() {
    let threads: usize = std::env::args().nth(1).map_or(2, |threads| threads.parse().unwrap());
    let spec = ModelSpec::parse(&std::fs::read_to_string("tests/data/arrival_delay.toml").unwrap()).unwrap();
    let (planning, training) = (Request::for_planning(&spec), Request::for_training(&spec));
    for (name, request) in [("planning read", &planning), ("training read", &training)] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            open(&spec.data).await.unwrap().read(request, threads).await.unwrap();
            times.push(begin.elapsed());
        }
        report(name, times);
    }
    let table = open(&spec.data).await.unwrap().read(&training, threads).await.unwrap();
    report(
        "group index, 3 dimensions",
        timed(|| Groups::build(&table, &["carrier", "origin", "dest"], None)),
    );
    report("row hashes", timed(|| RowHashes::of(&table, &training, threads)));
    let hashes = RowHashes::of(&table, &training, threads);
    let all: Vec<u32> = (0..table.rows() as u32).collect();
    report("digest of all rows", timed(|| hashes.digest(&all)));
    println!("{} rows, {} bytes", table.rows(), table.size_bytes());
}

fn timed<T>(work: impl Fn() -> T) -> Vec<std::time::Duration> {
    let once = |_| {
        let begin = Instant::now();
        std::hint::black_box(work());
        begin.elapsed()
    };
    (0..ROUNDS).map(once).collect()
}

fn report(name: &str, mut times: Vec<std::time::Duration>) {
    times.sort();
    println!("{name}: median {:?}, least {:?}", times[times.len() / 2], times[0]);
}
