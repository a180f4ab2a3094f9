//! A dead pack: a queue message that was set aside, with everything needed to understand or retry it.

use serde::{Deserialize, Serialize};

/// What is kept of a message that could not be worked off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Where it was published.
    pub subject: String,
    /// Its place in the JOBS stream.
    pub stream_sequence: u64,
    /// How often it had been delivered.
    pub deliveries: i64,
    /// Why it was set aside.
    pub reason: String,
    /// Who set it aside.
    pub worker: String,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Its bytes.
    #[serde(with = "bytes")]
    pub payload: Vec<u8>,
}

crate::message!(DeadLetter);

mod bytes {
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        d.deserialize_bytes(Bytes)
    }
}
