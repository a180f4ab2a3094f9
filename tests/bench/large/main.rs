//! A source that is larger than memory: planned, trained from, clustered, and trained from again, by processes that may
//! not hold more than a given amount of memory. Prints seconds, the largest process and bytes read; fails when a fit
//! changes. Run by `make test-large` as `bench-large [--gib N] [--memory-mib N]`.

mod generate;
mod processes;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::{Value, json};
use tests::{Setup, Stack};

use self::processes::{Peak, watch};

const STORES: usize = 400;
const ITEMS: usize = 50;

/// Of one store all items, and of ten.
const ONE_STORE: &str = "store=store-0007,item=*";
const TEN_STORES: &str = "store=store-0100|store-0101|store-0102|store-0103|store-0104|store-0105|store-0106|store-0107|store-0108|store-0109,item=*";

#[derive(Debug, Parser)]
struct Arguments {
    /// Size of the source
    #[arg(long, default_value_t = 4.0)]
    gib: f64,
    /// What each process may hold: its limit of private memory, and the most that may be resident
    #[arg(long, default_value_t = 512)]
    memory_mib: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let limit_bytes = arguments.memory_mib << 20;
    let most = Rlimit { current: Some(limit_bytes), maximum: Some(limit_bytes) };
    setrlimit(Resource::Data, most).context("limiting memory, for this process and all that it starts")?;
    let folder = tempfile::tempdir_in(tests::program::root().join("target"))?;
    let source = folder.path().join("sales.parquet");
    let began = Instant::now();
    let rows = generate::write(&source, (arguments.gib * f64::from(1u32 << 30)) as u64)?;
    let size_mib = std::fs::metadata(&source)?.len() >> 20;
    say(&format!("source: {rows} rows, {size_mib} MiB, in {:.0} s", began.elapsed().as_secs_f64()));
    let environment = vec![
        ("SCOPEFORGE_DATA_CACHE_MIB", (arguments.memory_mib / 4).to_string()),
        ("SCOPEFORGE_LOG", "worker=debug".to_owned()),
        ("TMPDIR", folder.path().display().to_string()),
    ];
    let setup = Setup { predictors: 0, gateway: false, environment, ..Setup::default() };
    let run = Run { stack: Stack::start(setup).await, limit_bytes };
    run.all(&source, &folder.path().join("clustered.parquet"), rows).await
}

struct Run {
    stack: Stack,
    limit_bytes: u64,
}

impl Run {
    async fn all(&self, source: &Path, clustered: &Path, rows: u64) -> anyhow::Result<()> {
        self.stack.add_model(&spec(source)).await;
        let every = ["plan", "sales", "--scope", "store=*,item=*"];
        let plan = self.step("plan of all scopes", &every).await?;
        ensure!(plan["scopes"] == json!(STORES * ITEMS), "{plan}");
        let window = ["plan", "sales", "--scope", "store=*,time=last:30d"];
        self.step("plan with a window", &window).await?;
        let one = ["train", "sales", "--scope", ONE_STORE, "--wait"];
        let trained = self.step("50 scopes, as generated", &one).await?;
        ensure!(trained["outcomes"] == json!({"trained": ITEMS}), "{trained}");

        self.stack.add_model(&whole(source)).await;
        let all = ["train", "whole", "--scope", "", "--wait"];
        let trained = self.step("one scope of all rows, in shards", &all).await?;
        ensure!(trained["outcomes"] == json!({"trained": 1}), "{trained}");
        let fit = self.step("its fit", &["fits", "whole"]).await?[0].clone();
        ensure!(fit["rows"] == json!(rows) && fit["metrics"]["rmse"].as_f64() < Some(0.3), "{fit}");

        let out = clustered.to_string_lossy();
        let memory = (self.limit_bytes >> 21).to_string();
        let made =
            self.step("cluster", &["cluster", "sales", "--out", &out, "--memory-mib", &memory]).await?;
        ensure!(made["rows"] == json!(rows), "{made}");
        say(&format!("  {made}"));
        self.stack.add_model(&spec(clustered)).await;
        let again = self.step("the same scopes, clustered", &one).await?;
        ensure!(again["outcomes"] == json!({"unchanged": ITEMS}), "{again}");
        let ten = ["train", "sales", "--scope", TEN_STORES, "--wait"];
        let trained = self.step("500 other scopes, clustered", &ten).await?;
        ensure!(trained["outcomes"] == json!({"trained": 10 * ITEMS}), "{trained}");
        self.step("plan of all scopes, clustered", &every).await?;
        Ok(())
    }

    /// Runs a command; tells how long it took, the largest process of each kind, and what the packs read.
    async fn step(&self, name: &str, arguments: &[&str]) -> anyhow::Result<Value> {
        let told = self.stack.trainers[0].log().len();
        let mut command = self.stack.command("enqueue");
        command.arg("--json").args(arguments).kill_on_drop(true);
        let began = Instant::now();
        let (output, peak) = watch(command.output(), self.stack.trainers[0].id()).await;
        let (output, seconds) = (output?, began.elapsed().as_secs_f64());
        ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let log = self.stack.trainers[0].log();
        let read: Vec<u64> = log[told..].lines().filter_map(fetched_bytes).collect();
        let reads = match read.iter().max() {
            Some(most) => {
                let all: u64 = read.iter().sum();
                format!("; {} packs read {} MiB, at most {} MiB each", read.len(), all >> 20, most >> 20)
            }
            None => String::new(),
        };
        say(&format!("{name}: {seconds:.1} s; {peak}{reads}"));
        let Peak { largest_bytes, .. } = peak;
        ensure!(largest_bytes <= self.limit_bytes, "{name}: a process held {largest_bytes} bytes");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// What a line of the trainer's log says about bytes.
fn fetched_bytes(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("fetched_bytes=")?;
    rest.split_whitespace().next()?.parse().ok()
}

fn spec(source: &Path) -> String {
    format!(
        "name = \"sales\"\n[data]\nsource = \"{}\"\ntime = \"at\"\n[scope]\ndimensions = [\"store\", \"item\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x1\", \"x2\", \"x3\", \"x4\", \"x5\", \"x6\", \"hour(at)\"]\n",
        source.display()
    )
}

/// One scope that no process could hold: its rows are added up in stretches of time.
fn whole(source: &Path) -> String {
    let spec = spec(source).replace("sales", "whole").replace("whole.parquet", "sales.parquet");
    spec + "[limits]\nshard_mib = 64\n"
}

fn say(text: &str) {
    eprintln!("{text}");
}
