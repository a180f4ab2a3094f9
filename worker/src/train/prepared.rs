//! Decoded data made ready for learning, shared by the packs that need it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataset::{Cache, Cached, Groups, Request, Role};
use learn::{Design, DesignError};
use schemas::column::Column;
use schemas::fit::Input;
use schemas::limits::DESIGN_WIDTH_MAX;
use schemas::spec::ModelSpec;
use schemas::time::TIME_NULL;

/// Prepared tables kept: campaigns on more models at once only prepare again, decoded data stays in its own cache.
const PREPARED_MAX: usize = 4;

/// A table with everything that the scopes of one model have in common.
#[derive(Debug)]
pub struct Prepared {
    /// The rows.
    pub data: Arc<Cached>,
    /// How raw columns become the design matrix; categories are those of the whole table.
    pub inputs: Vec<Input>,
    /// The design matrix.
    pub design: Design,
    target: Arc<Column>,
    complete: Vec<bool>,
    complete_groups: Mutex<Vec<(Vec<String>, Arc<Groups>)>>,
}

/// Why data could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The source could not be read.
    #[error("reading the source")]
    Read(#[from] dataset::Error),
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
    /// The target is not among the columns that were read.
    #[error("the target `{target}` is no column of numbers")]
    Target {
        /// Its name.
        target: String,
    },
}

impl Prepared {
    /// Makes `data`, read by [`Request::for_training`], ready for `spec`.
    ///
    /// # Errors
    /// [`PrepareError`] when columns are missing, of the wrong kind, or too many.
    pub fn new(spec: &ModelSpec, data: Arc<Cached>) -> Result<Prepared, PrepareError> {
        let table = &data.table;
        let inputs = inputs(spec, &data);
        let width: usize = inputs.iter().map(Input::width).sum();
        if width > DESIGN_WIDTH_MAX {
            return Err(PrepareError::TooWide { width });
        }
        let design = Design::new(&inputs, table.rows(), |input| table.shared(input.column(), role(input)))?;
        let target = table.shared(&spec.learn.target, Role::Number);
        let target = target.filter(|column| matches!(**column, Column::Number(_)));
        let target = target.ok_or_else(|| PrepareError::Target { target: spec.learn.target.clone() })?;
        let mut complete = design.complete_mask();
        if let Column::Number(values) = &*target {
            complete.iter_mut().zip(values).for_each(|(complete, y)| *complete &= y.is_finite());
        }
        if let Some(times) = table.time() {
            complete.iter_mut().zip(times).for_each(|(complete, time)| *complete &= *time != TIME_NULL);
        }
        Ok(Prepared { inputs, design, target, complete, complete_groups: Mutex::default(), data })
    }

    /// The target of each row.
    pub fn target(&self) -> &[f64] {
        match &*self.target {
            Column::Number(values) => values,
            // Excluded by `new`.
            Column::Text(_) | Column::Time(_) => &[],
        }
    }

    /// The groups of complete rows (no null in target, features or time) by these dimensions.
    pub fn complete_groups(&self, dimensions: &[&str]) -> Arc<Groups> {
        let mut kept = self.complete_groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, groups)) = kept.iter().find(|(names, _)| names == dimensions) {
            return groups.clone();
        }
        let groups = Arc::new(Groups::build(&self.data.table, dimensions, Some(&self.complete)));
        // As many as a spec has levels, at most; other dimension sets come one at a time.
        if kept.len() > schemas::limits::DIMENSIONS_MAX {
            kept.remove(0);
        }
        kept.push((dimensions.iter().map(|name| (*name).to_owned()).collect(), groups.clone()));
        groups
    }
}

fn role(input: &Input) -> Role {
    match input {
        Input::Number(schemas::feature::Feature::Column(_)) => Role::Number,
        Input::Number(schemas::feature::Feature::DatePart(..)) => Role::Time,
        Input::OneHot { .. } => Role::Text,
    }
}

/// The spec's features and categorical columns; a feature that is also categorical is encoded once, in its place.
fn inputs(spec: &ModelSpec, data: &Cached) -> Vec<Input> {
    let one_hot = |column: &String| Input::OneHot {
        column: column.clone(),
        categories: data.table.dimension(column).map(|text| text.values.clone()).unwrap_or_default(),
    };
    let learn = &spec.learn;
    let numbers = learn.features.iter().filter(
        |feature| !matches!(feature, schemas::feature::Feature::Column(c) if learn.categorical.contains(c)),
    );
    numbers.cloned().map(Input::Number).chain(learn.categorical.iter().map(one_hot)).collect()
}

/// Prepared tables by model, the ones used last.
#[derive(Debug)]
pub struct PreparedCache {
    tables: Cache,
    threads: usize,
    prepared: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    revision: String,
    data: Arc<Cached>,
    cell: Arc<tokio::sync::OnceCell<Arc<Prepared>>>,
}

impl PreparedCache {
    /// Keeps at most `budget_bytes` of decoded data; decodes on `threads` threads.
    pub fn new(budget_bytes: u64, threads: usize) -> PreparedCache {
        let budget = usize::try_from(budget_bytes).unwrap_or(usize::MAX);
        PreparedCache { tables: Cache::new(budget), threads, prepared: Mutex::default() }
    }

    /// What `spec` learns from, as its source is now. Packs that ask at the same time share the work.
    ///
    /// # Errors
    /// [`PrepareError`] when the source cannot be read or does not fit the spec.
    pub async fn get(&self, spec: &ModelSpec) -> Result<Arc<Prepared>, PrepareError> {
        let data = self.tables.get(&spec.data.source, &Request::for_training(spec), self.threads).await?;
        let cell = self.enter(spec.revision(), &data);
        let prepare = || async {
            let (spec, data) = (spec.clone(), data.clone());
            let made = tokio::task::spawn_blocking(move || Prepared::new(&spec, data)).await;
            match made {
                Ok(made) => made.map(Arc::new),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        };
        cell.get_or_try_init(prepare).await.cloned()
    }

    fn enter(&self, revision: String, data: &Arc<Cached>) -> Arc<tokio::sync::OnceCell<Arc<Prepared>>> {
        let mut prepared = self.lock();
        let known = |entry: &Entry| entry.revision == revision && Arc::ptr_eq(&entry.data, data);
        if let Some(at) = prepared.iter().position(known) {
            let entry = prepared.remove(at);
            let cell = entry.cell.clone();
            prepared.push(entry);
            return cell;
        }
        if prepared.len() == PREPARED_MAX {
            prepared.remove(0);
        }
        // An older content of the same model's source is of no more use.
        prepared.retain(|entry| entry.revision != revision);
        let cell = Arc::default();
        prepared.push(Entry { revision, data: data.clone(), cell: Arc::clone(&cell) });
        cell
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
