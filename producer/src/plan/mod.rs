//! From patterns to packs, without side effects.
//!
//! [`order`] checks the command line against the spec; [`mod@expand`] finds the scopes in the data's index;
//! [`cost`] estimates their work; [`packing`] groups them into queue messages; [`summary`] describes the plan.

pub mod cost;
pub mod expand;
pub mod order;
pub mod packing;
pub mod summary;

pub use expand::{Planned, expand};
pub use order::Order;
pub use packing::{PlannedPack, pack};
pub use summary::Summary;
