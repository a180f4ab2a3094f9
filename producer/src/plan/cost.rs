//! How much work a scope is. The constants were measured once; only their proportions matter for packing.

use schemas::algorithm::Algorithm;
use schemas::spec::ModelSpec;

/// Seconds to find, solve, score and land one scope, whatever its size.
const SCOPE_SECONDS: f64 = 30e-6;

/// Seconds to read one row's values out of decoded columns.
const ROW_SECONDS: f64 = 15e-9;

/// Seconds for one product of two columns in one row.
const PRODUCT_SECONDS: f64 = 0.4e-9;

/// Sweeps over the rows that coordinate descent takes on ordinary data.
const SWEEPS: f64 = 60.0;

/// Estimated seconds of one core to train a scope of `rows` rows.
pub fn scope_seconds(spec: &ModelSpec, rows: u64) -> f64 {
    let width = (spec.learn.features.len() + 8 * spec.learn.categorical.len() + 1) as f64;
    let row_seconds = match spec.algorithm() {
        Ok(Algorithm::ElasticNet) => ROW_SECONDS + SWEEPS * width * PRODUCT_SECONDS,
        _ => ROW_SECONDS + width * width / 2.0 * PRODUCT_SECONDS,
    };
    SCOPE_SECONDS + rows as f64 * row_seconds
}
