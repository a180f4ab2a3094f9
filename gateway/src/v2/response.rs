//! Predictions as tensors.

use schemas::label::Label;
use schemas::predict::{Predictions, UsedFit};
use serde_json::{Value, json};

use super::request::Wanted;
use crate::problem::Problem;

/// An encoded answer.
#[derive(Debug, PartialEq)]
pub struct Encoded {
    /// The JSON, then the binary data.
    pub body: Vec<u8>,
    /// Where the JSON ends, if anything follows.
    pub json_bytes: Option<usize>,
}

/// One output.
struct Tensor {
    name: &'static str,
    shape: Vec<usize>,
    elements: Elements,
    /// What the columns of a matrix are.
    columns: Vec<String>,
}

enum Elements {
    /// NaN for none.
    Floats(Vec<f64>),
    Integers(Vec<i32>),
    Texts(Vec<String>),
}

/// The answer to a request: `head` says which model and request it is.
///
/// # Errors
/// A 400 for an output that there is not.
pub fn encode(mut head: Value, answer: &Predictions, wanted: &Wanted) -> Result<Encoded, Problem> {
    let tensors = tensors(answer);
    let mut tail = Vec::new();
    let outputs: Vec<Value> = match wanted.named.is_empty() {
        true => tensors.iter().map(|tensor| tensor.write(wanted.binary, &mut tail)).collect(),
        false => {
            let find = |(name, binary): &(String, bool)| {
                let tensor = tensors.iter().find(|tensor| tensor.name == name).ok_or_else(|| {
                    let known: Vec<&str> = tensors.iter().map(|tensor| tensor.name).collect();
                    let hint = schemas::suggest::hint(name, known);
                    Problem::bad_request(format!("this model gives no output `{name}`{hint}"))
                });
                Ok(tensor?.write(*binary, &mut tail))
            };
            wanted.named.iter().map(find).collect::<Result<_, Problem>>()?
        }
    };
    head["outputs"] = Value::Array(outputs);
    let mut body = head.to_string().into_bytes();
    let json_bytes = (!tail.is_empty()).then_some(body.len());
    body.append(&mut tail);
    Ok(Encoded { body, json_bytes })
}

fn tensors(answer: &Predictions) -> Vec<Tensor> {
    let rows = answer.values.len();
    let fit = |row: usize| answer.fits.get(answer.fit_of[row] as usize);
    let text = |of: &dyn Fn(&UsedFit) -> String| {
        Elements::Texts((0..rows).map(|row| fit(row).map(|fit| of(fit)).unwrap_or_default()).collect())
    };
    let mut errors = vec![String::new(); rows];
    for error in &answer.errors {
        errors[error.row as usize] = error.to_string();
    }
    let level = |row: usize| fit(row).map_or(-1, |fit| i32::from(fit.level));
    let mut all = vec![predictions(answer)];
    all.extend(probabilities(answer));
    let mut add =
        |name, elements| all.push(Tensor { name, shape: vec![rows], elements, columns: Vec::new() });
    add("scope", text(&|fit| fit.scope.to_string()));
    add("level", Elements::Integers((0..rows).map(level).collect()));
    add("fingerprint", text(&|fit| fit.fingerprint.clone()));
    add("campaign", text(&|fit| fit.campaign.clone()));
    add("error", Elements::Texts(errors));
    all
}

/// Numbers, or classes by their labels, or the scores of components side by side.
fn predictions(answer: &Predictions) -> Tensor {
    let rows = answer.values.len();
    let fit = |row: usize| answer.fits.get(answer.fit_of[row] as usize);
    let scores = answer.fits.iter().map(|fit| fit.scores as usize).max().unwrap_or(0);
    let name = "predictions";
    if scores > 0 {
        let mut values = vec![f64::NAN; rows * scores];
        for (row, span) in answer.spans().unwrap_or_default().into_iter().enumerate() {
            let own = &answer.probabilities[span];
            values[row * scores..][..own.len().min(scores)].copy_from_slice(&own[..own.len().min(scores)]);
        }
        return Tensor {
            name,
            shape: vec![rows, scores],
            elements: Elements::Floats(values),
            columns: Vec::new(),
        };
    }
    let label = |row: usize| Some(fit(row)?.classes.get(answer.values[row] as usize)?.to_string());
    let elements = match answer.fits.iter().any(|fit| !fit.classes.is_empty()) {
        true => Elements::Texts((0..rows).map(|row| label(row).unwrap_or_default()).collect()),
        false => Elements::Floats(answer.values.clone()),
    };
    Tensor { name, shape: vec![rows], elements, columns: Vec::new() }
}

/// One column for each class of any of the fits; a class that a row's fit does not know has 0.
fn probabilities(answer: &Predictions) -> Option<Tensor> {
    let mut classes: Vec<&Label> = Vec::new();
    for class in answer.fits.iter().flat_map(|fit| &fit.classes) {
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    let (rows, width) = (answer.values.len(), classes.len());
    if width == 0 {
        return None;
    }
    let mut values = vec![f64::NAN; rows * width];
    for (row, span) in answer.spans().unwrap_or_default().into_iter().enumerate() {
        let Some(fit) = answer.fits.get(answer.fit_of[row] as usize) else { continue };
        let own = &mut values[row * width..][..width];
        own.fill(0.0);
        for (class, probability) in fit.classes.iter().zip(&answer.probabilities[span]) {
            if let Some(place) = classes.iter().position(|known| *known == class) {
                own[place] = *probability;
            }
        }
    }
    let columns = classes.iter().map(ToString::to_string).collect();
    let shape = vec![rows, width];
    Some(Tensor { name: "probabilities", shape, elements: Elements::Floats(values), columns })
}

impl Tensor {
    /// Its JSON; in binary, its elements go to `tail`.
    fn write(&self, binary: bool, tail: &mut Vec<u8>) -> Value {
        let mut output =
            json!({"name": self.name, "datatype": self.elements.datatype(), "shape": self.shape});
        let mut parameters = serde_json::Map::new();
        if !self.columns.is_empty() {
            parameters.insert("classes".into(), json!(self.columns));
        }
        match binary {
            true => {
                let before = tail.len();
                self.elements.append(tail);
                parameters.insert("binary_data_size".into(), json!(tail.len() - before));
            }
            false => output["data"] = self.elements.json(),
        }
        if !parameters.is_empty() {
            output["parameters"] = Value::Object(parameters);
        }
        output
    }
}

impl Elements {
    fn datatype(&self) -> &'static str {
        match self {
            Elements::Floats(_) => "FP64",
            Elements::Integers(_) => "INT32",
            Elements::Texts(_) => "BYTES",
        }
    }

    fn json(&self) -> Value {
        match self {
            // JSON has no NaN: it becomes `null`.
            Elements::Floats(values) => json!(values),
            Elements::Integers(values) => json!(values),
            Elements::Texts(values) => json!(values),
        }
    }

    fn append(&self, tail: &mut Vec<u8>) {
        match self {
            Elements::Floats(values) => values.iter().for_each(|value| tail.extend(value.to_le_bytes())),
            Elements::Integers(values) => values.iter().for_each(|value| tail.extend(value.to_le_bytes())),
            Elements::Texts(values) => {
                for text in values {
                    tail.extend((text.len() as u32).to_le_bytes());
                    tail.extend(text.as_bytes());
                }
            }
        }
    }
}
