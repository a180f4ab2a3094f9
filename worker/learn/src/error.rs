//! Why rows gave no fit.

use schemas::limits::{CLASSES_MAX, KEPT_VALUES_MAX};

/// Why rows gave no fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LearnError {
    /// Nothing to learn from.
    #[error("there are no rows to learn from; widen the scope or its window")]
    NoRows,
    /// A sum or a parameter overflowed, or a row that is not complete was among the training rows.
    #[error("the fit is not finite; rescale features or target (magnitudes below 1e150 are safe)")]
    NotFinite,
    /// Coordinate descent used up its steps.
    #[error(
        "no convergence within {iterations} iterations: the duality gap is {gap:e} of the target's sum of squares, \
         above the tolerance {tolerance:e}; raise `max_iterations`, `tolerance` or `alpha`"
    )]
    NotConverged {
        /// Steps taken, each over all columns.
        iterations: u32,
        /// Duality gap over Σ(y − ȳ)².
        gap: f64,
        /// What the gap had to fall below.
        tolerance: f64,
    },
    /// Newton's method found no least loss.
    #[error(
        "no convergence within {steps} steps; raise `alpha`, or drop features that tell large targets from zero"
    )]
    Diverged {
        /// Steps, at most.
        steps: u32,
    },
    /// Newton's method, or sequential minimal optimisation, found no end.
    #[error("no convergence within {steps} steps; lower `c`, so that the penalty counts for more")]
    Flat {
        /// Steps, at most.
        steps: u32,
    },
    /// The target has too many values to be classes.
    #[error(
        "the target has {found} distinct values among the training rows, a classifier takes at most {CLASSES_MAX}; \
         take another target, or `task = \"regression\"`"
    )]
    Classes {
        /// Distinct targets.
        found: usize,
    },
    /// The fit would have to keep too many of its training rows.
    #[error(
        "the fit would keep {values} numbers of its training rows, at most {KEPT_VALUES_MAX} are allowed; take narrower \
         scopes or windows, or an algorithm that keeps no rows"
    )]
    TooLarge {
        /// Numbers to keep.
        values: usize,
    },
    /// The algorithm lets every row count the same.
    #[error("this algorithm takes no weights; drop `weight`, or take another algorithm")]
    Weights,
    /// Fewer rows than clusters.
    #[error(
        "{rows} rows cannot make {clusters} clusters; lower `clusters`, or widen the scope or its window"
    )]
    FewRows {
        /// Rows.
        rows: usize,
        /// Clusters.
        clusters: usize,
    },
    /// All rows are the same.
    #[error(
        "no feature varies among the training rows; widen the scope or its window, or take other features"
    )]
    NothingVaries,
    /// More columns than the algorithm takes.
    #[error("{columns} columns vary, at most {most} are allowed: take fewer features or categories")]
    TooWide {
        /// Columns that vary.
        columns: usize,
        /// Allowed.
        most: usize,
    },
    /// The target is none that the distribution can have.
    #[error(
        "a target is {found}, but of {} targets are {}; take another algorithm, or other rows",
        distribution(*power),
        if *power < 2.0 { "0 or more" } else { "more than 0" }
    )]
    Target {
        /// The distribution's power.
        power: f64,
        /// The first such target.
        found: f64,
    },
}

/// The distribution of a power, as specs name it.
fn distribution(power: f64) -> String {
    match power {
        1.0 => "`poisson`".into(),
        2.0 => "`gamma`".into(),
        power => format!("`tweedie` with the power {power}"),
    }
}
