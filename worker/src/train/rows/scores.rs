//! How good a fit of all stretches is on the newest rows.

use learn::{Block, explained_squares, predict, score};
use schemas::fit::{Metrics, Parameters};
use schemas::metrics::StructureMetrics;
use schemas::structure::Structure;

use super::super::learning::FitError;
use super::Stretches;

/// Numbers of the design that are made at a time.
const BLOCK_VALUES: usize = 1 << 19;

impl Stretches<'_> {
    /// Scores of some rows of the tail, whose design columns are at `own` among the fit's `width`.
    pub(super) fn score(
        &self,
        parameters: &Parameters,
        (own, width): (&[usize], usize),
        rows: &[u32],
        progress: &mut dyn FnMut(),
    ) -> Result<Option<Metrics>, FitError> {
        match parameters {
            Parameters::Linear { intercept, coefficients } => {
                let coefficients = match coefficients.as_slice() {
                    [] => Vec::new(),
                    all => own.iter().map(|place| all[*place]).collect(),
                };
                self.score_line(&Parameters::Linear { intercept: *intercept, coefficients }, rows, progress)
            }
            Parameters::Structure(structure) => self.score_structure(structure, (own, width), rows, progress),
            _ => Ok(None),
        }
    }

    /// Scores of a line through the tail's own columns.
    fn score_line(
        &self,
        line: &Parameters,
        rows: &[u32],
        progress: &mut dyn FnMut(),
    ) -> Result<Option<Metrics>, FitError> {
        let (mut predicted, mut all) = (Vec::new(), Vec::new());
        self.blocks((rows, 1), |block| {
            predict(line, block, &mut predicted)?;
            all.extend_from_slice(&predicted);
            progress();
            Ok(())
        })?;
        let target = self.prepared.target();
        let truth: Vec<f64> = rows.iter().map(|row| target[*row as usize]).collect();
        Ok(score(&truth, &all, &self.prepared.weights_of(rows)))
    }

    fn score_structure(
        &self,
        structure: &Structure,
        (own, width): (&[usize], usize),
        rows: &[u32],
        progress: &mut dyn FnMut(),
    ) -> Result<Option<Metrics>, FitError> {
        let (mut explained, mut all) = (0.0, 0.0);
        self.blocks((rows, width), |block| {
            // What older stretches alone have is 0 in these rows.
            let squares = explained_squares(structure, &block.placed(own, width))?;
            (explained, all) = (explained + squares.0, all + squares.1);
            progress();
            Ok(())
        })?;
        let scores = StructureMetrics { explained_variance: explained / all, ..StructureMetrics::default() };
        Ok((!rows.is_empty()).then_some(Metrics::Structure(scores)))
    }

    /// Gives the design of some rows to `each`, a bounded number of them at a time, where they are put into `width` columns.
    fn blocks(
        &self,
        (rows, width): (&[u32], usize),
        mut each: impl FnMut(&Block) -> Result<(), FitError>,
    ) -> Result<(), FitError> {
        let mut block = Block::default();
        let width = self.prepared.design.width().max(width);
        for rows in rows.chunks((BLOCK_VALUES / width).max(1)) {
            self.prepared.design.block(rows, &mut block);
            each(&block)?;
        }
        Ok(())
    }
}
