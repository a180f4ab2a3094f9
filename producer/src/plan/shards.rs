//! Cutting the work on a scope that is too large for one job.

use std::collections::HashMap;

use dataset::{Request, Sampled};
use schemas::algorithm::Algorithm;
use schemas::limits::SHARDS_MAX;
use schemas::scope::Scope;
use schemas::shard::{Part, Work};
use schemas::spec::{Candidate, FoldWindow, LearnSpec, ModelSpec};
use schemas::window::Window;

use super::expand::Planned;
use super::packing::PlannedPack;

/// Share of a scope's work that is left for the merge: it reads some rows once more and scores. That of a search also makes
/// the fit.
const MERGE_SHARE: f64 = 0.02;

/// What a trial on sums that are there takes of one that goes through the rows: so little that one part has all of them.
const SUMMED_TRIAL: f64 = 0.01;

/// Times of a scope's rows that are looked at, to cut it into stretches of about as many rows.
const SAMPLES: u64 = 4_096;

/// Scopes that are cut by rows, at most: each is looked for in every row.
const CUT_BY_ROWS_MAX: usize = 64;

/// What the work on one scope falls apart into.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Units {
    /// Trees of a forest.
    Trees(u32),
    /// Trials of a search on so many folds: per candidate whether sums of the rows, taken once for all of them, are its work; and
    /// whether later folds have more rows.
    Trials { by_sums: Vec<bool>, folds: u32, growing: bool },
    /// Rows, by time.
    Rows,
}

/// How a model's large scopes are cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Cutting {
    units: Units,
    /// Planned seconds of one core from which a scope is cut, and of each piece.
    shard_seconds: f64,
    /// Bytes from which the rows of a scope are cut, and of each piece; and of each row.
    shard_bytes: u64,
    row_bytes: u64,
    /// Per scope times of its rows, evenly spread and ascending.
    times: HashMap<(Scope, Window), Vec<i64>>,
}

impl Cutting {
    /// How the scopes of `spec` are cut; `None` where the work on one does not fall apart.
    pub fn new(spec: &ModelSpec) -> Option<Cutting> {
        // Series are short; what is learned anew from all rows would be grown twice.
        let candidates = spec.learn.candidates().ok().filter(|_| spec.learn.series.is_none())?;
        let units = match &candidates[..] {
            [one] if matches!(one.algorithm, Algorithm::Forest | Algorithm::ExtraTrees) => {
                let trees = one.algorithm.param(&one.params, "trees") as u32;
                (!spec.learn.refit && trees > 1).then_some(Units::Trees(trees))?
            }
            // A gate compares rows that a merge of sums does not keep.
            [one] if spec.data.time.is_some() && spec.release.gate.is_none() && adds_up(&spec.learn, one) => {
                Units::Rows
            }
            [_, _, ..] => {
                let by_sums: Vec<bool> = candidates.iter().map(|one| one.algorithm.is_mergeable()).collect();
                // One pass over the rows serves all; parts would take one each.
                if by_sums.iter().all(|by_sums| *by_sums) {
                    return None;
                }
                let search = spec.learn.search.as_ref();
                let growing = search.is_none_or(|search| search.window == FoldWindow::Expanding);
                Units::Trials { by_sums, folds: spec.learn.trial_folds(), growing }
            }
            _ => return None,
        };
        Some(Cutting {
            units,
            shard_seconds: spec.limits.shard_seconds,
            shard_bytes: spec.limits.shard_mib << 20,
            row_bytes: Request::for_training(spec).row_bytes(),
            times: HashMap::new(),
        })
    }

