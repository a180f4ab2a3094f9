//! A plan in numbers.

use std::collections::BTreeMap;

use schemas::spec::ModelSpec;
use serde::Serialize;

use super::expand::Planned;
use super::packing::PlannedPack;
use super::shards::Cutting;
use crate::output::{count, counted, table};

/// What a campaign would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The model.
    pub model: String,
    /// All scopes.
    pub scopes: u64,
    /// By level, most exact first.
    pub levels: Vec<Level>,
    /// Scopes that have fewer rows than `min_rows` even before rows with nulls are dropped.
    pub too_few_rows: u64,
    /// Queue messages.
    pub packs: u64,
    /// Scopes that are too large for one message: the work on each is cut into shards, which a merge follows.
    pub sharded_scopes: u64,
    /// Their shards.
    pub shards: u64,
    /// What each shard has some of: trees, trials (of a candidate on a fold) or rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sharded_by: Option<&'static str>,
    /// Estimated work, in seconds of one core.
    pub estimated_seconds: f64,
}

/// The scopes of one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Level {
    /// Place in the fallback, if it has one.
    pub level: Option<u8>,
    /// The dimensions it fixes.
    pub dimensions: Vec<String>,
    /// Scopes.
    pub scopes: u64,
    /// Rows of the smallest.
    pub rows_smallest: u64,
    /// Rows of the median one.
    pub rows_median: u64,
    /// Rows of the largest.
    pub rows_largest: u64,
}

impl Summary {
    /// Sums up the packs of a plan.
    pub fn new(spec: &ModelSpec, packs: &[PlannedPack]) -> Summary {
        let ending = || packs.iter().filter(|pack| pack.work.ends_scopes());
        let scopes = || ending().flat_map(|pack| &pack.scopes);
        let merges = ending().filter(|pack| !pack.work.is_scopes()).count();
        let mut by_mask: BTreeMap<(u8, u32), Vec<&Planned>> = BTreeMap::new();
        for scope in scopes() {
            by_mask
                .entry((spec.level_of(scope.mask).unwrap_or(u8::MAX), scope.mask))
                .or_default()
                .push(scope);
        }
        let level = |((_, mask), scopes): ((u8, u32), Vec<&Planned>)| {
            let mut rows: Vec<u64> = scopes.iter().map(|scope| scope.rows).collect();
            rows.sort_unstable();
            Level {
                level: spec.level_of(mask),
                dimensions: spec.level_names(mask).into_iter().map(str::to_owned).collect(),
                scopes: rows.len() as u64,
                rows_smallest: rows[0],
                rows_median: rows[rows.len() / 2],
                rows_largest: rows[rows.len() - 1],
            }
        };
        Summary {
            model: spec.name.clone(),
            scopes: scopes().count() as u64,
            too_few_rows: scopes().filter(|scope| scope.rows < spec.learn.min_rows).count() as u64,
            packs: packs.len() as u64,
            sharded_scopes: merges as u64,
            shards: (packs.len() - ending().count()) as u64,
            sharded_by: Cutting::new(spec).filter(|_| merges > 0).map(|cutting| cutting.units()),
            estimated_seconds: packs.iter().map(|pack| pack.seconds).sum(),
            levels: by_mask.into_iter().map(level).collect(),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let row = |level: &Level| {
            vec![
                if level.dimensions.is_empty() { "(all rows)".into() } else { level.dimensions.join("+") },
                level.level.map_or("-".into(), |level| level.to_string()),
                count(level.scopes),
                count(level.rows_smallest),
                count(level.rows_median),
                count(level.rows_largest),
            ]
        };
        let rows: Vec<Vec<String>> = self.levels.iter().map(row).collect();
        let head = ["scopes of", "level", "scopes", "smallest", "median", "largest rows"];
        let sharded = match self.sharded_by {
            Some(units) => format!(
                "\n{} large: cut by {units} into {} shards, each scope with a merge of its own",
                counted(self.sharded_scopes, "scope"),
                count(self.shards),
            ),
            None => String::new(),
        };
        let too_few = match self.too_few_rows {
            0 => String::new(),
            few => format!("; at least {} with too few rows", count(few)),
        };
        format!(
            "{}\n{} in {}, about {:.2} s of one core{too_few}{sharded}\n",
            table(&head, &rows),
            counted(self.scopes, "scope"),
            counted(self.packs, "pack"),
            self.estimated_seconds,
        )
    }
}
