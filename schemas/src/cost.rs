//! How much work a scope is: a formula by algorithm, rows and columns, and what landed packs teach about its two constants.

use serde::{Deserialize, Serialize};

use crate::algorithm::Algorithm;
use crate::outcome::{Landing, OutcomeKind};
use crate::spec::{Candidate, ModelSpec};

/// Seconds to read one row's values out of decoded columns.
const ROW_SECONDS: f64 = 15e-9;

/// Seconds for one product of two columns in one row.
const PRODUCT_SECONDS: f64 = 0.4e-9;

/// Sweeps over the rows that coordinate descent takes on ordinary data.
const SWEEPS: f64 = 60.0;

/// Steps over the rows that Newton's method takes on ordinary data, and seconds for a row's exponentials in one.
const NEWTON_STEPS: f64 = 8.0;
const EXPONENTIALS_SECONDS: f64 = 20e-9;

/// Products with second derivatives that one of these steps takes where they are solved for by conjugate gradients.
const PRODUCTS_PER_STEP: f64 = 8.0;

/// Steps over the rows that k-means and mixtures take on ordinary data.
const LLOYD_STEPS: f64 = 20.0;

/// Seconds for one column of one row on one level of a tree.
const CUT_SECONDS: f64 = 1e-9;

/// Seconds for one point of a time series in one pass, and in the search for exponential smoothing's parameters; rows
/// are taken for points.
const POINT_SECONDS: f64 = 10e-9;
const ETS_POINT_SECONDS: f64 = 15e-6;

/// Columns that a categorical column is taken for, before its values are known.
const CATEGORIES: usize = 8;

/// The formula's constants for one model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Seconds to find, solve, score and pack one scope, whatever its size.
    pub scope_seconds: f64,
    /// What the formula's work with rows takes, over what it says.
    pub work: f64,
}

impl Default for Rate {
    fn default() -> Rate {
        Rate { scope_seconds: 30e-6, work: 1.0 }
    }
}

/// The work of one model's scopes.
#[derive(Debug, Clone)]
pub struct CostModel {
    candidates: Vec<Candidate>,
    width: f64,
    /// Fits of all training rows that each candidate takes, folds included.
    fits: f64,
}

impl CostModel {
    /// That of a checked spec.
    pub fn new(spec: &ModelSpec) -> CostModel {
        let learn = &spec.learn;
        let candidates = learn.candidates().unwrap_or_default();
        // On average a fold learns from about half of the rows.
        let folds = learn.search.as_ref().filter(|_| candidates.len() > 1).map_or(0, |search| search.folds);
        CostModel {
            candidates,
            width: (learn.features.len() + CATEGORIES * learn.categorical.len() + 1) as f64,
            fits: 1.0 + 0.5 * f64::from(folds),
        }
    }

    /// Seconds of one core to learn a scope of `rows` rows, given the constants.
    pub fn seconds(&self, rate: Rate, rows: u64) -> f64 {
        rate.scope_seconds + rate.work * self.work(rows)
    }

    /// The formula's seconds for the work with a scope's rows.
    pub fn work(&self, rows: u64) -> f64 {
        let rows = rows as f64;
        let mergeable = self.candidates.iter().any(|candidate| candidate.algorithm.is_mergeable());
        // Statistics are gathered once, for all candidates and folds.
        let shared = if mergeable { self.products() } else { 0.0 };
        let own = self.candidates.iter().filter(|candidate| !candidate.algorithm.is_mergeable());
        let own: f64 = own.map(|candidate| ROW_SECONDS + self.row_seconds(candidate, rows)).sum();
        // All candidates pass the folds, one is fitted in the end.
        let times = self.fits - 1.0 + 1.0 / self.candidates.len().max(1) as f64;
        rows * (ROW_SECONDS + shared + own * times)
    }

    fn products(&self) -> f64 {
        self.width * self.width / 2.0 * PRODUCT_SECONDS
    }