    /// The word for what each shard has some of.
    pub fn units(&self) -> &'static str {
        match self.units {
            Units::Trees(_) => "trees",
            Units::Trials { .. } => "trials",
            Units::Rows => "rows",
        }
    }

    /// The scopes that are to be cut by the times of their rows, and how many rows lie from one wanted time to the next.
    pub fn wants_times(&self, scopes: &[Planned], cost: impl Fn(&Planned) -> f64) -> Vec<Sampled> {
        let large = |scope: &&Planned| self.units == Units::Rows && self.pieces(scope, cost(scope)) > 1;
        let sampled = |scope: &Planned| (scope.scope.clone(), scope.window, scope.rows.div_ceil(SAMPLES));
        scopes.iter().filter(large).take(CUT_BY_ROWS_MAX).map(sampled).collect()
    }

    /// The same, knowing the times that were wanted.
    #[must_use]
    pub fn with_times(mut self, wanted: Vec<Sampled>, times: Vec<Vec<i64>>) -> Cutting {
        let keys = wanted.into_iter().map(|(scope, window, _)| (scope, window));
        self.times = keys.zip(times).collect();
        self
    }

    /// Whether a scope of so much work is cut.
    pub fn is_large(&self, scope: &Planned, seconds: f64) -> bool {
        match self.units {
            Units::Trees(_) | Units::Trials { .. } => seconds > self.shard_seconds,
            Units::Rows => self.windows(scope, seconds).len() > 1,
        }
    }

    /// Jobs of the wanted size that the work on a scope makes.
    fn pieces(&self, scope: &Planned, seconds: f64) -> u32 {
        let by_bytes = match self.units {
            Units::Rows => scope.rows.saturating_mul(self.row_bytes).div_ceil(self.shard_bytes.max(1)) as f64,
            Units::Trees(_) | Units::Trials { .. } => 1.0,
        };
        let by_seconds = (seconds / self.shard_seconds).ceil();
        by_seconds.max(by_bytes).clamp(1.0, f64::from(SHARDS_MAX)) as u32
    }

    /// The stretches of time that a scope is cut into; rows of one moment stay together.
    fn windows(&self, scope: &Planned, seconds: f64) -> Vec<Window> {
        let times = self.times.get(&(scope.scope.clone(), scope.window)).map_or(&[][..], Vec::as_slice);
        let wanted = self.pieces(scope, seconds) as usize;
        let mut cuts: Vec<i64> =
            (1..wanted).filter_map(|at| times.get(at * times.len() / wanted).copied()).collect();
        cuts.dedup();
        cuts.retain(|cut| Some(cut) != times.first() && scope.window.from_ms.is_none_or(|from| *cut > from));
        let from = std::iter::once(scope.window.from_ms).chain(cuts.iter().copied().map(Some));
        let to = cuts.iter().copied().map(Some).chain([scope.window.to_ms]);
        from.zip(to).map(|(from_ms, to_ms)| Window { from_ms, to_ms }).collect()
    }

    /// The packs of one scope of `seconds`: shards, then the merge. The first is the campaign's pack number `first`.
    pub fn packs(&self, scope: &Planned, seconds: f64, first: u32) -> Vec<PlannedPack> {
        let weights = self.weights();
        let parts = match self.units {
            Units::Trees(_) => self.counted(scope, (&weights, seconds), |from, to| Part::Trees { from, to }),
            Units::Trials { .. } => {
                self.counted(scope, (&weights, seconds), |from, to| Part::Trials { from, to })
            }
            Units::Rows => self.stretches(scope, seconds),
        };
        let merge_share = match self.units {
            // One more fit, on the rows of all folds.
            Units::Trials { .. } => MERGE_SHARE.max(1.0 / (weights.iter().sum::<f64>() + 1.0)),
            Units::Trees(_) | Units::Rows => MERGE_SHARE,
        };
        let shards = first..first + parts.len() as u32;
        let shard = |(scope, part, share): (Planned, Part, f64)| {
            let seconds = seconds * share * (1.0 - merge_share);
            PlannedPack::of_one(scope, seconds, Work::Shard { part, shards: shards.clone() })
        };
        let mut packs: Vec<PlannedPack> = parts.into_iter().map(shard).collect();
        let merge = Work::Merge { shards, rows: self.units == Units::Rows };
        packs.push(PlannedPack::of_one(scope.clone(), seconds * merge_share, merge));
        packs
    }

    /// What each unit costs: a tree 1, a trial the share of the training rows that it learns from.
    fn weights(&self) -> Vec<f64> {
        match &self.units {
            Units::Rows => Vec::new(),
            Units::Trees(trees) => vec![1.0; *trees as usize],
            Units::Trials { by_sums, folds, growing } => {
                let stretches = |fold: u32| if *growing { fold + 1 } else { 1 };
                let share = |fold| f64::from(stretches(fold)) / f64::from(folds + 1);
                let weight = |by_sums: &bool| if *by_sums { SUMMED_TRIAL } else { 1.0 };
                by_sums
                    .iter()
                    .flat_map(|by_sums| (0..*folds).map(move |fold| weight(by_sums) * share(fold)))
                    .collect()
            }
        }
    }

    /// Parts of a scope by numbers, of about as much work each, with their shares of it.
    fn counted(
        &self,
        scope: &Planned,
        (weights, seconds): (&[f64], f64),
        part: impl Fn(u32, u32) -> Part,
    ) -> Vec<(Planned, Part, f64)> {
        let count = self.pieces(scope, seconds).clamp(2, weights.len() as u32);
        let total: f64 = weights.iter().sum();
        let (mut parts, mut from, mut own, mut done) = (Vec::new(), 0, 0.0, 0.0);
        for (place, weight) in (0u32..).zip(weights) {
            own += weight;
            let (next, left) = (parts.len() as u32 + 1, weights.len() as u32 - place - 1);
            // No part is left without a unit.
            let is_full = done + own >= total * f64::from(next) / f64::from(count) || left <= count - next;
            if left == 0 || (is_full && next < count) {
                parts.push((scope.clone(), part(from, place + 1), own / total));
                (from, own, done) = (place + 1, 0.0, done + own);
            }
        }
        parts
    }

    /// Parts of a scope by time, each with about as many rows.
    fn stretches(&self, scope: &Planned, seconds: f64) -> Vec<(Planned, Part, f64)> {
        let windows = self.windows(scope, seconds);
        let count = windows.len();
        let one = |window| {
            let rows = scope.rows / count as u64;
            (Planned { window, rows, ..scope.clone() }, Part::Rows, 1.0 / count as f64)
        };
        windows.into_iter().map(one).collect()
    }
}

