//! A stream of bytes cut into chunks of whole lines.

/// Bytes from which a chunk is large enough.
const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes of the longest line.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// A line is longer than any row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {LINE_BYTES_MAX} bytes; each line is one row")]
pub struct TooLong;

/// Lines as they come.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Where the last whole line ends.
    whole: usize,
}

impl Lines {
    /// Adds bytes; gives a chunk of whole lines once there are enough.
    ///
    /// # Errors
    /// [`TooLong`]; nothing that comes after can be used, but the whole lines before it can be taken.
    pub fn push(&mut self, more: &[u8]) -> Result<Option<Vec<u8>>, TooLong> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(more);
        if let Some(end) = more.iter().rposition(|byte| *byte == b'\n') {
            self.whole = before + end + 1;
        }
        if self.bytes.len() - self.whole > LINE_BYTES_MAX {
            return Err(TooLong);
        }
        Ok(if self.whole >= CHUNK_BYTES { self.take() } else { None })
    }

    /// Whether a whole line has come.
    pub fn has_whole(&self) -> bool {
        self.whole > 0
    }

    /// The whole lines that have come, if any have, leaving what follows.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let whole = std::mem::take(&mut self.whole);
        let rest = self.bytes.split_off(whole);
        Some(std::mem::replace(&mut self.bytes, rest)).filter(|lines| !lines.is_empty())
    }

    /// What is left at the end; the last line needs no line break.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        self.whole = 0;
        let rest = std::mem::take(&mut self.bytes);
        (!rest.is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_byte_is_lost_and_no_line_is_cut(parts in proptest::collection::vec(".{0,40}\n?", 0..40), scale in 1usize..3_000) {
            let (mut lines, mut chunks, mut all) = (Lines::default(), Vec::new(), Vec::new());
            for part in &parts {
                let bytes = part.repeat(scale).into_bytes();
                all.extend_from_slice(&bytes);
                match lines.push(&bytes) {
                    Ok(chunk) => chunks.extend(chunk),
                    Err(TooLong) => {
                        chunks.extend(lines.take());
                        let end = all.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                        prop_assert_eq!(chunks.concat(), &all[..end]);
                        return Ok(());
                    }
                }
                if scale % 3 == 0 {
                    chunks.extend(lines.take());
                }
            }
            prop_assert!(chunks.iter().all(|chunk: &Vec<u8>| chunk.ends_with(b"\n")));
            chunks.extend(lines.finish());
            prop_assert_eq!(chunks.concat(), all);
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut lines = Lines::default();
        let part = vec![b'x'; 400_000];
        assert_eq!((lines.push(&part), lines.push(&part)), (Ok(None), Ok(None)));
        assert_eq!(lines.push(&part), Err(TooLong));
    }
}
