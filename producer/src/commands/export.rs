//! `enqueue channel export`: a channel's specs, catalog and fits into one file.

mod choice;
mod copying;

use std::process::ExitCode;
use std::time::Instant;

use indicatif::ProgressBar;
use runtime::bundle::{self, Writer};
use runtime::store::Blobs;
use schemas::bundle::BundledModel;
use schemas::channel::Channel;
use serde::Serialize;

use self::choice::{Chosen, choose};
use self::copying::copy;
use crate::args::channel::ExportArgs;
use crate::commands::verify::bytes_text;
use crate::output::{Output, counted};
use crate::session::Session;
use crate::usage::usage;

/// The exit code of what a signal ended.
const INTERRUPTED: u8 = 130;

/// What was written.
#[derive(Debug, Serialize)]
struct View {
    file: String,
    channel: String,
    models: Vec<String>,
    fits: u64,
    bytes: u64,
    seconds: f64,
}

pub(super) async fn run(session: &Session, args: &ExportArgs, out: Output) -> anyhow::Result<ExitCode> {
    schemas::name::check("channel", &args.channel).map_err(usage)?;
    bundle::check(&args.out, args.force).map_err(file_error)?;
    let began = Instant::now();
    let blobs = session.blobs().await?;
    let chosen = choose(session, &blobs, args, out).await?;
    let fits = chosen.iter().map(|model| model.fits.len() as u64).sum();
    let bar = out.bar(Some(fits), "{bar:30.cyan} {pos}/{len} fits  {elapsed}");
    let interrupted = runtime::shutdown::on_signals()?;
    let written = tokio::select! {
        written = write(&blobs, args, chosen, &bar) => Some(written),
        () = interrupted.cancelled() => None,
    };
    bar.finish_and_clear();
    let Some(written) = written else {
        out.note(&format!("ended early; {} is as it was", args.out.display()));
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let (models, bytes) = written?;
    let (file, channel) = (args.out.display().to_string(), args.channel.clone());
    let view = View { file, channel, models, fits, bytes, seconds: began.elapsed().as_secs_f64() };
    out.show(&view, text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(view: &View) -> String {
    format!(
        "{} of {} on `{}` in {:.2} s, {} each, written to {} ({})\n",
        counted(view.fits, "fit"),
        view.models.join(", "),
        view.channel,
        view.seconds,
        bytes_text(view.bytes / view.fits.max(1)),
        view.file,
        bytes_text(view.bytes),
    )
}

/// What is wrong with a file's name or place is the caller's to mend.
pub(super) fn file_error(error: bundle::Error) -> anyhow::Error {
    let is_usage = error.is_usage();
    let error = anyhow::Error::from(error);
    if is_usage { usage(format!("{error:#}")) } else { error }
}

/// Writes the file; gives the models' names and its bytes.
async fn write(
    blobs: &Blobs,
    args: &ExportArgs,
    chosen: Vec<Chosen>,
    bar: &ProgressBar,
) -> anyhow::Result<(Vec<String>, u64)> {
    let mut writer = Writer::create(&args.out, args.force).map_err(file_error)?;
    let (mut names, mut models) = (Vec::new(), Vec::new());
    for Chosen { spec, channel, fits } in chosen {
        let model = copy(blobs, &mut writer, &spec.name, fits, bar).await?;
        names.push(spec.name.clone());
        // Moves cannot be taken back in a file, and its ledger is as long as it is.
        let channel = Channel { campaigns: channel.campaigns, ..Channel::default() };
        models.extend(model.snapshots().into_iter().map(|catalog| BundledModel {
            spec: spec.clone(),
            channel: channel.clone(),
            catalog,
        }));
    }
    // Nobody waits for this thread.
    let bytes = writer.finish(&args.channel, models).map_err(file_error)?;
    Ok((names, bytes))
}