    fn row_seconds(&self, Candidate { algorithm, params }: &Candidate, rows: f64) -> f64 {
        let param = |name| algorithm.param(params, name);
        let levels = |leaves: f64| leaves.max(2.0).log2().min(param("max_depth"));
        let cuts = |levels: f64| levels * self.width * CUT_SECONDS;
        match algorithm {
            Algorithm::Mean | Algorithm::Linear | Algorithm::Ridge => self.products(),
            Algorithm::Lasso | Algorithm::ElasticNet => SWEEPS * self.width * PRODUCT_SECONDS,
            Algorithm::Poisson | Algorithm::Gamma | Algorithm::Tweedie => {
                NEWTON_STEPS * (self.products() + EXPONENTIALS_SECONDS)
            }
            Algorithm::Logistic | Algorithm::LinearSvm => {
                let product = 2.0 * self.width * PRODUCT_SECONDS;
                NEWTON_STEPS * (PRODUCTS_PER_STEP * product + EXPONENTIALS_SECONDS)
            }
            Algorithm::NaiveBayes => 4.0 * self.width * PRODUCT_SECONDS,
            // Every row meets every other one: in training, or where held-out rows are scored.
            Algorithm::KernelSvm | Algorithm::Svr => rows * self.width * PRODUCT_SECONDS,
            Algorithm::Knn => 0.2 * rows * self.width * PRODUCT_SECONDS,
            Algorithm::Tree => cuts(levels(rows / param("min_leaf"))),
            Algorithm::Forest | Algorithm::ExtraTrees => {
                param("trees") * param("max_features") * cuts(levels(rows / param("min_leaf")))
            }
            Algorithm::Boosting => param("iterations") * cuts(levels(param("max_leaves"))),
            Algorithm::Kmeans => {
                param("starts") * LLOYD_STEPS * param("clusters") * self.width * PRODUCT_SECONDS
            }
            Algorithm::GaussianMixture => {
                let density = param("clusters") * (self.products() + EXPONENTIALS_SECONDS);
                LLOYD_STEPS * (density + param("starts") * param("clusters") * self.width * PRODUCT_SECONDS)
            }
            Algorithm::Pca => self.products(),
            // Rows pass the trees when they are scored.
            Algorithm::IsolationForest => param("trees") * levels(param("sample")) * CUT_SECONDS,
            Algorithm::Naive | Algorithm::SeasonalNaive | Algorithm::Drift => POINT_SECONDS,
            Algorithm::Theta => 50.0 * POINT_SECONDS,
            Algorithm::Mstl => ETS_POINT_SECONDS,
            Algorithm::Ets => param("season") * ETS_POINT_SECONDS,
        }
    }
}

/// What landed packs say of the constants: sums of a least-squares fit of each pack's seconds by its scopes and its work,
/// every pack weighted by the inverse square of its seconds, so that relative errors count. They add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Lessons {
    /// Packs.
    pub packs: u64,
    /// Of these, packs whose plan was right within a factor of 2.
    pub within_2: u64,
    /// Landings that the sums are of: packs of whole scopes, and merges of those that were cut.
    #[serde(default)]
    taught: u64,
    scopes_scopes: f64,
    scopes_work: f64,
    work_work: f64,
    scopes: f64,
    work: f64,
}

/// How much a default weighs, in packs: it only decides what the packs leave open.
const PRIOR_PACKS: f64 = 1e-9;

impl Lessons {
    /// Adds a landing, if all its scopes were trained or had too few rows: others took another way. What a shard took is
    /// compared with its plan, and teaches with the merge, which tells what all of the scope took.
    pub fn add(&mut self, cost: &CostModel, landing: &Landing) {
        let is_shard = landing.partial.is_some();
        let took = landing.learn_seconds + landing.shard_seconds.unwrap_or_default();
        let ordinary = [OutcomeKind::Trained, OutcomeKind::TooFewRows];
        let trained = landing.outcomes.iter().filter(|outcome| outcome.outcome == OutcomeKind::Trained);
        let work: f64 = trained.clone().map(|outcome| cost.work(outcome.counts.rows)).sum();
        if took <= 0.0
            || (trained.count() == 0 && !is_shard)
            || !landing.outcomes.iter().all(|outcome| ordinary.contains(&outcome.outcome))
        {
            return;
        }
        // What a merge was planned to take says nothing of the scope as a whole.
        if landing.shard_seconds.is_none() {
            self.packs += 1;
            self.within_2 += u64::from((0.5..=2.0).contains(&(landing.planned_seconds / took)));
        }
        if is_shard {
            return;
        }
        let (scopes, work) = (landing.outcomes.len() as f64 / took, work / took);
        self.taught = self.taught() + 1;
        self.scopes_scopes += scopes * scopes;
        self.scopes_work += scopes * work;
        self.work_work += work * work;
        self.scopes += scopes;
        self.work += work;
    }

