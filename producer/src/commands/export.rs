//! `enqueue channel export`: a channel's specs, catalog and fits into one file.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runtime::bundle::{self, Writer};
use runtime::store::Blobs;
use runtime::{bucket, catalog, channels};
use schemas::bundle::BundledModel;
use schemas::catalog::{Catalog, Landed};
use schemas::channel::{Channel, LIVE};
use schemas::fit::Fit;
use schemas::limits::BUNDLE_BLOCK_BYTES;
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use serde::Serialize;

use crate::args::ExportArgs;
use crate::commands::verify::bytes_text;
use crate::output::{Output, counted};
use crate::session::{Session, patiently};
use crate::usage::usage;

/// The exit code of what a signal ended.
const INTERRUPTED: u8 = 130;

/// Blobs that are read at once.
const AT_ONCE: usize = 8;

/// What a fit has beside its parameters, about.
const FIT_BYTES: usize = 512;

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

/// A model with the fits that answer in the channel, by blob, so that each is read once.
struct Chosen {
    spec: ModelSpec,
    channel: Channel,
    fits: Vec<(Scope, Landed)>,
}

pub(super) async fn run(session: &Session, args: &ExportArgs, out: Output) -> anyhow::Result<ExitCode> {
    schemas::name::check("channel", &args.channel).map_err(usage)?;
    bundle::check(&args.out, args.force).map_err(file_error)?;
    let began = Instant::now();
    let blobs = session.blobs().await?;
    let chosen = choose(session, &blobs, args, out).await?;
    let fits = chosen.iter().map(|model| model.fits.len() as u64).sum();
    let bar = bar(fits, "fits", out);
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

/// The models that were asked for, or all that have fits on the channel.
async fn choose(
    session: &Session,
    blobs: &Blobs,
    args: &ExportArgs,
    out: Output,
) -> anyhow::Result<Vec<Chosen>> {
    let mut chosen = Vec::new();
    for spec in specs(session, &args.models).await? {
        let name = spec.name.clone();
        match fits_of(session, blobs, spec, &args.channel).await? {
            Some(model) => chosen.push(model),
            None if args.models.is_empty() => {
                out.note(&format!("{name} has no fits on the channel `{}` and is left out", args.channel));
            }
            None => return Err(no_fits(session, &name, &args.channel).await?),
        }
    }
    for Chosen { spec, channel, .. } in &chosen {
        let beside = channel.canary.iter().map(|share| ("canary", &share.channel));
        for (what, other) in beside.chain(channel.shadow.iter().map(|share| ("shadow", &share.channel))) {
            out.note(&format!(
                "the {what} `{other}` of {} is left out: the file answers without it",
                spec.name
            ));
        }
    }
    match chosen.is_empty() {
        true => Err(usage(format!(
            "no model has fits on the channel `{}`; see `enqueue channel list`, or train some with `enqueue train MODEL --scope …`",
            args.channel
        ))),
        false => Ok(chosen),
    }
}

async fn specs(session: &Session, models: &[String]) -> anyhow::Result<Vec<ModelSpec>> {
    if models.is_empty() {
        return Ok(session.models.all().await?.into_iter().map(|(_, spec)| spec).collect());
    }
    let mut names: Vec<&String> = models.iter().collect();
    names.sort_unstable();
    names.dedup();
    let mut specs = Vec::with_capacity(names.len());
    for name in names {
        specs.push(session.model(name).await?);
    }
    Ok(specs)
}

/// `None` where the channel has no fit.
async fn fits_of(
    session: &Session,
    blobs: &Blobs,
    spec: ModelSpec,
    name: &str,
) -> anyhow::Result<Option<Chosen>> {
    let channel = patiently(async || {
        let buckets = bucket::channels(&session.broker).await?;
        Ok(channels::read(&buckets, &spec.name, name).await?)
    });
    let channel = channel.await?;
    if channel.campaigns.is_empty() {
        return Ok(None);
    }
    let known =
        patiently(async || Ok(catalog::of_model(&session.broker, Some(blobs), &spec.name).await?)).await?;
    let mut fits: Vec<(Scope, Landed)> = known.answering(&spec.name, &channel).collect();
    fits.sort_unstable_by(|(_, a), (_, b)| (&a.fit.blob, a.fit.index).cmp(&(&b.fit.blob, b.fit.index)));
    Ok((!fits.is_empty()).then_some(Chosen { spec, channel, fits }))
}

/// That a model has no fits on a channel, with the nearest one that it has.
async fn no_fits(session: &Session, model: &str, channel: &str) -> anyhow::Result<anyhow::Error> {
    let all = bucket::channels(&session.broker).await?.all().await?;
    let own = all.iter().filter_map(|(key, _)| key.strip_prefix(model)?.strip_prefix('.'));
    let hint = schemas::suggest::hint(channel, own);
    let option = if channel == LIVE { String::new() } else { format!(" --channel {channel}") };
    Ok(usage(format!(
        "{model} has no fits on the channel `{channel}`{hint}; train some with `enqueue train {model} --scope …{option} --wait`"
    )))
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

/// Copies fits, and gives a catalog that says where they are now. No more are in memory than a block and the blobs that are
/// being read.
async fn copy(
    blobs: &Blobs,
    writer: &mut Writer,
    model: &str,
    fits: Vec<(Scope, Landed)>,
    bar: &ProgressBar,
) -> anyhow::Result<Catalog> {
    let mut block =
        Pending { model, catalog: Catalog::default(), fits: Vec::new(), places: Vec::new(), bytes: 0 };
    let by_blob = fits.chunk_by(|(_, a), (_, b)| a.fit.blob == b.fit.blob);
    let reading = by_blob.map(|own| async move {
        let blob = blobs.get(&own[0].1.fit.blob).await?;
        anyhow::Ok((own, blob))
    });
    let mut reading = std::pin::pin!(stream::iter(reading).buffered(AT_ONCE));
    while let Some((own, blob)) = reading.try_next().await.context("reading fits")? {
        for (scope, landed) in own {
            let fit = blob.fit(landed.fit.index).with_context(|| format!("the fit of `{scope}`"))?;
            block.add(writer, fit, (scope, landed))?;
            bar.inc(1);
        }
    }
    block.flush(writer)?;
    Ok(block.catalog)
}

/// Fits that will be one block.
struct Pending<'a> {
    model: &'a str,
    catalog: Catalog,
    fits: Vec<Fit>,
    places: Vec<(&'a Scope, &'a Landed)>,
    bytes: usize,
}

impl<'a> Pending<'a> {
    fn add(&mut self, writer: &mut Writer, fit: Fit, place: (&'a Scope, &'a Landed)) -> anyhow::Result<()> {
        // What further training would go on from answers nothing.
        let fit = Fit { sums: None, ..fit };
        self.bytes += FIT_BYTES + fit.parameters.size_bytes();
        self.fits.push(fit);
        self.places.push(place);
        if self.bytes >= BUNDLE_BLOCK_BYTES { self.flush(writer) } else { Ok(()) }
    }

    fn flush(&mut self, writer: &mut Writer) -> anyhow::Result<()> {
        if self.fits.is_empty() {
            return Ok(());
        }
        let blob = writer.add(&self.fits).map_err(file_error)?;
        for (index, (scope, landed)) in (0..).zip(self.places.drain(..)) {
            let mut moved = landed.clone();
            (moved.fit.blob, moved.fit.index) = (blob.clone(), index);
            self.catalog.add(self.model, scope.clone(), &moved);
        }
        self.fits.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// A bar for so many things, where a person watches.
pub(super) fn bar(of: u64, what: &str, out: Output) -> ProgressBar {
    let target = if out.is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(of), target);
    if let Ok(style) =
        ProgressStyle::with_template(&format!("{{bar:30.cyan}} {{pos}}/{{len}} {what}  {{elapsed}}"))
    {
        bar.set_style(style);
    }
    bar
}
