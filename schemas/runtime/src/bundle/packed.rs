//! Compressed bytes.

use std::io::Read;

/// How hard it is tried: twice the time of the default level, once, for a file that is read many times.
const LEVEL: i32 = 9;

/// Room that is made before anything is unpacked: a file may lie about its size.
const TRUSTED_BYTES: u64 = 16 << 20;

pub(super) fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, LEVEL)
}

/// What [`pack`] made of exactly so many bytes; `None` for anything else.
pub(super) fn unpack(packed: &[u8], unpacked_bytes: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(unpacked_bytes.min(TRUSTED_BYTES) as usize);
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).ok()?;
    decoder.take(unpacked_bytes.checked_add(1)?).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == unpacked_bytes).then_some(bytes)
}
