//! What was asked for, checked against the model's spec.

use schemas::algorithm::Algorithm;
use schemas::pattern::{Pattern, WindowTerm};
use schemas::spec::{LearnSpec, ModelSpec, SearchSpec};
use schemas::window::Window;

use crate::args::order::PlanArgs;
use crate::usage::usage;

/// A campaign's order: an effective spec and the patterns to expand.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The model's spec with `--algorithm` and `--param` applied.
    pub spec: ModelSpec,
    /// The patterns.
    pub patterns: Vec<Pattern>,
    /// Whether every fallback level above is trained too.
    pub levels: bool,
}

impl Order {
    /// Whether some pattern restricts time: without, the planner need not even read the times.
    pub fn has_windows(&self) -> bool {
        let all_time = |term: &WindowTerm| *term == WindowTerm::Fixed(Window::ALL);
        self.patterns.iter().any(|pattern| !pattern.windows.iter().all(all_time))
    }

    /// Whether some pattern counts back from the newest row.
    pub fn counts_back(&self) -> bool {
        let mut terms = self.patterns.iter().flat_map(|pattern| &pattern.windows);
        terms.any(|term| matches!(term, WindowTerm::Last { .. }))
    }

    /// Checks `args` against `spec`.
    ///
    /// # Errors
    /// A usage error that says what is wrong and what could stand there.
    pub fn new(mut spec: ModelSpec, args: &PlanArgs) -> anyhow::Result<Order> {
        if let Some(algorithms) = &args.algorithm {
            take_algorithms(&mut spec, algorithms);
        }
        args.params.iter().try_for_each(|param| take_param(&mut spec.learn, param))?;
        spec.check().map_err(usage)?;
        let parse = |text: &String| Pattern::parse(text, &spec.scope.dimensions, spec.data.time.is_some());
        let patterns = args.scopes.iter().map(parse).collect::<Result<_, _>>().map_err(usage)?;
        Ok(Order { spec, patterns, levels: args.levels })
    }
}

/// One algorithm, or several between bars, of which each scope takes the best. What is learned stays what it was, and so does how
/// candidates are compared; parameters go on where the spec's own algorithm is among the named ones, as they are meant for it.
fn take_algorithms(spec: &mut ModelSpec, algorithms: &str) {
    let names: Vec<String> = algorithms.split('|').map(|name| name.trim().to_owned()).collect();
    // A stored spec's algorithms exist.
    let (task, own) = (spec.task().ok(), spec.learn.algorithms().unwrap_or_default());
    let learn = &mut spec.learn;
    let named: Vec<Algorithm> = names.iter().filter_map(|name| Algorithm::parse(name).ok()).collect();
    let goes_on = named.iter().any(|algorithm| own.contains(algorithm));
    let takes = |name: &String| named.iter().any(|one| one.params().iter().any(|spec| spec.name == name));
    learn.params.retain(|name, _| goes_on && takes(name));
    let mut search = learn.search.take();
    if let Some(search) = &mut search {
        search.params.retain(|name, _| goes_on && takes(name));
        search.algorithms.clear();
    }
    match &names[..] {
        [one] => {
            learn.algorithm.clone_from(one);
            learn.search = search.filter(|search| !search.params.is_empty());
        }
        _ => learn.search = Some(SearchSpec { algorithms: names, ..search.unwrap_or_default() }),
    }
    if spec.task().ok() != task {
        spec.learn.task = task;
    }
}

/// `NAME=VALUE`, or `NAME=VALUE|VALUE`, of which each scope takes the best.
fn take_param(learn: &mut LearnSpec, param: &str) -> anyhow::Result<()> {
    let (name, values) =
        param.split_once('=').ok_or_else(|| usage(format!("--param {param}: write NAME=VALUE")))?;
    let number = |value: &str| value.trim().parse().ok();
    let values: Option<Vec<f64>> = values.split('|').map(number).collect();
    let values = values.ok_or_else(|| usage(format!("--param {param}: the value is no number")))?;
    let name = name.trim().to_owned();
    learn.params.remove(&name);
    if let Some(search) = &mut learn.search {
        search.params.remove(&name);
    }
    match values[..] {
        [value] => drop(learn.params.insert(name, value)),
        _ => drop(learn.search.get_or_insert_default().params.insert(name, values)),
    }
    Ok(())
}
