//! The wire format: `{v, body}` in MessagePack with field names.
//!
//! Every version is read for ever, only the newest is written. Adding an optional field is no new version;
//! a reader that would misunderstand a message needs one.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

/// The version written into every message. History:
/// * 1: the first.
pub const VERSION: u16 = 1;

#[derive(Serialize)]
struct Outgoing<'a, T> {
    v: u16,
    body: &'a T,
}

#[derive(Deserialize)]
struct Incoming<T> {
    #[serde(rename = "v")]
    _v: u16,
    body: T,
}

#[derive(Deserialize)]
struct Version {
    v: u16,
    #[serde(rename = "body")]
    _body: IgnoredAny,
}

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not MessagePack of the shape `{v, body}`.
    #[error("the message is not of the form {{v, body}} in MessagePack: {0}")]
    Garbage(String),
    /// Written by a newer release.
    #[error("the message is of version {found}; this release reads up to {VERSION}: upgrade this process")]
    Future {
        /// The message's version.
        found: u16,
    },
    /// The right envelope around another body.
    #[error("the message's body is not a {expected}: {problem}")]
    Body {
        /// What was expected.
        expected: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// Wraps `body` for the wire.
///
/// # Errors
/// [`EnvelopeError::Body`] when the type cannot be serialised.
pub fn encode<T: Serialize>(body: &T) -> Result<Vec<u8>, EnvelopeError> {
    rmp_serde::to_vec_named(&Outgoing { v: VERSION, body })
        .map_err(|error| EnvelopeError::Body { expected: type_name::<T>(), problem: error.to_string() })
}

/// Reads what [`encode`] wrote, in this or any earlier version; trailing bytes are an error.
///
/// # Errors
/// [`EnvelopeError`], telling garbage from a future version from a wrong body.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EnvelopeError> {
    match whole::<Incoming<T>>(bytes) {
        Ok(message) if message._v == VERSION => Ok(message.body),
        outcome => Err(explain::<T>(bytes, outcome.err())),
    }
}

fn explain<T>(bytes: &[u8], body_problem: Option<String>) -> EnvelopeError {
    match whole::<Version>(bytes) {
        Err(problem) => EnvelopeError::Garbage(problem),
        Ok(version) if version.v != VERSION => EnvelopeError::Future { found: version.v },
        Ok(_) => {
            EnvelopeError::Body { expected: type_name::<T>(), problem: body_problem.unwrap_or_default() }
        }
    }
}

fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let mut rest = bytes;
    let mut reader = rmp_serde::Deserializer::new(&mut rest);
    let value = T::deserialize(&mut reader).map_err(|error| error.to_string())?;
    drop(reader);
    match rest.len() {
        0 => Ok(value),
        extra => Err(format!("{extra} bytes too many")),
    }
}

fn type_name<T>() -> &'static str {
    std::any::type_name::<T>().rsplit("::").next().unwrap_or("message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_each_kind_of_bad_bytes() {
        let bytes = encode(&vec![1u32, 2]).unwrap();
        assert_eq!(decode::<Vec<u32>>(&bytes).unwrap(), [1, 2]);
        let future = rmp_serde::to_vec_named(&Outgoing { v: 9, body: &1 }).unwrap();
        assert_eq!(decode::<u32>(&future), Err(EnvelopeError::Future { found: 9 }));
        assert!(matches!(decode::<String>(&bytes), Err(EnvelopeError::Body { .. })));
        assert!(matches!(decode::<u32>(b"garbage"), Err(EnvelopeError::Garbage(_))));
        assert!(matches!(decode::<u32>(b""), Err(EnvelopeError::Garbage(_))));
        let mut trailing = bytes;
        trailing.push(0);
        assert!(matches!(decode::<Vec<u32>>(&trailing), Err(EnvelopeError::Garbage(_))));
    }

    #[test]
    fn the_first_version_is_pinned() {
        assert_eq!(encode(&7u8).unwrap(), b"\x82\xa1v\x01\xa4body\x07");
    }
}
