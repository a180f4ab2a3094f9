//! A tree and a boosting from which tests make theirs.

use learn::{BoostingParams, ForestParams, MaxFeatures};

/// A decision tree without bounds.
pub(crate) const TREE: ForestParams = ForestParams {
    trees: 1,
    max_depth: 32,
    min_leaf: 1,
    max_features: MaxFeatures::Share(1.0),
    bootstrap: false,
    random_cuts: false,
    seed: 3,
    part: None,
    threads: 1,
};

/// A few small trees.
pub(crate) const BOOSTING: BoostingParams = BoostingParams {
    iterations: 5,
    learning_rate: 0.3,
    max_leaves: 8,
    max_depth: 32,
    min_leaf: 2,
    l2: 0.0,
    early_stopping_rounds: 0,
    validation: 0.1,
    threads: 1,
};
