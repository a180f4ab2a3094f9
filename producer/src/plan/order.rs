//! What was asked for, checked against the model's spec.

use schemas::pattern::{Pattern, WindowTerm};
use schemas::spec::ModelSpec;
use schemas::window::Window;

use crate::args::PlanArgs;
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

    /// Checks `args` against `spec`.
    ///
    /// # Errors
    /// A usage error that says what is wrong and what could stand there.
    pub fn new(mut spec: ModelSpec, args: &PlanArgs) -> anyhow::Result<Order> {
        if let Some(algorithm) = &args.algorithm {
            if *algorithm != spec.learn.algorithm {
                // The parameters of one algorithm mean nothing to another.
                spec.learn.params.clear();
            }
            spec.learn.algorithm.clone_from(algorithm);
        }
        for param in &args.params {
            let (name, value) =
                param.split_once('=').ok_or_else(|| usage(format!("--param {param}: write NAME=VALUE")))?;
            let value = value.trim().parse();
            let value = value.map_err(|_| usage(format!("--param {param}: the value is no number")))?;
            spec.learn.params.insert(name.trim().to_owned(), value);
        }
        spec.check().map_err(usage)?;
        let parse = |text: &String| Pattern::parse(text, &spec.scope.dimensions, spec.data.time.is_some());
        let patterns = args.scopes.iter().map(parse).collect::<Result<_, _>>().map_err(usage)?;
        Ok(Order { spec, patterns, levels: args.levels })
    }
}
