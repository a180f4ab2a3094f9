//! How Scopeforge's words travel and rest. The only crate that names async-nats or redis.
//!
//! | module | what for |
//! |---|---|
//! | [`settings`], [`broker`], [`topology`] | addresses, the connection, and what the broker must hold |
//! | [`jobs`], [`job`], [`lease`], [`plans`], [`merges`], [`dead`], [`pause`], [`lag`] | the work queue: publish, pull, renew, remember, put together, set aside, hold, measure |
//! | [`ledger`], [`catalog`], [`snapshots`], [`campaigns`], [`channels`], [`keeper`] | outcomes and what follows from them |
//! | [`orders`], [`rivals`], [`exact`], [`misses`] | ordering a campaign; what its fits are compared with; one of scopes that are named one by one; one for what was asked for and is not there |
//! | [`patience`] | trying again what a broker cannot do just now |
//! | [`bucket`], [`mirror`] | typed key-value buckets, and a copy of one in memory |
//! | [`store`], [`objects`], [`sweep`] | where fits rest: memory, files, S3, Redis; removing what nothing names |
//! | [`bundle`] | a channel's specs, catalog and fits in one file, to answer without broker and store |
//! | [`fits`] | the listing of a model's fits |
//! | [`presence`], [`status`], [`busyness`], [`discovery`], [`rpc`] | who is alive, what workers say of themselves, how busy they are, and request-reply |
//! | [`clock`], [`ids`], [`shutdown`], [`telemetry`], [`allocator`] | the plumbing of a process |

pub mod allocator;
pub mod broker;
pub mod bucket;
pub mod bundle;
pub mod busyness;
pub mod campaigns;
pub mod catalog;
pub mod channels;
pub mod clock;
pub mod dead;
pub mod discovery;
pub mod exact;
pub mod fits;
pub mod ids;
pub mod job;
pub mod jobs;
pub mod keeper;
pub mod lag;
pub mod lease;
pub mod ledger;
pub mod merges;
pub mod mirror;
pub mod misses;
pub mod objects;
pub mod orders;
pub mod patience;
pub mod pause;
pub mod plans;
pub mod presence;
pub mod rivals;
pub mod rpc;
pub mod settings;
pub mod shutdown;
pub mod snapshots;
pub mod status;
pub mod store;
mod stored;
pub mod sweep;
pub mod telemetry;
pub mod topology;