/// Whether the fit of a candidate needs no more than sums of most rows.
fn adds_up(learn: &LearnSpec, candidate: &Candidate) -> bool {
    candidate.algorithm.is_mergeable() && !learn.warm_start
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope() -> Planned {
        Planned { scope: Scope::all(), window: Window::ALL, mask: 0, family: None, rows: 1_000_000 }
    }

    fn cutting(units: Units, times: Vec<i64>) -> Cutting {
        let times = HashMap::from([((Scope::all(), Window::ALL), times)]);
        Cutting { units, shard_seconds: 5.0, shard_bytes: 1 << 20, row_bytes: 1, times }
    }

    proptest! {
        #[test]
        fn parts_are_all_of_the_work_each_once(
            candidates in 2u32..40,
            folds in 1u32..12,
            growing in any::<bool>(),
            seconds in 0.1f64..1e4,
            first in 0u32..50,
        ) {
            let units = candidates * folds;
            let by_sums = vec![false; candidates as usize];
            let cutting = cutting(Units::Trials { by_sums, folds, growing }, Vec::new());
            let packs = cutting.packs(&scope(), seconds, first);
            let (merge, shards) = packs.split_last().unwrap();
            prop_assert!((2..=SHARDS_MAX as usize).contains(&shards.len()));
            let all = first..first + shards.len() as u32;
            prop_assert_eq!(&merge.work, &Work::Merge { shards: all.clone(), rows: false });
            let mut next = 0;
            for shard in shards {
                let Work::Shard { part: Part::Trials { from, to }, shards } = &shard.work else { panic!("no trials") };
                prop_assert!(*from == next && to > from && *shards == all);
                prop_assert_eq!(shard.work.merge(), Some(all.end));
                next = *to;
            }
            prop_assert_eq!(next, units);
            // As even as whole trials allow.
            let wanted = cutting.pieces(&scope(), seconds).clamp(2, units);
            prop_assert_eq!(shards.len(), wanted as usize);
            let most = shards.iter().map(|pack| pack.seconds).fold(0.0, f64::max);
            let trial = seconds * f64::from(folds) / f64::from(folds + 1) / cutting.weights().iter().sum::<f64>();
            prop_assert!(most <= seconds / f64::from(wanted) + 2.0 * trial, "{} of {}", most, seconds);
            let total: f64 = packs.iter().map(|pack| pack.seconds).sum();
            prop_assert!((total / seconds - 1.0).abs() < 1e-9);
        }

        #[test]
        fn stretches_cover_all_time_once(times in prop::collection::vec(-50i64..50, 0..200), seconds in 0.1f64..1e3) {
            let mut times = times;
            times.sort_unstable();
            let cutting = cutting(Units::Rows, times.clone());
            let windows = cutting.windows(&scope(), seconds);
            prop_assert!(windows.len() <= SHARDS_MAX as usize);
            prop_assert_eq!((windows[0].from_ms, windows[windows.len() - 1].to_ms), (None, None));
            prop_assert!(windows.windows(2).all(|pair| pair[0].to_ms == pair[1].from_ms && pair[0].to_ms.is_some()));
            prop_assert!(windows.iter().all(|window| !window.is_empty()));
            for time in times {
                prop_assert_eq!(windows.iter().filter(|window| window.contains(time)).count(), 1);
            }
        }
    }

    #[test]
    fn what_falls_apart_is_known_from_the_spec() {
        let cutting = |learn: &str| {
            let spec = "name = \"m\"\n[data]\nsource = \"x.csv\"\ntime = \"t\"\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\n";
            Cutting::new(&ModelSpec::parse(&format!("{spec}{learn}")).unwrap()).map(|cutting| cutting.units)
        };
        assert_eq!(cutting("algorithm = \"forest\"\nparams = { trees = 40 }"), Some(Units::Trees(40)));
        assert_eq!(cutting("algorithm = \"forest\"\nrefit = true"), None);
        assert_eq!(cutting("algorithm = \"tree\""), None);
        assert_eq!(cutting("algorithm = \"boosting\""), None);
        assert_eq!(cutting("[learn.search]\nparams = { alpha = [1, 2, 3] }"), None);
        assert_eq!(
            cutting("[learn.search]\nalgorithms = [\"ridge\", \"forest\", \"boosting\"]"),
            Some(Units::Trials { by_sums: vec![true, false, false], folds: 5, growing: true })
        );
        assert_eq!(cutting("algorithm = \"lasso\"\nrefit = true"), Some(Units::Rows));
        assert_eq!(cutting("warm_start = true"), None);
    }

    #[test]
    fn candidates_that_share_sums_are_tried_by_one_part() {
        let by_sums = vec![true, true, true, false, false];
        let cutting = cutting(Units::Trials { by_sums, folds: 4, growing: true }, Vec::new());
        let packs = cutting.packs(&scope(), 40.0, 0);
        let trials = |pack: &PlannedPack| match &pack.work {
            Work::Shard { part: Part::Trials { from, to }, .. } => Some(*from..*to),
            _ => None,
        };
        let summed = packs.iter().filter_map(trials).filter(|trials| trials.start < 3 * 4);
        assert_eq!(summed.count(), 1, "{packs:?}");
        assert!(packs.len() > 4);
    }

    #[test]
    fn scopes_are_cut_by_their_size_too() {
        let cutting = cutting(Units::Rows, (0..4_000).collect());
        assert!(!cutting.is_large(&Planned { rows: 1 << 20, ..scope() }, 0.1));
        assert_eq!(cutting.packs(&Planned { rows: 3 << 20, ..scope() }, 0.1, 0).len(), 3 + 1);
        let unknown = Planned { window: Window { from_ms: Some(0), to_ms: None }, rows: 3 << 20, ..scope() };
        assert!(!cutting.is_large(&unknown, 0.1));
    }
}
