//! `enqueue model`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use dataset::{Kind, Request, Role};
use schemas::spec::{ModelSpec, Source};

use crate::args::data::ModelCommand;
use crate::output::{Output, table};
use crate::session::{Session, patiently};
use crate::usage::usage;

/// Sources up to this size are read whole when a model is added.
const CHECKED_WHOLE_BYTES: u64 = 32 * 1024 * 1024;

pub(super) async fn run(session: &Session, command: ModelCommand, out: Output) -> anyhow::Result<ExitCode> {
    match command {
        ModelCommand::Add { file, unchecked } => add(session, &file, unchecked, out).await?,
        ModelCommand::List => list(session, out).await?,
        ModelCommand::Show { model } => {
            let spec = session.model(&model).await?;
            out.show(&spec, toml_text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(session: &Session, file: &Path, unchecked: bool, out: Output) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(file).map_err(|error| usage(format!("{}: {error}", file.display())))?;
    let mut spec = ModelSpec::parse(&text).map_err(|error| usage(format!("{}: {error}", file.display())))?;
    spec.data.source = absolute(spec.data.source);
    if !unchecked {
        check(&spec)
            .await
            .map_err(|error| usage(format!("{error:#} (--unchecked adds the model all the same)")))?;
    }
    patiently(async || session.models.put(&spec.name, &spec).await.context("adding the model")).await?;
    out.show(&spec, |spec| format!("model {} added, revision {}", spec.name, spec.revision()))
}

/// Paths as every process of this machine understands them, whatever folder it runs in.
fn absolute(source: Source) -> Source {
    let one = |place: String| match place.contains(':') {
        true => place,
        false => std::path::absolute(&place).map_or(place, |path| path.to_string_lossy().into_owned()),
    };
    match source {
        Source::One(place) => Source::One(one(place)),
        Source::Many(places) => Source::Many(places.into_iter().map(one).collect()),
    }
}

/// Looks whether the source has the columns that the spec names, and of the right kinds.
async fn check(spec: &ModelSpec) -> anyhow::Result<()> {
    let files = dataset::open(&spec.data).await?;
    let columns = files.columns().await?;
    let request = Request::for_training(spec);
    let wanted = request.dimensions.iter().chain(&request.texts).map(|name| (name, Role::Text));
    let wanted = wanted.chain(request.numbers.iter().map(|name| (name, Role::Number)));
    let wanted = wanted.chain(request.times.iter().chain(&request.time).map(|name| (name, Role::Time)));
    let is_small = files.stored_bytes().is_some_and(|bytes| bytes <= CHECKED_WHOLE_BYTES);
    for (name, role) in wanted {
        let mut found = columns.iter().filter(|(column, _)| column == name);
        let Some((_, kind)) = found.next() else {
            let hint = schemas::suggest::hint(name, columns.iter().map(|(column, _)| column.as_str()));
            anyhow::bail!("the source has no column `{name}`{hint}");
        };
        if found.next().is_some() {
            anyhow::bail!("the source has two columns `{name}`; name one otherwise");
        }
        // What texts say is seen below, where all of them are read.
        if role == Role::Number && *kind == Kind::Text && !is_small {
            anyhow::bail!(
                "column `{name}` of the source holds texts, but numbers are wanted: list a feature under `categorical`, learn a target with `task = \"classification\"`, or choose another column"
            );
        }
    }
    if is_small {
        // Formats without a schema show what a column holds only in its values; the first that is none is named.
        files.read(&request, 1).await?;
    }
    Ok(())
}

async fn list(session: &Session, out: Output) -> anyhow::Result<()> {
    let specs: Vec<ModelSpec> = session.models.all().await?.into_iter().map(|(_, spec)| spec).collect();
    out.show(&specs, |specs| {
        let row = |spec: &ModelSpec| {
            vec![
                spec.name.clone(),
                spec.revision(),
                spec.learn.algorithm.clone(),
                spec.learn.target.clone(),
                spec.scope.dimensions.join("+"),
                spec.data.source.places().join(" "),
            ]
        };
        match specs.is_empty() {
            true => "no models yet; add one with `enqueue model add FILE`".into(),
            false => table(
                &["model", "revision", "algorithm", "target", "dimensions", "source"],
                &specs.iter().map(row).collect::<Vec<_>>(),
            ),
        }
    })
}

fn toml_text(spec: &ModelSpec) -> String {
    // Every value of a checked spec has a TOML form.
    toml::to_string_pretty(spec).unwrap_or_default()
}
