//! `enqueue dead`: what was set aside, and what becomes of it.

use std::process::ExitCode;

use anyhow::Context;
use runtime::{bucket, dead, jobs};
use schemas::dead::DeadLetter;
use schemas::envelope;
use schemas::pack::Pack;
use schemas::time::format_ms;
use serde::Serialize;

use super::retry;
use crate::args::operate::DeadCommand;
use crate::output::{Output, count, table};
use crate::session::Session;
use crate::usage::usage;

/// A dead pack as programs see it.
#[derive(Serialize)]
struct DeadView {
    id: u64,
    subject: String,
    deliveries: i64,
    reason: String,
    worker: String,
    at: String,
    size_bytes: usize,
    /// The pack, where the message is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pack: Option<Pack>,
    /// Its bytes as text, where it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

pub(super) async fn run(session: &Session, command: DeadCommand, out: Output) -> anyhow::Result<ExitCode> {
    match command {
        DeadCommand::List => list(session, out).await?,
        DeadCommand::Show { id } => {
            let view = view(find(session, id).await?, true);
            out.show(&view, text)?;
        }
        DeadCommand::Retry { id } => retry(session, find(session, id).await?, out).await?,
        DeadCommand::Drop { ids } => {
            for id in &ids {
                find(session, *id).await?;
                dead::forget(&session.broker, *id).await?;
            }
            out.show(&ids, |ids| format!("{} dropped", ids.len()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(session: &Session, id: u64) -> anyhow::Result<DeadLetter> {
    let found = dead::get(&session.broker, id).await?;
    found.ok_or_else(|| usage(format!("no dead pack {id}; see `enqueue dead list`")))
}

fn view(letter: DeadLetter, whole: bool) -> DeadView {
    let pack = envelope::decode::<Pack>(&letter.payload).ok();
    let payload = (whole && pack.is_none()).then(|| letter.payload.escape_ascii().to_string());
    DeadView {
        id: letter.stream_sequence,
        subject: letter.subject,
        deliveries: letter.deliveries,
        reason: letter.reason,
        worker: letter.worker,
        at: format_ms(letter.at_ms),
        size_bytes: letter.payload.len(),
        pack: pack.filter(|_| whole),
        payload,
    }
}

async fn list(session: &Session, out: Output) -> anyhow::Result<()> {
    let letters = dead::list(&session.broker).await?;
    let views: Vec<DeadView> = letters.into_iter().map(|letter| view(letter, false)).collect();
    out.show(&views, |views| {
        let row = |view: &DeadView| {
            let cells =
                [view.at.clone(), view.deliveries.to_string(), view.subject.clone(), view.reason.clone()];
            [vec![view.id.to_string()], cells.to_vec()].concat()
        };
        match views.is_empty() {
            true => "nothing is dead".into(),
            false => table(
                &["id", "at", "deliveries", "subject", "reason"],
                &views.iter().map(row).collect::<Vec<_>>(),
            ),
        }
    })
}

fn text(view: &DeadView) -> String {
    let what = match (&view.pack, &view.payload) {
        (Some(pack), _) => {
            let scopes = pack.scopes.iter().map(|scope| format!("\n  {}", scope.scope));
            format!("pack {} of {}, scopes:{}", pack.index, pack.campaign, scopes.collect::<String>())
        }
        (None, payload) => format!("no pack: {}", payload.as_deref().unwrap_or_default()),
    };
    format!(
        "{} on {}, {} bytes\nset aside {} by {} after {} deliveries: {}\n{what}",
        view.id,
        view.subject,
        count(view.size_bytes as u64),
        view.at,
        view.worker,
        view.deliveries,
        view.reason
    )
}

/// A pack's scopes have ended `failed` in their campaign: they are trained again in a new one. A message that was no pack
/// to the release that set it aside is queued again as it is: another release may read it.
async fn retry(session: &Session, letter: DeadLetter, out: Output) -> anyhow::Result<()> {
    let place = letter.stream_sequence;
    if let Ok(pack) = envelope::decode::<Pack>(&letter.payload) {
        let record = bucket::campaigns(&session.broker).await?.get(&pack.campaign).await?;
        let unknown = || usage(format!("the campaign {} of this pack is not on record", pack.campaign));
        let campaign = record.ok_or_else(unknown)?.value;
        let again = retry::campaign(&campaign, vec![pack.scopes]);
        session.order(&again.0, &again.1).await?;
        dead::forget(&session.broker, place).await?;
        return out
            .show(&again.0.id, |id| format!("its scopes are trained again: enqueue campaign watch {id}"));
    }
    jobs::queue_again(&session.broker, &letter.subject, letter.payload).await.context("queueing it again")?;
    dead::forget(&session.broker, place).await?;
    out.show(&letter.subject, |subject| format!("queued again on {subject}"))
}
