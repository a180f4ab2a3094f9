//! The algorithms by name, and the parameters each takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A learning algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// The mean of the target.
    Mean,
    /// Least squares; of minimum norm (on standardised features) where columns depend on each other.
    Linear,
    /// Least squares with α‖w‖² on standardised features.
    Ridge,
    /// Least squares with α‖w‖₁ on standardised features: weights that matter little are exactly 0.
    Lasso,
    /// Least squares with both penalties, by coordinate descent.
    ElasticNet,
    /// Counts: the logarithm of the mean is linear, the variance grows as the mean.
    Poisson,
    /// Positive amounts: the logarithm of the mean is linear, the variance grows as its square.
    Gamma,
    /// Amounts that are often zero: the variance grows as the mean to a power.
    Tweedie,
    /// One decision tree.
    Tree,
    /// The mean of trees, each on a bootstrap sample.
    Forest,
    /// The mean of trees with random cuts.
    ExtraTrees,
    /// The sum of small trees, each on what those before it left over.
    Boosting,
    /// Forecast: the last value.
    Naive,
    /// Forecast: the value one season before.
    SeasonalNaive,
    /// Forecast: the last value and the mean change.
    Drift,
    /// Forecast: smoothing on half of the slope.
    Theta,
    /// Forecast: exponential smoothing with errors, trend and seasons.
    Ets,
    /// Forecast: seasons by loess, the rest by exponential smoothing.
    Mstl,
}

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

/// Parameter values by name.
pub type Params = BTreeMap<String, f64>;

/// Why an algorithm or its parameters were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AlgorithmError {
    /// No such algorithm.
    #[error("no algorithm `{name}`{hint}")]
    Unknown {
        /// The wrong name.
        name: String,
        /// What may have been meant.
        hint: String,
    },
    /// The algorithm has no such parameter.
    #[error("`{algorithm}` has no parameter `{name}`{hint}")]
    UnknownParam {
        /// The algorithm.
        algorithm: &'static str,
        /// The wrong name.
        name: String,
        /// What may have been meant.
        hint: String,
    },
    /// A parameter's value lies outside its range.
    #[error("parameter `{name}` of `{algorithm}` is {value}; it must lie between {min} and {max}")]
    Range {
        /// The algorithm.
        algorithm: &'static str,
        /// The parameter.
        name: &'static str,
        /// The refused value.
        value: f64,
        /// Smallest allowed.
        min: f64,
        /// Largest allowed.
        max: f64,
    },
}

const ALPHA: ParamSpec = ParamSpec { name: "alpha", default: 1.0, min: 0.0, max: 1e12 };
const L1_RATIO: ParamSpec = ParamSpec { name: "l1_ratio", default: 0.5, min: 0.0, max: 1.0 };
const TOLERANCE: ParamSpec = ParamSpec { name: "tolerance", default: 1e-6, min: 1e-15, max: 1.0 };
const ITERATIONS: ParamSpec = ParamSpec { name: "max_iterations", default: 1_000.0, min: 1.0, max: 1e6 };

const POWER: ParamSpec = ParamSpec { name: "power", default: 1.5, min: 1.0, max: 3.0 };

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

impl Algorithm {
    /// All algorithms with their names.
    pub const ALL: [(Algorithm, &'static str); 18] = [
        (Algorithm::Mean, "mean"),
        (Algorithm::Linear, "linear"),
        (Algorithm::Ridge, "ridge"),
        (Algorithm::Lasso, "lasso"),
        (Algorithm::ElasticNet, "elastic_net"),
        (Algorithm::Poisson, "poisson"),
        (Algorithm::Gamma, "gamma"),
        (Algorithm::Tweedie, "tweedie"),
        (Algorithm::Tree, "tree"),
        (Algorithm::Forest, "forest"),
        (Algorithm::ExtraTrees, "extra_trees"),
        (Algorithm::Boosting, "boosting"),
        (Algorithm::Naive, "naive"),
        (Algorithm::SeasonalNaive, "seasonal_naive"),
        (Algorithm::Drift, "drift"),
        (Algorithm::Theta, "theta"),
        (Algorithm::Ets, "ets"),
        (Algorithm::Mstl, "mstl"),
    ];

    /// The name in specs.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(a, _)| *a == self).map_or("", |(_, name)| name)
    }

