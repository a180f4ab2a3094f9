//! Cutting the work on a scope that is too large for one job.

use schemas::algorithm::Algorithm;
use schemas::limits::SHARDS_MAX;
use schemas::shard::{Part, Work};
use schemas::spec::ModelSpec;

use super::expand::Planned;
use super::packing::PlannedPack;

/// Share of a scope's work that is left for the merge: it reads the rows once more and scores.
const MERGE_SHARE: f64 = 0.02;

/// What the work on one scope falls apart into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Units {
    /// Trees of a forest.
    Trees(u32),
    /// Candidates of a search.
    Candidates(u32),
}

/// How a model's large scopes are cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cutting {
    units: Units,
    /// Planned seconds of one core from which a scope is cut, and of each piece.
    shard_seconds: f64,
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
            [_, _, ..] => Units::Candidates(candidates.len() as u32),
            _ => return None,
        };
        Some(Cutting { units, shard_seconds: spec.limits.shard_seconds })
    }

    /// The word for what each shard has some of.
    pub fn units(&self) -> &'static str {
        match self.units {
            Units::Trees(_) => "trees",
            Units::Candidates(_) => "candidates",
        }
    }

    /// Whether a scope of so much work is cut.
    pub fn is_large(&self, seconds: f64) -> bool {
        seconds > self.shard_seconds
    }

    /// The packs of one scope of `seconds`: shards, then the merge. The first is the campaign's pack number `first`.
    pub fn packs(&self, scope: &Planned, seconds: f64, first: u32) -> Vec<PlannedPack> {
        let (Units::Trees(units) | Units::Candidates(units)) = self.units;
        let wanted = (seconds / self.shard_seconds).ceil().min(f64::from(SHARDS_MAX)) as u32;
        let count = wanted.clamp(2, units);
        let shards = first..first + count;
        let place = |at: u32| (u64::from(units) * u64::from(at) / u64::from(count)) as u32;
        let shard = |at: u32| {
            let (from, to) = (place(at), place(at + 1));
            let part = match self.units {
                Units::Trees(_) => Part::Trees { from, to },
                Units::Candidates(_) => Part::Candidates { from, to },
            };
            let share = f64::from(to - from) / f64::from(units);
            PlannedPack::of_one(
                scope.clone(),
                seconds * share * (1.0 - MERGE_SHARE),
                Work::Shard { part, shards: shards.clone() },
            )
        };
        let mut packs: Vec<PlannedPack> = (0..count).map(shard).collect();
        packs.push(PlannedPack::of_one(scope.clone(), seconds * MERGE_SHARE, Work::Merge { shards }));
        packs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::scope::Scope;
    use schemas::window::Window;

    fn scope() -> Planned {
        Planned { scope: Scope::all(), window: Window::ALL, mask: 0, family: None, rows: 1_000_000 }
    }

    proptest! {
        #[test]
        fn parts_are_all_of_the_work_each_once(units in 2u32..200, seconds in 0.1f64..1e4, first in 0u32..50) {
            let cutting = Cutting { units: Units::Trees(units), shard_seconds: 5.0 };
            let packs = cutting.packs(&scope(), seconds, first);
            let (merge, shards) = packs.split_last().unwrap();
            prop_assert!((2..=SHARDS_MAX as usize).contains(&shards.len()));
            let all = first..first + shards.len() as u32;
            prop_assert_eq!(&merge.work, &Work::Merge { shards: all.clone() });
            let mut next = 0;
            for shard in shards {
                let Work::Shard { part: Part::Trees { from, to }, shards } = &shard.work else { panic!("no trees") };
                prop_assert!(*from == next && to > from && *shards == all);
                prop_assert_eq!(shard.work.merge(), Some(all.end));
                next = *to;
            }
            prop_assert_eq!(next, units);
            let total: f64 = packs.iter().map(|pack| pack.seconds).sum();
            prop_assert!((total / seconds - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn what_falls_apart_is_known_from_the_spec() {
        let cutting = |learn: &str| {
            let spec =
                "name = \"m\"\n[data]\nsource = \"x.csv\"\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\n";
            Cutting::new(&ModelSpec::parse(&format!("{spec}{learn}")).unwrap()).map(|cutting| cutting.units)
        };
        assert_eq!(cutting("algorithm = \"forest\"\nparams = { trees = 40 }"), Some(Units::Trees(40)));
        assert_eq!(cutting("algorithm = \"forest\"\nrefit = true"), None);
        assert_eq!(cutting("algorithm = \"tree\""), None);
        assert_eq!(cutting("algorithm = \"boosting\""), None);
        assert_eq!(cutting("[learn.search]\nparams = { alpha = [1, 2, 3] }"), Some(Units::Candidates(3)));
    }
}
