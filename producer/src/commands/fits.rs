//! `enqueue fits`.

use std::process::ExitCode;

use anyhow::Context;
use runtime::fits::{self, FitView, Selection};
use schemas::channel::{Channel, LIVE};
use schemas::scope::Scope;

use crate::args::data::FitsArgs;
use crate::output::{Output, count, scope_name, table};
use crate::session::{Session, patiently};
use crate::usage::usage;

pub(super) async fn run(session: &Session, args: &FitsArgs, out: Output) -> anyhow::Result<ExitCode> {
    schemas::name::check("channel", &args.channel).map_err(usage)?;
    let spec = session.model(&args.model).await?;
    let parse = |text: &String| Scope::parse(text, &spec.scope.dimensions);
    let scopes: Vec<Scope> = args.scopes.iter().map(parse).collect::<Result<_, _>>().map_err(usage)?;
    let blobs = session.blobs().await?;
    let channel = channel(session, args).await?;
    let selection = Selection { spec: &spec, channel: &channel, scopes: &scopes };
    let views =
        patiently(async || fits::list(&session.broker, &blobs, selection).await.context("listing fits"))
            .await?;
    if views.is_empty() && !scopes.is_empty() {
        out.remark(&format!(
            "no campaign of the channel `{}` had such a scope; `enqueue fits {}` lists all",
            args.channel, args.model
        ));
    }
    out.show(&views, |views| text(views))?;
    Ok(ExitCode::SUCCESS)
}

/// The channel that is asked for; the usual one may have nothing yet.
async fn channel(session: &Session, args: &FitsArgs) -> anyhow::Result<Channel> {
    if args.channel != LIVE {
        return session.channel(&args.model, &args.channel).await;
    }
    session.channel_now(&args.model, LIVE).await
}

fn text(views: &[FitView]) -> String {
    if views.is_empty() {
        return "no fits yet; train some with `enqueue train`".into();
    }
    let windows = views.iter().any(|view| view.window.from.is_some() || view.window.to.is_some());
    let row = |view: &FitView| {
        let score = view.metrics.as_ref().and_then(|metrics| metrics.first().1);
        let mut cells = vec![scope_name(&view.scope).to_owned()];
        if windows {
            cells.push(window(view));
        }
        cells.extend([
            view.level.map_or("-".into(), |level| level.to_string()),
            view.outcome.to_owned(),
            count(view.rows),
            count(view.complete_rows),
            view.algorithm.to_owned(),
            score.map_or("-".into(), |score| format!("{score:.3}")),
            view.fingerprint.as_deref().map_or("-", |name| &name[..name.len().min(12)]).to_owned(),
            view.campaign.clone(),
        ]);
        cells
    };
    let score = score_names(views);
    let mut head =
        vec!["scope", "level", "outcome", "rows", "complete", "algorithm", &score, "fingerprint", "campaign"];
    if windows {
        head.insert(1, "window");
    }
    table(&head, &views.iter().map(row).collect::<Vec<_>>())
}

/// The names of the scores that are shown: two where fits of a changed spec stand beside older ones.
fn score_names(views: &[FitView]) -> String {
    let names = views.iter().filter_map(|view| view.metrics.as_ref()).map(|metrics| metrics.first().0);
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "score".into() } else { names.join(" or ").replace('_', " ") }
}

/// `2013-01-01T00:00:00Z..2013-07-01T00:00:00Z`; an open end is empty.
fn window(view: &FitView) -> String {
    let end = |end: &Option<String>| end.clone().unwrap_or_default();
    match (&view.window.from, &view.window.to) {
        (None, None) => "all time".into(),
        (from, to) => format!("{}..{}", end(from), end(to)),
    }
}
