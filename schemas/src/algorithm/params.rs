//! The parameters that each algorithm takes.

use super::Algorithm;

/// A numeric parameter of an algorithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParamSpec {
    /// Its name in `params`.
    pub name: &'static str,
    /// Its value when not given.
    pub default: f64,
    /// Smallest allowed value.
    pub min: f64,
    /// Largest allowed value.
    pub max: f64,
}

impl ParamSpec {
    /// Whether only whole numbers make sense.
    pub fn is_whole(&self) -> bool {
        const REAL: [&str; 13] = [
            "alpha",
            "l1_ratio",
            "tolerance",
            "power",
            "c",
            "smoothing",
            "gamma",
            "epsilon",
            "max_features",
            "learning_rate",
            "l2",
            "regularisation",
            "validation",
        ];
        !REAL.contains(&self.name)
    }
}

const ALPHA: ParamSpec = ParamSpec { name: "alpha", default: 1.0, min: 0.0, max: 1e12 };
const L1_RATIO: ParamSpec = ParamSpec { name: "l1_ratio", default: 0.5, min: 0.0, max: 1.0 };
const TOLERANCE: ParamSpec = ParamSpec { name: "tolerance", default: 1e-6, min: 1e-15, max: 1.0 };
const ITERATIONS: ParamSpec = ParamSpec { name: "max_iterations", default: 1_000.0, min: 1.0, max: 1e6 };

const POWER: ParamSpec = ParamSpec { name: "power", default: 1.5, min: 1.0, max: 3.0 };

const C: ParamSpec = ParamSpec { name: "c", default: 1.0, min: 1e-12, max: 1e12 };
const SMOOTHING: ParamSpec = ParamSpec { name: "smoothing", default: 1e-9, min: 0.0, max: 1e12 };
const GAMMA: ParamSpec = ParamSpec { name: "gamma", default: 0.0, min: 0.0, max: 1e12 };
const EPSILON: ParamSpec = ParamSpec { name: "epsilon", default: 0.1, min: 0.0, max: 1e300 };
const K: ParamSpec = ParamSpec { name: "k", default: 5.0, min: 1.0, max: 1e6 };

const TREES: ParamSpec = ParamSpec { name: "trees", default: 100.0, min: 1.0, max: 10_000.0 };
const MAX_DEPTH: ParamSpec = ParamSpec { name: "max_depth", default: 32.0, min: 1.0, max: 64.0 };
const MIN_LEAF: ParamSpec = ParamSpec { name: "min_leaf", default: 1.0, min: 1.0, max: 1e9 };
const BOOSTING_MIN_LEAF: ParamSpec = ParamSpec { name: "min_leaf", default: 20.0, min: 1.0, max: 1e9 };
const MAX_FEATURES: ParamSpec = ParamSpec { name: "max_features", default: 1.0, min: 1e-6, max: 1.0 };
const SEED: ParamSpec = ParamSpec { name: "seed", default: 0.0, min: 0.0, max: 9e15 };
const ROUNDS: ParamSpec = ParamSpec { name: "iterations", default: 100.0, min: 1.0, max: 100_000.0 };
const LEARNING_RATE: ParamSpec = ParamSpec { name: "learning_rate", default: 0.1, min: 1e-6, max: 1.0 };
const MAX_LEAVES: ParamSpec = ParamSpec { name: "max_leaves", default: 31.0, min: 2.0, max: 65_536.0 };
const SEASON: ParamSpec = ParamSpec { name: "season", default: 1.0, min: 1.0, max: 100_000.0 };
/// Each point of a season is a parameter: longer ones are for `mstl`.
const ETS_SEASON: ParamSpec = ParamSpec { max: 24.0, ..SEASON };
const MSTL_SEASON: ParamSpec = ParamSpec { default: 2.0, min: 2.0, ..SEASON };
/// 0: none.
const SECOND_SEASON: ParamSpec = ParamSpec { name: "second_season", default: 0.0, min: 0.0, ..SEASON };
const L2: ParamSpec = ParamSpec { name: "l2", default: 0.0, min: 0.0, max: 1e12 };

