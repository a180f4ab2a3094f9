//! A fit: what training one scope yields. Immutable, self-contained, named by its fingerprint.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::algorithm::{Algorithm, Params};
use crate::classifier::Classifier;
use crate::encoding::Missing;
use crate::feature::Feature;
use crate::forecast::Forecast;
use crate::instances::{Kernel, Neighbours};
use crate::label::Label;
pub use crate::metrics::{ClassificationMetrics, Metrics, RegressionMetrics, StructureMetrics};
use crate::scope::Scope;
use crate::structure::Structure;
use crate::sums::Sums;
use crate::trees::Trees;
use crate::window::Window;

/// Everything needed to predict with a fit and to say where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The slice it was made from.
    pub scope: Scope,
    /// The time span of that slice.
    pub window: Window,
    /// Its name, see [`crate::fingerprint`].
    pub fingerprint: String,
    /// The column it predicts.
    pub target: String,
    /// The target's values that a classifier tells apart, in the order of its probabilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Label>,
    /// How raw columns become the design matrix.
    pub inputs: Vec<Input>,
    /// Whether it predicts rows without a value in some input.
    #[serde(default, skip_serializing_if = "Missing::is_drop")]
    pub missing: Missing,
    /// The algorithm that made it.
    pub algorithm: Algorithm,
    /// The parameters that the spec or the search gave it; the others have their defaults.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub params: Params,
    /// What the algorithm found.
    pub parameters: Parameters,
    /// Rows behind it.
    pub counts: Counts,
    /// Its scores on the newest part of the window; `None` when no rows were held out.
    pub metrics: Option<Metrics>,
    /// The fit of older rows that it went on from, by its fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// What newer rows are added to, where the spec says `warm_start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sums: Option<Sums>,
}

crate::message!(Fit);

/// One input of a fit: one or more columns of the design matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// One number per row.
    Number(Feature),
    /// A 0/1 column for each category, in this order; a text not among them is all zeros.
    OneHot {
        /// The text column.
        column: String,
        /// The known texts.
        categories: Vec<String>,
    },
    /// One column: the place of the text among these; a text not among them has none (NaN).
    Category {
        /// The text column.
        column: String,
        /// The known texts.
        categories: Vec<String>,
    },
}

impl Input {
    /// Columns of the design matrix it fills.
    pub fn width(&self) -> usize {
        match self {
            Input::Number(_) | Input::Category { .. } => 1,
            Input::OneHot { categories, .. } => categories.len(),
        }
    }

    /// The raw column it reads.
    pub fn column(&self) -> &str {
        match self {
            Input::Number(feature) => feature.column(),
            Input::OneHot { column, .. } | Input::Category { column, .. } => column,
        }
    }
}

/// The names of the design columns: `distance`, `weekday(time_hour)`, `plane=A320`.
pub fn design_names(inputs: &[Input]) -> Vec<String> {
    let names = |input: &Input| match input {
        Input::Number(feature) => vec![feature.to_string()],
        Input::Category { column, .. } => vec![column.clone()],
        Input::OneHot { column, categories } => {
            categories.iter().map(|category| format!("{column}={category}")).collect()
        }
    };
    inputs.iter().flat_map(names).collect()
}

/// What an algorithm found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Parameters {
    /// ŷ = intercept + Σ coefficient · column, in the features' own units; a mean has no coefficients.
    Linear {
        /// The prediction where all columns are zero.
        intercept: f64,
        /// One per design column.
        #[serde(with = "crate::packed")]
        coefficients: Vec<f64>,
    },
    /// ŷ = exp(intercept + Σ coefficient · column).
    LogLinear {
        /// The prediction's logarithm where all columns are zero.
        intercept: f64,
        /// One per design column.
        #[serde(with = "crate::packed")]
        coefficients: Vec<f64>,
    },
    /// Decision trees, forests and boosting.
    Trees(Trees),
    /// Support vectors: a kernel of one function.
    Kernel(Kernel),
    /// The mean of the nearest training rows' targets.
    Neighbours(Neighbours),
    /// Probabilities of classes.
    Classifier(Classifier),
    /// The steps after a time series.
    Forecast(Forecast),
    /// What is in the features alone.
    Structure(Structure),
}

impl Parameters {
    /// Numbers that a prediction has: one, or the probability of each class or cluster, or a score for each component.
    pub fn outputs(&self) -> usize {
        match self {
            Parameters::Classifier(classifier) => classifier.classes(),
            Parameters::Structure(structure) => structure.outputs(),
            _ => 1,
        }
    }

    /// About how many bytes it has in memory beside itself: its numbers are as large there as in a message.
    pub fn size_bytes(&self) -> usize {
        match self {
            Parameters::Linear { coefficients, .. } | Parameters::LogLinear { coefficients, .. } => {
                size_of_val(coefficients.as_slice())
            }
            Parameters::Trees(trees) => trees.size_bytes(),
            Parameters::Classifier(Classifier::Boosted { functions, .. }) => {
                functions.iter().map(Trees::size_bytes).sum()
            }
            Parameters::Classifier(Classifier::Forest { trees, shares, .. }) => {
                trees.size_bytes() + size_of_val(shares.as_slice())
            }
            _ => {
                let mut written = Written(0);
                rmp_serde::encode::write(&mut written, self).map_or(0, |()| written.0)
            }
        }
    }
}

/// How many bytes were written, which are nowhere.
struct Written(usize);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many rows stand behind a fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows of the slice.
    pub rows: u64,
    /// Those without a null in target, features or time.
    pub complete_rows: u64,
    /// Those it learned from.
    pub train_rows: u64,
    /// Those it was scored on.
    pub holdout_rows: u64,
}

/// Where a landed fit's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FitRef {
    /// The fit's name.
    pub fingerprint: String,
    /// The blob that holds it: BLAKE3 of its bytes, 64 hex digits.
    pub blob: String,
    /// Its place in the blob.
    pub index: u32,
    /// When it was trained, milliseconds since 1970.
    pub trained_at_ms: i64,
}
