//! Arrow IPC streams (`application/vnd.apache.arrow.stream`), as pure functions on bytes.
//!
//! ```
//! # fn spec() -> schemas::spec::ModelSpec { schemas::spec::ModelSpec::parse("name = \"m\"\n[data]\nsource = \"x.csv\"\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]").unwrap() }
//! # fn predict(taken: &dataset::Taken) -> schemas::predict::Predictions { schemas::predict::Predictions::default() }
//! # let chunks: Vec<Vec<u8>> = { let (_, head) = dataset::ipc::Encoder::new(dataset::Answer::default())?; vec![head] };
//! use dataset::ipc::{Decoder, Encoder, Limits};
//! use dataset::{Answer, Fields};
//!
//! let spec = spec();
//! let mut decoder = Decoder::new(Fields::of(&spec).and_others(), Limits::default());
//! let (mut encoder, mut answer) = Encoder::new(Answer::of(&spec))?;
//! for chunk in chunks {
//!     let mut bytes = chunk.as_slice();
//!     while let Some(taken) = decoder.next(&mut bytes)? {
//!         answer.extend(encoder.batch(&predict(&taken))?); // leave out the rows in `taken.errors`
//!     }
//! }
//! decoder.finish()?;
//! answer.extend(encoder.finish()?);
//! # Ok::<(), dataset::ipc::IpcError>(())
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`decode`] | batches of a stream, as its bytes come |
//! | [`frame`] | bytes into messages of bounded size |
//! | [`check`] | what a message claims, held against its bytes before it is decoded |
//! | [`encode`] | predictions as a stream |
//! | [`error`] | why bytes are refused |

mod check;
mod decode;
mod encode;
mod error;
mod frame;
#[cfg(test)]
mod tests;

pub use self::decode::{Decoder, Limits};
pub use self::encode::Encoder;
pub use self::error::IpcError;
