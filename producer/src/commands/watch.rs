//! Following a campaign to its end.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState};
use runtime::broker::Broker;
use runtime::bucket;
use runtime::campaigns::{self, CampaignView, view_of};
use runtime::ledger::{Entry, Reader};
use runtime::presence;
use schemas::announce::Role;
use schemas::campaign::{Campaign, CampaignState, FailedScope, Tally};
use schemas::cost::CostModel;
use schemas::outcome::OutcomeKind;
use schemas::subjects::campaign_landings;

use crate::output::{Output, count, scope_name};
use crate::session::{Session, patiently};

/// Time without a landing after which it is worth saying that no trainer is there.
const LOOK_FOR_TRAINERS: Duration = Duration::from_secs(2);

/// Rejected scopes that people are shown: nothing is wrong with them. Programs get more.
const REJECTED_SHOWN_MAX: usize = 10;

/// The exit code of what a signal ended.
const INTERRUPTED: u8 = 130;

/// A campaign being followed.
pub(super) struct Watch {
    campaign: Campaign,
    reader: Reader,
    cost: CostModel,
    tally: Tally,
}

impl Watch {
    /// Follows `campaign` from its first landing on.
    pub(super) async fn open(broker: &Broker, campaign: &Campaign) -> anyhow::Result<Watch> {
        let landings = campaign_landings(&campaign.spec.name, &campaign.id);
        let reader = patiently(async || Ok(Reader::open(broker, &landings, 0).await?)).await?;
        let cost = CostModel::new(&campaign.spec);
        Ok(Watch { campaign: campaign.clone(), reader, cost, tally: Tally::default() })
    }

    /// Shows progress until every scope has its outcome, closes the campaign, and prints how it ended.
    /// The exit code says whether a scope failed. Gives up after `patience` without news.
    pub(super) async fn finish(
        mut self,
        session: &Session,
        patience: Duration,
        out: Output,
    ) -> anyhow::Result<ExitCode> {
        let bar = bar(self.campaign.planned, out);
        let mut news = Instant::now();
        let mut said = false;
        let interrupted = runtime::shutdown::on_signals()?;
        while self.tally.packs() < self.campaign.packs {
            let next = tokio::select! {
                next = tokio::time::timeout(LOOK_FOR_TRAINERS.min(patience), self.reader.next()) => next,
                () = interrupted.cancelled() => {
                    bar.finish_and_clear();
                    let id = &self.campaign.id;
                    out.note(&format!(
                        "the campaign goes on: enqueue campaign watch {id} (or end it: enqueue campaign cancel {id})"
                    ));
                    return Ok(ExitCode::from(INTERRUPTED));
                }
            };
            match next {
                Ok(Ok(Entry::Landing(_, landing))) => {
                    self.tally.add(&self.cost, &landing);
                    news = Instant::now();
                }
                Ok(Ok(Entry::CaughtUp | Entry::PassedOver(_))) => {}
                // The broker may be back soon: what has landed is read again, and counted once.
                Ok(Err(error)) => {
                    out.note(&format!("{:#}; reading again", anyhow::Error::from(error)));
                    self.reader = Watch::open(&session.broker, &self.campaign).await?.reader;
                }
                Err(_) => {
                    said = said || no_trainers(&session.broker, &bar, out).await;
                    if news.elapsed() > patience {
                        anyhow::bail!(
                            "no news of the campaign {} for {} s; it goes on: enqueue campaign watch {}",
                            self.campaign.id,
                            patience.as_secs(),
                            self.campaign.id
                        );
                    }
                }
            }
            bar.set_position(self.tally.scopes());
            bar.set_message(counts(&self.tally.outcomes));
        }
        bar.finish_and_clear();
        let closing = patiently(async || {
            let broker = &session.broker;
            let (campaigns, channels) =
                tokio::try_join!(bucket::campaigns(broker), bucket::channels(broker))?;
            Ok(campaigns::close(broker, (&campaigns, &channels), &self.campaign.id, &self.tally).await?)
        });
        let (closed, ()) = tokio::join!(closing, self.reader.close());
        let closed = closed?.unwrap_or(self.campaign);
        out.show(&view_of(&closed, &self.tally), text)?;
        let failed = self.tally.count(OutcomeKind::Failed) > 0 || closed.state == CampaignState::Cancelled;
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

async fn no_trainers(broker: &Broker, bar: &ProgressBar, out: Output) -> bool {
    let present = presence::roll_call(broker).await.unwrap_or_default();
    let none = !present.iter().any(|word| word.role == Role::Trainer);
    if none {
        bar.suspend(|| {
            out.note("no trainer is alive; the packs wait in the queue (start one: worker train)")
        });
    }
    none
}

fn bar(scopes: u64, out: Output) -> ProgressBar {
    let bar = out.bar(Some(scopes), "{bar:30.cyan} {pos}/{len} scopes  {elapsed}{left}  {msg}");
    let style = bar.style().with_key("left", left);
    bar.with_style(style)
}

/// The time left, once there is something to tell it from.
fn left(state: &ProgressState, text: &mut dyn std::fmt::Write) {
    if state.pos() > 0 {
        // Writing to the bar's own text does not fail.
        let _ = write!(text, "  {:.0}/s  {:.0} s left", state.per_sec(), state.eta().as_secs_f64());
    }
}

fn counts(outcomes: &BTreeMap<OutcomeKind, u64>) -> String {
    let named = outcomes.iter().map(|(kind, count)| format!("{count} {}", kind.name()));
    named.collect::<Vec<_>>().join(", ")
}

/// A campaign for people.
pub(super) fn text(view: &CampaignView) -> String {
    let mut text = format!(
        "campaign {} of {}: {} of {} scopes in {:.2} s ({:.0} per second)\n",
        view.id,
        view.model,
        view.outcomes.values().sum::<u64>(),
        view.planned,
        view.seconds,
        view.scopes_per_second,
    );
    if !view.outcomes.is_empty() {
        text += &format!("  {}\n", counts(&view.outcomes));
    }
    if view.packs_measured > 0 {
        text += &format!(
            "  {:.2} s of one core, planned {:.2} s; {} of {} packs took from half to twice of what was planned\n",
            view.learn_seconds, view.estimated_seconds, view.packs_within_2, view.packs_measured,
        );
    }
    let rejected = &view.rejected[..view.rejected.len().min(REJECTED_SHOWN_MAX)];
    for (kind, named) in [(OutcomeKind::Failed, view.failed.as_slice()), (OutcomeKind::Rejected, rejected)] {
        for FailedScope { scope, reason } in named {
            text += &format!("  {} {}: {reason}\n", kind.name(), scope_name(scope));
        }
        let all = view.outcomes.get(&kind).copied().unwrap_or_default();
        if all > named.len() as u64 {
            text += &format!("  and {} more {}\n", count(all - named.len() as u64), kind.name());
        }
    }
    text
}
