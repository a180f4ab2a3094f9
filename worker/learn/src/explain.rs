//! Predictions taken apart into what each design column adds to them.

use schemas::classifier::{Classifier, Link as ClassLink};
use schemas::fit::Parameters;
use schemas::predict::Link;

use crate::block::Block;

/// Sums that predictions are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    /// The sum without any contribution.
    pub base: f64,
    /// From the sum to the prediction.
    pub link: Link,
    /// Row by row one for each design column.
    pub contributions: Vec<f64>,
}

/// What each design column adds to the predictions of the block's rows, exactly: coefficient · value. `None` for a fit that is
/// no such sum, or was not made for such rows.
pub fn explain(parameters: &Parameters, block: &Block) -> Option<Sums> {
    let (base, link, coefficients) = match parameters {
        Parameters::Linear { intercept, coefficients } => (*intercept, Link::Identity, coefficients),
        Parameters::LogLinear { intercept, coefficients } => (*intercept, Link::Log, coefficients),
        Parameters::Classifier(Classifier::Linear {
            link: ClassLink::Logistic,
            intercepts,
            coefficients,
        }) => (*intercepts.first()?, Link::Logit, coefficients),
        _ => return None,
    };
    let width = block.width();
    // A mean has none, whatever the rows have.
    let zeros = vec![0.0; width];
    let coefficients = if coefficients.is_empty() { &zeros } else { coefficients };
    if coefficients.len() != width {
        return None;
    }
    let columns: Vec<&[f64]> = (0..width).map(|column| block.column(column)).collect();
    let row = |row: usize| {
        columns.iter().zip(coefficients).map(move |(column, coefficient)| column[row] * coefficient)
    };
    Some(Sums { base, link, contributions: (0..block.rows()).flat_map(row).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict;

    #[test]
    fn contributions_add_up_to_the_prediction() {
        let block = Block::from_columns(2, &[&[1.0, 2.0], &[-3.0, 0.5]]);
        let parameters = Parameters::LogLinear { intercept: 0.25, coefficients: vec![0.5, -0.125] };
        let sums = explain(&parameters, &block).unwrap();
        let mut predictions = Vec::new();
        predict(&parameters, &block, &mut predictions).unwrap();
        for (row, prediction) in sums.contributions.chunks(2).zip(&predictions) {
            assert!((sums.base + row.iter().sum::<f64>() - prediction.ln()).abs() < 1e-12);
        }
        assert_eq!(sums.link, Link::Log);
        let mean = Parameters::Linear { intercept: 4.0, coefficients: Vec::new() };
        assert_eq!(explain(&mean, &block).unwrap().contributions, [0.0; 4]);
        assert_eq!(explain(&Parameters::Linear { intercept: 4.0, coefficients: vec![1.0] }, &block), None);
    }
}
