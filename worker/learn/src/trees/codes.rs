//! Sets of bins of one column.

/// A set of codes, which fit a byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Codes([u64; 4]);

impl Codes {
    pub(super) fn insert(&mut self, code: u8) {
        self.0[usize::from(code) / 64] |= 1 << (code % 64);
    }

    pub(super) fn contains(&self, code: u8) -> bool {
        self.0[usize::from(code) / 64] & (1 << (code % 64)) != 0
    }

    /// The codes below `end` that are not in the set.
    pub(super) fn others(&self, end: u8) -> Codes {
        (0..end).filter(|code| !self.contains(*code)).collect()
    }

    /// Gives the codes to `take`, ascending: faster than an iterator.
    pub(super) fn each(self, mut take: impl FnMut(u8)) {
        for (place, mut word) in self.0.into_iter().enumerate() {
            while word != 0 {
                take((place as u32 * 64 + word.trailing_zeros()) as u8);
                word &= word - 1;
            }
        }
    }

    /// The codes, ascending.
    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        self.0.into_iter().enumerate().flat_map(|(place, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros())?;
                word &= word - 1;
                Some((place as u32 * 64 + bit) as u8)
            })
        })
    }
}

impl FromIterator<u8> for Codes {
    fn from_iter<I: IntoIterator<Item = u8>>(codes: I) -> Codes {
        let mut set = Codes::default();
        codes.into_iter().for_each(|code| set.insert(code));
        set
    }
}
