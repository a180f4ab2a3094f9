//! Data whose models are known without training: in each scope, y is exactly a line of x.

use std::collections::BTreeSet;
use std::fmt::Write;

/// `groups` × `per_group` scopes of `rows` rows each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Data {
    pub(crate) groups: usize,
    pub(crate) per_group: usize,
    pub(crate) rows: usize,
}

impl Data {
    /// Slope and intercept of one scope, as decimals that CSV keeps exactly.
    fn line_at(group: usize, member: usize) -> (f64, f64) {
        let slope = (member % 23) as f64 * 0.5 - 4.25 + group as f64;
        (slope, (member * 7 + group * 1_000) as f64 * 0.25)
    }

    /// The rows, as CSV.
    pub(crate) fn csv(&self) -> String {
        let mut text = String::from("g,k,x,y\n");
        for row in 0..self.rows {
            for group in 0..self.groups {
                for member in 0..self.per_group {
                    let ((a, b), x) = (Data::line_at(group, member), row as f64 * 1.5 - 2.0);
                    writeln!(text, "g{group},k{member},{x},{}", a * x + b).expect("a text takes all");
                }
            }
        }
        text
    }

    /// What a perfect fit of `scope` predicts at `x`; `None` where the scope is none of this data.
    pub(crate) fn predicts(scope: &str, x: f64) -> Option<f64> {
        let (group, member) = scope.strip_prefix("g=g")?.split_once(",k=k")?;
        let (a, b) = Data::line_at(group.parse().ok()?, member.parse().ok()?);
        Some(a * x + b)
    }

    /// A pattern that means all scopes of these groups.
    pub(crate) fn pattern(groups: &[usize]) -> String {
        let names: Vec<String> = groups.iter().map(|group| format!("g{group}")).collect();
        format!("g={},k=*", names.join("|"))
    }

    /// The scopes of a pattern that [`Data::pattern`] made.
    pub(crate) fn scopes(&self, pattern: &str) -> BTreeSet<String> {
        let groups = pattern.trim_start_matches("g=").trim_end_matches(",k=*").split('|');
        let members = |group: &str| {
            let group = group.to_owned();
            (0..self.per_group).map(move |member| format!("g={group},k=k{member}"))
        };
        groups.flat_map(members).collect()
    }
}
