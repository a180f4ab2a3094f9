//! `worker train`.
//!
//! [`run`] pulls packs; [`work`] takes one through its steps, of which [`landing`] has the last; [`sandbox`] learns where a crash harms nobody, and there
//! [`prepared`] holds decoded data ready for learning, [`slices`] finds a scope's rows, [`moments`] adds up statistics for
//! all scopes of a pack in one pass, [`learning`] learns each scope by its best candidate, [`warm`] lets it go on from the fit that a scope has, [`series`] where that foretells
//! a time series, [`gate`] compares a new fit with those that answer, for which [`beyond`] has the columns that only they read, and [`fitting`] turns all of it
//! into outcomes and fits. A large scope's work comes in parts: [`assignment`] says which, and [`pieces`] brings what they
//! left together; [`rows`] adds up the rows of a scope that is too large to be read at once.

mod assignment;
mod beyond;
mod fitting;
mod gate;
mod landing;
mod learning;
mod moments;
mod pieces;
mod prepared;
mod rows;
mod run;
pub mod sandbox;
mod series;
mod slices;
mod warm;
mod work;

pub use self::run::run;
