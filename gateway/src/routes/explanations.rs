//! What each feature adds to a prediction, as JSON.

use std::sync::Arc;

use schemas::predict::{Explained, Link};
use serde::{Serialize, Serializer};

/// One row's prediction taken apart: `base` and the contributions add up to it, on the scale that `link` names.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    base: f64,
    #[serde(skip_serializing_if = "is_identity")]
    link: Link,
    contributions: Contributions,
}

fn is_identity(link: &Link) -> bool {
    *link == Link::Identity
}

/// Numbers by feature, in the features' order.
#[derive(Debug)]
struct Contributions {
    features: Arc<Vec<String>>,
    numbers: Vec<f64>,
}

impl Explanation {
    /// One for each of `rows` rows; `None` where the fit that answered is no sum.
    pub(super) fn by_row(explained: &[Explained], rows: usize) -> Vec<Option<Explanation>> {
        let mut all: Vec<Option<Explanation>> = (0..rows).map(|_| None).collect();
        for fit in explained {
            let features = Arc::new(fit.features.clone());
            let width = features.len();
            for (at, row) in fit.rows.iter().enumerate() {
                let numbers = fit.contributions.get(at * width..(at + 1) * width);
                if let (Some(numbers), Some(place)) = (numbers, all.get_mut(*row as usize)) {
                    let contributions =
                        Contributions { features: features.clone(), numbers: numbers.to_vec() };
                    *place = Some(Explanation { base: fit.base, link: fit.link, contributions });
                }
            }
        }
        all
    }
}

impl Serialize for Contributions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.features.iter().zip(&self.numbers))
    }
}
