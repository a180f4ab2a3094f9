//! `[learn.search]`: the candidates that each scope chooses from, and how they are compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LearnSpec;
use crate::algorithm::{Algorithm, AlgorithmError, Params};
use crate::task::Task;

/// Candidates, and the cross-validation that compares them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSpec {
    /// Algorithms to try; none: only `[learn] algorithm`.
    pub algorithms: Vec<String>,
    /// Values to try by parameter, in every combination. An algorithm leaves out parameters that it does not have.
    pub params: BTreeMap<String, Vec<f64>>,
    /// How many stretches of newest training rows are predicted from what is older.
    pub folds: u32,
    /// From how much of what is older.
    pub window: FoldWindow,
    /// Rows left out between what a fold learns from and what it predicts.
    pub gap_rows: u64,
    /// What is compared; the task's own first metric where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<SearchMetric>,
}

impl Default for SearchSpec {
    fn default() -> SearchSpec {
        SearchSpec {
            algorithms: Vec::new(),
            params: BTreeMap::new(),
            folds: 5,
            window: FoldWindow::default(),
            gap_rows: 0,
            metric: None,
        }
    }
}

/// What a fold learns from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoldWindow {
    /// All older rows.
    #[default]
    Expanding,
    /// As many of the newest older rows as the first fold has.
    Sliding,
}

/// What candidates are compared by; the least is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchMetric {
    /// √(Σ(y − ŷ)²/n) over the rows of all folds.
    Rmse,
    /// Σ|y − ŷ|/n over the rows of all folds.
    Mae,
    /// −Σ ln p(true class)/n over the rows of all folds.
    LogLoss,
    /// Share of rows of all folds whose most probable class is not the true one.
    ErrorRate,
}

impl SearchMetric {
    /// What it compares.
    pub fn task(self) -> Task {
        match self {
            SearchMetric::Rmse | SearchMetric::Mae => Task::Regression,
            SearchMetric::LogLoss | SearchMetric::ErrorRate => Task::Classification,
        }
    }
}

impl SearchSpec {
    /// What is compared.
    pub fn metric(&self, task: Task) -> SearchMetric {
        self.metric.unwrap_or(match task {
            // A search without a target is refused.
            Task::Regression | Task::Clusters | Task::Components | Task::Anomalies => SearchMetric::Rmse,
            Task::Classification => SearchMetric::LogLoss,
        })
    }
}

/// An algorithm with parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The parameters it was given.
    pub params: Params,
}

fn takes(algorithm: Algorithm, name: &str) -> bool {
    algorithm.params().iter().any(|spec| spec.name == name)
}

impl LearnSpec {
    /// What a scope chooses from, the first of equals being preferred: never empty, and one candidate without a search.
    ///
    /// # Errors
    /// [`AlgorithmError`] for a wrong name of an algorithm, or of a parameter that none of them has.
    pub fn candidates(&self) -> Result<Vec<Candidate>, AlgorithmError> {
        let algorithms = self.algorithms()?;
        let candidates = algorithms.iter().map(|algorithm| self.grid(*algorithm)).collect::<Vec<_>>();
        Ok(candidates.concat())
    }

    /// By how many folds the trials of a search are numbered, see [`Part::Trials`](crate::shard::Part::Trials): never 0.
    pub fn trial_folds(&self) -> u32 {
        self.search.as_ref().map_or(1, |search| search.folds.max(1))
    }

    /// How many candidates there are, known before they are made.
    ///
    /// # Errors
    /// As [`LearnSpec::candidates`].
    pub fn candidates_count(&self) -> Result<usize, AlgorithmError> {
        let count = |algorithm: &Algorithm| {
            let own = self.search.iter().flat_map(|search| &search.params);
            let own = own.filter(|(name, _)| takes(*algorithm, name));
            own.fold(1usize, |count, (_, values)| count.saturating_mul(values.len()))
        };
        Ok(self.algorithms()?.iter().map(count).fold(0, usize::saturating_add))
    }

