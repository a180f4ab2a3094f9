//! `enqueue channel rollback`.

use anyhow::Context;
use runtime::{bucket, catalog, channels};
use schemas::catalog::Catalog;
use schemas::channel::{Channel, RolledBack};

use crate::output::{Output, count};
use crate::session::Session;
use crate::usage::usage;

/// What a channel's going back changes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Changes {
    /// Scopes that answer with another fit.
    other: u64,
    /// Scopes that have no fit of their own any more.
    none: u64,
}

/// Takes back the last move of a channel that has changed an answer, and the ones after it.
pub(super) async fn run(session: &Session, (model, name): (&str, &str), out: Output) -> anyhow::Result<()> {
    session.model(model).await?;
    session.channel(model, name).await?;
    let blobs = session.blobs().await.ok();
    let known = catalog::of_model(&session.broker, blobs.as_ref(), model).await?;
    let buckets = bucket::channels(&session.broker).await?;
    let mut changes = Changes::default();
    // Not patiently: a move whose answer was lost must not be taken back twice.
    let moved = channels::roll_back(&buckets, (model, name), |now, before| {
        changes = differing(&known, model, (now, before));
        changes != Changes::default()
    });
    let RolledBack { taken, idle, .. } = moved.await.context("moving the channel")?.ok_or_else(|| {
        usage(format!(
            "no move of the channel `{name}` of {model} has changed an answer; nothing was taken back"
        ))
    })?;
    let Changes { other, none } = changes;
    let view = serde_json::json!({
        "model": model, "channel": name, "taken_back": taken, "without_effect": idle, "changed": other, "gone": none,
    });
    out.show(&view, |_| {
        let mut text = format!("`{name}` of {model} is as it was before {}", taken.join(", "));
        if !idle.is_empty() {
            text += &format!(" (and before {}, which had changed no answer)", idle.join(", "));
        }
        text + &format!(
            "\nscopes that answer with an older fit: {}; with none of their own any more: {}\n",
            count(other),
            count(none)
        )
    })
}

/// How the answers of a channel differ from those that it would give in another state.
fn differing(known: &Catalog, model: &str, (now, then): (&Channel, &Channel)) -> Changes {
    let mut changes = Changes::default();
    for (scope, landed) in known.answering(model, now) {
        match known.resolve(model, then, &scope) {
            None => changes.none += 1,
            Some(older) if older.fit.fingerprint != landed.fit.fingerprint => changes.other += 1,
            Some(_) => {}
        }
    }
    changes
}
