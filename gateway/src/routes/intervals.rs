//! Prediction intervals as JSON: one object for each row, `{"80": [lower, upper], "95": …}`.

use schemas::forecast::Band;
use serde::{Serialize, Serializer};

/// The intervals of one row by level; `null` without any.
#[derive(Debug)]
pub(super) struct Intervals(Vec<(String, [f64; 2])>);

impl Intervals {
    /// One for each of `rows` rows; none at all where no fit has any.
    pub(super) fn by_row(bands: &[Band], rows: usize) -> Vec<Intervals> {
        let of = |row: usize, band: &Band| {
            let (lower, upper) = band.get(row)?;
            Some((band.level.to_string(), [lower, upper]))
        };
        let row = |row: usize| Intervals(bands.iter().filter_map(|band| of(row, band)).collect());
        if bands.is_empty() { Vec::new() } else { (0..rows).map(row).collect() }
    }

    /// Whether the row has none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Intervals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [] => serializer.serialize_none(),
            levels => serializer.collect_map(levels.iter().map(|(level, ends)| (level, ends))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_levels_in_order_or_null() {
        let band = |level, first: f64| Band {
            level,
            lower: vec![first, f64::NAN],
            upper: vec![first + 1.0, f64::NAN],
        };
        let rows = Intervals::by_row(&[band(9.5, 1.0), band(80.0, 0.0)], 2);
        assert_eq!(serde_json::to_string(&rows).unwrap(), r#"[{"9.5":[1.0,2.0],"80":[0.0,1.0]},null]"#);
        assert!(Intervals::by_row(&[], 2).is_empty());
    }
}
