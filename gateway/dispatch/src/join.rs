//! The answers to parts of a request, as one in the order of its rows.

use std::sync::Arc;

use ahash::HashMap;
use schemas::forecast::Band;
use schemas::predict::{NO_FIT, Predictions, RowError, UsedFit};

/// Places in the order's rows, and what was answered for them.
pub type Part = (Vec<u32>, Predictions);

/// Puts partial answers back into the order of the rows.
pub fn join(rows: usize, mut parts: Vec<Part>) -> Predictions {
    if let [(places, _)] = parts.as_slice()
        && places.len() == rows
        && let Some((_, only)) = parts.pop()
    {
        // All rows in one part are in their order.
        return only;
    }
    let mut whole =
        Predictions { values: vec![f64::NAN; rows], fit_of: vec![NO_FIT; rows], ..Predictions::default() };
    // Row by row, as the parts' rows stand between each other.
    let mut probabilities: Vec<Vec<f64>> = vec![Vec::new(); rows];
    let mut named = Named::default();
    for (places, part) in parts {
        for (place, span) in places.iter().zip(part.spans().unwrap_or_default()) {
            probabilities[*place as usize] = part.probabilities[span].to_vec();
        }
        Band::spread(&mut whole.intervals, rows, &part.intervals, &places);
        let moved = |row: u32| places.get(row as usize).copied();
        whole.explained.extend(part.explained.iter().map(|explained| explained.moved(moved)));
        let fits: Vec<u32> = part.fits.into_iter().map(|fit| named.place(fit)).collect();
        for ((place, value), fit) in places.iter().zip(part.values).zip(part.fit_of) {
            whole.values[*place as usize] = value;
            whole.fit_of[*place as usize] = fits.get(fit as usize).copied().unwrap_or(NO_FIT);
        }
        whole.errors.extend(part.errors.into_iter().filter_map(|error| {
            let place = *places.get(error.row as usize)?;
            Some(RowError { row: place, ..error })
        }));
    }
    whole.fits = named.fits;
    whole.probabilities = probabilities.concat();
    whole.errors.sort_by_key(|error| error.row);
    whole
}

/// Fits, each named once.
#[derive(Default)]
struct Named {
    fits: Vec<Arc<UsedFit>>,
    /// Where those of a fingerprint stand.
    places: HashMap<String, Vec<u32>>,
}

impl Named {
    fn place(&mut self, fit: Arc<UsedFit>) -> u32 {
        let alike = self.places.entry(fit.fingerprint.clone()).or_default();
        if let Some(known) = alike.iter().find(|place| self.fits[**place as usize] == fit) {
            return *known;
        }
        let place = self.fits.len() as u32;
        alike.push(place);
        self.fits.push(fit);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::scope::Scope;

    fn used(scope: &str) -> Arc<UsedFit> {
        Arc::new(UsedFit {
            scope: Scope::new([("carrier", scope)]),
            level: 0,
            fingerprint: scope.into(),
            campaign: "c".into(),
            scores: 0,
            trained_at_ms: 0,
            classes: Vec::new(),
        })
    }

    /// A fit that tells so many classes apart.
    fn classifier(scope: &str, classes: i64) -> Arc<UsedFit> {
        let classes = (0..classes).map(schemas::label::Label::Integer).collect();
        Arc::new(UsedFit { classes, ..(*used(scope)).clone() })
    }

    #[test]
    fn probabilities_stay_with_their_rows() {
        let part = |fits: Vec<Arc<UsedFit>>, fit_of: Vec<u32>, probabilities: Vec<f64>| Predictions {
            values: vec![0.0; fit_of.len()],
            fit_of,
            fits,
            probabilities,
            ..Predictions::default()
        };
        let first = part(vec![classifier("UA", 2), used("DL")], vec![1, 0, NO_FIT], vec![0.1, 0.9]);
        let second = part(vec![classifier("AA", 3)], vec![0], vec![0.2, 0.3, 0.5]);
        let whole = join(4, vec![(vec![3, 1, 2], first), (vec![0], second)]);
        assert_eq!(whole.probabilities, [0.2, 0.3, 0.5, 0.1, 0.9]);
        assert_eq!(whole.spans(), Some(vec![0..3, 3..5, 5..5, 5..5]));
        assert_eq!(part(vec![classifier("UA", 2)], vec![0], vec![0.5]).spans(), None);
    }

    #[test]
    fn answers_come_back_in_the_order_of_the_rows_and_fits_are_named_once() {
        let part = |values: Vec<f64>, fits: Vec<Arc<UsedFit>>, fit_of: Vec<u32>| Predictions {
            values,
            fit_of,
            fits,
            ..Predictions::default()
        };
        let first = part(vec![1.0, 3.0], vec![used("UA"), used("DL")], vec![1, 0]);
        let second = part(vec![0.0, f64::NAN], vec![used("UA")], vec![0, NO_FIT]);
        let whole = join(4, vec![(vec![1, 3], first), (vec![0, 2], second)]);
        assert_eq!(whole.fits, [used("UA"), used("DL")]);
        assert_eq!((&whole.values[..2], whole.values[3]), (&[0.0, 1.0][..], 3.0));
        assert_eq!(whole.fit_of, [0, 1, NO_FIT, 0]);
    }
}
