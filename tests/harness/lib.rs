//! What end-to-end tests stand on: real servers, the real programs as child processes, free ports, temporary folders.
//!
//! | module | what |
//! |---|---|
//! | [`mod@program`] | a child process: started, awaited, stopped, killed |
//! | [`servers`] | nats-server, redis-server, an S3 server |
//! | [`postgres`] | a PostgreSQL server |
//! | [`certificates`] | authorities, and what they sign |
//! | [`stack`] | broker, store, trainers, predictors and gateway together |
//! | [`flights`] | the reference data |
//! | [`shops`] | a small model that is predicted exactly |
//! | [`impostor`] | a predictor that says what a test wants it to say |
//! | [`load`] | clients that ask without a pause |
//! | [`wide`] | a million columns |
//! | [`wait`] | waiting for something to become true |

pub mod certificates;
pub mod flights;
pub mod impostor;
pub mod load;
pub mod postgres;
pub mod program;
pub mod servers;
pub mod shops;
pub mod stack;
pub mod wait;
pub mod wide;

pub use impostor::Impostor;
pub use load::Load;
pub use postgres::Postgres;
pub use program::{Finished, Program, program};
pub use servers::{Nats, Redis, S3};
pub use stack::{Setup, Stack};
pub use wait::{settled, until};
