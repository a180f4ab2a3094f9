//! When the rows of some scopes are: what a plan needs to know to cut a large scope by time.

use futures::future::BoxFuture;
use schemas::column::Column;
use schemas::scope::Scope;
use schemas::time::TIME_NULL;
use schemas::window::Window;

use crate::error::ReadError;
use crate::filter::Filter;
use crate::request::{Request, Role};
use crate::source::Dataset;

/// A scope whose times are wanted: its window, and of how many rows one tells.
pub type Sampled = (Scope, Window, u64);

/// The rows of one scope so far.
struct Sample {
    filter: Filter,
    every: u64,
    rows: u64,
    times: Vec<i64>,
    /// Whether some row has no time.
    undated: bool,
}

impl Dataset {
    /// The times of some rows of each of `scopes`, evenly spread in reading order, ascending; none where some row has no time,
    /// and so is in no stretch of time. The request has a time column.
    ///
    /// # Errors
    /// [`ReadError`] as for [`Dataset::read`].
    pub fn times<'a>(
        &'a self,
        request: &'a Request,
        scopes: &'a [Sampled],
        threads: usize,
    ) -> BoxFuture<'a, Result<Vec<Vec<i64>>, ReadError>> {
        Box::pin(async move {
            let sample = |(scope, window, every): &Sampled| {
                let filter = Filter::new(request, [(scope, *window)]);
                Sample { filter, every: (*every).max(1), rows: 0, times: Vec::new(), undated: false }
            };
            let samples: Vec<Sample> = scopes.iter().map(sample).collect();
            let order = request.time.clone();
            let samples = self.fold(request, threads, samples, move |samples, piece, slots| {
                let is_order =
                    |at: &usize| slots[*at].role == Role::Time && Some(&slots[*at].name) == order.as_ref();
                let column = piece.columns.iter().find(|(at, _)| is_order(at));
                let Some((_, Column::Time(times))) = column else { return };
                for sample in samples {
                    let marks = sample.filter.rows(piece, slots);
                    for (time, _) in times.iter().zip(marks).filter(|(_, mark)| *mark) {
                        sample.undated |= *time == TIME_NULL;
                        if sample.rows.is_multiple_of(sample.every) {
                            sample.times.push(*time);
                        }
                        sample.rows += 1;
                    }
                }
            });
            let sorted = |mut sample: Sample| {
                sample.times.sort_unstable();
                if sample.undated { Vec::new() } else { sample.times }
            };
            Ok(samples.await?.into_iter().map(sorted).collect())
        })
    }
}
