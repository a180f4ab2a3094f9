//! What rows hash to, so that a slice is named by its content and not by where it is read from.

use schemas::column::{Column, TEXT_NULL};
use xxhash_rust::xxh3::xxh3_128;

use crate::groups::Groups;
use crate::parallel;
use crate::request::Request;
use crate::table::Table;

/// Rows hashed at a time: their records stay in a core's cache.
const BLOCK_ROWS: usize = 256;

/// Rows that are worth a thread, at least.
const STRETCH_ROWS: usize = 16_384;

/// One 128-bit hash per row, over the row's values alone.
///
/// A row's record is the little-endian bytes of its values in the order of the request: 8 of a number (−0 as 0, every
/// NaN as one), 8 of a time, 16 of a text's own XXH3-128 (all ones when missing). Its hash is XXH3-128 of the record.
#[derive(Debug)]
pub struct RowHashes {
    hashes: Vec<u128>,
}

impl RowHashes {
    /// Hashes all rows of `table` over the columns of `request`, with which it was read, on so many threads.
    pub fn of(table: &Table, request: &Request, threads: usize) -> RowHashes {
        let slots = request.slots();
        let columns = slots.iter().filter_map(|slot| table.column(&slot.name, slot.role));
        RowHashes::of_columns(columns, table.rows(), threads)
    }

    /// Hashes `rows` rows over `columns`, which come in the order of the request.
    pub(crate) fn of_columns<'a>(
        columns: impl Iterator<Item = &'a Column>,
        rows: usize,
        threads: usize,
    ) -> RowHashes {
        let fields: Vec<Fields> = columns.map(Fields::new).collect();
        let mut hashes = vec![0; rows];
        let stretch = rows.div_ceil(threads.max(1)).max(STRETCH_ROWS);
        let stretches = (0..rows).step_by(stretch).zip(hashes.chunks_mut(stretch)).collect();
        parallel::map(stretches, threads, |(first, out)| hash(&fields, first, out));
        RowHashes { hashes }
    }

    /// Per row some of its hash: rows that differ can be told apart by it.
    pub(crate) fn keys(&self) -> Vec<i64> {
        self.hashes.iter().map(|hash| *hash as i64).collect()
    }

    /// The hash of some rows in this order: Σ hash · baseⁿ, n the rows that follow, modulo 2¹²⁸, so that it adds up.
    pub fn digest(&self, rows: &[u32]) -> u128 {
        rows.iter().fold(0, |digest, row| followed(digest, self.hashes[*row as usize]))
    }

    /// The digest of each group's rows. All groups of one table in one pass over its rows take a tenth of what they take
    /// group by group, each of which reads from all over memory.
    pub fn digests(&self, groups: &Groups) -> Vec<u128> {
        let mut digests = vec![0; groups.len()];
        for (group, hash) in groups.by_row(self.hashes.len()).iter().zip(&self.hashes) {
            if let Some(digest) = digests.get_mut(*group as usize) {
                *digest = followed(*digest, *hash);
            }
        }
        digests
    }
}

/// Hashes as many rows as `out` has room for, from `first` on.
fn hash(fields: &[Fields], mut first: usize, out: &mut [u128]) {
    let width: usize = fields.iter().map(Fields::width).sum();
    let mut records = vec![0u8; BLOCK_ROWS * width];
    for out in out.chunks_mut(BLOCK_ROWS) {
        let mut at = 0;
        for field in fields {
            field.write(first..first + out.len(), &mut records[at..], width);
            at += field.width();
        }
        for (row, out) in out.iter_mut().enumerate() {
            *out = xxh3_128(&records[row * width..][..width]);
        }
        first += out.len();
    }
}

/// The digest of rows that one more row comes after.
fn followed(digest: u128, hash: u128) -> u128 {
    digest.wrapping_mul(BASE).wrapping_add(hash)
}

/// Odd, so that no row's hash fades away: 2¹²⁸ over the golden ratio.
const BASE: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// The digest of some rows and then `later_rows` others.
pub fn joined_digest(earlier: u128, (later, later_rows): (u128, u64)) -> u128 {
    let (mut power, mut base, mut left) = (1u128, BASE, later_rows);
    while left > 0 {
        if left & 1 == 1 {
            power = power.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        left >>= 1;
    }
    earlier.wrapping_mul(power).wrapping_add(later)
}

/// A column as fields of records.
enum Fields<'a> {
    Numbers(&'a [f64]),
    Times(&'a [i64]),
    Texts { codes: &'a [u32], hashes: Vec<[u8; 16]> },
}

impl<'a> Fields<'a> {
    fn new(column: &'a Column) -> Fields<'a> {
        match column {
            Column::Number(values) => Fields::Numbers(values),
            Column::Time(times) => Fields::Times(times),
            Column::Text(text) => Fields::Texts {
                codes: &text.codes,
                hashes: text.values.iter().map(|value| xxh3_128(value.as_bytes()).to_le_bytes()).collect(),
            },
        }
    }

    fn width(&self) -> usize {
        match self {
            Fields::Numbers(_) | Fields::Times(_) => 8,
            Fields::Texts { .. } => 16,
        }
    }

    /// Writes the values of `rows` to the begin of `out` and from there on every `stride` bytes.
    fn write(&self, rows: std::ops::Range<usize>, out: &mut [u8], stride: usize) {
        fn put<const N: usize>(values: impl Iterator<Item = [u8; N]>, out: &mut [u8], stride: usize) {
            for (value, record) in values.zip(out.chunks_mut(stride)) {
                record[..N].copy_from_slice(&value);
            }
        }
        match self {
            Fields::Numbers(values) => put(values[rows].iter().map(|value| bits(*value)), out, stride),
            Fields::Times(times) => put(times[rows].iter().map(|time| time.to_le_bytes()), out, stride),
            Fields::Texts { codes, hashes } => {
                let hash = |code: &u32| if *code == TEXT_NULL { [0xff; 16] } else { hashes[*code as usize] };
                put(codes[rows].iter().map(hash), out, stride);
            }
        }
    }
}

fn bits(value: f64) -> [u8; 8] {
    match value {
        value if value.is_nan() => f64::NAN.to_bits(),
        // Adding zero makes −0 into 0 and changes nothing else.
        value => (value + 0.0).to_bits(),
    }
    .to_le_bytes()
}
