//! What fits predict, against what their model predicts by now: fits of an older spec answer until they are replaced.

use crate::label::Label;
use crate::predict::{NO_FIT, Predictions, RowError, RowErrorKind, UsedFit};
use crate::spec::ModelSpec;
use crate::task::Task;

impl UsedFit {
    /// Whether it answers with one number.
    pub fn is_plain(&self) -> bool {
        self.classes.is_empty() && self.scores == 0
    }

    /// Whether its predictions are of the kind that a model with this task has.
    pub fn is_of(&self, task: Task) -> bool {
        match task {
            Task::Regression | Task::Anomalies => self.is_plain(),
            Task::Classification => !self.classes.is_empty(),
            Task::Clusters => {
                let is_number = |label: &Label| matches!(label, Label::Integer(_));
                !self.classes.is_empty() && self.classes.iter().all(is_number)
            }
            Task::Components => self.scores > 0,
        }
    }

    fn kind(&self) -> &'static str {
        match (self.scores, self.classes.is_empty()) {
            (0, true) => "numbers",
            (0, false) => "classes",
            _ => "scores",
        }
    }
}

impl Predictions {
    /// [`Predictions::of_task`] for what a model predicts by now.
    #[must_use]
    pub fn of_model(self, spec: &ModelSpec) -> Predictions {
        match spec.task() {
            Ok(task) => self.of_task(task),
            // A checked spec's algorithms exist.
            Err(_) => self,
        }
    }

    /// The same for an answer whose form only holds what this task predicts: what a fit of another kind has answered is its
    /// row's error.
    #[must_use]
    pub fn of_task(self, task: Task) -> Predictions {
        if self.fits.iter().all(|fit| fit.is_of(task)) {
            return self;
        }
        // Answers that do not add up are refused where they come in.
        let Some(spans) = self.spans() else { return self };
        let mut kept = 0..;
        let places: Vec<Option<u32>> =
            self.fits.iter().map(|fit| fit.is_of(task).then(|| kept.next()).flatten()).collect();
        let mut of_task = Predictions {
            fits: self.fits.iter().filter(|fit| fit.is_of(task)).cloned().collect(),
            errors: self.errors,
            intervals: self.intervals,
            ..Predictions::default()
        };
        for ((row, span), (fit, value)) in
            spans.into_iter().enumerate().zip(self.fit_of.iter().zip(self.values))
        {
            let place = places.get(*fit as usize).copied().flatten();
            of_task.fit_of.push(place.unwrap_or(NO_FIT));
            of_task.values.push(if place.is_some() { value } else { f64::NAN });
            match (self.fits.get(*fit as usize), place) {
                (Some(other), None) => of_task.errors.push(other_kind(row as u32, other, task)),
                _ => of_task.probabilities.extend_from_slice(&self.probabilities[span]),
            }
        }
        of_task.errors.sort_by_key(|error| error.row);
        of_task
    }
}

fn other_kind(row: u32, fit: &UsedFit, task: Task) -> RowError {
    let now = match task {
        Task::Regression | Task::Anomalies => "numbers",
        Task::Classification => "classes",
        Task::Clusters => "clusters",
        Task::Components => "scores",
    };
    let message = format!(
        "the fit of scope `{}` predicts {}, and its model {now} by now; train the scope again",
        fit.scope,
        fit.kind()
    );
    RowError { row, kind: RowErrorKind::NoFit, field: None, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scope;

    fn fit(name: &str, classes: &[Label], scores: u32) -> std::sync::Arc<UsedFit> {
        std::sync::Arc::new(UsedFit {
            scope: Scope::new([("g", name)]),
            level: 0,
            fingerprint: name.into(),
            campaign: "c".into(),
            trained_at_ms: 0,
            classes: classes.to_vec(),
            scores,
        })
    }

    #[test]
    fn what_fits_of_another_kind_answered_is_an_error_and_the_rest_stays_in_place() {
        let text = |text: &str| Label::Text(text.into());
        let fits = vec![fit("r", &[], 0), fit("g", &[text("a"), text("b")], 0), fit("p", &[], 3)];
        let before = Predictions {
            values: vec![1.5, 1.0, f64::NAN, 0.5, 0.0],
            fit_of: vec![0, 1, NO_FIT, 2, 1],
            probabilities: vec![0.2, 0.8, 7.0, 8.0, 9.0, 0.6, 0.4],
            errors: vec![RowError { row: 2, kind: RowErrorKind::NoFit, field: None, message: "none".into() }],
            fits,
            ..Predictions::default()
        };
        assert!(before.has_rows(5) && before.adds_up());
        for (task, left, probabilities) in [
            (Task::Regression, vec![0], vec![]),
            (Task::Classification, vec![1, 4], vec![0.2, 0.8, 0.6, 0.4]),
            (Task::Components, vec![3], vec![7.0, 8.0, 9.0]),
            (Task::Clusters, vec![], vec![]),
        ] {
            let after = before.clone().of_task(task);
            assert!(after.has_rows(5) && after.adds_up(), "{task:?}: {after:?}");
            let answered: Vec<usize> = (0..5).filter(|row| after.fit_of[*row] != NO_FIT).collect();
            assert_eq!((&answered, &after.probabilities), (&left, &probabilities), "{task:?}");
            for row in answered {
                let of = |all: &Predictions| all.fits[all.fit_of[row] as usize].clone();
                assert_eq!((of(&after), after.values[row]), (of(&before), before.values[row]));
            }
            let shown = |answer: &Predictions| format!("{answer:?}");
            assert_eq!(shown(&after.clone().of_task(task)), shown(&after), "twice is once");
        }
        let error = &before.clone().of_task(Task::Regression).errors[0];
        assert!(error.row == 1 && error.message.contains("`g=g` predicts classes"), "{error}");
        assert!(before.fits[1].is_of(Task::Classification) && !before.fits[1].is_of(Task::Clusters));
        assert!(fit("k", &[Label::Integer(0)], 0).is_of(Task::Clusters));
    }
}
