//! Fault injection: everything that can crash does, at random, while campaigns run; then an auditor that shares no code
//! with the product looks for losses.
//!
//! | module | what |
//! |---|---|
//! | [`trainers`], [`broker`], [`cluster`], [`stores`], [`frozen`], [`duplicates`], [`clocks`], [`keeper`], [`poison`], [`auditor`] | one scenario each |
//! | [`field`], [`data`], [`crew`], [`load`], [`server`], [`proxy`], [`chance`] | what they stand on |
//! | [`audit`], [`blobs`], [`raw`] | the auditor |
//! | [`damage`] | predictions from damaged blobs |
//! | [`results`] | the table of figures |
//!
//! `make test-faults` runs all of them; `FAULTS='--only keeper --quick'` one of them, shorter; `FAULTS_SEED` decides
//! what happens when (as far as the machine's own timing lets it). After losses, or with `FAULTS_KEEP=1`, logs are kept;
//! `FAULTS_LOG` is what they say, as `SCOPEFORGE_LOG` is.

mod audit;
mod auditor;
mod blobs;
mod broker;
mod chance;
mod clocks;
mod cluster;
mod crew;
mod damage;
mod data;
mod duplicates;
mod field;
mod frozen;
mod keeper;
mod load;
mod poison;
mod proxy;
mod raw;
mod results;
mod server;
mod stores;
mod trainers;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::audit::Audit;
use crate::field::Field;
use crate::results::Row;

/// Runs every scenario, or some of them
#[derive(Debug, Parser)]
struct Arguments {
    /// Only this scenario; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Fewer kills and campaigns
    #[arg(long)]
    quick: bool,
    /// Decides what happens when [default: the clock]
    #[arg(long, env = "FAULTS_SEED")]
    seed: Option<u64>,
}

/// How a scenario is to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    pub(crate) seed: u64,
    pub(crate) quick: bool,
}

impl Mode {
    /// One number for a whole run, another for a quick one.
    pub(crate) fn choose(self, whole: usize, quick: usize) -> usize {
        if self.quick { quick } else { whole }
    }
}

/// What a scenario did, and what the auditor found afterwards.
pub(crate) struct Ran {
    pub(crate) field: Arc<Field>,
    pub(crate) kills: usize,
    pub(crate) audit: Audit,
}

type Scenario = fn(Mode) -> BoxFuture<'static, Result<Ran>>;

/// Name, the longest it may take in seconds, what it does.
const SCENARIOS: [(&str, u64, Scenario); 12] = [
    ("trainers", 300, |mode| Box::pin(trainers::run(mode))),
    ("shards", 300, |mode| Box::pin(trainers::shards(mode))),
    ("keeper", 180, |mode| Box::pin(keeper::run(mode))),
    ("poison", 180, |mode| Box::pin(poison::run(mode))),
    ("broker", 300, |mode| Box::pin(broker::run(mode))),
    ("frozen", 180, |mode| Box::pin(frozen::run(mode))),
    ("duplicates", 180, |mode| Box::pin(duplicates::run(mode))),
    ("clocks", 180, |mode| Box::pin(clocks::run(mode))),
    ("redis", 300, |mode| Box::pin(stores::redis(mode))),
    ("objects", 300, |mode| Box::pin(stores::objects(mode))),
    ("auditor", 120, |mode| Box::pin(auditor::run(mode))),
    ("cluster", 360, |mode| Box::pin(cluster::run(mode))),
];

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).context("the clock")?;
    let seed = arguments.seed.unwrap_or(clock.as_millis() as u64 % 1_000_000);
    let mode = Mode { seed, quick: arguments.quick };
    eprintln!("FAULTS_SEED={seed}");
    let wanted = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    let unknown = |only: &&String| SCENARIOS.iter().all(|(name, ..)| name != only);
    if let Some(name) = arguments.only.iter().find(unknown) {
        anyhow::bail!("no scenario {name}");
    }
    runtime::objects::install_tls();
    let mut rows = Vec::new();
    for (name, limit, scenario) in SCENARIOS.iter().filter(|(name, ..)| wanted(name)) {
        eprintln!("{name} …");
        let row = one(name, Duration::from_secs(*limit), scenario(mode)).await;
        eprintln!("{}", row.told());
        rows.push(row);
    }
    if arguments.only.is_empty() {
        results::write(&rows, mode)?;
    }
    let lost: Vec<&Row> = rows.iter().filter(|row| row.losses > 0).collect();
    lost.iter().for_each(|row| eprintln!("LOSSES in {}: {}", row.name, row.told.join("\n  ")));
    Ok(if lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a scenario; one that panics, fails or takes too long has a loss.
async fn one(name: &'static str, limit: Duration, scenario: BoxFuture<'static, Result<Ran>>) -> Row {
    let began = Instant::now();
    let ran = tokio::time::timeout(limit, AssertUnwindSafe(scenario).catch_unwind()).await;
    let broken = match ran {
        Ok(Ok(Ok(ran))) => return Row::new(name, began.elapsed(), ran),
        Ok(Ok(Err(error))) => format!("it failed: {error:#}"),
        Ok(Err(panic)) => format!("it panicked: {}", message(&*panic)),
        Err(_) => format!("it did not end within {} s", limit.as_secs()),
    };
    Row::broken(name, began.elapsed(), broken)
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
