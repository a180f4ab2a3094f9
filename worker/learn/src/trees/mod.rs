//! Trees on histograms: one engine for decision trees, forests, extremely randomised trees and gradient boosting.
//!
//! Columns are cut into at most 255 bins once per slice ([`binned`]); a tree grows by sums over bins, and of two children
//! only the smaller one's are counted, the other's are its parent's minus these ([`grow`]; [`bin`] says what is summed up, [`joint`]
//! counts several columns at once); [`mod@forest`] and [`mod@boosting`] add up trees, and [`classes`] makes classifiers of them; [`mod@join`] puts forests
//! together that threads or jobs grew in parts. By [`descent`] rows go down trees.
//! Missing values have a bin of their own and go the better way at each cut; categories have a bin each, which a cut divides into
//! two sets ([`histogram`]). Everything is seeded and repeats bit for bit.

mod bin;
mod binned;
mod boosting;
mod check;
mod classes;
mod codes;
mod descent;
mod few;
mod forest;
mod grow;
mod histogram;
mod isolation;
mod join;
mod joint;
pub(crate) mod random;
mod stopping;
mod team;

pub use boosting::{BoostingParams, boosting};
pub(crate) use classes::{class_boosting, class_forest};
pub(crate) use descent::Descent;
pub use forest::{ForestParams, MaxFeatures, forest};
pub use isolation::{IsolationParams, isolation};
pub use join::join;
pub(crate) use team::with_team;
