//! How long scopes take through queue and ledger when learning takes no time.
//!
//! A campaign is ordered as `enqueue train` orders one: its packs are stored in PLANS, its record is written, its packs are
//! queued in JOBS. Each pack is taken from the queue, its scopes land in LEDGER as `too_few_rows`, and it is confirmed. The
//! time runs from the order to the closed record, with all landings read back from the ledger. A broker with its files in a
//! temporary folder; the process prints the seconds of one campaign, after one that warms up.
//!
//! `--trainers` has real ones (`worker train`, two threads) do it, with a model that wants more rows than there are; otherwise
//! this process takes, lands and confirms with the same functions, which shows what the broker and its client bear.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use runtime::broker::{Broker, ConnectRequest};
use runtime::clock::now_ms;
use runtime::job::{Job, JobSource};
use runtime::ledger::{self, Entry, Reader};
use runtime::{bucket, campaigns, ids, jobs, plans, topology};
use schemas::campaign::{Campaign, CampaignState, Publish, Tally};
use schemas::cost::CostModel;
use schemas::outcome::{Landing, OutcomeKind};
use schemas::pack::{Pack, PackScope};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::subjects::{Priority, campaign_landings};
use schemas::window::Window;
use tests::{Setup, Stack};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// As the programs have it.
#[global_allocator]
static ALLOCATOR: runtime::allocator::Mimalloc = runtime::allocator::Mimalloc;

const PATIENCE: Duration = Duration::from_secs(120);

/// Packs that this process has out at once.
const PACKS_AT_ONCE: usize = 256;

#[derive(Debug, Parser)]
struct Args {
    /// Scopes of the campaign.
    #[arg(long, default_value_t = 20_000)]
    scopes: usize,
    /// Scopes of one message.
    #[arg(long, default_value_t = 1)]
    per_message: usize,
    /// Real trainer processes; with none, this process plays the trainer.
    #[arg(long, default_value_t = 0)]
    trainers: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let log = ("SCOPEFORGE_LOG", "warn,worker::train::run=info".to_owned());
    let setup = Setup {
        trainers: args.trainers,
        predictors: 0,
        gateway: false,
        environment: vec![log],
        ..Setup::default()
    };
    let stack = Stack::start(setup).await;
    let request = ConnectRequest { url: stack.nats.url(), name: "bench".into(), patience: Some(PATIENCE) };
    let broker = Broker::connect(&request, &CancellationToken::new()).await?;
    topology::declare(&broker, 1, None).await?;
    let spec = ModelSpec::parse(&spec())?;
    let mut playing = JoinSet::new();
    if args.trainers == 0 {
        playing.spawn(play_trainer(broker.clone(), spec.clone()));
    }
    let mut seconds = 0.0;
    for _ in 0..2 {
        let began = Instant::now();
        tokio::select! {
            done = campaign(&broker, &spec, &args) => done?,
            Some(ended) = playing.join_next() => ended.context("playing the trainer")??,
        }
        seconds = began.elapsed().as_secs_f64();
    }
    writeln!(std::io::stdout(), "{seconds}")?;
    Ok(())
}

/// A model that no scope has the rows for.
fn spec() -> String {
    let flights = tests::program::root().join("tests/data/flights.parquet");
    format!(
        "name = \"nothing\"\n[data]\nsource = \"{}\"\n[scope]\ndimensions = [\"carrier\", \"dest\"]\n[learn]\ntarget = \"arr_delay\"\nalgorithm = \"mean\"\nmin_rows = 1000000000\n",
        flights.display()
    )
}

/// Orders a campaign and follows it to its end.
async fn campaign(broker: &Broker, spec: &ModelSpec, args: &Args) -> anyhow::Result<()> {
    let id = ids::campaign(now_ms());
    let packs = packs(&id, spec, args);
    let campaign = record(id, spec, packs.len(), args.scopes);
    let mut reader = Reader::open(broker, &campaign_landings(&spec.name, &campaign.id), 0).await?;
    let messages = jobs::messages(&packs)?;
    plans::store(broker, &campaign.id, &messages).await?;
    let (records, channels) = (bucket::campaigns(broker).await?, bucket::channels(broker).await?);
    records.replace(&campaign.id, &campaign, 0).await?;
    let following = async {
        let (cost, mut tally) = (CostModel::new(spec), Tally::default());
        while tally.packs() < campaign.packs {
            if let Entry::Landing(_, landing) = tokio::time::timeout(PATIENCE, reader.next()).await?? {
                tally.add(&cost, &landing);
            }
        }
        anyhow::Ok(tally)
    };
    let publishing = async { Ok(jobs::publish(broker, Priority::Normal, &campaign.id, messages).await?) };
    let (tally, ()) = tokio::try_join!(following, publishing)?;
    let ended = tally.count(OutcomeKind::TooFewRows);
    anyhow::ensure!(ended == args.scopes as u64, "{ended} of {} scopes ended as they must", args.scopes);
    campaigns::close(broker, (&records, &channels), &campaign.id, &tally).await?;
    Ok(())
}

fn packs(campaign: &str, spec: &ModelSpec, args: &Args) -> Vec<Pack> {
    let scope = |number: usize| {
        let (carrier, dest) = (format!("c{}", number / 1_000), format!("d{}", number % 1_000));
        let scope = Scope::new([("carrier", carrier.as_str()), ("dest", dest.as_str())]);
        PackScope { scope, window: Window::ALL, incumbent: None, parent: None }
    };
    let all: Vec<PackScope> = (0..args.scopes).map(scope).collect();
    let pack = |(index, scopes): (u32, &[PackScope])| Pack {
        campaign: campaign.to_owned(),
        model: spec.name.clone(),
        index,
        scopes: scopes.to_vec(),
        ..Pack::default()
    };
    (0u32..).zip(all.chunks(args.per_message)).map(pack).collect()
}

fn record(id: String, spec: &ModelSpec, packs: usize, scopes: usize) -> Campaign {
    Campaign {
        id,
        revision: spec.revision(),
        spec: spec.clone(),
        patterns: Vec::new(),
        levels: false,
        channel: "live".into(),
        publish: Publish::Together,
        priority: Priority::Normal,
        force: true,
        planned: scopes as u64,
        packs: packs as u32,
        estimated_seconds: 0.0,
        created_at_ms: now_ms(),
        retry_of: None,
        on_miss: false,
        state: CampaignState::Running,
        closed: None,
    }
}

/// Takes packs, lands and confirms them, until it is dropped.
async fn play_trainer(broker: Broker, spec: ModelSpec) -> anyhow::Result<()> {
    let mut source = JobSource::open(&broker).await?;
    let mut out = JoinSet::new();
    loop {
        let taken = source.take(PACKS_AT_ONCE - out.len()).await?;
        if taken.is_empty() && out.is_empty() {
            source.wait().await;
        }
        for job in taken {
            out.spawn(land(broker.clone(), spec.clone(), job));
        }
        if let Some(ended) = out.join_next().await {
            ended??;
        }
        while let Some(ended) = out.try_join_next() {
            ended??;
        }
    }
}

async fn land(broker: Broker, spec: ModelSpec, job: Job) -> anyhow::Result<()> {
    let how = (OutcomeKind::TooFewRows, "");
    let landing = Landing::without_fits(&spec, &job.pack()?, how, "trainer-bench", now_ms());
    let landed = ledger::land(&broker, &landing).await?;
    Ok(job.finish(landed).await?)
}