    /// Landings that the sums are of. Lessons of an older release do not count merges apart.
    pub fn taught(&self) -> u64 {
        if self.taught == 0 && self.scopes > 0.0 { self.packs } else { self.taught }
    }

    /// Adds what other packs say.
    pub fn merge(&mut self, other: &Lessons) {
        self.taught = self.taught() + other.taught();
        self.packs += other.packs;
        self.within_2 += other.within_2;
        self.scopes_scopes += other.scopes_scopes;
        self.scopes_work += other.scopes_work;
        self.work_work += other.work_work;
        self.scopes += other.scopes;
        self.work += other.work;
    }

    /// The constants that fit best; the default ones without lessons.
    pub fn rate(&self) -> Rate {
        let default = Rate::default();
        let taught = self.taught();
        if taught == 0 {
            return default;
        }
        // In units of the defaults, which a weak prior pulls towards.
        let unit = default.scope_seconds;
        let aa = self.scopes_scopes * unit * unit + PRIOR_PACKS;
        let ab = self.scopes_work * unit;
        let bb = self.work_work + PRIOR_PACKS;
        let (a, b) = (self.scopes * unit + PRIOR_PACKS, self.work + PRIOR_PACKS);
        // Positive: the sums are those of real packs (Cauchy and Schwarz), and the prior adds to both.
        let determinant = aa * bb - ab * ab;
        let (mut scope, mut work) = ((a * bb - b * ab) / determinant, (b * aa - a * ab) / determinant);
        // Neither part can take less than no time; then the other explains all.
        if scope < 0.0 {
            (scope, work) = (0.0, b / bb);
        } else if work < 0.0 {
            (scope, work) = (a / aa, 0.0);
        }
        let middle = middle((scope * a + work * b) / taught as f64);
        Rate { scope_seconds: scope * unit * middle, work: work * middle }
    }
}

/// How far the middle of what packs take lies above the fit of least relative squares, which packs that were slow hardly
/// count in; `told` is the mean of what the fit says over what they took. Where that is spread by a factor e^z with z normal of
/// variance s, `told` is e^−s, and the fit lies at e^(−3s/2) of the median.
fn middle(told: f64) -> f64 {
    told.clamp(TOLD_MIN, 1.0).powf(-1.5)
}

