//! The Open Inference Protocol v2: tensors in, tensors out, as JSON with binary data behind it where the client wants it.
//!
//! | module | job |
//! |---|---|
//! | `tensor` | datatypes, and values in JSON or bytes |
//! | `request` | a body taken apart into rows |
//! | `response` | predictions as tensors |
//! | `metadata` | what a model takes and gives |

mod metadata;
mod request;
mod response;
mod tensor;

pub use metadata::{ModelMetadata, TensorMetadata, model_metadata};
pub use request::{Inference, Wanted};
pub use response::{Encoded, encode};

/// The header that says where a body's JSON ends and its binary data begins.
pub const HEADER_LENGTH: &str = "inference-header-content-length";