    /// The algorithm called `name`.
    ///
    /// # Errors
    /// [`AlgorithmError::Unknown`] with the nearest right name.
    pub fn parse(name: &str) -> Result<Algorithm, AlgorithmError> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(algorithm, _)| *algorithm).ok_or_else(|| AlgorithmError::Unknown {
            name: name.to_owned(),
            hint: crate::suggest::hint(name, Self::ALL.iter().map(|(_, known)| *known)),
        })
    }

    /// The parameters it takes.
    pub fn params(self) -> &'static [ParamSpec] {
        match self {
            Algorithm::Mean | Algorithm::Linear => &[],
            Algorithm::Ridge | Algorithm::Poisson | Algorithm::Gamma => &[ALPHA],
            Algorithm::Tweedie => &[POWER, ALPHA],
            Algorithm::Lasso => &[ALPHA, TOLERANCE, ITERATIONS],
            Algorithm::ElasticNet => &[ALPHA, L1_RATIO, TOLERANCE, ITERATIONS],
            Algorithm::Tree => &[MAX_DEPTH, MIN_LEAF],
            Algorithm::Forest | Algorithm::ExtraTrees => &[TREES, MAX_DEPTH, MIN_LEAF, MAX_FEATURES, SEED],
            Algorithm::Boosting => &[ROUNDS, LEARNING_RATE, MAX_LEAVES, MAX_DEPTH, BOOSTING_MIN_LEAF, L2],
            Algorithm::Naive | Algorithm::Drift => &[],
            Algorithm::SeasonalNaive | Algorithm::Theta => &[SEASON],
            Algorithm::Ets => &[ETS_SEASON],
            Algorithm::Mstl => &[MSTL_SEASON, SECOND_SEASON],
        }
    }

    /// Whether it foretells a time series.
    pub fn is_forecast(self) -> bool {
        matches!(
            self,
            Algorithm::Naive
                | Algorithm::SeasonalNaive
                | Algorithm::Drift
                | Algorithm::Theta
                | Algorithm::Ets
                | Algorithm::Mstl
        )
    }

    /// Whether fits come out of sufficient statistics that add up over rows.
    pub fn is_mergeable(self) -> bool {
        matches!(self, Algorithm::Mean | Algorithm::Linear | Algorithm::Ridge)
    }

    /// Checks the given values against what the algorithm takes.
    ///
    /// # Errors
    /// [`AlgorithmError`] for an unknown name or a value out of range (NaN is out of every range).
    pub fn check(self, params: &Params) -> Result<(), AlgorithmError> {
        for (name, value) in params {
            let known = self.params().iter().find(|spec| spec.name == name);
            let spec = known.ok_or_else(|| AlgorithmError::UnknownParam {
                algorithm: self.name(),
                name: name.clone(),
                hint: crate::suggest::hint(name, self.params().iter().map(|spec| spec.name)),
            })?;
            if !(spec.min..=spec.max).contains(value) {
                return Err(AlgorithmError::Range {
                    algorithm: self.name(),
                    name: spec.name,
                    value: *value,
                    min: spec.min,
                    max: spec.max,
                });
            }
        }
        Ok(())
    }

    /// The value of the parameter `name`: the given one, or its default (zero when the algorithm has none so called).
    pub fn param(self, params: &Params, name: &str) -> f64 {
        let default = || self.params().iter().find(|spec| spec.name == name).map_or(0.0, |s| s.default);
        params.get(name).copied().unwrap_or_else(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_names_and_values_are_refused_with_the_right_ones() {
        assert!(Algorithm::parse("rigde").unwrap_err().to_string().contains("`ridge`"));
        let check = |name: &str, value| {
            Algorithm::Ridge.check(&Params::from([(name.to_owned(), value)])).map_err(|e| e.to_string())
        };
        assert_eq!(check("alpha", 1.0), Ok(()));
        assert!(check("alfa", 1.0).unwrap_err().contains("`alpha`"));
        assert!(check("alpha", -1.0).unwrap_err().contains("between"));
        assert!(check("alpha", f64::NAN).is_err());
        assert!((Algorithm::Ridge.param(&Params::new(), "alpha") - 1.0).abs() < f64::EPSILON);
    }
}
