//! Decoded data made ready for learning.

use std::sync::{Arc, Mutex, PoisonError};

use dataset::{Cached, Groups, Role};
use learn::{Design, DesignError, Target};
use schemas::column::{Column, TEXT_NULL, TextColumn};
use schemas::encoding::Encoding;
use schemas::fit::Input;
use schemas::label::{Label, labels};
use schemas::limits::DESIGN_WIDTH_MAX;
use schemas::spec::ModelSpec;
use schemas::task::Task;
use schemas::time::TIME_NULL;

/// A table with everything that the scopes of one model have in common.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The rows.
    pub(super) data: Arc<Cached>,
    /// How raw columns become the design matrix; categories are those of the whole table.
    pub(super) inputs: Vec<Input>,
    /// The design matrix.
    pub(super) design: Design,
    target: Arc<Column>,
    weights: Option<Arc<Column>>,
    /// What the target's numbers 0, 1, … stand for, ascending, where classes are learned.
    labels: Vec<Label>,
    /// Whether the columns as they were read are needed to the end: fits that answer now are compared on them.
    keeps_columns: bool,
    complete: Vec<bool>,
    complete_groups: Mutex<Vec<Arc<Groups>>>,
}

/// Why data could not be prepared.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    /// The source could not be read.
    #[error("reading the source")]
    Read(#[from] dataset::Error),
    /// The operating system gave no means to wait for files.
    #[error("preparing to read")]
    Runtime(#[source] std::io::Error),
    /// The columns do not make a design matrix.
    #[error(transparent)]
    Design(#[from] DesignError),
    /// One-hot encoding made too many columns.
    #[error(
        "one-hot encoding makes {width} columns, at most {DESIGN_WIDTH_MAX} are allowed: take columns with fewer distinct values as `categorical`"
    )]
    TooWide {
        /// Columns of the design matrix.
        width: usize,
    },
    /// The column of weights is not among those that were read.
    #[error("the weight `{weight}` is no column of numbers")]
    Weight {
        /// Its name.
        weight: String,
    },
    /// The target is not among the columns that were read.
    #[error("the target `{target}` is no column that the task can learn")]
    Target {
        /// Its name.
        target: String,
    },
}

impl Prepared {
    /// Makes `data`, read by [`dataset::Request::for_training`], ready for `spec`.
    ///
    /// # Errors
    /// [`PrepareError`] when columns are missing, of the wrong kind, or too many.
    pub(super) fn new(spec: &ModelSpec, data: Arc<Cached>) -> Result<Prepared, PrepareError> {
        let table = &data.table;
        let inputs = inputs(spec, &data);
        let width: usize = inputs.iter().map(Input::width).sum();
        if width > DESIGN_WIDTH_MAX {
            return Err(PrepareError::TooWide { width });
        }
        let design = Design::new(&inputs, table.rows(), |input| table.shared(input.column(), role(input)))?
            .with_missing(spec.learn.missing);
        let (target, labels) = match spec.task().unwrap_or(Task::Regression) {
            Task::Regression => (table.shared(&spec.learn.target, Role::Number), Vec::new()),
            Task::Clusters | Task::Components | Task::Anomalies => {
                (Some(Arc::new(Column::Number(vec![0.0; table.rows()]))), Vec::new())
            }
            Task::Classification => {
                let classes = table.dimension(&spec.learn.target).map(classes);
                classes.map_or((None, Vec::new()), |(target, labels)| (Some(target), labels))
            }
        };
        let target = target.filter(|column| matches!(**column, Column::Number(_)));
        let target = target.ok_or_else(|| PrepareError::Target { target: spec.learn.target.clone() })?;
        let named = |name: &String| {
            let column = table.shared(name, Role::Number);
            column.ok_or_else(|| PrepareError::Weight { weight: name.clone() })
        };
        let weights = spec.learn.weight.as_ref().map(named).transpose()?;
        let mut complete = design.complete_mask();
        if let Some(Column::Number(values)) = weights.as_deref() {
            // A negative one is complete: its scope fails by name.
            complete.iter_mut().zip(values).for_each(|(complete, weight)| *complete &= weight.is_finite());
        }
        if let Column::Number(values) = &*target {
            complete.iter_mut().zip(values).for_each(|(complete, y)| *complete &= y.is_finite());
        }
        if let Some(times) = table.time() {
            complete.iter_mut().zip(times).for_each(|(complete, time)| *complete &= *time != TIME_NULL);
        }
        Ok(Prepared {
            inputs,
            design,
            target,
            weights,
            labels,
            keeps_columns: !spec.release.gate.is_none(),
            complete,
            complete_groups: Mutex::default(),
            data,
        })
    }

