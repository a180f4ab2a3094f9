//! The algorithms by name, and the parameters each takes.

mod params;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::params::ParamSpec;
use crate::task::Task;

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
    /// Logistic regression: the log odds of classes are linear.
    Logistic,
    /// Within each class, features are normal and independent.
    NaiveBayes,
    /// The widest margin between classes, linear.
    LinearSvm,
    /// The widest margin between classes, in the space of a Gaussian kernel.
    KernelSvm,
    /// A tube around the target as flat as can be, in the space of a Gaussian kernel.
    Svr,
    /// What the nearest training rows say.
    Knn,
    /// One decision tree.
    Tree,
    /// The mean of trees, each on a bootstrap sample.
    Forest,
    /// The mean of trees with random cuts.
    ExtraTrees,
    /// The sum of small trees, each on what those before it left over.
    Boosting,
    /// Clusters around centres.
    Kmeans,
    /// Clusters that are normal distributions.
    GaussianMixture,
    /// Principal components.
    Pca,
    /// Outliers: what few random cuts set apart.
    IsolationForest,
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
    /// The algorithm learns something else.
    #[error("`{algorithm}` does no {}; these do: {}", .task.name(), able(*.task))]
    Task {
        /// The algorithm.
        algorithm: &'static str,
        /// What it was to do.
        task: Task,
    },
    /// A number with a fraction where only whole ones make sense.
    #[error("`{algorithm}`: {name} = {value}: a whole number is required")]
    Fraction {
        /// The algorithm.
        algorithm: &'static str,
        /// The parameter.
        name: &'static str,
        /// The given value.
        value: f64,
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

impl Algorithm {
    /// All algorithms with their names.
    pub const ALL: [(Algorithm, &'static str); 28] = [
        (Algorithm::Mean, "mean"),
        (Algorithm::Linear, "linear"),
        (Algorithm::Ridge, "ridge"),
        (Algorithm::Lasso, "lasso"),
        (Algorithm::ElasticNet, "elastic_net"),
        (Algorithm::Poisson, "poisson"),
        (Algorithm::Gamma, "gamma"),
        (Algorithm::Tweedie, "tweedie"),
        (Algorithm::Logistic, "logistic"),
        (Algorithm::NaiveBayes, "naive_bayes"),
        (Algorithm::LinearSvm, "linear_svm"),
        (Algorithm::KernelSvm, "kernel_svm"),
        (Algorithm::Svr, "svr"),
        (Algorithm::Knn, "knn"),
        (Algorithm::Tree, "tree"),
        (Algorithm::Forest, "forest"),
        (Algorithm::ExtraTrees, "extra_trees"),
        (Algorithm::Boosting, "boosting"),
        (Algorithm::Kmeans, "kmeans"),
        (Algorithm::GaussianMixture, "gaussian_mixture"),
        (Algorithm::Pca, "pca"),
        (Algorithm::IsolationForest, "isolation_forest"),
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

    /// What it can learn, what it learns by default first.
    pub fn tasks(self) -> &'static [Task] {
        match self {
            Algorithm::Logistic | Algorithm::NaiveBayes | Algorithm::LinearSvm | Algorithm::KernelSvm => {
                &[Task::Classification]
            }
            Algorithm::Knn
            | Algorithm::Tree
            | Algorithm::Forest
            | Algorithm::ExtraTrees
            | Algorithm::Boosting => &[Task::Regression, Task::Classification],
            Algorithm::Kmeans | Algorithm::GaussianMixture => &[Task::Clusters],
            Algorithm::Pca => &[Task::Components],
            Algorithm::IsolationForest => &[Task::Anomalies],
            _ => &[Task::Regression],
        }
    }

    /// Checks that it can learn `task`.
    ///
    /// # Errors
    /// [`AlgorithmError::Task`] names those that can.
    pub fn check_task(self, task: Task) -> Result<(), AlgorithmError> {
        match self.tasks().contains(&task) {
            true => Ok(()),
            false => Err(AlgorithmError::Task { algorithm: self.name(), task }),
        }
    }

    /// Whether rows may count differently. The target of the others would need their losses weighted.
    pub fn takes_weights(self) -> bool {
        use Algorithm as A;
        let by_losses = matches!(self, A::Poisson | A::Gamma | A::Tweedie | A::Logistic | A::NaiveBayes);
        self.is_linear() || by_losses || self.takes_bins()
    }

    /// Whether it cuts columns into bins, of which one may hold missing values, and others categories.
    pub fn takes_bins(self) -> bool {
        matches!(self, Algorithm::Tree | Algorithm::Forest | Algorithm::ExtraTrees | Algorithm::Boosting)
    }

    /// Whether it can go on from a fit of older rows.
    pub fn warm_starts(self) -> bool {
        self.is_linear() || self == Algorithm::Boosting
    }

    /// Whether it is least squares, with or without penalties.
    fn is_linear(self) -> bool {
        use Algorithm as A;
        matches!(self, A::Mean | A::Linear | A::Ridge | A::Lasso | A::ElasticNet)
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
        self.is_linear() || self == Algorithm::Pca
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
            if spec.is_whole() && value.fract() != 0.0 {
                return Err(AlgorithmError::Fraction {
                    algorithm: self.name(),
                    name: spec.name,
                    value: *value,
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

/// The names of the algorithms that can learn `task`.
fn able(task: Task) -> String {
    let able = Algorithm::ALL.iter().filter(|(algorithm, _)| algorithm.tasks().contains(&task));
    let (of_series, of_rows): (Vec<_>, Vec<_>) = able.partition(|(algorithm, _)| algorithm.is_forecast());
    let names = |list: &[&(Algorithm, &'static str)]| {
        list.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    };
    match of_series.is_empty() {
        true => names(&of_rows),
        false => format!("{}; and with `[learn.series]` {}", names(&of_rows), names(&of_series)),
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
        let fraction = Algorithm::Kmeans.check(&Params::from([("clusters".to_owned(), 4.5)]));
        assert!(fraction.unwrap_err().to_string().contains("whole number"));
        assert_eq!(Algorithm::Forest.check_task(Task::Classification), Ok(()));
        let error = Algorithm::Ridge.check_task(Task::Classification).unwrap_err().to_string();
        assert!(error.contains("`ridge` does no classification; these do: logistic"), "{error}");
        let error = AlgorithmError::Task { algorithm: "logistic", task: Task::Regression }.to_string();
        assert!(error.contains("; and with `[learn.series]` naive, "), "{error}");
        assert!((Algorithm::Ridge.param(&Params::new(), "alpha") - 1.0).abs() < f64::EPSILON);
    }
}