/// Packs of which a fit tells less than this have something else in common than the formula.
const TOLD_MIN: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::Counts;
    use crate::outcome::ScopeOutcome;
    use crate::pack::PackScope;
    use crate::scope::Scope;
    use crate::shard::Partial;
    use crate::window::Window;
    use proptest::prelude::*;

    fn spec(learn: &str) -> ModelSpec {
        let text = format!(
            "name = \"m\"\n[data]\nsource = \"x.csv\"\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\n{learn}"
        );
        ModelSpec::parse(&text).unwrap()
    }

    fn landing(spec: &ModelSpec, rows: &[u64], learn_seconds: f64, kind: OutcomeKind) -> Landing {
        let scope = PackScope { scope: Scope::all(), window: Window::ALL, incumbent: None, parent: None };
        let outcome = |rows: &u64| ScopeOutcome {
            counts: Counts { rows: *rows, ..Counts::default() },
            ..ScopeOutcome::without_fit(spec, &scope, kind, "")
        };
        Landing {
            planned_seconds: 1.0,
            learn_seconds,
            outcomes: rows.iter().map(outcome).collect(),
            ..Landing::default()
        }
    }

    proptest! {
        #[test]
        fn packs_teach_the_constants_they_were_made_with(
            scope_seconds in 1e-6..1e-2f64,
            work in 0.1..20.0f64,
            packs in proptest::collection::vec(proptest::collection::vec(1u64..1_000_000, 1..40), 10..30),
            noise in proptest::collection::vec(0.8..1.25f64, 30),
        ) {
            let spec = spec("algorithm = \"forest\"");
            let (cost, rate) = (CostModel::new(&spec), Rate { scope_seconds, work });
            let truth = |rows: &[u64]| rows.iter().map(|rows| cost.seconds(rate, *rows)).sum::<f64>();
            let mut halves = [Lessons::default(); 2];
            for (at, (rows, noise)) in packs.iter().zip(&noise).enumerate() {
                halves[at % 2].add(&cost, &landing(&spec, rows, truth(rows) * noise, OutcomeKind::Trained));
            }
            let [mut lessons, other] = halves;
            lessons.merge(&other);
            prop_assert_eq!(lessons.packs, packs.len() as u64);
            let learned = lessons.rate();
            for rows in &packs {
                let planned: f64 = rows.iter().map(|rows| cost.seconds(learned, *rows)).sum();
                prop_assert!((0.5..2.0).contains(&(planned / truth(rows))), "{:?} {}", learned, planned / truth(rows));
            }
        }
    }

    #[test]
    fn plans_are_in_the_middle_of_what_packs_take() {
        let spec = spec("");
        let (cost, mut lessons) = (CostModel::new(&spec), Lessons::default());
        let rate = Rate { scope_seconds: 1e-4, work: 3.0 };
        let truth = |rows: &[u64]| rows.iter().map(|rows| cost.seconds(rate, *rows)).sum::<f64>();
        let packs = [vec![10; 40], vec![20_000; 3], vec![500; 20]];
        for noise in [0.4, 0.6, 0.8, 1.0, 1.25, 1.0 / 0.6, 2.5] {
            for rows in &packs {
                lessons.add(&cost, &landing(&spec, rows, truth(rows) * noise, OutcomeKind::Trained));
            }
        }
        for rows in &packs {
            let planned: f64 = rows.iter().map(|rows| cost.seconds(lessons.rate(), *rows)).sum();
            assert!((0.85..1.15).contains(&(planned / truth(rows))), "{}", planned / truth(rows));
        }
    }

    #[test]
    fn only_packs_that_were_trained_teach() {
        let spec = spec("");
        let (cost, mut lessons) = (CostModel::new(&spec), Lessons::default());
        for kind in
            [OutcomeKind::Unchanged, OutcomeKind::Failed, OutcomeKind::Cancelled, OutcomeKind::TooFewRows]
        {
            lessons.add(&cost, &landing(&spec, &[10, 20], 1.0, kind));
        }
        lessons.add(&cost, &landing(&spec, &[10], 0.0, OutcomeKind::Trained));
        assert_eq!((lessons, lessons.rate()), (Lessons::default(), Rate::default()));
        lessons.add(&cost, &landing(&spec, &[10], 1.5, OutcomeKind::Trained));
        lessons.add(&cost, &landing(&spec, &[10], 2.5, OutcomeKind::Trained));
        assert_eq!((lessons.packs, lessons.within_2), (2, 1));
        // A scope that was cut: its shards are compared with their plans, and what all took is learned of the merge.
        let shard = landing(&spec, &[], 1.5, OutcomeKind::Trained);
        let partial = ScopeOutcome::without_fit(
            &spec,
            &PackScope { scope: Scope::all(), window: Window::ALL, incumbent: None, parent: None },
            OutcomeKind::Trained,
            "",
        );
        let shard = Landing { partial: Some(Partial(partial)), ..shard };
        let took = 3.0 * cost.seconds(Rate::default(), 1_000_000);
        let merge = landing(&spec, &[1_000_000], 0.1 * took, OutcomeKind::Trained);
        let mut cut = Lessons::default();
        cut.add(&cost, &shard);
        assert_eq!((cut.packs, cut.within_2, cut.taught(), cut.rate()), (1, 1, 0, Rate::default()));
        cut.add(&cost, &Landing { shard_seconds: Some(0.9 * took), ..merge });
        assert_eq!((cut.packs, cut.taught()), (1, 1));
        let told = cost.seconds(cut.rate(), 1_000_000);
        assert!((told / took - 1.0).abs() < 0.01, "{told}, not {took}");
    }

    #[test]
    fn a_search_costs_its_candidates_and_folds() {
        let work = |learn| CostModel::new(&spec(learn)).work(100_000);
        let one = work("algorithm = \"boosting\"");
        let four = work(
            "algorithm = \"boosting\"\n[learn.search]\nparams = { learning_rate = [0.1, 0.2, 0.3, 0.4] }",
        );
        assert!((9.0..13.0).contains(&(four / one)), "{}", four / one);
        let ridges = work("[learn.search]\nparams = { alpha = [1, 2, 3, 4] }");
        assert!(ridges < 2.0 * work(""), "statistics are gathered once");
    }
}
