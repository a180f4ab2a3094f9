//! `[learn.series]`: how rows become a time series, and how far it is foretold.

use serde::{Deserialize, Serialize};

use super::{ModelSpec, SpecError};
use crate::algorithm::Algorithm;
use crate::feature::Feature;
use crate::limits::{HORIZON_MAX, LAG_MAX, LAGS_MAX, LEVELS_MAX};
use crate::step::Step;
use crate::task::Task;

/// How rows become a time series, and how far it is foretold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesSpec {
    /// The distance of the points.
    pub step: Step,
    /// Steps foretold.
    pub horizon: u32,
    /// What the rows of one step make.
    #[serde(default)]
    pub aggregate: Aggregate,
    /// What a step without rows is.
    #[serde(default)]
    pub gaps: Gaps,
    /// For regressions: columns of the points so many steps before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lags: Vec<u32>,
    /// For regressions: columns of the mean of so many points before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rolling_means: Vec<u32>,
    /// Prediction intervals, in percent.
    #[serde(default = "default_levels")]
    pub levels: Vec<f64>,
}

/// What the rows of one step make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// The sum of their targets.
    #[default]
    Sum,
    /// The mean of their targets.
    Mean,
    /// Their number.
    Count,
}

/// What a step without rows is, between two that have some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gaps {
    /// The end of the scope: it fails.
    #[default]
    Error,
    /// 0: nothing was sold, nobody flew.
    Zero,
    /// What the step before it is.
    Hold,
}

fn default_levels() -> Vec<f64> {
    vec![80.0, 95.0]
}

impl ModelSpec {
    /// Checks that forecasting algorithms and a series come together, and what a series needs.
    pub(super) fn check_series(&self) -> Result<(), SpecError> {
        let candidates = self.learn.candidates()?;
        let Some(series) = &self.learn.series else {
            return match candidates.iter().find(|candidate| candidate.algorithm.is_forecast()) {
                Some(candidate) => Err(field("[learn.series]", missing(candidate.algorithm))),
                None => Ok(()),
            };
        };
        if self.task()? != Task::Regression {
            return Err(field("[learn] task", "must be regression: the points of a series are numbers"));
        }
        let Some(time) = &self.data.time else {
            return Err(field("[data] time", "names no column; a series needs one"));
        };
        let of_time = |feature: &Feature| matches!(feature, Feature::DatePart(_, column) if column == time);
        if !self.learn.categorical.is_empty() || !self.learn.features.iter().all(of_time) {
            let problem = format!(
                "a series has no columns but its own: date parts of `{time}`, `lags`, `rolling_means`"
            );
            return Err(field("[learn] features", problem));
        }
        let regression = candidates.iter().find(|candidate| !candidate.algorithm.is_forecast());
        let columns = self.learn.features.len() + series.lags.len() + series.rolling_means.len();
        match regression {
            None if columns > 0 => {
                return Err(field(
                    "[learn.series] lags",
                    "these and date parts are for regressions; leave them out",
                ));
            }
            Some(candidate) if columns == 0 => {
                return Err(field("[learn.series] lags", bare(candidate.algorithm)));
            }
            _ => {}
        }
        let needs_season = |algorithm| matches!(algorithm, Algorithm::SeasonalNaive | Algorithm::Mstl);
        let without = candidates
            .iter()
            .find(|candidate| needs_season(candidate.algorithm) && !candidate.params.contains_key("season"));
        if let Some(candidate) = without {
            let name = candidate.algorithm.name();
            let problem =
                format!("`{name}` needs `season`: how many steps a season has (7 for days of a week)");
            return Err(field("[learn] params", problem));
        }
        series.check()
    }
}

fn missing(algorithm: Algorithm) -> String {
    format!("is missing; `{}` foretells a time series: give `step` and `horizon`", algorithm.name())
}

fn bare(algorithm: Algorithm) -> String {
    let name = algorithm.name();
    format!("are missing; `{name}` needs `lags`, `rolling_means` or date parts to learn a series from")
}

