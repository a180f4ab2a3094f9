//! Predictions taken apart into what each design column adds to them.

mod quadrature;
mod trees;
mod walk;

use schemas::classifier::{Classifier, Link as ClassLink};
use schemas::fit::Parameters;
use schemas::predict::Link;
use schemas::trees::Trees;

use crate::block::Block;

/// A fit whose predictions are sums, behind a link: one sum, or one for each class.
#[derive(Debug)]
pub struct Explainer<'a> {
    /// From sums to the prediction.
    pub link: Link,
    functions: Vec<Function<'a>>,
}

/// The sums of some rows that one function of a fit is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    /// The sum without any contribution.
    pub base: f64,
    /// Row by row one for each design column.
    pub contributions: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
enum Function<'a> {
    /// Contributions are coefficient · value.
    Line(f64, &'a [f64]),
    /// Contributions are Shapley values.
    Trees(&'a Trees),
    /// Trees whose leaves are places of shares, of which this one counts.
    Shares { trees: &'a Trees, shares: &'a [f64], classes: usize, class: usize },
}

impl<'a> Explainer<'a> {
    /// The sums that a fit is made of; `None` where it is none, or one of trees without covers.
    pub fn new(parameters: &'a Parameters) -> Option<Explainer<'a>> {
        let (link, functions) = match parameters {
            Parameters::Linear { intercept, coefficients } => {
                (Link::Identity, vec![Function::Line(*intercept, coefficients)])
            }
            Parameters::LogLinear { intercept, coefficients } => {
                (Link::Log, vec![Function::Line(*intercept, coefficients)])
            }
            Parameters::Trees(trees) => (Link::Identity, vec![Function::Trees(trees)]),
            Parameters::Classifier(classifier) => of_classes(classifier)?,
            _ => return None,
        };
        let is_sum = !functions.is_empty() && functions.iter().all(Function::is_explained);
        is_sum.then_some(Explainer { link, functions })
    }

    /// The number of sums.
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Nodes that are visited, or coefficients, for each row.
    pub fn work(&self) -> usize {
        self.functions.iter().map(Function::work).sum()
    }

    /// What each design column adds to the rows of a block, function after function; `None` for one that was not made for such
    /// rows.
    pub fn sums(&self, block: &Block) -> impl Iterator<Item = Option<Sums>> {
        self.functions.iter().map(|function| function.sums(block))
    }
}

fn of_classes(classifier: &Classifier) -> Option<(Link, Vec<Function<'_>>)> {
    match classifier {
        Classifier::Linear { link, intercepts, coefficients } => {
            let width = coefficients.len() / intercepts.len().max(1);
            let line = |(at, intercept): (usize, &f64)| {
                Function::Line(*intercept, &coefficients[at * width..][..width])
            };
            Some((of_link(*link), intercepts.iter().enumerate().map(line).collect()))
        }
        Classifier::Forest { trees, shares, classes } => {
            let classes = *classes as usize;
            // Of two, the second says all.
            let own = if classes == 2 { 1..2 } else { 0..classes };
            let function = |class| Function::Shares { trees, shares, classes, class };
            Some((Link::Probability, own.map(function).collect()))
        }
        Classifier::Boosted { link, functions } => {
            Some((of_link(*link), functions.iter().map(Function::Trees).collect()))
        }
        _ => None,
    }
}

fn of_link(link: ClassLink) -> Link {
    match link {
        ClassLink::Logistic => Link::Logit,
        ClassLink::Softmax => Link::Softmax,
        ClassLink::OneVersusRest => Link::OneVersusRest,
    }
}

impl Function<'_> {
    fn is_explained(&self) -> bool {
        match self {
            Function::Line(..) => true,
            Function::Trees(trees) | Function::Shares { trees, .. } => !trees.covers.is_empty(),
        }
    }

    fn work(&self) -> usize {
        match self {
            Function::Line(_, coefficients) => coefficients.len(),
            Function::Trees(trees) | Function::Shares { trees, .. } => trees.columns.len(),
        }
    }

    fn sums(&self, block: &Block) -> Option<Sums> {
        match *self {
            Function::Line(intercept, coefficients) => by_line(intercept, coefficients, block),
            Function::Trees(own) => trees::explain(own, &Some, block),
            Function::Shares { trees: own, shares, classes, class } => {
                let share = |place: f64| shares.get((place as usize).checked_mul(classes)? + class).copied();
                trees::explain(own, &share, block)
            }
        }
    }
}

fn by_line(base: f64, coefficients: &[f64], block: &Block) -> Option<Sums> {
    let width = block.width();
    // A mean has none, whatever the rows have.
    let zeros = vec![0.0; width];
    let coefficients = if coefficients.is_empty() { &zeros } else { coefficients };
    if coefficients.len() != width {
        return None;
    }
    let columns: Vec<&[f64]> = (0..width).map(|column| block.column(column)).collect();
    let of_row = |row: usize| columns.iter().zip(coefficients).map(move |(column, own)| own * column[row]);
    Some(Sums { base, contributions: (0..block.rows()).flat_map(of_row).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict;

    fn sums(parameters: &Parameters, block: &Block) -> Option<(Link, Vec<Sums>)> {
        let explainer = Explainer::new(parameters)?;
        Some((explainer.link, explainer.sums(block).collect::<Option<_>>()?))
    }

    #[test]
    fn contributions_add_up_to_the_prediction() {
        let block = Block::from_columns(2, &[&[1.0, 2.0], &[-3.0, 0.5]]);
        let parameters = Parameters::LogLinear { intercept: 0.25, coefficients: vec![0.5, -0.125] };
        let (link, all) = sums(&parameters, &block).unwrap();
        let mut predictions = Vec::new();
        predict(&parameters, &block, &mut predictions).unwrap();
        for (row, prediction) in all[0].contributions.chunks(2).zip(&predictions) {
            assert!((all[0].base + row.iter().sum::<f64>() - prediction.ln()).abs() < 1e-12);
        }
        assert_eq!((link, all.len()), (Link::Log, 1));
        let mean = Parameters::Linear { intercept: 4.0, coefficients: Vec::new() };
        assert_eq!(sums(&mean, &block).unwrap().1[0].contributions, [0.0; 4]);
        assert_eq!(sums(&Parameters::Linear { intercept: 4.0, coefficients: vec![1.0] }, &block), None);
    }
}
