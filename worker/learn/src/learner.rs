//! What every algorithm is: arrays in, fit out.

use std::fmt::Debug;

use schemas::fit::Parameters;

use crate::design::Design;
use crate::error::LearnError;
use crate::moments::{Moments, Scratch};
use crate::target::Target;

/// Rows of a table to learn from. They must be complete, and the table must have them.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The columns of all of the table's rows.
    pub design: &'a Design,
    /// What is learned of each of them.
    pub target: Target<'a>,
    /// Which rows, in time order.
    pub rows: &'a [u32],
}

impl Rows<'_> {
    /// The rows by column, with their targets and weights.
    pub(crate) fn gathered(self, scratch: &mut Scratch) -> &Scratch {
        scratch.gather(self.design, self.target, self.rows);
        scratch
    }

    /// What the rows add up to.
    pub(crate) fn moments(self, scratch: &mut Scratch) -> Moments {
        Moments::over(self.design, self.target, self.rows, scratch)
    }
}

/// An algorithm with its parameters. From the same rows it makes the same fit, on one machine to the last bit.
pub trait Learner: Debug {
    /// The fit of some rows.
    ///
    /// # Errors
    /// [`LearnError`].
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError>;

    /// The fit out of what the rows add up to; `None` where the rows themselves are needed.
    fn solve(&self, _moments: &Moments) -> Option<Result<Parameters, LearnError>> {
        None
    }

    /// The fit that goes on from one of the first `older` of the rows; `None` where that one is none to go on from, or where it is
    /// time to start anew.
    ///
    /// # Errors
    /// [`LearnError`].
    fn go_on(
        &self,
        _rows: Rows<'_>,
        (_older, _before): (usize, &Parameters),
        _scratch: &mut Scratch,
    ) -> Result<Option<Parameters>, LearnError> {
        Ok(None)
    }

    /// Whether rows may count differently: see [`schemas::algorithm::Algorithm::takes_weights`].
    fn takes_weights(&self) -> bool {
        false
    }
}
