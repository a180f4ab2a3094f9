//! `enqueue cluster`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use dataset::{ClusterOrder, Clustered, Progress, Request};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::args::data::ClusterArgs;
use crate::output::{Output, count, counted};
use crate::session::Session;
use crate::usage::usage;

/// What was made.
#[derive(Debug, Serialize)]
struct View {
    model: String,
    /// The line for the spec.
    source: String,
    rows: u64,
    row_groups: usize,
    size_bytes: u64,
    /// Runs that were sorted on disk.
    runs: usize,
}

pub(super) async fn run(session: &Session, args: &ClusterArgs, out: Output) -> anyhow::Result<ExitCode> {
    let spec = session.model(&args.model).await?;
    let files = dataset::open(&spec.data).await.map_err(|error| usage(format!("{error:#}")))?;
    let target = target(args);
    if !args.force && Path::new(&target).exists() {
        return Err(usage(format!("{target}: is there already; --force replaces it")));
    }
    let bar = out.bar(files.stored_bytes(), "{msg}  [{elapsed}]");
    let order = ClusterOrder {
        request: Request::for_training(&spec),
        target,
        memory_bytes: args.memory_mib << 20,
        threads: runtime::settings::cores() as usize,
        temporary: args.temporary.clone().unwrap_or_else(std::env::temp_dir),
        progress: Arc::new({
            let bar = bar.clone();
            move |progress| show(&bar, progress)
        }),
    };
    let clustered = files.cluster(&order).await;
    bar.finish_and_clear();
    let Clustered { url, rows, row_groups, size_bytes, runs } = clustered?;
    let view = View { model: spec.name, source: url, rows, row_groups, size_bytes, runs };
    out.show(&view, text)?;
    Ok(ExitCode::SUCCESS)
}

/// As every process of this machine understands it.
fn target(args: &ClusterArgs) -> String {
    let place = args.out.clone().unwrap_or_else(|| format!("{}.clustered.parquet", args.model));
    match place.contains(':') {
        true => place,
        false => std::path::absolute(Path::new(&place))
            .map_or(place.clone(), |path| path.to_string_lossy().into_owned()),
    }
}

fn text(view: &View) -> String {
    format!(
        "{} of {} in {}, {} MiB\nwrite this into the spec, and add the model again:\n\n  [data]\n  source = {:?}",
        counted(view.rows, "row"),
        view.model,
        counted(view.row_groups as u64, "row group"),
        count(view.size_bytes.div_ceil(1 << 20)),
        view.source,
    )
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_message(match progress {
        Progress::Values(bytes) => format!("1/3 looking at all texts: {} MiB read", count(bytes >> 20)),
        Progress::Sorted(rows) => format!("2/3 sorting: {}", counted(rows, "row")),
        Progress::Written(rows, all) => format!("3/3 writing: {} of {}", count(rows), counted(all, "row")),
    });
}
