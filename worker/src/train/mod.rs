//! `worker train`.
//!
//! [`run`] pulls packs; [`work`] takes one through its five steps; [`prepared`] holds decoded data ready for learning;
//! [`slices`] finds a scope's rows; [`moments`] adds up statistics for all scopes of a pack in one pass;
//! [`fitting`] turns all of it into outcomes and fits.

mod fitting;
mod moments;
mod prepared;
mod run;
mod slices;
mod work;

pub use self::fitting::{FitOrder, Fitted, fit_pack};
pub use self::prepared::{Prepared, PreparedCache};
pub use self::run::run;
