//! The model spec: where the data is, which slices there are, and what is learned on each.

use serde::{Deserialize, Serialize};

use crate::algorithm::{Algorithm, AlgorithmError, Params};
use crate::feature::Feature;
use crate::limits::{
    DELIVERIES_MAX, DIMENSIONS_MAX, FEATURES_MAX, SCOPE_MIB_MIN, SCOPE_SECONDS_MAX, SPEC_BYTES_MAX,
};
use crate::name::{self, NameError};
use crate::pattern::TIME_KEY;

/// A named model, as its TOML file and as stored by the broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The model's name.
    pub name: String,
    /// Where the rows are.
    pub data: DataSpec,
    /// How they are sliced.
    #[serde(default)]
    pub scope: ScopeSpec,
    /// What is learned on each slice.
    pub learn: LearnSpec,
    /// What a pack and a scope may take.
    #[serde(default, skip_serializing_if = "LimitsSpec::is_default")]
    pub limits: LimitsSpec,
}

/// Where the rows are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// One or several paths, globs, folders or URLs.
    pub source: Source,
    /// The column that orders rows and that windows restrict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// One place, or several whose rows are read one after another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Source {
    /// A path, glob, folder or URL.
    One(String),
    /// Several of them.
    Many(Vec<String>),
}

impl Source {
    /// The places in reading order.
    pub fn places(&self) -> &[String] {
        match self {
            Source::One(place) => std::slice::from_ref(place),
            Source::Many(places) => places,
        }
    }
}

/// Which columns scopes restrict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeSpec {
    /// The dimensions, in the order of canonical scope texts.
    #[serde(default)]
    pub dimensions: Vec<String>,
    /// Levels tried when a row has no exact fit; empty means: drop the last dimension, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<Vec<String>>,
}

/// What is learned on each slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnSpec {
    /// The column to predict.
    pub target: String,
    /// Columns and date parts to predict from.
    pub features: Vec<Feature>,
    /// Text columns to one-hot encode; unseen values become all zeros.
    #[serde(default)]
    pub categorical: Vec<String>,
    /// The algorithm's name.
    #[serde(default = "default_algorithm")]
    pub algorithm: String,
    /// Its parameters.
    #[serde(default)]
    pub params: Params,
    /// Share of the newest complete rows that score instead of train, 0 to below 1.
    #[serde(default = "default_holdout")]
    pub holdout: f64,
    /// Complete rows a scope needs.
    #[serde(default = "default_min_rows")]
    pub min_rows: u64,
    /// Land a fit made again from all rows instead of the scored one.
    #[serde(default)]
    pub refit: bool,
}

/// What training may take. None of it changes a fit, so none is part of a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSpec {
    /// Tries of a pack while a server or the source is away; then its scopes end `failed`.
    pub attempts: u32,
    /// Seconds that learning one scope may take.
    pub scope_seconds: u64,
    /// Memory that learning one scope may take beyond the data, in MiB.
    pub scope_mib: u64,
}

impl Default for LimitsSpec {
    fn default() -> LimitsSpec {
        LimitsSpec { attempts: 10, scope_seconds: 600, scope_mib: 4_096 }
    }
}

impl LimitsSpec {
    fn is_default(&self) -> bool {
        *self == LimitsSpec::default()
    }
}

fn default_algorithm() -> String {
    "ridge".into()
}

fn default_holdout() -> f64 {
    0.2
}

fn default_min_rows() -> u64 {
    30
}

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
    /// Parses and checks a spec file.
    ///
    /// # Errors
    /// [`SpecError`]; for TOML errors with line and column.
    pub fn parse(text: &str) -> Result<ModelSpec, SpecError> {
        if text.len() > SPEC_BYTES_MAX {
            return Err(SpecError::TooLarge(text.len()));
        }
        let spec: ModelSpec = toml::from_str(text).map_err(|error| SpecError::Toml(error.to_string()))?;
        spec.check()?;
        Ok(spec)
    }

    /// Checks what the types alone cannot hold.
    ///
    /// # Errors
    /// [`SpecError`] for the first thing that is wrong.
    pub fn check(&self) -> Result<(), SpecError> {
        name::check("model", &self.name)?;
        self.check_data()?;
        self.check_scope()?;
        self.check_limits()?;
        self.check_learn()
    }

    fn check_limits(&self) -> Result<(), SpecError> {
        let LimitsSpec { attempts, scope_seconds, scope_mib } = self.limits;
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
        Ok(())
    }

    fn check_data(&self) -> Result<(), SpecError> {
        let places = self.data.source.places();
        if places.is_empty() || places.iter().any(|place| place.trim().is_empty()) {
            return Err(field("[data] source", "names no file, folder, glob or URL"));
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

    fn check_learn(&self) -> Result<(), SpecError> {
        let learn = &self.learn;
        let inputs = learn.features.len() + learn.categorical.len();
        if learn.target.is_empty() {
            return Err(field("[learn] target", "names no column"));
        }
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
        if inputs == 0 && self.algorithm()? != Algorithm::Mean {
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
        self.algorithm()?.check(&learn.params)?;
        Ok(())
    }

    /// The algorithm.
    ///
    /// # Errors
    /// When the spec names none that exists.
    pub fn algorithm(&self) -> Result<Algorithm, AlgorithmError> {
        Algorithm::parse(&self.learn.algorithm)
    }

    /// The fallback levels as dimension sets (bit `i` for dimension `i`), most exact first.
    pub fn level_masks(&self) -> Vec<u32> {
        let dimensions = &self.scope.dimensions;
        if self.scope.fallback.is_empty() {
            return (0..=dimensions.len()).rev().map(|kept| (1u32 << kept) - 1).collect();
        }
        let bit = |name: &String| dimensions.iter().position(|d| d == name).map_or(0, |i| 1u32 << i);
        self.scope.fallback.iter().map(|level| level.iter().fold(0, |mask, d| mask | bit(d))).collect()
    }

    /// The names of the dimensions in `mask`, in the spec's order.
    pub fn level_names(&self, mask: u32) -> Vec<&str> {
        let names = self.scope.dimensions.iter().enumerate();
        names.filter(|(i, _)| mask & (1 << i) != 0).map(|(_, name)| name.as_str()).collect()
    }

    /// The fallback level that fixes exactly the dimensions in `mask`.
    pub fn level_of(&self, mask: u32) -> Option<u8> {
        self.level_masks().iter().position(|m| *m == mask).and_then(|i| u8::try_from(i).ok())
    }

    /// The dimensions that `scope` fixes, as a set; `None` when it is no scope of this model.
    pub fn mask_of(&self, scope: &crate::scope::Scope) -> Option<u32> {
        let fixed = scope.fixed().ok()?;
        fixed.iter().try_fold(0, |mask, (name, _)| {
            Some(mask | 1u32 << self.scope.dimensions.iter().position(|d| d == name)?)
        })
    }

    /// Names this exact spec: the first 12 hex digits of BLAKE3 over its MessagePack form.
    pub fn revision(&self) -> String {
        let bytes = rmp_serde::to_vec_named(self).unwrap_or_default();
        blake3::hash(&bytes).to_hex()[..12].to_owned()
    }
}

fn field(field: &'static str, problem: impl Into<String>) -> SpecError {
    SpecError::Field { field, problem: problem.into() }
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
    }
}
