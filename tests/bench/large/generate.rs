//! Sales of many stores, in the order of time: every store's rows are everywhere. Always the same ones.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::{ITEMS, STORES};

/// Rows of a row group.
const GROUP_ROWS: usize = 1 << 17;

/// 2020-01-01, and the time between two rows.
const BEGIN_MS: i64 = 1_577_836_800_000;
const STEP_MS: i64 = 40;

/// Writes row groups until the file has `size_bytes`; returns the number of rows.
pub(crate) fn write(path: &Path, size_bytes: u64) -> anyhow::Result<u64> {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(GROUP_ROWS)).build();
    let mut random = Random(2_020);
    let mut writer: Option<ArrowWriter<File>> = None;
    let mut rows = 0;
    while writer.as_ref().is_none_or(|writer| (writer.bytes_written() as u64) < size_bytes) {
        let batch = batch(rows, &mut random)?;
        rows += batch.num_rows() as i64;
        let mut open = match writer.take() {
            Some(open) => open,
            None => ArrowWriter::try_new(File::create(path)?, batch.schema(), Some(properties.clone()))?,
        };
        open.write(&batch)?;
        open.flush()?;
        writer = Some(open);
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(rows as u64)
}

fn batch(first: i64, random: &mut Random) -> anyhow::Result<RecordBatch> {
    let (mut stores, mut items) = (Vec::new(), Vec::new());
    for _ in 0..GROUP_ROWS {
        stores.push(format!("store-{:04}", random.below(STORES)));
        items.push(format!("item-{:02}", random.below(ITEMS)));
    }
    // Several rows have the same time.
    let times = (first..first + GROUP_ROWS as i64).map(|row| BEGIN_MS + row / 3 * 3 * STEP_MS);
    let xs: Vec<Vec<f64>> = (0..6).map(|_| (0..GROUP_ROWS).map(|_| random.unit()).collect()).collect();
    let sum = |row: usize| xs.iter().zip(1u8..).map(|(x, weight)| x[row] * f64::from(weight)).sum::<f64>();
    let ys: Vec<f64> = (0..GROUP_ROWS).map(|row| sum(row) + random.unit()).collect();
    let mut columns: Vec<(String, arrow_array::ArrayRef)> = vec![
        ("store".into(), Arc::new(StringArray::from(stores))),
        ("item".into(), Arc::new(StringArray::from(items))),
        ("at".into(), Arc::new(times.map(Some).collect::<TimestampMillisecondArray>())),
        ("y".into(), Arc::new(Float64Array::from(ys))),
    ];
    for (number, x) in (1..).zip(xs) {
        columns.push((format!("x{number}"), Arc::new(Float64Array::from(x))));
    }
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
