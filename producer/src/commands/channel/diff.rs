//! `enqueue channel diff`.

use std::collections::{BTreeMap, BTreeSet};

use runtime::catalog;
use schemas::catalog::{Catalog, Landed};
use schemas::channel::Channel;
use schemas::scope::Scope;
use serde::Serialize;

use crate::output::{Output, count, counted, scope_name, table};
use crate::session::Session;

/// A scope whose fits in two channels are not the same.
#[derive(Debug, Serialize)]
struct Difference {
    scope: String,
    /// `new`, `gone` or `changed`.
    change: &'static str,
    /// The score that is compared, the smaller the better.
    score: &'static str,
    before: Option<f64>,
    after: Option<f64>,
}

impl Difference {
    /// How much worse the score has become.
    fn worse(&self) -> f64 {
        self.after.zip(self.before).map_or(0.0, |(after, before)| after - before)
    }
}

/// Lists the scopes whose fits in two channels are not the same.
pub(super) async fn run(
    session: &Session,
    model: &str,
    (from, to): (&str, &str),
    out: Output,
) -> anyhow::Result<()> {
    session.model(model).await?;
    let (before, after) = (session.channel(model, from).await?, session.channel(model, to).await?);
    let blobs = session.blobs().await.ok();
    let known = catalog::of_model(&session.broker, blobs.as_ref(), model).await?;
    let differences = differences(&known, model, (&before, &after));
    out.show(&differences, |differences| text(differences, (from, to)))
}

/// New scopes, then gone ones, then those that changed, the worst first.
fn differences(known: &Catalog, model: &str, (before, after): (&Channel, &Channel)) -> Vec<Difference> {
    let fits = |channel: &Channel| -> BTreeMap<Scope, Landed> { known.answering(model, channel).collect() };
    let (before, after) = (fits(before), fits(after));
    let scopes: BTreeSet<&Scope> = before.keys().chain(after.keys()).collect();
    let mut differences: Vec<Difference> = scopes
        .into_iter()
        .filter_map(|scope| difference(scope, before.get(scope), after.get(scope)))
        .collect();
    let order = |one: &Difference| ["new", "gone", "changed"].iter().position(|change| *change == one.change);
    differences.sort_by(|a, b| order(a).cmp(&order(b)).then(b.worse().total_cmp(&a.worse())));
    differences
}

fn difference(scope: &Scope, before: Option<&Landed>, after: Option<&Landed>) -> Option<Difference> {
    let score = |landed: Option<&Landed>| {
        let metrics = landed?.metrics?;
        Some(runtime::fits::MetricsView::from(metrics).first())
    };
    let change = match (before, after) {
        (None, _) => "new",
        (_, None) => "gone",
        (Some(a), Some(b)) if a.fit.fingerprint != b.fit.fingerprint => "changed",
        _ => return None,
    };
    let (old, new) = (score(before), score(after));
    let name = new.or(old).map_or("score", |(name, _)| name);
    let same = |score: Option<(&'static str, Option<f64>)>| score.filter(|(own, _)| *own == name)?.1;
    Some(Difference { scope: scope.to_string(), change, score: name, before: same(old), after: same(new) })
}

fn text(differences: &[Difference], (from, to): (&str, &str)) -> String {
    if differences.is_empty() {
        return format!("`{from}` and `{to}` answer with the same fits");
    }
    let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}"));
    let row = |one: &Difference| {
        let by =
            one.after.zip(one.before).map_or("-".into(), |(after, before)| format!("{:+.3}", after - before));
        let scope = scope_name(&one.scope).to_owned();
        vec![
            scope,
            one.change.to_owned(),
            one.score.replace('_', " "),
            number(one.before),
            number(one.after),
            by,
        ]
    };
    let rows: Vec<Vec<String>> = differences.iter().map(row).collect();
    let counts = |change| differences.iter().filter(|one| one.change == change).count() as u64;
    format!(
        "{}{}: {} new, {} gone, {} changed\n",
        table(&["scope", "change", "score", from, to, "by"], &rows),
        counted(differences.len() as u64, "scope"),
        count(counts("new")),
        count(counts("gone")),
        count(counts("changed"))
    )
}
