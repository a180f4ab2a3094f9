//! End-to-end tests: the real programs against real servers.

mod absent;
mod architecture;
mod campaigns;
mod classification;
mod commands;
mod containers;
mod databases;
mod dev;
mod forecasts;
mod keepers;
mod large;
mod missing;
mod operations;
mod poison;
mod queue;
mod requests;
mod search;
mod serving;
mod shards;
mod snapshots;
mod sources;
mod stores;
mod structure;
mod warm;
mod weights;
