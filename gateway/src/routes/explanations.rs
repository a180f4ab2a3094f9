//! What each feature adds to a prediction, as JSON.

use std::sync::Arc;

use schemas::label::Label;
use schemas::predict::{Explained, Link, Predictions};
use serde::{Serialize, Serializer};

/// One row's prediction taken apart, on the scale that `link` names.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    #[serde(flatten)]
    sums: Sums,
    #[serde(skip_serializing_if = "is_identity")]
    link: Link,
}

fn is_identity(link: &Link) -> bool {
    *link == Link::Identity
}

/// What the prediction comes from.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Sums {
    One(Sum),
    ByClass { classes: ByClass },
}

/// `base` and the contributions add up.
#[derive(Debug, Serialize)]
struct Sum {
    base: f64,
    contributions: Contributions,
}

/// A sum for each class, in the classes' order.
#[derive(Debug)]
struct ByClass(Vec<(Label, Sum)>);

/// Numbers by feature, in the features' order.
#[derive(Debug)]
struct Contributions {
    features: Arc<Vec<String>>,
    numbers: Vec<f64>,
}

impl Explanation {
    /// One for each row; `None` where the fit that answered is no sum.
    pub(super) fn by_row(whole: &Predictions) -> Vec<Option<Explanation>> {
        let mut all: Vec<Option<Explanation>> = (0..whole.values.len()).map(|_| None).collect();
        for explained in &whole.explained {
            let features = Arc::new(explained.features.clone());
            for (at, row) in explained.rows.iter().enumerate() {
                let Some(place) = all.get_mut(*row as usize) else { continue };
                let sums =
                    sums(explained, &features, at).and_then(|sums| Sums::of(sums, classes(whole, *row)));
                *place = sums.map(|sums| Explanation { sums, link: explained.link });
            }
        }
        all
    }
}

/// What the fit that answered a row tells apart.
fn classes(whole: &Predictions, row: u32) -> &[Label] {
    let fit = whole.fit_of.get(row as usize).and_then(|fit| whole.fits.get(*fit as usize));
    fit.map_or(&[], |fit| &fit.classes)
}

/// The sums of one of the explained rows; `None` where a torn message has too few contributions.
fn sums(explained: &Explained, features: &Arc<Vec<String>>, at: usize) -> Option<Vec<Sum>> {
    let width = features.len();
    let numbers = explained.contributions.get(at * explained.width()..)?;
    let sum = |(at, base): (usize, &f64)| {
        let numbers = numbers.get(at * width..(at + 1) * width)?.to_vec();
        Some(Sum { base: *base, contributions: Contributions { features: features.clone(), numbers } })
    };
    explained.bases.iter().enumerate().map(sum).collect()
}

impl Sums {
    /// One sum, or as many as there are classes.
    fn of(mut sums: Vec<Sum>, classes: &[Label]) -> Option<Sums> {
        match sums.len() {
            1 => sums.pop().map(Sums::One),
            count if count == classes.len() => {
                Some(Sums::ByClass { classes: ByClass(classes.iter().cloned().zip(sums).collect()) })
            }
            _ => None,
        }
    }
}

impl Serialize for ByClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(label, sum)| (label.to_string(), sum)))
    }
}

impl Serialize for Contributions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.features.iter().zip(&self.numbers))
    }
}