    /// The algorithms to try; never none.
    ///
    /// # Errors
    /// As [`LearnSpec::candidates`].
    pub fn algorithms(&self) -> Result<Vec<Algorithm>, AlgorithmError> {
        let listed = self.search.iter().flat_map(|search| &search.algorithms);
        let mut algorithms = listed.map(|name| Algorithm::parse(name)).collect::<Result<Vec<_>, _>>()?;
        if algorithms.is_empty() {
            algorithms.push(Algorithm::parse(&self.algorithm)?);
        }
        let searched = self.search.iter().flat_map(|search| search.params.keys());
        for name in self.params.keys().chain(searched) {
            if !algorithms.iter().any(|algorithm| takes(*algorithm, name)) {
                // Its own check names the parameters that there are.
                algorithms[0].check(&Params::from([(name.clone(), 0.0)]))?;
            }
        }
        Ok(algorithms)
    }

    /// Every combination of the values to try, for one algorithm.
    fn grid(&self, algorithm: Algorithm) -> Vec<Candidate> {
        let own = self.params.iter().filter(|(name, _)| takes(algorithm, name));
        let params = own.map(|(name, value)| (name.clone(), *value)).collect();
        let mut candidates = vec![Candidate { algorithm, params }];
        let searched = self.search.iter().flat_map(|search| &search.params);
        for (name, values) in searched.filter(|(name, _)| takes(algorithm, name)) {
            let with = |candidate: &Candidate, value: f64| {
                let mut candidate = candidate.clone();
                candidate.params.insert(name.clone(), value);
                candidate
            };
            candidates = candidates
                .iter()
                .flat_map(|candidate| values.iter().map(|value| with(candidate, *value)).collect::<Vec<_>>())
                .collect();
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::super::ModelSpec;

    const SPEC: &str = r#"
name = "m"
[data]
source = "x.csv"
[learn]
target = "y"
features = ["x"]
params = { alpha = 3.0 }
[learn.search]
algorithms = ["linear", "ridge", "elastic_net"]
params = { alpha = [0.1, 10.0], l1_ratio = [0.2, 0.9] }
"#;

    #[test]
    fn candidates_are_every_combination_that_an_algorithm_takes() {
        let spec = ModelSpec::parse(SPEC).unwrap();
        let candidates = spec.learn.candidates().unwrap();
        let told: Vec<String> = candidates
            .iter()
            .map(|candidate| format!("{} {:?}", candidate.algorithm.name(), candidate.params.values()))
            .collect();
        let expected = [
            "linear []",
            "ridge [0.1]",
            "ridge [10.0]",
            "elastic_net [0.1, 0.2]",
            "elastic_net [0.1, 0.9]",
            "elastic_net [10.0, 0.2]",
            "elastic_net [10.0, 0.9]",
        ];
        assert_eq!(told, expected);
        assert_eq!(spec.learn.candidates_count(), Ok(expected.len()));
        let plain = ModelSpec::parse(SPEC.split("[learn.search]").next().unwrap()).unwrap();
        assert_eq!(plain.learn.candidates().unwrap().len(), 1);
        assert!(!toml::to_string(&plain).unwrap().contains("search"), "fingerprints without a search stay");
    }

    #[test]
    fn wrong_searches_are_named() {
        let error = |from: &str, to: &str| ModelSpec::parse(&SPEC.replace(from, to)).unwrap_err().to_string();
        assert!(error("\"linear\", ", "\"liner\", ").contains("did you mean `linear`?"));
        assert!(error("l1_ratio =", "l1_ration =").contains("no parameter `l1_ration`"));
        assert!(error("params = { alpha = 3.0 }", "params = { alfa = 3.0 }").contains("no parameter `alfa`"));
        assert!(error("[0.2, 0.9]", "[0.2, 1.9]").contains("must lie between 0 and 1"));
        assert!(error("[0.2, 0.9]", "[]").contains("has no values"));
        assert!(error("[0.1, 10.0]", &format!("{:?}", vec![1.0; 200])).contains("601 candidates"));
        assert!(error("algorithms = [", "folds = 0\nalgorithms = [").contains("not between 1 and"));
        assert!(error("algorithms = [", "metric = \"r2\"\nalgorithms = [").contains("rmse"));
        let error = error("algorithms = [", "metric = \"log_loss\"\nalgorithms = [");
        assert!(error.contains("compares classification, but the task is regression"), "{error}");
    }
}
