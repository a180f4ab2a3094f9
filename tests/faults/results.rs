//! The table of figures, on the terminal and in RESULTS.md.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{Mode, Ran};

/// The figures of one scenario.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    kills: usize,
    campaigns: usize,
    planned: u64,
    outcomes: BTreeMap<String, u64>,
    packs: usize,
    repeated: usize,
    orphans: usize,
    seconds: f64,
    pub(crate) losses: usize,
    pub(crate) told: Vec<String>,
    notes: Vec<String>,
}

impl Row {
    pub(crate) fn new(name: &'static str, took: Duration, ran: Ran) -> Row {
        let Ran { field, kills, audit } = ran;
        let notes = field.notes();
        // Logs and data of a loss are worth more than the space they take.
        if (audit.losses > 0 || std::env::var_os("FAULTS_KEEP").is_some())
            && let Some(field) = std::sync::Arc::into_inner(field)
        {
            eprintln!("the logs of {name} are kept in {}", field.folder.keep().display());
        }
        Row {
            name,
            kills,
            campaigns: audit.campaigns,
            planned: audit.planned,
            outcomes: audit.outcomes,
            packs: audit.landings,
            repeated: audit.repeated,
            orphans: audit.orphans,
            seconds: took.as_secs_f64(),
            losses: audit.losses,
            told: audit.told,
            notes: counted(notes.into_iter()),
        }
    }

    /// A scenario that did not get as far as its audit.
    pub(crate) fn broken(name: &'static str, took: Duration, why: String) -> Row {
        Row { name, seconds: took.as_secs_f64(), losses: 1, told: vec![why], ..Row::default() }
    }

    fn ends(&self) -> String {
        let ends: Vec<String> = self.outcomes.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        ends.join(", ")
    }

    /// The figures in one line, then the notes.
    pub(crate) fn told(&self) -> String {
        let text = format!(
            "{}: {} kills, {} campaigns, {} scopes planned, {}; {} packs, {} learned again, {} orphans, {:.1} s, {} losses",
            self.name,
            self.kills,
            self.campaigns,
            self.planned,
            self.ends(),
            self.packs,
            self.repeated,
            self.orphans,
            self.seconds,
            self.losses
        );
        text + &self.notes.iter().map(|note| format!("\n  {note}")).collect::<String>()
    }
}

/// Texts with how often they occur.
fn counted(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    texts.for_each(|text| *counts.entry(text).or_default() += 1);
    let times = |(text, count): (String, usize)| match count {
        1 => text,
        _ => format!("{count} × {text}"),
    };
    counts.into_iter().map(times).collect()
}

/// A text without the names of campaigns, which are of one run only.
fn nameless(text: &str) -> String {
    let is_name =
        |word: &str| word.len() > 20 && word.starts_with("20") && word.as_bytes().get(8) == Some(&b't');
    let name = |word: &str| match is_name(word.trim_end_matches(':')) {
        true => "a campaign".to_owned(),
        false => word.to_owned(),
    };
    text.split(' ').map(name).collect::<Vec<_>>().join(" ")
}

/// Writes RESULTS.md.
pub(crate) fn write(rows: &[Row], mode: Mode) -> Result<()> {
    let quick = if mode.quick { " FAULTS=--quick" } else { "" };
    let mut text = format!(
        "# What `make test-faults` found\n\n`FAULTS_SEED={} make test-faults{quick}`\n\n\
         | scenario | kills | campaigns | scopes planned | outcomes | packs landed | learned again | orphans | seconds | losses |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        mode.seed
    );
    for row in rows {
        let cells = [row.kills, row.campaigns].map(|cell| cell.to_string()).join(" | ");
        let more = [row.packs, row.repeated, row.orphans].map(|cell| cell.to_string()).join(" | ");
        let (ends, planned) = (row.ends(), row.planned);
        let line = format!("| {cells} | {planned} | {ends} | {more} | {:.1} | {} |", row.seconds, row.losses);
        writeln!(text, "| `{}` {line}", row.name)?;
    }
    text.push_str(
        "\n\
         Kills: of trainers, `enqueue` or servers, as the scenario says. Learned again: packs whose fits were made once more, \
         because what was made before did not land. Orphans: blobs that no outcome names, left by a crash between \
         writing a blob and landing it. Losses: whatever the auditor objects to.\n",
    );
    for row in rows.iter().filter(|row| !row.notes.is_empty() || !row.told.is_empty()) {
        write!(text, "\n**{}**\n\n", row.name)?;
        text += &counted(row.told.iter().map(|told| format!("LOSS: {}", nameless(told))))
            .iter()
            .map(|told| format!("* {told}\n"))
            .collect::<String>();
        text += &row.notes.iter().map(|note| format!("* {note}\n")).collect::<String>();
    }
    let file = tests::program::root().join("tests/faults/RESULTS.md");
    std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
}
