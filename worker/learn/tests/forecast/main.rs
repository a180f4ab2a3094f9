//! Forecasts: against another tool's, and on odd series.

mod properties;
mod reference;
mod regressions;
