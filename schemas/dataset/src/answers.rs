//! Predictions as columns: `prediction`, `scope`, `level`, `fingerprint` and `error`, one value for each row.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, StringArray};
use arrow_schema::{DataType, Field};
use schemas::predict::{Predictions, UsedFit};
use schemas::spec::ModelSpec;
use schemas::task::Task;

/// What a prediction is in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A number.
    Number,
    /// A class by its label, or the scores of components as a JSON list.
    Text,
}

impl Answer {
    /// What a model's predictions are.
    pub fn of(spec: &ModelSpec) -> Answer {
        // A checked spec's algorithms exist.
        match spec.task().unwrap_or(Task::Regression) {
            Task::Regression | Task::Clusters | Task::Anomalies => Answer::Number,
            Task::Classification | Task::Components => Answer::Text,
        }
    }

    /// The fields of the columns; names of fits only where `with_fingerprint`.
    pub(crate) fn fields(self, with_fingerprint: bool) -> Vec<Field> {
        let prediction = match self {
            Answer::Number => DataType::Float64,
            Answer::Text => DataType::Utf8,
        };
        let mut fields = vec![
            Field::new("prediction", prediction, true),
            Field::new("scope", DataType::Utf8, true),
            Field::new("level", DataType::Int32, true),
            Field::new("fingerprint", DataType::Utf8, true),
            Field::new("error", DataType::Utf8, true),
        ];
        fields.retain(|field| with_fingerprint || field.name() != "fingerprint");
        fields
    }

    /// The columns, in the order of the fields.
    pub(crate) fn columns(self, predictions: &Predictions, with_fingerprint: bool) -> Vec<ArrayRef> {
        let fit_of = |row: usize| predictions.fits.get(*predictions.fit_of.get(row)? as usize);
        let rows = 0..predictions.values.len();
        let errors = errors(predictions);
        let prediction: ArrayRef = match self {
            Answer::Number => {
                Arc::new(rows.clone().map(|row| number(predictions, row)).collect::<Float64Array>())
            }
            Answer::Text => {
                let spans = predictions.spans().unwrap_or_default();
                let text = |row: usize| text(predictions, row, &spans);
                Arc::new(rows.clone().map(text).collect::<StringArray>())
            }
        };
        let of_fit = |text: fn(&UsedFit) -> &str| -> ArrayRef {
            Arc::new(rows.clone().map(|row| fit_of(row).map(|fit| text(fit))).collect::<StringArray>())
        };
        let levels = rows.clone().map(|row| fit_of(row).map(|fit| i32::from(fit.level)));
        let mut columns =
            vec![prediction, of_fit(|fit| fit.scope.as_str()), Arc::new(levels.collect::<Int32Array>())];
        if with_fingerprint {
            columns.push(of_fit(|fit| &fit.fingerprint));
        }
        columns.push(Arc::new(StringArray::from(errors)));
        columns
    }
}

/// Per row what is wrong with it; nothing where it has a prediction.
pub fn errors(predictions: &Predictions) -> Vec<Option<String>> {
    let not_finite =
        |value: &f64| (!value.is_finite()).then(|| "the prediction is not a finite number".to_owned());
    let mut errors: Vec<Option<String>> = predictions.values.iter().map(not_finite).collect();
    for error in &predictions.errors {
        if let Some(place) = errors.get_mut(error.row as usize) {
            *place = Some(error.to_string());
        }
    }
    errors
}

/// A number; of a cluster, which is a class, the number that is its label.
fn number(predictions: &Predictions, row: usize) -> Option<f64> {
    let value = Some(predictions.values[row]).filter(|value| value.is_finite())?;
    match predictions.fits.get(predictions.fit_of[row] as usize) {
        Some(fit) if !fit.classes.is_empty() => fit.classes.get(value as usize)?.to_string().parse().ok(),
        _ => Some(value),
    }
}

/// A label, or a list of scores.
fn text(predictions: &Predictions, row: usize, spans: &[std::ops::Range<usize>]) -> Option<String> {
    let fit = predictions.fits.get(predictions.fit_of[row] as usize)?;
    let value = Some(predictions.values[row]).filter(|value| value.is_finite())?;
    if fit.scores > 0 {
        let scores = predictions.probabilities.get(spans.get(row)?.clone())?;
        return Some(format!("{scores:?}"));
    }
    match fit.classes.is_empty() {
        true => Some(value.to_string()),
        false => fit.classes.get(value as usize).map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;
    use schemas::label::Label;
    use schemas::predict::{NO_FIT, RowError, RowErrorKind};
    use schemas::scope::Scope;

    fn used(scope: &str, classes: Vec<Label>, scores: u32) -> Arc<UsedFit> {
        Arc::new(UsedFit {
            scope: Scope::new([("carrier", scope)]),
            level: 1,
            fingerprint: "f".into(),
            campaign: "c".into(),
            trained_at_ms: 0,
            classes,
            scores,
        })
    }

    #[test]
    fn rows_have_a_prediction_or_an_error() {
        let predictions = Predictions {
            values: vec![1.5, f64::NAN, f64::INFINITY],
            fit_of: vec![0, NO_FIT, 0],
            fits: vec![used("UA", Vec::new(), 0)],
            errors: vec![RowError {
                row: 1,
                kind: RowErrorKind::Invalid,
                field: Some("x".into()),
                message: "missing".into(),
            }],
            ..Predictions::default()
        };
        let columns = Answer::Number.columns(&predictions, true);
        assert_eq!(Answer::Number.fields(true).len(), columns.len());
        let numbers: Vec<Option<f64>> = columns[0].as_primitive::<Float64Type>().iter().collect();
        assert_eq!(numbers, [Some(1.5), None, None]);
        assert_eq!(
            columns[1].as_string::<i32>().iter().collect::<Vec<_>>(),
            [Some("carrier=UA"), None, Some("carrier=UA")]
        );
        let errors = columns[4].as_string::<i32>();
        assert!(errors.is_null(0) && errors.value(1) == "`x`: missing" && errors.is_valid(2));
    }

    #[test]
    fn classes_are_labels_and_scores_are_lists() {
        let classes = vec![Label::Text("a".into()), Label::Text("b".into())];
        let predictions = Predictions {
            values: vec![1.0, 0.0],
            fit_of: vec![0, 1],
            fits: vec![used("UA", classes, 0), used("DL", Vec::new(), 2)],
            probabilities: vec![0.1, 0.9, -0.5, 2.0],
            ..Predictions::default()
        };
        let columns = Answer::Text.columns(&predictions, false);
        assert_eq!(
            columns[0].as_string::<i32>().iter().collect::<Vec<_>>(),
            [Some("b"), Some("[-0.5, 2.0]")]
        );
        assert_eq!(columns[3].null_count(), 2);
    }
}