const CLUSTERS: ParamSpec = ParamSpec { name: "clusters", default: 8.0, min: 1.0, max: 256.0 };
const STARTS: ParamSpec = ParamSpec { name: "starts", default: 3.0, min: 1.0, max: 1_000.0 };
const STEPS: ParamSpec = ParamSpec { default: 300.0, ..ITERATIONS };
const MOVE: ParamSpec = ParamSpec { default: 1e-4, min: 0.0, ..TOLERANCE };
const STANDARDISE: ParamSpec = ParamSpec { name: "standardise", default: 0.0, min: 0.0, max: 1.0 };
const REGULARISATION: ParamSpec = ParamSpec { name: "regularisation", default: 1e-6, min: 0.0, max: 1e12 };
const DIAGONAL: ParamSpec = ParamSpec { name: "diagonal", default: 0.0, min: 0.0, max: 1.0 };
const COMPONENTS: ParamSpec = ParamSpec { name: "components", default: 2.0, min: 1.0, max: 1_024.0 };
const SAMPLE: ParamSpec = ParamSpec { name: "sample", default: 256.0, min: 2.0, max: 1e6 };
/// 0: all iterations are made.
const PATIENCE: ParamSpec =
    ParamSpec { name: "early_stopping_rounds", default: 0.0, min: 0.0, max: 100_000.0 };
const VALIDATION: ParamSpec = ParamSpec { name: "validation", default: 0.1, min: 1e-6, max: 0.9 };

impl Algorithm {
    /// The parameters it takes.
    pub fn params(self) -> &'static [ParamSpec] {
        match self {
            Algorithm::Mean | Algorithm::Linear => &[],
            Algorithm::Ridge | Algorithm::Poisson | Algorithm::Gamma => &[ALPHA],
            Algorithm::Tweedie => &[POWER, ALPHA],
            Algorithm::Lasso => &[ALPHA, TOLERANCE, ITERATIONS],
            Algorithm::ElasticNet => &[ALPHA, L1_RATIO, TOLERANCE, ITERATIONS],
            Algorithm::Logistic | Algorithm::LinearSvm => &[C],
            Algorithm::NaiveBayes => &[SMOOTHING],
            Algorithm::KernelSvm => &[C, GAMMA],
            Algorithm::Svr => &[C, GAMMA, EPSILON],
            Algorithm::Knn => &[K],
            Algorithm::Tree => &[MAX_DEPTH, MIN_LEAF],
            Algorithm::Forest | Algorithm::ExtraTrees => &[TREES, MAX_DEPTH, MIN_LEAF, MAX_FEATURES, SEED],
            Algorithm::Boosting => {
                &[ROUNDS, LEARNING_RATE, MAX_LEAVES, MAX_DEPTH, BOOSTING_MIN_LEAF, L2, PATIENCE, VALIDATION]
            }
            Algorithm::Kmeans => &[CLUSTERS, STARTS, STEPS, MOVE, STANDARDISE, SEED],
            Algorithm::GaussianMixture => &[
                CLUSTERS,
                STARTS,
                ParamSpec { default: 100.0, ..STEPS },
                ParamSpec { default: 1e-3, ..MOVE },
                REGULARISATION,
                DIAGONAL,
                STANDARDISE,
                SEED,
            ],
            Algorithm::Pca => &[COMPONENTS, STANDARDISE],
            Algorithm::IsolationForest => &[TREES, SAMPLE, SEED],
            Algorithm::Naive | Algorithm::Drift => &[],
            Algorithm::SeasonalNaive | Algorithm::Theta => &[SEASON],
            Algorithm::Ets => &[ETS_SEASON],
            Algorithm::Mstl => &[MSTL_SEASON, SECOND_SEASON],
        }
    }
}
