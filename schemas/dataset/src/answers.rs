//! Predictions as columns, one value for each row: `prediction`, the ends of forecasts' intervals (`lower_80`, `upper_80` …),
//! classes' `probabilities`, `scope`, `level`, `fingerprint` and `error`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, StringArray};
use arrow_schema::{DataType, Field};
use schemas::label::Label;
use schemas::predict::{Predictions, UsedFit};
use schemas::spec::ModelSpec;
use schemas::task::Task;

/// What a model's answers are in columns; by default numbers and nothing beside them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    form: Form,
    /// Whether each row has the probabilities of classes, a JSON object.
    has_probabilities: bool,
    /// Of prediction intervals, in percent.
    levels: Vec<f64>,
}

/// What a prediction is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Form {
    /// A number.
    #[default]
    Number,
    /// The number of a cluster.
    Integer,
    /// A class by its label, or the scores of components as a JSON list.
    Text,
}

impl Answer {
    /// What a model's predictions are.
    pub fn of(spec: &ModelSpec) -> Answer {
        // A checked spec's algorithms exist.
        let (form, has_probabilities) = match spec.task().unwrap_or(Task::Regression) {
            Task::Regression | Task::Anomalies => (Form::Number, false),
            Task::Clusters => (Form::Integer, true),
            Task::Classification => (Form::Text, true),
            Task::Components => (Form::Text, false),
        };
        let levels = spec.learn.series.as_ref().map(|series| series.levels.clone()).unwrap_or_default();
        Answer { form, has_probabilities, levels }
    }

    /// The fields of the columns; names of fits only where `with_fingerprint`.
    pub(crate) fn fields(&self, with_fingerprint: bool) -> Vec<Field> {
        let prediction = match self.form {
            Form::Number => DataType::Float64,
            Form::Integer => DataType::Int64,
            Form::Text => DataType::Utf8,
        };
        let mut fields = vec![Field::new("prediction", prediction, true)];
        for level in &self.levels {
            let end = |name: &str| Field::new(format!("{name}_{level}"), DataType::Float64, true);
            fields.extend([end("lower"), end("upper")]);
        }
        if self.has_probabilities {
            fields.push(Field::new("probabilities", DataType::Utf8, true));
        }
        fields.extend([
            Field::new("scope", DataType::Utf8, true),
            Field::new("level", DataType::Int32, true),
            Field::new("fingerprint", DataType::Utf8, true),
            Field::new("error", DataType::Utf8, true),
        ]);
        fields.retain(|field| with_fingerprint || field.name() != "fingerprint");
        fields
    }

    /// The columns, in the order of the fields.
    pub(crate) fn columns(&self, predictions: &Predictions, with_fingerprint: bool) -> Vec<ArrayRef> {
        let fit_of = |row: usize| predictions.fits.get(*predictions.fit_of.get(row)? as usize);
        let rows = 0..predictions.values.len();
        let needs_spans = self.form == Form::Text || self.has_probabilities;
        let spans = if needs_spans { predictions.spans().unwrap_or_default() } else { Vec::new() };
        let mut columns = vec![self.prediction(predictions, &spans)];
        for level in &self.levels {
            columns.extend(ends(predictions, *level));
        }
        if self.has_probabilities {
            columns.push(probabilities(predictions, &spans));
        }
        let of_fit = |text: fn(&UsedFit) -> &str| -> ArrayRef {
            Arc::new(rows.clone().map(|row| fit_of(row).map(|fit| text(fit))).collect::<StringArray>())
        };
        columns.push(of_fit(|fit| fit.scope.as_str()));
        let levels = rows.clone().map(|row| fit_of(row).map(|fit| i32::from(fit.level)));
        columns.push(Arc::new(levels.collect::<Int32Array>()));
        if with_fingerprint {
            columns.push(of_fit(|fit| &fit.fingerprint));
        }
        columns.push(Arc::new(StringArray::from(errors(predictions))));
        columns
    }

    fn prediction(&self, predictions: &Predictions, spans: &[Range<usize>]) -> ArrayRef {
        let rows = 0..predictions.values.len();
        match self.form {
            Form::Number => Arc::new(rows.map(|row| number(predictions, row)).collect::<Float64Array>()),
            Form::Integer => Arc::new(rows.map(|row| cluster(predictions, row)).collect::<Int64Array>()),
            Form::Text => Arc::new(rows.map(|row| text(predictions, row, spans)).collect::<StringArray>()),
        }
    }
}

