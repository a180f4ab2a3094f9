//! What of a spec the types alone cannot hold.

use super::{LimitsSpec, ModelSpec};
use crate::algorithm::{Algorithm, AlgorithmError};
use crate::feature::Feature;
use crate::limits::{
    CANDIDATES_MAX, DELIVERIES_MAX, DIMENSIONS_MAX, FEATURES_MAX, FOLDS_MAX, SCOPE_MIB_MIN,
    SCOPE_SECONDS_MAX, SPEC_BYTES_MAX,
};
use crate::name::{self, NameError};
use crate::pattern::TIME_KEY;
use crate::task::Task;

/// Why a spec was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// Not TOML, or not of the spec's shape.
    #[error("not a model spec: {0}")]
    Toml(String),
    /// The file is too large to be a spec.
    #[error("a model spec has at most {SPEC_BYTES_MAX} bytes, this has {0}")]
    TooLarge(usize),
    /// A bad model name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A bad algorithm or parameter.
    #[error("[learn] {0}")]
    Algorithm(#[from] AlgorithmError),
    /// A field that contradicts another or lies out of range.
    #[error("{field}: {problem}")]
    Field {
        /// Where, as `[section] key`.
        field: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl ModelSpec {
    /// Checks what the types alone cannot hold.
    ///
    /// # Errors
    /// [`SpecError`] for the first thing that is wrong.
    pub fn check(&self) -> Result<(), SpecError> {
        name::check("model", &self.name)?;
        self.check_data()?;
        self.check_scope()?;
        self.check_limits()?;
        self.check_gate()?;
        self.check_learn()
    }

    /// A gate compares predictions of held-out rows.
    fn check_gate(&self) -> Result<(), SpecError> {
        let refuse = |problem: &str| Err(field("[release] gate", problem));
        match (self.release.gate.is_none(), &self.learn) {
            (true, _) => Ok(()),
            (_, learn) if learn.holdout == 0.0 => refuse("needs a `holdout` to compare fits on"),
            (_, learn) if learn.series.is_some() => {
                refuse("does not go with time series: older forecasts are of other times")
            }
            _ if !self.task()?.has_target() => refuse("needs a target to compare fits by"),
            _ => Ok(()),
        }
    }

    fn check_limits(&self) -> Result<(), SpecError> {
        let LimitsSpec { attempts, scope_seconds, scope_mib, shard_seconds, shard_mib } = self.limits;
        if attempts == 0 || attempts >= DELIVERIES_MAX {
            let problem = format!("{attempts} is none of 1 to {}", DELIVERIES_MAX - 1);
            return Err(field("[limits] attempts", problem));
        }
        if scope_seconds == 0 || scope_seconds > SCOPE_SECONDS_MAX {
            let problem = format!("{scope_seconds} is none of 1 to {SCOPE_SECONDS_MAX}");
            return Err(field("[limits] scope_seconds", problem));
        }
        if scope_mib < SCOPE_MIB_MIN {
            return Err(field("[limits] scope_mib", format!("must be at least {SCOPE_MIB_MIN}")));
        }
        if shard_seconds.is_nan() || shard_seconds <= 0.0 {
            return Err(field("[limits] shard_seconds", "must be more than 0"));
        }
        if shard_mib == 0 {
            return Err(field("[limits] shard_mib", "must be more than 0"));
        }
        Ok(())
    }

    fn check_data(&self) -> Result<(), SpecError> {
        let places = self.data.source.places();
        if places.is_empty() || places.iter().any(|place| place.trim().is_empty()) {
            return Err(field("[data] source", "names no file, folder, glob or URL"));
        }
        let databases = places.iter().filter(|place| is_database(place)).count();
        if databases > 0 && places.len() > 1 {
            return Err(field("[data] source", "a database stands alone"));
        }
        if places.iter().any(|place| is_database(place) && has_password(place)) {
            let problem = "specs are stored and shown, so no password may stand in it: set PGPASSWORD where trainers and `enqueue` run";
            return Err(field("[data] source", problem));
        }
        if self.data.query.is_some() && databases == 0 {
            return Err(field("[data] query", "is for sources like postgres://user@host/database"));
        }
        Ok(())
    }

    fn check_scope(&self) -> Result<(), SpecError> {
        let dimensions = &self.scope.dimensions;
        let at = "[scope] dimensions";
        if dimensions.len() > DIMENSIONS_MAX {
            return Err(field(at, format!("at most {DIMENSIONS_MAX}, here are {}", dimensions.len())));
        }
        if let Some(twice) = repeated(dimensions) {
            return Err(field(at, format!("`{twice}` stands twice")));
        }
        if dimensions.iter().any(|d| d == TIME_KEY || d.is_empty()) {
            return Err(field(
                at,
                format!("a dimension must have a name other than `{TIME_KEY}`, which is the window's"),
            ));
        }
        for level in &self.scope.fallback {
            if let Some(unknown) = level.iter().find(|d| !dimensions.contains(d)) {
                let hint = crate::suggest::hint(unknown, dimensions.iter().map(String::as_str));
                return Err(field("[scope] fallback", format!("no dimension `{unknown}`{hint}")));
            }
        }
        if let Some(twice) = repeated(&self.level_masks()) {
            return Err(field(
                "[scope] fallback",
                format!("the level {:?} stands twice", self.level_names(*twice)),
            ));
        }
        Ok(())
    }

    fn check_warm_start(&self) -> Result<(), SpecError> {
        let refuse = |problem: String| Err(field("[learn] warm_start", problem));
        let algorithm = self.algorithm()?;
        if self.learn.search.is_some() || self.learn.refit || self.learn.series.is_some() {
            return refuse(
                "goes with none of [learn.search], refit and [learn.series]: these look at all rows".into(),
            );
        }
        if !algorithm.warm_starts() || self.task()? != Task::Regression {
            let problem = "starts anew; mean, linear, ridge, lasso, elastic_net and the regression of boosting can go on";
            return refuse(format!("`{}` {problem}", algorithm.name()));
        }
        if algorithm == Algorithm::Boosting
            && algorithm.param(&self.learn.params, "early_stopping_rounds") > 0.0
        {
            return refuse("does not go with early_stopping_rounds, which looks at all rows".into());
        }
        Ok(())
    }

    fn check_weight(&self, weight: &str) -> Result<(), SpecError> {
        if weight.is_empty() || weight == self.learn.target {
            return Err(field("[learn] weight", "must name a column of its own"));
        }
        let takes = |algorithm: &Algorithm| algorithm.takes_weights();
        if let Some(other) = self.learn.algorithms()?.into_iter().find(|algorithm| !takes(algorithm)) {
            let able = Algorithm::ALL.iter().filter(|(algorithm, _)| takes(algorithm)).map(|(_, name)| *name);
            let able: Vec<&str> = able.collect();
            let problem = format!("`{}` takes no weights; these do: {}", other.name(), able.join(", "));
            return Err(field("[learn] weight", problem));
        }
        if self.learn.series.is_some() {
            return Err(field("[learn] weight", "time series take no weights"));
        }
        Ok(())
    }

    /// Missing values and categories in bins are for trees.
    fn check_bins(&self) -> Result<(), SpecError> {
        let learn = &self.learn;
        let asked = [
            ("[learn] missing", "keep", !learn.missing.is_drop()),
            ("[learn] encoding", "bins", !learn.encoding.is_one_hot()),
        ];
        let Some((at, value, _)) = asked.into_iter().find(|(.., asked)| *asked) else { return Ok(()) };
        let other = learn.algorithms()?.into_iter().find(|algorithm| !algorithm.takes_bins());
        match other {
            Some(other) => Err(field(
                at,
                format!(
                    "`{value}` is for tree, forest, extra_trees and boosting; `{}` takes no such columns",
                    other.name()
                ),
            )),
            None if learn.series.is_some() => {
                Err(field(at, format!("`{value}` does not go with time series")))
            }
            None => Ok(()),
        }
    }

    fn check_learn(&self) -> Result<(), SpecError> {
        let learn = &self.learn;
        let inputs = learn.features.len() + learn.categorical.len();
        let task = self.task()?;
        if task.has_target() && learn.target.is_empty() {
            return Err(field("[learn] target", "names no column"));
        }
        if !task.has_target() && !learn.target.is_empty() {
            let problem = format!(
                "`{}` is not looked at: {} are found in the features alone",
                learn.target,
                task.name()
            );
            return Err(field("[learn] target", problem));
        }
        if !task.has_target() && learn.search.is_some() {
            let problem = format!("{} have no error by which candidates could be compared", task.name());
            return Err(field("[learn] search", problem));
        }
        if learn.warm_start {
            self.check_warm_start()?;
        }
        if let Some(weight) = &learn.weight {
            self.check_weight(weight)?;
        }
        self.check_bins()?;
        if inputs > FEATURES_MAX {
            return Err(field("[learn] features", format!("at most {FEATURES_MAX}, here are {inputs}")));
        }
        if let Some(twice) = repeated(&learn.features) {
            return Err(field("[learn] features", format!("`{twice}` stands twice")));
        }
        if let Some(twice) = repeated(&learn.categorical) {
            return Err(field("[learn] categorical", format!("`{twice}` stands twice")));
        }
        let reads_target = |f: &Feature| *f == Feature::Column(learn.target.clone());
        if learn.features.iter().any(reads_target) || learn.categorical.contains(&learn.target) {
            return Err(field(
                "[learn] features",
                format!("`{}` is the target, it cannot predict itself", learn.target),
            ));
        }
        let needs_inputs = |algorithm: Algorithm| algorithm != Algorithm::Mean && !algorithm.is_forecast();
        if inputs == 0 && self.learn.series.is_none() && needs_inputs(self.algorithm()?) {
            return Err(field("[learn] features", "is empty; only the algorithm `mean` needs none"));
        }
        if !(0.0..1.0).contains(&learn.holdout) {
            return Err(field(
                "[learn] holdout",
                format!("{} is no share: 0 or more, below 1", learn.holdout),
            ));
        }
        if learn.min_rows == 0 {
            return Err(field("[learn] min_rows", "must be at least 1"));
        }
        self.check_search()?;
        self.check_series()
    }

    fn check_search(&self) -> Result<(), SpecError> {
        self.algorithm()?;
        if let Some(search) = &self.learn.search {
            if !(1..=FOLDS_MAX).contains(&search.folds) {
                let problem = format!("{} is not between 1 and {FOLDS_MAX}", search.folds);
                return Err(field("[learn.search] folds", problem));
            }
            if let Some((name, _)) = search.params.iter().find(|(_, values)| values.is_empty()) {
                return Err(field("[learn.search] params", format!("`{name}` has no values")));
            }
            let (metric, task) = (search.metric(self.task()?), self.task()?);
            if metric.task() != task {
                let problem = format!("compares {}, but the task is {}", metric.task().name(), task.name());
                return Err(field("[learn.search] metric", problem));
            }
            let count = self.learn.candidates_count()?;
            if count > CANDIDATES_MAX {
                let problem = format!("make {count} candidates, at most {CANDIDATES_MAX} are allowed");
                return Err(field("[learn.search] algorithms and params", problem));
            }
        }
        let candidates = self.learn.candidates()?;
        let task = self.task()?;
        for candidate in &candidates {
            candidate.algorithm.check(&candidate.params)?;
            candidate.algorithm.check_task(task)?;
        }
        Ok(())
    }
}

fn field(field: &'static str, problem: impl Into<String>) -> SpecError {
    SpecError::Field { field, problem: problem.into() }
}

fn is_database(place: &str) -> bool {
    place.starts_with("postgres://") || place.starts_with("postgresql://")
}

/// Whether a database's URL has a password, before the server's name or among the parameters.
fn has_password(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let user = rest.split_once('@').map_or("", |(user, _)| user);
    user.contains(':') || rest.contains("password=")
}

fn repeated<T: PartialEq>(items: &[T]) -> Option<&T> {
    items.iter().enumerate().find(|(i, item)| items[..*i].contains(item)).map(|(_, item)| item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scope;

    pub(crate) const FLIGHTS: &str = r#"
name = "arrival_delay"
[data]
source = "tests/data/flights.parquet"
time = "time_hour"
[scope]
dimensions = ["carrier", "origin", "dest"]
[learn]
target = "arr_delay"
features = ["dep_delay", "distance", "hour", "month", "day", "weekday(time_hour)"]
algorithm = "ridge"
params = { alpha = 1.0 }
"#;

    #[test]
    fn the_design_spec_parses_with_its_defaults() {
        let spec = ModelSpec::parse(FLIGHTS).unwrap();
        assert_eq!(spec.level_masks(), [0b111, 0b011, 0b001, 0]);
        assert_eq!((spec.learn.min_rows, spec.learn.refit), (30, false));
        assert_eq!(spec.level_of(spec.mask_of(&Scope::new([("carrier", "UA")])).unwrap()), Some(2));
        assert_eq!(spec.revision(), ModelSpec::parse(FLIGHTS).unwrap().revision());
    }

    #[test]
    fn each_wrong_field_is_named() {
        let error = |from: &str, to: &str| {
            assert!(FLIGHTS.contains(from));
            ModelSpec::parse(&FLIGHTS.replace(from, to)).unwrap_err().to_string()
        };
        assert!(error("\"ridge\"", "\"rigde\"").contains("did you mean `ridge`?"));
        assert!(error("alpha =", "alfa =").contains("did you mean `alpha`?"));
        assert!(
            error("params =", "task = \"classification\"\nparams =")
                .contains("`ridge` does no classification")
        );
        assert!(error("target =", "tagret =").contains("target"));
        assert!(error("arrival_delay", "a/b").contains("has '/' in it"));
        assert!(error("\"dep_delay\"", "\"arr_delay\"").contains("cannot predict itself"));
        assert!(error("\"origin\"", "\"carrier\"").contains("stands twice"));
        assert!(error("\"dest\"", "\"time\"").contains("window"));
        assert!(error("weekday(", "weakday(").contains("weekday"));
        assert!(error("target = \"arr_delay\"", "target = \"y\"\nholdout = 1.0").contains("no share"));
        let fallback = "[scope]\nfallback = [[\"carier\"]]";
        assert!(error("[scope]", fallback).contains("did you mean `carrier`?"));
        assert!(ModelSpec::parse(&"#".repeat(SPEC_BYTES_MAX + 1)).is_err());
        assert!(error("[scope]", "query = \"select 1\"\n[scope]").contains("[data] query"));
        for url in
            ["postgres://me:s3cret@db/x", "postgres://me:s3/cret@db/x", "postgresql://db/x?password=s3cret"]
        {
            let text = error("tests/data/flights.parquet", url);
            assert!(text.contains("PGPASSWORD") && !text.contains("s3"), "{text}");
        }
        assert!(
            ModelSpec::parse(&FLIGHTS.replace("tests/data/flights.parquet", "postgres://me@db:5/x?table=t"))
                .is_ok()
        );
    }
}
