//! The model spec: where the data is, which slices there are, and what is learned on each.

mod check;
mod search;
mod series;

use serde::{Deserialize, Serialize};

pub use self::check::SpecError;
pub use self::search::{Candidate, FoldWindow, SearchMetric, SearchSpec};
pub use self::series::{Aggregate, Gaps, SeriesSpec};
use crate::algorithm::{Algorithm, AlgorithmError, Params};
use crate::encoding::{Encoding, Missing};
use crate::feature::Feature;
use crate::gate::Gate;
use crate::limits::SPEC_BYTES_MAX;
use crate::task::Task;

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
    /// Which fits may answer.
    #[serde(default, skip_serializing_if = "ReleaseSpec::is_default")]
    pub release: ReleaseSpec,
    /// What a pack and a scope may take.
    #[serde(default, skip_serializing_if = "LimitsSpec::is_default")]
    pub limits: LimitsSpec,
}

crate::message!(ModelSpec);

/// Where the rows are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// One or several paths, globs, folders or URLs.
    pub source: Source,
    /// What a database is asked for, when `source` names one without a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
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
    /// The column to predict; none where structure is found in the features alone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// What is learned of it; the algorithm's own first task where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The column that says what each row counts, in training and in scores: 0 or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// Columns and date parts to predict from.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// Text columns to predict from.
    #[serde(default)]
    pub categorical: Vec<String>,
    /// How these become numbers.
    #[serde(default, skip_serializing_if = "Encoding::is_one_hot")]
    pub encoding: Encoding,
    /// What becomes of rows without a value in some feature.
    #[serde(default, skip_serializing_if = "Missing::is_drop")]
    pub missing: Missing,
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
    /// Go on from the fit that a scope has, where only newer rows have come since.
    #[serde(default, skip_serializing_if = "is_false")]
    pub warm_start: bool,
    /// Candidates that each scope chooses from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchSpec>,
    /// How each scope is a time series, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesSpec>,
}

/// Which fits may answer. None of it changes a fit, so none is part of a fingerprint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseSpec {
    /// How a new fit has to score against those that answer now.
    pub gate: Gate,
    /// What becomes of a scope that is asked for and has no fit of its own.
    pub on_miss: OnMiss,
}

/// What becomes of a scope that is asked for and has no fit of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMiss {
    /// Coarser fits go on answering for it.
    #[default]
    Fallback,
    /// They answer, and one is trained for it.
    Train,
}

impl ReleaseSpec {
    fn is_default(&self) -> bool {
        *self == ReleaseSpec::default()
    }
}

/// What training may take. None of it changes a fit, so none is part of a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSpec {
    /// Tries of a pack while a server or the source is away; then its scopes end `failed`.
    pub attempts: u32,
    /// Seconds that learning one scope may take.
    pub scope_seconds: u64,
    /// Memory that learning one scope may take beyond the data, in MiB.
    pub scope_mib: u64,
    /// Planned seconds of one core from which the work on one scope is cut into several jobs of about as many.
    pub shard_seconds: f64,
    /// Memory of a trainer, in MiB, from which the rows of one scope are cut into several jobs of about as much.
    pub shard_mib: u64,
}

impl Default for LimitsSpec {
    fn default() -> LimitsSpec {
        LimitsSpec {
            attempts: 10,
            scope_seconds: 600,
            scope_mib: 4_096,
            shard_seconds: 5.0,
            shard_mib: 1_024,
        }
    }
}

impl LimitsSpec {
    fn is_default(&self) -> bool {
        *self == LimitsSpec::default()
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
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

    /// The algorithm.
    ///
    /// # Errors
    /// When the spec names none that exists.
    pub fn algorithm(&self) -> Result<Algorithm, AlgorithmError> {
        Algorithm::parse(&self.learn.algorithm)
    }

    /// What is learned: what the spec says, or else the first task of its (first) algorithm.
    ///
    /// # Errors
    /// When the spec names an algorithm that does not exist.
    pub fn task(&self) -> Result<Task, AlgorithmError> {
        let own = || Ok(self.learn.algorithms()?[0].tasks()[0]);
        self.learn.task.map_or_else(own, Ok)
    }

    /// Whether a coarser level's predictions are of another size: a series' points are sums or counts over its rows.
    pub fn adds_up(&self) -> bool {
        let adds_up = |series: &SeriesSpec| matches!(series.aggregate, Aggregate::Sum | Aggregate::Count);
        self.learn.series.as_ref().is_some_and(adds_up)
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