impl SeriesSpec {
    fn check(&self) -> Result<(), SpecError> {
        if self.horizon == 0 || self.horizon > HORIZON_MAX {
            let problem = format!("{} is none of 1 to {HORIZON_MAX}", self.horizon);
            return Err(field("[learn.series] horizon", problem));
        }
        for (at, counts) in
            [("[learn.series] lags", &self.lags), ("[learn.series] rolling_means", &self.rolling_means)]
        {
            if counts.len() > LAGS_MAX {
                return Err(field(at, format!("at most {LAGS_MAX}, here are {}", counts.len())));
            }
            if let Some(wrong) = counts.iter().find(|count| !(1..=LAG_MAX).contains(*count)) {
                return Err(field(at, format!("{wrong} is none of 1 to {LAG_MAX}")));
            }
        }
        let at = "[learn.series] levels";
        if self.levels.len() > LEVELS_MAX {
            return Err(field(at, format!("at most {LEVELS_MAX}, here are {}", self.levels.len())));
        }
        if let Some(wrong) = self.levels.iter().find(|level| !(**level > 0.0 && **level < 100.0)) {
            return Err(field(at, format!("{wrong} is no percentage above 0 and below 100")));
        }
        match self.levels.windows(2).all(|pair| pair[0] < pair[1]) {
            true => Ok(()),
            false => Err(field(at, "must rise from one to the next")),
        }
    }
}

fn field(field: &'static str, problem: impl Into<String>) -> SpecError {
    SpecError::Field { field, problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALES: &str = r#"
name = "sales"
[data]
source = "sales.csv"
time = "day"
[scope]
dimensions = ["store"]
[learn]
target = "units"
algorithm = "seasonal_naive"
params = { season = 7 }
[learn.series]
step = "1d"
horizon = 28
"#;

    #[test]
    fn a_series_has_defaults_and_comes_back_as_it_was() {
        let spec = ModelSpec::parse(SALES).unwrap();
        let series = spec.learn.series.clone().unwrap();
        assert_eq!(
            (series.aggregate, series.gaps, &series.levels[..]),
            (Aggregate::Sum, Gaps::Error, &[80.0, 95.0][..])
        );
        let text = toml::to_string(&spec).unwrap();
        assert_eq!(ModelSpec::parse(&text).unwrap(), spec);
        let bytes = rmp_serde::to_vec_named(&spec).unwrap();
        assert_eq!(rmp_serde::from_slice::<ModelSpec>(&bytes).unwrap(), spec);
    }

    #[test]
    fn regressions_learn_a_series_by_its_own_columns() {
        let ridge = SALES.replace("seasonal_naive", "ridge").replace("season = 7", "alpha = 1");
        let ridge = ridge.replace("horizon", "lags = [1, 7]\nrolling_means = [28]\nhorizon");
        assert!(ModelSpec::parse(&ridge).is_ok());
        assert!(ModelSpec::parse(&ridge.replace("params", "features = [\"weekday(day)\"]\nparams")).is_ok());
        let other = ModelSpec::parse(&ridge.replace("params", "features = [\"weekday(other)\"]\nparams"));
        assert!(other.unwrap_err().to_string().contains("date parts of `day`"));
        let classes = ModelSpec::parse(&ridge.replace("\"ridge\"", "\"logistic\"").replace("alpha = 1", ""));
        assert!(classes.unwrap_err().to_string().contains("must be regression"));
        let far = ModelSpec::parse(&ridge.replace("lags = [1, 7]", "lags = [0]"));
        assert!(far.unwrap_err().to_string().contains("lags: 0 is none of 1 to 10000"));
    }

    #[test]
    fn each_wrong_field_is_named() {
        let error = |from: &str, to: &str| {
            assert!(SALES.contains(from), "{from}");
            ModelSpec::parse(&SALES.replace(from, to)).unwrap_err().to_string()
        };
        assert!(error("\"1d\"", "\"daily\"").contains("is no step"));
        assert!(error("28", "0").contains("none of 1 to 10000"));
        assert!(error("28", "28\nlevels = [95, 80]").contains("must rise"));
        assert!(error("28", "28\nlevels = [100]").contains("no percentage"));
        assert!(error("28", "28\ngaps = \"fill\"").contains("zero"));
        assert!(error("time = \"day\"", "").contains("[data] time"));
        assert!(error("\"units\"", "\"units\"\nfeatures = [\"price\"]").contains("no columns but its own"));
        assert!(error("28", "28\nlags = [7]").contains("are for regressions"));
        assert!(error("params = { season = 7 }", "").contains("needs `season`"));
        assert!(
            error("\"seasonal_naive\"\nparams = { season = 7 }", "\"linear\"")
                .contains("`linear` needs `lags`")
        );
        let without = SALES.split("[learn.series]").next().unwrap();
        assert!(ModelSpec::parse(without).unwrap_err().to_string().contains("give `step` and `horizon`"));
    }
}
