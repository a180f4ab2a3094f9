//! The rows of a scope.

use dataset::{Cached, Groups, Table};
use schemas::fingerprint::fingerprint;
use schemas::fit::Fit;
use schemas::limits::HOLDOUT_ROWS_MAX;
use schemas::pack::PackScope;
use schemas::spec::ModelSpec;
use schemas::window::Window;

use super::prepared::Prepared;
use super::warm::{Before, continued};

/// A scope of the pack with its rows.
pub(super) struct Slice<'a> {
    pub(super) scope: &'a PackScope,
    pub(super) mask: u32,
    pub(super) codes: Vec<u32>,
    /// Ids of its complete rows, in time order: the first `train` of them train, the rest score.
    pub(super) complete: Vec<u32>,
    pub(super) train: usize,
    pub(super) rows: usize,
    /// What its rows hash to.
    pub(super) digest: u128,
    pub(super) fingerprint: String,
    /// The fit it has, if only newer rows have come since.
    pub(super) before: Option<&'a Fit>,
}

/// Finds the rows of a scope.
pub(super) fn slice<'a>(
    spec: &ModelSpec,
    prepared: &Prepared,
    scope: &'a PackScope,
    before: &'a Before,
) -> Result<Slice<'a>, String> {
    let table = &prepared.data.table;
    let fixed = scope.scope.fixed().map_err(|error| error.to_string())?;
    let mask = spec.mask_of(&scope.scope).ok_or("the scope fixes a dimension that the model lacks")?;
    let names: Vec<&str> = fixed.iter().map(|(name, _)| name.as_str()).collect();
    let values: Vec<&str> = fixed.iter().map(|(_, value)| value.as_str()).collect();
    let groups = prepared.data.groups(&names);
    let (all, digest) = match groups.find_values(table, &values) {
        Some(group) => hashed(&prepared.data, &names, (group, groups.rows(group)), scope.window),
        None => (&[][..], prepared.data.row_hashes().digest(&[])),
    };
    let complete = prepared.complete_groups(&names);
    let complete = rows(table, &complete, &values, scope.window);
    let codes = fixed.iter().filter_map(|(name, value)| table.code(name, value)).collect();
    Ok(Slice {
        scope,
        mask,
        codes,
        train: train_rows(complete.len(), spec.learn.holdout),
        complete: complete.to_vec(),
        rows: all.len(),
        digest,
        before: continued(spec, prepared, (scope, all), before),
        fingerprint: fingerprint(spec, &scope.scope, scope.window, digest),
    })
}

/// The rows of a group that lie in `window`, and what they hash to.
fn hashed<'a>(
    data: &Cached,
    dimensions: &[&str],
    (group, rows): (usize, &'a [u32]),
    window: Window,
) -> (&'a [u32], u128) {
    match data.table.within(rows, window) {
        all if all.len() == rows.len() => (all, data.digests(dimensions)[group]),
        some => (some, data.row_hashes().digest(some)),
    }
}

/// The rows of the group with these values that lie in `window`, ascending, so in time order.
fn rows<'a>(table: &Table, groups: &'a Groups, values: &[&str], window: Window) -> &'a [u32] {
    let Some(group) = groups.find_values(table, values) else { return &[] };
    table.within(groups.rows(group), window)
}

/// How many of `complete_rows` train: ⌊(1 − holdout) · n⌋, not misled by a last binary digit; and all but
/// [`HOLDOUT_ROWS_MAX`], if that is more.
pub(super) fn train_rows(complete_rows: usize, holdout: f64) -> usize {
    let share = (1.0 - holdout) * complete_rows as f64;
    ((share + 1e-9).floor() as usize).max(complete_rows.saturating_sub(HOLDOUT_ROWS_MAX)).min(complete_rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hold_out_counts_are_those_of_exact_arithmetic() {
        for n in 0..10_000usize {
            assert_eq!(train_rows(n, 0.2), n * 4 / 5, "{n}");
            assert_eq!(train_rows(n, 0.3), n * 7 / 10, "{n}");
        }
        assert_eq!(train_rows(7, 0.0), 7);
        assert_eq!(train_rows(1_000_000_000, 0.2), 1_000_000_000 - HOLDOUT_ROWS_MAX);
    }
}