/// The lower and the upper ends of the intervals of one level.
fn ends(predictions: &Predictions, level: f64) -> [ArrayRef; 2] {
    let band = predictions.intervals.iter().find(|band| band.level.to_bits() == level.to_bits());
    let rows = 0..predictions.values.len();
    let end = |of: fn((f64, f64)) -> f64| -> ArrayRef {
        Arc::new(rows.clone().map(|row| band?.get(row).map(of)).collect::<Float64Array>())
    };
    [end(|(lower, _)| lower), end(|(_, upper)| upper)]
}

/// Each row's probabilities by class, in the classes' order: `{"no":0.25,"yes":0.75}`.
fn probabilities(predictions: &Predictions, spans: &[Range<usize>]) -> ArrayRef {
    let of_row = |row: usize| {
        let fit = predictions.fits.get(predictions.fit_of[row] as usize)?;
        let numbers = predictions.probabilities.get(spans.get(row)?.clone())?;
        if fit.classes.is_empty() {
            return None;
        }
        // A text is always a JSON text, and so is a finite number.
        let name = |label: &Label| serde_json::to_string(&label.to_string()).unwrap_or_default();
        let pairs =
            fit.classes.iter().zip(numbers).map(|(label, number)| format!("{}:{number}", name(label)));
        Some(format!("{{{}}}", pairs.collect::<Vec<_>>().join(",")))
    };
    Arc::new((0..predictions.values.len()).map(of_row).collect::<StringArray>())
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

fn number(predictions: &Predictions, row: usize) -> Option<f64> {
    Some(predictions.values[row]).filter(|value| value.is_finite())
}

/// The number of a cluster, which is a class whose label is a number.
fn cluster(predictions: &Predictions, row: usize) -> Option<i64> {
    let value = number(predictions, row)?;
    match predictions.fits.get(predictions.fit_of[row] as usize)?.classes.get(value as usize)? {
        Label::Integer(cluster) => Some(*cluster),
        _ => None,
    }
}

/// A label, or a list of scores.
fn text(predictions: &Predictions, row: usize, spans: &[Range<usize>]) -> Option<String> {
    let fit = predictions.fits.get(predictions.fit_of[row] as usize)?;
    let value = number(predictions, row)?;
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
    use arrow_array::types::{Float64Type, Int64Type};
    use schemas::forecast::Band;
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

    fn answer(form: Form, levels: &[f64]) -> Answer {
        Answer { form, has_probabilities: form != Form::Number, levels: levels.to_vec() }
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
        let answer = answer(Form::Number, &[]);
        let columns = answer.columns(&predictions, true);
        assert_eq!(answer.fields(true).len(), columns.len());
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
        let columns = answer(Form::Text, &[]).columns(&predictions, false);
        assert_eq!(
            columns[0].as_string::<i32>().iter().collect::<Vec<_>>(),
            [Some("b"), Some("[-0.5, 2.0]")]
        );
        let probabilities = columns[1].as_string::<i32>();
        assert_eq!(probabilities.iter().collect::<Vec<_>>(), [Some("{\"a\":0.1,\"b\":0.9}"), None]);
        assert_eq!(columns[4].null_count(), 2);
    }

    #[test]
    fn clusters_are_integers_and_intervals_have_a_column_for_each_end() {
        let clusters = Predictions {
            values: vec![1.0, f64::NAN],
            fit_of: vec![0, NO_FIT],
            fits: vec![used("UA", vec![Label::Integer(0), Label::Integer(1)], 0)],
            probabilities: vec![0.25, 0.75],
            ..Predictions::default()
        };
        let columns = answer(Form::Integer, &[]).columns(&clusters, false);
        assert_eq!(columns[0].as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), None]);
        let forecasts = Predictions {
            values: vec![1.0, 2.0],
            fit_of: vec![0, 0],
            fits: vec![used("UA", Vec::new(), 0)],
            intervals: vec![Band { level: 80.0, lower: vec![0.5, f64::NAN], upper: vec![1.5, f64::NAN] }],
            ..Predictions::default()
        };
        let answer = answer(Form::Number, &[80.0, 99.5]);
        let names: Vec<String> = answer.fields(false).iter().map(|field| field.name().clone()).collect();
        let expected =
            ["prediction", "lower_80", "upper_80", "lower_99.5", "upper_99.5", "scope", "level", "error"];
        assert_eq!(names, expected);
        let columns = answer.columns(&forecasts, false);
        let end = |at: usize| columns[at].as_primitive::<Float64Type>().iter().collect::<Vec<_>>();
        assert_eq!(
            (end(1), end(2), end(3)),
            (vec![Some(0.5), None], vec![Some(1.5), None], vec![None, None])
        );
    }
}
