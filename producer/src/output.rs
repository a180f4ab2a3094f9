//! What people and programs see.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Results for programs, or for people.
    pub fn new(json: bool) -> Output {
        Output { json }
    }

    /// Whether results are for programs.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person watches: progress bars and colour make sense.
    pub fn is_watched(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// Prints `value` as JSON, or as the text that `human` makes.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn show<T: Serialize>(self, value: &T, human: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        let text = if self.json {
            serde_json::to_string_pretty(value).context("writing JSON")?
        } else {
            human(value).trim_end().to_owned()
        };
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            // A reader such as `head` has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("writing the result"),
        }
    }

    /// What programs, too, should have in their log: on standard error, beside results for whoever.
    pub fn remark(self, text: &str) {
        eprintln!("{text}");
    }

    /// A bar of a known or unknown length, drawn by indicatif's `template` where a person watches.
    pub fn bar(self, length: Option<u64>, template: &str) -> ProgressBar {
        let target =
            if self.is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(length, target);
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            // Templates are constants: a wrong one is seen by whoever writes it.
            Err(_) => bar,
        }
    }

    /// A remark for people, on standard error.
    pub fn note(self, text: &str) {
        if !self.json {
            eprintln!("{text}");
        }
    }
}

/// `1 pack`, `1,200 packs`.
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

/// A cell with more characters is cut: no reason is as long, but a value of a dimension may be.
const CELL_CHARS_MAX: usize = 600;

/// Rows as a table with aligned columns: the first column to the left, the others to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cut(cell).chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let cell = cut(cell);
            match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(head.to_vec());
    rows.iter().for_each(|row| text += &line(row.iter().map(String::as_str).collect()));
    text
}

fn cut(cell: &str) -> Cow<'_, str> {
    match cell.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &cell[..end]).into(),
        None => cell.into(),
    }
}

/// A scope for people: the empty text is hard to see.
pub fn scope_name(scope: &str) -> &str {
    if scope.is_empty() { "(all rows)" } else { scope }
}

/// A count with thousands set apart: 336,776.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_counts_group() {
        let text =
            table(&["scope", "rows"], &[vec!["a".into(), count(336_776)], vec!["abcdef".into(), count(7)]]);
        assert_eq!(text, "scope      rows\na       336,776\nabcdef        7\n");
        assert_eq!((count(999), count(1_000_000)), ("999".into(), "1,000,000".into()));
    }
}
