//! What the statistics of a row group promise about its rows.

use arrow_schema::{DataType, TimeUnit};
use parquet::basic::Type as Physical;
use parquet::file::statistics::Statistics;

use super::footer::{Footer, Wanted};
use crate::bounds::{Bounds, ValueBounds};
use crate::filter::Filter;

/// Bounds of the dimensions and times that `filter` looks at.
pub(super) fn of_group(footer: &Footer, group: usize, wanted: &[Wanted], filter: &Filter) -> Bounds {
    let column = |name: &str| {
        let wanted = wanted.iter().find(|wanted| wanted.name == name)?;
        let statistics = footer.metadata.metadata().row_group(group).column(wanted.leaf).statistics()?;
        let data_type = footer.metadata.schema().field_with_name(name).ok()?.data_type();
        Some((data_type, statistics))
    };
    let dimension = |name: &String| match wanted.iter().any(|wanted| wanted.name == *name) {
        true => column(name).and_then(|(data_type, statistics)| of_values(data_type, statistics)),
        false => footer.file.key(name).map(|value| ValueBounds::One(value.map(str::to_owned))),
    };
    Bounds {
        dimensions: filter.dimensions().iter().map(dimension).collect(),
        time: filter
            .time()
            .and_then(column)
            .and_then(|(data_type, statistics)| of_times(data_type, statistics)),
    }
}

fn of_values(data_type: &DataType, statistics: &Statistics) -> Option<ValueBounds> {
    match data_type {
        // Deprecated statistics may have been made by comparing bytes as signed numbers.
        DataType::Dictionary(_, values) if values.is_string() && !statistics.is_min_max_deprecated() => Some(
            ValueBounds::Texts(statistics.min_bytes_opt()?.to_vec(), statistics.max_bytes_opt()?.to_vec()),
        ),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let (least, most) = integers(statistics)?;
            Some(ValueBounds::Integers(least, most))
        }
        DataType::Date32 => {
            let (least, most) = integers(statistics)?;
            Some(ValueBounds::Days(least, most))
        }
        _ => None,
    }
}

fn of_times(data_type: &DataType, statistics: &Statistics) -> Option<(i64, i64)> {
    let (oldest, newest) = integers(statistics)?;
    // As columns are converted, which rounds towards zero and keeps the order.
    let ms = |value: i64| match data_type {
        DataType::Date32 => value.checked_mul(86_400_000),
        DataType::Timestamp(TimeUnit::Second, _) => value.checked_mul(1_000),
        DataType::Timestamp(TimeUnit::Millisecond, _) => Some(value),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Some(value / 1_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(value / 1_000_000),
        _ => None,
    };
    Some((ms(oldest)?, ms(newest)?))
}

fn integers(statistics: &Statistics) -> Option<(i64, i64)> {
    let value = |bytes: &[u8]| match statistics.physical_type() {
        Physical::INT32 => Some(i64::from(i32::from_le_bytes(bytes.try_into().ok()?))),
        Physical::INT64 => Some(i64::from_le_bytes(bytes.try_into().ok()?)),
        _ => None,
    };
    Some((value(statistics.min_bytes_opt()?)?, value(statistics.max_bytes_opt()?)?))
}
