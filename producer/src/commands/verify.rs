//! `enqueue channel verify`: whether a bundle is whole, and what is in it. It asks neither broker nor store.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use runtime::bundle::Bundle;
use schemas::bundle::BundledModel;
use schemas::time::format_ms;
use serde::Serialize;

use super::export::file_error;
use crate::output::{Output, count, counted, table};

/// What is in a bundle.
#[derive(Debug, Serialize)]
struct View {
    file: String,
    channel: String,
    made_at: String,
    made_by: String,
    bytes: u64,
    unpacked_bytes: u64,
    fits: u64,
    models: Vec<ModelView>,
}

/// A model in it.
#[derive(Debug, Serialize)]
struct ModelView {
    model: String,
    revision: String,
    algorithm: String,
    fits: u64,
    /// Fits by the dimensions that their scopes fix.
    levels: BTreeMap<String, u64>,
    campaigns: u64,
    newest: Option<String>,
}

pub(super) async fn run(file: &Path, out: Output) -> anyhow::Result<()> {
    let file = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let bundle = Bundle::open(&file)?;
        let fits = bundle.contents().blocks.iter().map(|block| u64::from(block.fits)).sum();
        let bar = out.bar(Some(fits), "{bar:30.cyan} {pos}/{len} fits  {elapsed}");
        let verified = bundle.verify(|fits| bar.inc(fits));
        bar.finish_and_clear();
        verified.map(|()| bundle)
    });
    let bundle = reading.await.context("reading the bundle")?.map_err(file_error)?;
    out.show(&view(&bundle), text)
}

fn view(bundle: &Bundle) -> View {
    let contents = bundle.contents();
    let models: Vec<ModelView> = contents.models.iter().map(model_view).collect();
    View {
        file: bundle.file().display().to_string(),
        channel: contents.channel.clone(),
        made_at: format_ms(contents.made_at_ms),
        made_by: contents.made_by.clone(),
        bytes: bundle.file_bytes(),
        unpacked_bytes: contents.blocks.iter().map(|block| block.unpacked_bytes).sum(),
        fits: models.iter().map(|model| model.fits).sum(),
        models,
    }
}

fn model_view(BundledModel { spec, channel, catalog }: &BundledModel) -> ModelView {
    let mut levels: BTreeMap<String, u64> = BTreeMap::new();
    for level in catalog.levels() {
        let mask = level.and_then(|level| spec.level_masks().get(usize::from(level)).copied());
        let name = match mask {
            Some(0) => "(all rows)".to_owned(),
            Some(mask) => spec.level_names(mask).join(","),
            None => "(no level)".to_owned(),
        };
        *levels.entry(name).or_default() += 1;
    }
    ModelView {
        model: spec.name.clone(),
        revision: spec.revision(),
        algorithm: spec.learn.algorithm.clone(),
        fits: catalog.len() as u64,
        levels,
        campaigns: channel.campaigns.len() as u64,
        newest: channel.campaigns.last().cloned(),
    }
}

fn text(view: &View) -> String {
    let row = |model: &ModelView| {
        let levels = model.levels.iter().map(|(level, fits)| format!("{level}: {}", count(*fits)));
        let newest = model.newest.clone().unwrap_or_else(|| "-".into());
        let levels = levels.collect::<Vec<_>>().join("  ");
        vec![
            model.model.clone(),
            model.revision.clone(),
            model.algorithm.clone(),
            count(model.fits),
            newest,
            levels,
        ]
    };
    let rows: Vec<Vec<String>> = view.models.iter().map(row).collect();
    format!(
        "{}{} of the channel `{}`, exported {} by {}: {}, {} unpacked. Every byte and every fit is as it was written.\n",
        table(&["model", "revision", "algorithm", "fits", "newest campaign", "fits by level"], &rows),
        counted(view.fits, "fit"),
        view.channel,
        view.made_at,
        view.made_by,
        bytes_text(view.bytes),
        bytes_text(view.unpacked_bytes),
    )
}

/// 1,234 bytes as people read it: 1.2 kB.
pub(super) fn bytes_text(bytes: u64) -> String {
    match bytes {
        0..1_000 => counted(bytes, "byte"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
