//! Another channel that predicts as well: how far its answers are from those that callers got. They never wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use schemas::predict::{NO_FIT, NamedColumn, Predictions};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::metrics::Metrics;
use crate::predicting::By;

/// Comparisons under way at once; while they are, other requests are not compared.
const AT_ONCE: usize = 8;

/// Numbers that are no further apart than this share of the larger one are the same: the order of summing may differ.
const SAME_WITHIN: f64 = 1e-9;

/// Time between two lines of the log about one channel.
const LOGGED_EVERY: Duration = Duration::from_secs(60);

/// By model and channel: since when, and what.
type Logged = HashMap<(String, String), (Instant, Difference)>;

/// The comparisons of this process.
#[derive(Debug, Clone)]
pub struct Shadows {
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    /// What the log was not told yet.
    logged: Arc<Mutex<Logged>>,
}

/// How far two channels' answers are apart.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Difference {
    /// Rows that both have answered.
    pub rows: u64,
    /// Those whose numbers or classes are not the same.
    pub differing: u64,
    /// The sum of the numbers' absolute differences; classes have none.
    pub absolute: f64,
    /// Rows that one of them has not answered.
    pub unanswered: u64,
}

impl Default for Shadows {
    fn default() -> Shadows {
        Shadows {
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            tasks: TaskTracker::new(),
            logged: Arc::default(),
        }
    }
}

impl Shadows {
    /// Asks the shadow of a channel for the same rows, if it has one, and notes the difference.
    pub fn compare(&self, app: &App, by: &By, columns: Vec<NamedColumn>, answer: &Predictions) {
        let Some(other) = &by.shadow else { return };
        let request = by.request(app, false, (answer.values.len(), columns));
        let (rows, _) = other.partition(&by.spec, &request);
        if rows.is_empty() {
            return;
        }
        let (model, channel) = (by.model.clone(), other.share.channel.clone());
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            app.metrics.shadow_skipped(&model, &channel, rows.len());
            return;
        };
        let (app, by, own) = (app.clone(), by.clone(), some(answer, &rows));
        let request = other.instead(request.take(&rows));
        let shadows = self.clone();
        self.tasks.spawn(async move {
            let _slot = slot;
            match by.send(&app, request, tokio::time::Instant::now() + app.deadline).await {
                Ok(theirs) => shadows.note(&app.metrics, (&model, &channel), difference(&own, &theirs)),
                Err(problem) => {
                    app.metrics.shadow_skipped(&model, &channel, rows.len());
                    tracing::debug!(%model, %channel, "no answer of the shadow: {}", problem.detail);
                }
            }
        });
    }

    /// Waits for the comparisons under way, and logs those that have not been.
    pub async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        let logged = std::mem::take(&mut *self.logged.lock().unwrap_or_else(PoisonError::into_inner));
        for ((model, channel), (_, sum)) in
            logged.iter().filter(|(_, (_, sum))| *sum != Difference::default())
        {
            log(model, channel, sum);
        }
    }

    fn note(&self, metrics: &Metrics, (model, channel): (&str, &str), more: Difference) {
        metrics.shadow(model, channel, &more);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (model.to_owned(), channel.to_owned());
        let (at, sum) = logged.entry(key).or_insert_with(|| (Instant::now(), Difference::default()));
        sum.add(more);
        if at.elapsed() >= LOGGED_EVERY {
            log(model, channel, &std::mem::take(sum));
            *at = Instant::now();
        }
    }
}

fn log(model: &str, channel: &str, sum: &Difference) {
    tracing::info!(
        model,
        channel,
        rows = sum.rows,
        differing = sum.differing,
        unanswered = sum.unanswered,
        mean_absolute_difference = sum.absolute / sum.rows.max(1) as f64,
        "compared with the shadow"
    );
}

impl Difference {
    fn add(&mut self, more: Difference) {
        self.rows += more.rows;
        self.differing += more.differing;
        self.absolute += more.absolute;
        self.unanswered += more.unanswered;
    }
}

/// The answers to some rows, as far as they are compared.
fn some(answer: &Predictions, rows: &[u32]) -> Predictions {
    Predictions {
        values: rows.iter().map(|row| answer.values[*row as usize]).collect(),
        fit_of: rows.iter().map(|row| answer.fit_of[*row as usize]).collect(),
        fits: answer.fits.clone(),
        ..Predictions::default()
    }
}

/// Compares two answers to the same rows.
fn difference(own: &Predictions, theirs: &Predictions) -> Difference {
    let class = |answer: &Predictions, row: usize| {
        let fit = answer.fits.get(answer.fit_of[row] as usize)?;
        fit.classes.get(answer.values[row] as usize).cloned()
    };
    let mut sum = Difference::default();
    for row in 0..own.values.len().min(theirs.values.len()) {
        if own.fit_of[row] == NO_FIT || theirs.fit_of[row] == NO_FIT {
            sum.unanswered += 1;
            continue;
        }
        sum.rows += 1;
        let (before, after) = (class(own, row), class(theirs, row));
        let apart = (own.values[row] - theirs.values[row]).abs();
        let larger = own.values[row].abs().max(theirs.values[row].abs());
        let differs = match (&before, &after) {
            (None, None) => apart.is_nan() || apart > SAME_WITHIN * larger,
            _ => before != after,
        };
        sum.differing += u64::from(differs);
        if before.is_none() && after.is_none() {
            sum.absolute += apart;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::label::Label;
    use schemas::predict::UsedFit;
    use schemas::scope::Scope;

    fn answer(values: &[f64], fit_of: &[u32], classes: &[i64]) -> Predictions {
        let fit = UsedFit {
            scope: Scope::all(),
            level: 0,
            fingerprint: String::new(),
            campaign: String::new(),
            trained_at_ms: 0,
            classes: classes.iter().map(|class| Label::Integer(*class)).collect(),
            scores: 0,
        };
        Predictions {
            values: values.to_vec(),
            fit_of: fit_of.to_vec(),
            fits: vec![Arc::new(fit)],
            ..Predictions::default()
        }
    }

    #[test]
    fn numbers_and_classes_are_compared_where_both_answer() {
        let numbers = difference(
            &answer(&[1.0, 2.0, f64::NAN], &[0, 0, NO_FIT], &[]),
            &answer(&[1.0, 4.5, 3.0], &[0, 0, 0], &[]),
        );
        // The last bits of a sum depend on its order.
        assert_eq!(difference(&answer(&[0.3], &[0], &[]), &answer(&[0.1 + 0.2], &[0], &[])).differing, 0);
        assert_eq!(numbers, Difference { rows: 2, differing: 1, absolute: 2.5, unanswered: 1 });
        // The same class may stand at another place.
        let classes =
            difference(&answer(&[0.0, 1.0], &[0, 0], &[7, 8]), &answer(&[1.0, 1.0], &[0, 0], &[6, 7]));
        assert_eq!(classes, Difference { rows: 2, differing: 1, absolute: 0.0, unanswered: 0 });
    }
}
