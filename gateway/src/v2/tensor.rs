//! Datatypes of tensors, and their values in JSON or in bytes.

use std::borrow::Cow;

use serde_json::Value;

use crate::rows::Scalar;

/// What the elements of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Bool,
    /// An unsigned integer of so many bytes.
    Unsigned(usize),
    /// A signed integer of so many bytes.
    Signed(usize),
    /// A float of so many bytes.
    Float(usize),
    /// Texts.
    Bytes,
}

impl Datatype {
    /// The datatype of this name.
    pub(super) fn parse(name: &str) -> Result<Datatype, String> {
        Ok(match name {
            "BOOL" => Datatype::Bool,
            "UINT8" => Datatype::Unsigned(1),
            "UINT16" => Datatype::Unsigned(2),
            "UINT32" => Datatype::Unsigned(4),
            "UINT64" => Datatype::Unsigned(8),
            "INT8" => Datatype::Signed(1),
            "INT16" => Datatype::Signed(2),
            "INT32" => Datatype::Signed(4),
            "INT64" => Datatype::Signed(8),
            "FP32" => Datatype::Float(4),
            "FP64" => Datatype::Float(8),
            "BYTES" => Datatype::Bytes,
            other => {
                return Err(format!(
                    "datatype `{other}` is not taken; send BYTES, FP64, FP32, INT64, INT32 or another integer type, or BOOL"
                ));
            }
        })
    }

    /// The elements of `data`, which may be nested in lists as deep as the shape is.
    pub(super) fn of_json(self, data: &Value) -> Result<Vec<Scalar<'_>>, String> {
        let mut elements = Vec::new();
        self.flatten(data, &mut elements)?;
        Ok(elements)
    }

    fn flatten<'v>(self, data: &'v Value, out: &mut Vec<Scalar<'v>>) -> Result<(), String> {
        if let Value::Array(items) = data {
            return items.iter().try_for_each(|item| self.flatten(item, out));
        }
        let integer = |number: &serde_json::Number| {
            let signed = number.as_i64().map(i128::from);
            signed.or_else(|| number.as_u64().map(i128::from)).map(Scalar::of_integer)
        };
        let scalar = match (self, data) {
            (_, Value::Null) => Some(Scalar::Null),
            (Datatype::Bool, Value::Bool(value)) => Some(Scalar::Bool(*value)),
            (Datatype::Bytes, Value::String(text)) => Some(Scalar::Text(Cow::Borrowed(text))),
            (Datatype::Unsigned(_) | Datatype::Signed(_), Value::Number(number)) => integer(number),
            (Datatype::Float(_), Value::Number(number)) => number.as_f64().map(Scalar::Number),
            _ => None,
        };
        out.push(scalar.ok_or_else(|| format!("{data} is no element of this datatype"))?);
        Ok(())
    }

    /// The elements in `bytes`: little-endian, a text behind its length in four bytes.
    pub(super) fn of_bytes(self, bytes: &[u8]) -> Result<Vec<Scalar<'_>>, String> {
        let size = match self {
            Datatype::Bytes => return texts(bytes),
            Datatype::Bool => 1,
            Datatype::Unsigned(size) | Datatype::Signed(size) | Datatype::Float(size) => size,
        };
        if !bytes.len().is_multiple_of(size) {
            return Err(format!("{} bytes are no whole number of {size}-byte elements", bytes.len()));
        }
        Ok(bytes.chunks_exact(size).map(|element| self.element(element)).collect())
    }

    /// One element of a fixed size.
    fn element(self, bytes: &[u8]) -> Scalar<'static> {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let unsigned = u64::from_le_bytes(wide);
        match self {
            Datatype::Bool => Scalar::Bool(unsigned != 0),
            Datatype::Signed(size) => {
                let unused = 64 - 8 * size as u32;
                Scalar::of_integer(i128::from(((unsigned << unused) as i64) >> unused))
            }
            Datatype::Float(4) => of_float(f64::from(f32::from_bits(unsigned as u32))),
            Datatype::Float(_) => of_float(f64::from_bits(unsigned)),
            Datatype::Unsigned(_) | Datatype::Bytes => Scalar::of_integer(i128::from(unsigned)),
        }
    }
}

/// NaN is how binary data says that there is no value.
fn of_float(value: f64) -> Scalar<'static> {
    if value.is_nan() { Scalar::Null } else { Scalar::Number(value) }
}

fn texts(mut left: &[u8]) -> Result<Vec<Scalar<'_>>, String> {
    let mut texts = Vec::new();
    while !left.is_empty() {
        let torn = || "the bytes end within a text".to_owned();
        let (length, others) = left.split_first_chunk::<4>().ok_or_else(torn)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (text, others) = others.split_at_checked(length).ok_or_else(torn)?;
        let text = std::str::from_utf8(text).map_err(|_| "a text is not UTF-8".to_owned())?;
        texts.push(Scalar::Text(Cow::Borrowed(text)));
        left = others;
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_every_size_are_read() {
        fn read<'b>(name: &str, bytes: &'b [u8]) -> Vec<Scalar<'b>> {
            Datatype::parse(name).unwrap().of_bytes(bytes).unwrap()
        }
        assert_eq!(read("INT16", &(-3i16).to_le_bytes()), [Scalar::Number(-3.0)]);
        assert_eq!(read("INT64", &i64::MIN.to_le_bytes()), [Scalar::Integer(i64::MIN.into())]);
        assert_eq!(read("UINT64", &u64::MAX.to_le_bytes()), [Scalar::Integer(u64::MAX.into())]);
        assert_eq!(read("FP32", &1.5f32.to_le_bytes()), [Scalar::Number(1.5)]);
        assert_eq!(read("FP64", &f64::NAN.to_le_bytes()), [Scalar::Null]);
        assert_eq!(read("BOOL", &[1, 0]), [Scalar::Bool(true), Scalar::Bool(false)]);
        assert_eq!(
            read("BYTES", b"\x02\0\0\0UA\0\0\0\0"),
            [Scalar::Text("UA".into()), Scalar::Text("".into())]
        );
    }

    #[test]
    fn torn_bytes_and_wrong_elements_are_refused() {
        let bytes = Datatype::Bytes;
        assert!(bytes.of_bytes(b"\x09\0\0\0UA").unwrap_err().contains("end within"));
        assert!(bytes.of_bytes(b"\xff\xff\xff\xff").is_err() && bytes.of_bytes(b"\x01").is_err());
        assert!(bytes.of_bytes(b"\x01\0\0\0\xff").unwrap_err().contains("UTF-8"));
        assert!(Datatype::Float(8).of_bytes(&[0; 9]).unwrap_err().contains("whole number"));
        assert!(Datatype::Float(8).of_json(&serde_json::json!([1.0, "x"])).is_err());
        assert!(Datatype::Signed(8).of_json(&serde_json::json!([1.5])).is_err());
        assert_eq!(Datatype::Signed(4).of_json(&serde_json::json!([[1], [2]])).unwrap().len(), 2);
        assert!(Datatype::parse("FP16").is_err());
    }
}
