//! `enqueue plan`, and the planning that `train` does too.

use std::process::ExitCode;

use anyhow::Context;
use dataset::{Request, Table};
use runtime::bucket;
use schemas::campaign::Campaign;
use schemas::cost::CostModel;

use crate::args::PlanArgs;
use crate::output::Output;
use crate::plan::{Order, PlannedPack, Summary, expand, pack, rate};
use crate::session::{Session, patiently};
use crate::usage::usage;

pub(super) async fn run(session: &Session, args: &PlanArgs, out: Output) -> anyhow::Result<ExitCode> {
    let order = Order::new(session.model(&args.model).await?, args)?;
    let packs = plan(session, &order, args).await?;
    out.show(&Summary::new(&order.spec, &packs), Summary::text)?;
    Ok(ExitCode::SUCCESS)
}

/// The packs that `order` means. Reads only the dimension columns of the source, and its times where windows ask for them.
/// What the scopes will take is learned from the campaigns before.
pub(super) async fn plan(
    session: &Session,
    order: &Order,
    args: &PlanArgs,
) -> anyhow::Result<Vec<PlannedPack>> {
    let (table, before) = tokio::join!(read(order), campaigns(session));
    let table = table.map_err(|error| usage(format!("{error:#}")))?;
    let scopes = expand(order, &args.scopes, &table).map_err(usage)?;
    let (cost, rate) =
        (CostModel::new(&order.spec), rate(&order.spec, &before.context("reading the campaigns before")?));
    Ok(pack(scopes, |scope| cost.seconds(rate, scope.rows)))
}

async fn campaigns(session: &Session) -> anyhow::Result<Vec<Campaign>> {
    let all = patiently(async || Ok(bucket::campaigns(&session.broker).await?.all().await?)).await?;
    Ok(all.into_iter().map(|(_, campaign)| campaign).collect())
}

async fn read(order: &Order) -> anyhow::Result<Table> {
    let files = dataset::open(&order.spec.data.source).await?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut request = Request::for_planning(&order.spec);
    if !order.has_windows() {
        request.time = None;
    }
    Ok(files.read(&request, threads).await?)
}
