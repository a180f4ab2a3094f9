//! What each feature adds to predictions, for fits that are sums.

use learn::{Block, Explainer};
use schemas::fit::Input;
use schemas::limits::{EXPLAINED_NODES_MAX, MESSAGE_BYTES_MAX};
use schemas::predict::Explained;

use crate::cache::Served;

/// How much explaining a request is, as it adds up over the fits that answer its rows.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    nodes: usize,
    bytes: usize,
}

impl Effort {
    /// Adds rows of a fit; says whether all this holds the predictor up too long, or fits no message.
    pub(crate) fn is_too_much_with(&mut self, fit: &Served, rows: usize) -> bool {
        if let Some(explainer) = Explainer::new(&fit.parameters) {
            self.nodes += rows.saturating_mul(explainer.work());
            self.bytes += rows.saturating_mul(explainer.functions() * fit.inputs.len() * size_of::<f64>());
        }
        self.nodes > EXPLAINED_NODES_MAX || self.bytes > MESSAGE_BYTES_MAX
    }
}

/// What each feature adds to the predictions of the block's rows, where the fit is a sum.
pub(crate) fn explained(fit: &Served, block: &Block, rows: Vec<u32>) -> Option<Explained> {
    let explainer = Explainer::new(&fit.parameters)?;
    let (inputs, functions) = (fit.inputs.len(), explainer.functions());
    let mut bases = Vec::with_capacity(functions);
    let mut contributions = vec![0.0; rows.len() * functions * inputs];
    for (function, sums) in explainer.sums(block).enumerate() {
        let sums = sums?;
        bases.push(sums.base);
        for row in 0..rows.len() {
            let mut left = &sums.contributions[row * block.width()..(row + 1) * block.width()];
            let own = &mut contributions[(row * functions + function) * inputs..][..inputs];
            for (own, input) in own.iter_mut().zip(fit.inputs.iter()) {
                let (columns, others) = left.split_at(input.width());
                *own = columns.iter().sum();
                left = others;
            }
        }
    }
    let features = fit.inputs.iter().map(|input| match input {
        Input::Number(feature) => feature.to_string(),
        Input::OneHot { column, .. } | Input::Category { column, .. } => column.clone(),
    });
    Some(Explained { features: features.collect(), bases, link: explainer.link, rows, contributions })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use schemas::encoding::Missing;
    use schemas::fit::Parameters;
    use schemas::trees::{LEAF, Trees};

    fn served(parameters: Parameters) -> Served {
        let inputs = vec![Input::OneHot { column: "c".into(), categories: vec!["a".into(), "b".into()] }];
        Served { inputs: Arc::new(inputs), missing: Missing::Drop, classes: Vec::new(), parameters }
    }

    /// 1, and 4 where the second category is.
    fn cut() -> Trees {
        Trees {
            base: 0.0,
            scale: 1.0,
            roots: vec![0],
            columns: vec![1, LEAF, LEAF],
            values: vec![0.5, 1.0, 4.0],
            rights: vec![2, 1, 2],
            sets: Vec::new(),
            covers: vec![2.0, 1.0],
        }
    }

    #[test]
    fn categories_of_a_column_are_one_feature() {
        let block = Block::from_columns(2, &[&[1.0, 0.0], &[0.0, 1.0]]);
        let found = explained(&served(Parameters::Trees(cut())), &block, vec![3, 8]).unwrap();
        assert_eq!((found.features, found.bases, found.rows), (vec!["c".to_owned()], vec![2.0], vec![3, 8]));
        found.contributions.iter().zip([-1.0, 2.0]).for_each(|(own, sum)| assert!((own - sum).abs() < 1e-12));
        let early = Trees { covers: Vec::new(), ..cut() };
        assert_eq!(explained(&served(Parameters::Trees(early)), &block, vec![0, 1]), None);
    }

    #[test]
    fn what_takes_too_long_or_too_much_room_is_too_much() {
        let fit = Served { inputs: Arc::default(), ..served(Parameters::Trees(cut())) };
        let mut effort = Effort::default();
        assert!(!effort.is_too_much_with(&fit, EXPLAINED_NODES_MAX / 6));
        assert!(effort.is_too_much_with(&fit, EXPLAINED_NODES_MAX / 6 + 2));
        let line = served(Parameters::Linear { intercept: 1.0, coefficients: Vec::new() });
        assert!(!Effort::default().is_too_much_with(&line, MESSAGE_BYTES_MAX / 8));
        assert!(Effort::default().is_too_much_with(&line, MESSAGE_BYTES_MAX / 8 + 1));
        // What is not explained costs nothing.
        let early = served(Parameters::Trees(Trees { covers: Vec::new(), ..cut() }));
        assert!(!Effort::default().is_too_much_with(&early, usize::MAX));
    }
}
