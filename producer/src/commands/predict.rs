//! `enqueue predict`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use dataset::stream::{Sink, Stream, WriteError};
use dataset::{Answer, Fields};
use dispatch::Other;
use indicatif::{ProgressBar, ProgressState};
use runtime::bucket;
use schemas::channel::Channel;
use schemas::limits::MESSAGE_ROWS_MAX;
use schemas::spec::{ModelSpec, Source};
use serde::Serialize;
use tokio::runtime::Handle;

use crate::args::data::PredictArgs;
use crate::bulk::asking::{Asking, By};
use crate::bulk::pipeline::{self, Tally};
use crate::output::{Output, count, counted};
use crate::session::{Session, patiently};
use crate::usage::usage;

/// The exit code of what a signal ended.
const INTERRUPTED: u8 = 130;

/// What became of the rows.
#[derive(Debug, Serialize)]
struct View {
    rows: u64,
    predicted: u64,
    failed: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_failed: Option<Failed>,
}

/// A row without a prediction.
#[derive(Debug, Serialize)]
struct Failed {
    /// Counted from 1.
    row: u64,
    error: String,
}

pub(super) async fn run(session: &Session, args: &PredictArgs, out: Output) -> anyhow::Result<ExitCode> {
    schemas::name::check("channel", &args.channel).map_err(usage)?;
    Sink::check(&args.out, args.force).map_err(write_error)?;
    let spec = session.model(&args.model).await?;
    let (by, fields) = patiently(async || look_up(session, &spec, args).await).await?;
    let (input, sink) = open(args, &spec, fields).await?;
    remark_on(&input, &spec, out);
    if let Some(Other { share, .. }) = &by.canary {
        out.remark(&format!(
            "the canary `{}` answers for {} % of the scopes, as over HTTP",
            share.channel, share.percent
        ));
    }
    let bar = bar(input.rows(), out);
    let asking = Asking::open(session, by).await?;
    let interrupted = runtime::shutdown::on_signals()?;
    let began = Instant::now();
    let work = async {
        let predictors = asking.wait().await?;
        let (tally, sink) =
            pipeline::run(input, sink, &asking, predictors, |rows| bar.set_position(rows)).await?;
        tokio::task::spawn_blocking(|| sink.finish()).await.context("writing")?.map_err(write_error)?;
        anyhow::Ok(tally)
    };
    let done = tokio::select! {
        done = work => Some(done),
        () = interrupted.cancelled() => None,
    };
    bar.finish_and_clear();
    asking.close().await;
    match done {
        Some(done) => finish(done.map_err(bad_input)?, began.elapsed().as_secs_f64(), args, out),
        None => {
            out.note(&format!("ended early; {} is as it was", args.out.display()));
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// The channel and its canary as they are now, and which columns their fits may read: those of the specs that they were made
/// with.
async fn look_up(session: &Session, spec: &ModelSpec, args: &PredictArgs) -> anyhow::Result<(By, Fields)> {
    let channel = session.channel(&spec.name, &args.channel).await?;
    let other = match &channel.canary {
        Some(share) => session.channel_now(&spec.name, &share.channel).await?,
        None => Channel::default(),
    };
    let mut fields = Fields::of(spec);
    for (id, campaign) in bucket::campaigns(&session.broker).await?.all().await? {
        if campaign.spec.name == spec.name && (channel.rank(&id).is_some() || other.rank(&id).is_some()) {
            fields = fields.and_older(&campaign.spec);
        }
    }
    let (name, state) = (args.channel.clone(), channel.state());
    let canary = channel.canary.map(|share| Other { share, state: other.state().into() });
    Ok((By { spec: spec.clone(), channel: name, state, canary }, fields))
}

async fn open(args: &PredictArgs, spec: &ModelSpec, fields: Fields) -> anyhow::Result<(Stream, Sink)> {
    let files = dataset::files::open(&Source::One(args.file.clone())).await;
    let files = files.map_err(|error| bad_input(dataset::Error::from(error).into()))?;
    let (answer, args, handle) = (Answer::of(spec), args.clone(), Handle::current());
    let opening = tokio::task::spawn_blocking(move || {
        let input = Stream::open(&files, fields, MESSAGE_ROWS_MAX, handle);
        let input = input.map_err(|error| bad_input(dataset::Error::from(error).into()))?;
        let sink = Sink::create(&args.out, &input, answer, args.force).map_err(write_error)?;
        Ok((input, sink))
    });
    opening.await.context("opening the file")?
}

/// Says at once what every row lacks.
fn remark_on(input: &Stream, spec: &ModelSpec, out: Output) {
    for column in input.lacking() {
        let hint = schemas::suggest::hint(column, input.columns());
        let consequence = match spec.scope.dimensions.iter().any(|dimension| dimension == column) {
            true => "coarser levels will answer",
            false => "rows whose fit needs it will fail",
        };
        out.remark(&format!("the input has no column `{column}`, so that {consequence}{hint}"));
    }
}

/// What is wrong with a file is the caller's to mend, unless it may pass.
fn bad_input(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<dataset::Error>() {
        Some(cause) if !cause.is_transient() => usage(format!("{error:#}")),
        _ => error,
    }
}

fn write_error(error: WriteError) -> anyhow::Error {
    if error.is_usage() { usage(error) } else { error.into() }
}

fn finish(tally: Tally, seconds: f64, args: &PredictArgs, out: Output) -> anyhow::Result<ExitCode> {
    let Tally { rows, failed, first_failed } = tally;
    let first_failed = first_failed.map(|(row, error)| Failed { row, error });
    let view = View { rows, predicted: rows - failed, failed, seconds, first_failed };
    out.show(&view, |view| text(view, args))?;
    Ok(if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn text(view: &View, args: &PredictArgs) -> String {
    let mut text = format!(
        "{} predicted in {:.2} s ({} per second), written to {}\n",
        counted(view.predicted, "row"),
        view.seconds,
        count((view.rows as f64 / view.seconds.max(1e-9)) as u64),
        args.out.display(),
    );
    if let Some(Failed { row, error }) = &view.first_failed {
        let failed = format!("{} of {}", count(view.failed), counted(view.rows, "row"));
        text += &format!("{failed} failed, the first is row {row}: {error}\n");
    }
    text
}

fn bar(rows: Option<u64>, out: Output) -> ProgressBar {
    let template = match rows {
        Some(_) => "{bar:30.cyan} {pos}/{len} rows  {elapsed}{rate}",
        None => "{pos} rows  {elapsed}{rate}",
    };
    let bar = out.bar(rows, template);
    let style = bar.style().with_key("rate", |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        // Writing to the bar's own text does not fail.
        let _ = write!(text, "  {:.0} rows/s", state.per_sec());
    });
    bar.with_style(style)
}
