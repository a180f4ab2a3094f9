//! From patterns to packs, without side effects.
//!
//! [`order`] checks the command line against the spec; [`mod@expand`] finds the scopes in the data's index;
//! [`mod@rate`] learns their work from earlier campaigns; [`packing`] groups them into queue messages, and [`shards`] cuts those
//! that are too large for one; [`summary`] describes the plan.

pub mod expand;
pub mod order;
pub mod packing;
pub mod rate;
pub mod shards;
pub mod summary;

pub use expand::{Counted, Planned, expand, remarks, windows};
pub use order::Order;
pub use packing::{PlannedPack, pack};
pub use rate::rate;
pub use shards::Cutting;
pub use summary::Summary;
