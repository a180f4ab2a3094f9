//! `enqueue plan`, and the planning that `train` does too.

use std::process::ExitCode;

use dataset::{Request, Table};

use crate::args::PlanArgs;
use crate::output::Output;
use crate::plan::{Order, PlannedPack, Summary, cost, expand, pack};
use crate::session::Session;
use crate::usage::usage;

pub(super) async fn run(session: &Session, args: &PlanArgs, out: Output) -> anyhow::Result<ExitCode> {
    let order = Order::new(session.model(&args.model).await?, args)?;
    let packs = plan(&order, args).await?;
    out.show(&Summary::new(&order.spec, &packs), Summary::text)?;
    Ok(ExitCode::SUCCESS)
}

/// The packs that `order` means. Reads only the dimension columns of the source, and its times where windows ask for them.
pub(super) async fn plan(order: &Order, args: &PlanArgs) -> anyhow::Result<Vec<PlannedPack>> {
    let table = read(order).await.map_err(|error| usage(format!("{error:#}")))?;
    let scopes = expand(order, &args.scopes, &table).map_err(usage)?;
    Ok(pack(scopes, |scope| cost::scope_seconds(&order.spec, scope.rows)))
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
