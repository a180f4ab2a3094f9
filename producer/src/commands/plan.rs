//! `enqueue plan`, and the planning that `train` does too.

use std::process::ExitCode;

use anyhow::Context;
use dataset::{Dataset, Request};
use runtime::bucket;
use runtime::settings::cores;
use schemas::campaign::Campaign;
use schemas::cost::CostModel;

use crate::args::order::PlanArgs;
use crate::output::Output;
use crate::plan::{
    Counted, Cutting, Order, Planned, PlannedPack, Summary, expand, pack, rate, remarks, windows,
};
use crate::session::{Session, patiently};
use crate::usage::usage;

/// Columns up to this size are decoded at once, on all threads; larger ones piece by piece.
const TABLE_BYTES_MAX: u64 = 128 << 20;

pub(super) async fn run(session: &Session, args: &PlanArgs, out: Output) -> anyhow::Result<ExitCode> {
    let order = Order::new(session.model(&args.model).await?, args)?;
    let packs = plan(session, &order, args, out).await?;
    out.show(&Summary::new(&order.spec, &packs), Summary::text)?;
    Ok(ExitCode::SUCCESS)
}

/// The packs that `order` means. Reads only the dimension columns of the source, and its times where windows ask for them.
/// What the scopes will take is learned from the campaigns before.
pub(super) async fn plan(
    session: &Session,
    order: &Order,
    args: &PlanArgs,
    out: Output,
) -> anyhow::Result<Vec<PlannedPack>> {
    let (counted, before) = tokio::join!(count(order), campaigns(session));
    let (files, counted) = counted.map_err(|error| usage(format!("{error:#}")))?;
    let scopes = expand(order, &args.scopes, &counted).map_err(usage)?;
    remarks(order, &counted, &scopes).iter().for_each(|remark| out.remark(remark));
    let (model, rate) =
        (CostModel::new(&order.spec), rate(&order.spec, &before.context("reading the campaigns before")?));
    let cost = |scope: &Planned| model.seconds(rate, scope.rows);
    let cutting = match Cutting::new(&order.spec) {
        Some(cutting) => Some(with_times(order, &files, cutting, (&scopes, cost)).await?),
        None => None,
    };
    Ok(pack(scopes, cutting.as_ref(), cost))
}

/// Looks up when the rows of scopes are that are to be cut by time.
async fn with_times(
    order: &Order,
    files: &Dataset,
    cutting: Cutting,
    (scopes, cost): (&[Planned], impl Fn(&Planned) -> f64),
) -> anyhow::Result<Cutting> {
    let wanted = cutting.wants_times(scopes, cost);
    if wanted.is_empty() {
        return Ok(cutting);
    }
    let request = Request::for_planning(&order.spec);
    let times = files.times(&request, &wanted, cores() as usize).await?;
    Ok(cutting.with_times(wanted, times))
}

async fn campaigns(session: &Session) -> anyhow::Result<Vec<Campaign>> {
    let all = patiently(async || Ok(bucket::campaigns(&session.broker).await?.all().await?)).await?;
    Ok(all.into_iter().map(|(_, campaign)| campaign).collect())
}

async fn count(order: &Order) -> anyhow::Result<(Dataset, Counted)> {
    let files = dataset::open(&order.spec.data).await?;
    let threads = cores() as usize;
    let mut request = Request::for_planning(&order.spec);
    let newest = match &request.time {
        Some(time) if order.counts_back() => files.newest(time, threads).await?,
        _ => None,
    };
    if !order.has_windows() {
        request.time = None;
    }
    let windows = windows(order, newest);
    let counts = files.counts(&request, &windows, (TABLE_BYTES_MAX, threads)).await?;
    Ok((files, Counted { counts, windows, newest }))
}
