//! The wire format: `{v, body}` in MessagePack.
//!
//! With field names, adding an optional field is no new version: that is what is kept for long, and what programs of all
//! releases have to read. Without names, messages are smaller and faster to read, and any change is a new version: those are
//! for two programs that have agreed upon one. Every version is read for ever.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

/// The version with names.
pub const NAMED: u16 = 1;

/// The newest version that this release reads. History:
/// * 1: with field names.
/// * 2: without, for what gateways and predictors say to each other.
pub const NEWEST: u16 = 2;

/// The version in which to speak to somebody who reads up to version `theirs`.
pub fn common(theirs: u16) -> u16 {
    theirs.clamp(NAMED, NEWEST)
}

#[derive(Serialize)]
struct Outgoing<'a, T: ?Sized> {
    v: u16,
    body: &'a T,
}

#[derive(Deserialize)]
struct Incoming<T> {
    v: u16,
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
    #[error("the message is of version {found}; this release reads up to {NEWEST}: upgrade this process")]
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

/// What messages have as their body, see [`message!`](crate::message).
pub trait Encode {
    /// [`encode_as`].
    ///
    /// # Errors
    /// As [`encode`].
    fn encode_as(&self, version: u16) -> Result<Vec<u8>, EnvelopeError>;
}

/// What messages can be read as, see [`message!`](crate::message).
pub trait Decode: Sized {
    /// [`decode_versioned`].
    ///
    /// # Errors
    /// As [`decode`].
    fn decode_versioned(bytes: &[u8]) -> Result<(u16, Self), EnvelopeError>;
}

/// Makes types bodies of messages. The code that writes and reads them is then compiled once, in the crate that says so; as
/// functions for any type it would be compiled again in each crate that calls them, and was a third of what the larger ones
/// consisted of.
#[macro_export]
macro_rules! message {
    ($($body:ty),+ $(,)?) => {$(
        impl $crate::envelope::Encode for $body {
            fn encode_as(&self, version: u16) -> Result<Vec<u8>, $crate::envelope::EnvelopeError> {
                $crate::envelope::write(version, self)
            }
        }

        impl $crate::envelope::Decode for $body {
            fn decode_versioned(bytes: &[u8]) -> Result<(u16, Self), $crate::envelope::EnvelopeError> {
                $crate::envelope::read(bytes)
            }
        }
    )+};
}

message!(String);

/// Wraps `body` for the wire, with names.
///
/// # Errors
/// [`EnvelopeError::Body`] when the type cannot be serialised.
pub fn encode<T: Encode + ?Sized>(body: &T) -> Result<Vec<u8>, EnvelopeError> {
    encode_as(NAMED, body)
}

/// Wraps `body` in a version that its reader knows. Types that leave out fields can only be written with names.
///
/// # Errors
/// As [`encode`].
pub fn encode_as<T: Encode + ?Sized>(version: u16, body: &T) -> Result<Vec<u8>, EnvelopeError> {
    body.encode_as(version)
}

/// [`encode_as`] for any type: what [`message!`](crate::message) calls.
///
/// # Errors
/// As [`encode`].
pub fn write<T: Serialize + ?Sized>(version: u16, body: &T) -> Result<Vec<u8>, EnvelopeError> {
    let message = Outgoing { v: version, body };
    let bytes =
        if version == NAMED { rmp_serde::to_vec_named(&message) } else { rmp_serde::to_vec(&message) };
    bytes.map_err(|error| EnvelopeError::Body { expected: type_name::<T>(), problem: error.to_string() })
}

/// Reads what [`encode`] or [`encode_as`] wrote, in this or any earlier version; trailing bytes are an error.
///
/// # Errors
/// [`EnvelopeError`], telling garbage from a future version from a wrong body.
pub fn decode<T: Decode>(bytes: &[u8]) -> Result<T, EnvelopeError> {
    decode_versioned(bytes).map(|(_, body)| body)
}

/// [`decode`], with the version that the message is of: whoever answers it does so in the same.
///
/// # Errors
/// As [`decode`].
pub fn decode_versioned<T: Decode>(bytes: &[u8]) -> Result<(u16, T), EnvelopeError> {
    T::decode_versioned(bytes)
}

/// [`decode_versioned`] for any type: what [`message!`](crate::message) calls.
///
/// # Errors
/// As [`decode`].
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<(u16, T), EnvelopeError> {
    match whole::<Incoming<T>>(bytes) {
        Ok(message) if (NAMED..=NEWEST).contains(&message.v) => Ok((message.v, message.body)),
        outcome => Err(explain::<T>(bytes, outcome.err())),
    }
}

fn explain<T: ?Sized>(bytes: &[u8], body_problem: Option<String>) -> EnvelopeError {
    match whole::<Version>(bytes) {
        Err(problem) => EnvelopeError::Garbage(problem),
        Ok(version) if !(NAMED..=NEWEST).contains(&version.v) => EnvelopeError::Future { found: version.v },
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

fn type_name<T: ?Sized>() -> &'static str {
    std::any::type_name::<T>().rsplit("::").next().unwrap_or("message")
}

#[cfg(test)]
mod tests {
    use super::*;

    message!(u8, u32, Vec<u32>);

    #[test]
    fn without_names_it_says_the_same_and_shorter() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Named {
            first: u8,
            #[serde(default)]
            second: Option<String>,
        }
        message!(Named);
        let body = Named { first: 1, second: None };
        let (named, bare) = (encode(&body).unwrap(), encode_as(2, &body).unwrap());
        assert!(bare.len() < named.len());
        assert_eq!(decode_versioned::<Named>(&named).unwrap(), (1, Named { first: 1, second: None }));
        assert_eq!(decode_versioned::<Named>(&bare).unwrap(), (2, body));
        assert_eq!(bare, b"\x92\x02\x92\x01\xc0");
        assert_eq!([0, 1, 2, 3].map(common), [1, 1, 2, 2]);
    }

    #[test]
    fn round_trip_and_each_kind_of_bad_bytes() {
        let bytes = encode(&vec![1u32, 2]).unwrap();
        assert_eq!(decode::<Vec<u32>>(&bytes).unwrap(), [1, 2]);
        for future in
            [rmp_serde::to_vec_named, rmp_serde::to_vec].map(|write| write(&Outgoing { v: 9, body: &1 }))
        {
            assert_eq!(decode::<u32>(&future.unwrap()), Err(EnvelopeError::Future { found: 9 }));
        }
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