    /// Indexes the rows by the dimensions of each of `levels`, and arranges the numbers so that the slices of the finest
    /// level lie side by side; on up to so many threads.
    pub(super) fn arrange(&mut self, levels: &[Vec<&str>], threads: usize) {
        // The last use of the columns as they were read.
        self.data.row_hashes_on(threads);
        for dimensions in levels {
            // A panic of the other thread is one here, too: the scope sees to it.
            std::thread::scope(|scope| {
                match threads > 1 {
                    true => drop(scope.spawn(|| self.data.digests(dimensions))),
                    false => drop(self.data.digests(dimensions)),
                }
                self.complete_groups(dimensions);
            });
        }
        if !self.keeps_columns
            && let Some(data) = Arc::get_mut(&mut self.data)
        {
            data.table.forget_numbers();
        }
        let finest = levels.iter().max_by_key(|level| level.len());
        let groups = self.complete_groups(finest.map_or(&[], Vec::as_slice));
        self.design.by_rows(groups.all_rows());
    }

    /// Bytes in memory.
    pub(super) fn size_bytes(&self) -> usize {
        self.data.size_bytes() + self.design.size_bytes() + size_of_val(self.target()) + self.complete.len()
    }

    /// The target of each row, a class by its place among all labels.
    pub(super) fn target(&self) -> &[f64] {
        match &*self.target {
            Column::Number(values) => values,
            // Excluded by `new`.
            Column::Text(_) | Column::Time(_) => &[],
        }
    }

    /// What each row counts, where the spec names a column for it.
    pub(super) fn weights(&self) -> Option<&[f64]> {
        match self.weights.as_deref() {
            Some(Column::Number(values)) => Some(values),
            _ => None,
        }
    }

    /// What is learned of each row.
    pub(super) fn learned(&self) -> Target<'_> {
        Target { y: self.target(), weights: self.weights() }
    }

    /// The weights of some rows; none where all count the same.
    pub(super) fn weights_of(&self, rows: &[u32]) -> Vec<f64> {
        self.weights()
            .map_or_else(Vec::new, |weights| rows.iter().map(|row| weights[*row as usize]).collect())
    }

    /// The labels of some classes' numbers.
    pub(super) fn labels(&self, classes: &[f64]) -> Vec<Label> {
        classes.iter().filter_map(|class| self.labels.get(*class as usize)).cloned().collect()
    }

    /// The numbers of some labels; those that no row has get numbers of their own.
    pub(super) fn numbers(&self, labels: &[Label]) -> Vec<f64> {
        let number = |(at, label): (usize, &Label)| {
            self.labels.binary_search(label).unwrap_or(self.labels.len() + at) as f64
        };
        labels.iter().enumerate().map(number).collect()
    }

    /// Marks the complete rows that have a null in one of these dimensions.
    pub(super) fn complete_with_null(&self, dimensions: &[&str]) -> Vec<bool> {
        let texts: Vec<_> = dimensions.iter().map(|name| self.data.table.dimension(name)).collect();
        let has_null = |row: usize| texts.iter().any(|text| text.is_none_or(|t| t.codes[row] == TEXT_NULL));
        self.complete.iter().enumerate().map(|(row, complete)| *complete && has_null(row)).collect()
    }

    /// The groups of complete rows (no null in target, features or time) by these dimensions.
    pub(super) fn complete_groups(&self, dimensions: &[&str]) -> Arc<Groups> {
        let mut kept = self.complete_groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(groups) = kept.iter().find(|groups| groups.dimensions() == dimensions) {
            return groups.clone();
        }
        let groups = Arc::new(Groups::build(&self.data.table, dimensions, Some(&self.complete)));
        // As many as a spec has levels, at most; other dimension sets come one at a time.
        if kept.len() > schemas::limits::DIMENSIONS_MAX {
            kept.remove(0);
        }
        kept.push(groups.clone());
        groups
    }
}

/// Numbers for the texts of a column, in the order of the labels that they stand for.
fn classes(text: &TextColumn) -> (Arc<Column>, Vec<Label>) {
    let own = labels(&text.values);
    let mut sorted = own.clone();
    sorted.sort_unstable();
    let numbers: Vec<f64> =
        own.iter().map(|label| sorted.partition_point(|other| other < label) as f64).collect();
    let number = |code: &u32| numbers.get(*code as usize).copied().unwrap_or(f64::NAN);
    (Arc::new(Column::Number(text.codes.iter().map(number).collect())), sorted)
}

pub(super) fn role(input: &Input) -> Role {
    match input {
        Input::Number(schemas::feature::Feature::Column(_)) => Role::Number,
        Input::Number(schemas::feature::Feature::DatePart(..)) => Role::Time,
        Input::OneHot { .. } | Input::Category { .. } => Role::Text,
    }
}

/// The spec's features and categorical columns; a feature that is also categorical is encoded once, in its place.
fn inputs(spec: &ModelSpec, data: &Cached) -> Vec<Input> {
    let text = |column: &String| {
        let texts = data.table.dimension(column).map(|text| text.values.clone());
        let (column, categories) = (column.clone(), texts.unwrap_or_default());
        match spec.learn.encoding {
            Encoding::OneHot => Input::OneHot { column, categories },
            Encoding::Bins => Input::Category { column, categories },
        }
    };
    let learn = &spec.learn;
    let numbers = learn.features.iter().filter(
        |feature| !matches!(feature, schemas::feature::Feature::Column(c) if learn.categorical.contains(c)),
    );
    numbers.cloned().map(Input::Number).chain(learn.categorical.iter().map(text)).collect()
}
