//! A body taken apart into rows.

use schemas::limits::PREDICT_ROWS_MAX;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::tensor::Datatype;
use crate::problem::Problem;
use crate::rows::{Layout, Rows, Scalar};

/// The JSON of an inference request.
#[derive(Debug, Deserialize)]
pub struct Inference {
    /// Comes back with the answer.
    pub id: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    inputs: Vec<Input>,
    #[serde(default)]
    outputs: Vec<Output>,
}

#[derive(Debug, Deserialize)]
struct Input {
    name: String,
    shape: Vec<u64>,
    datatype: String,
    #[serde(default)]
    parameters: Map<String, Value>,
    data: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Output {
    name: String,
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// Which outputs are wanted, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// By name, with whether in binary; all that there are where none is named.
    pub named: Vec<(String, bool)>,
    /// Whether those that are not named are wanted in binary.
    pub binary: bool,
}

impl Inference {
    /// Reads the JSON in front of a body.
    ///
    /// # Errors
    /// A 400 that says what is wrong.
    pub fn parse(json: &[u8]) -> Result<Inference, Problem> {
        let form = "{\"inputs\": [{\"name\", \"shape\", \"datatype\", \"data\"}]}";
        serde_json::from_slice(json)
            .map_err(|error| Problem::bad_request(format!("the body is not of the form {form}: {error}")))
    }

    /// A parameter that is a text.
    ///
    /// # Errors
    /// A 400 where it is something else.
    pub fn text_parameter(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.parameters.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Problem::bad_request(format!("parameter `{name}` is {other}, not a text"))),
        }
    }

    /// Refuses what the protocol's answers have no place for, rather than leaving it out.
    ///
    /// # Errors
    /// A 400 that says where it is to be had.
    pub fn check_parameters(&self) -> Result<(), Problem> {
        match self.parameters.get("explain") {
            None | Some(Value::Null | Value::Bool(false)) => Ok(()),
            Some(_) => Err(Problem::bad_request(
                "parameter `explain`: this protocol has no explanations; ask for them with `\"explain\": true` at /v1/models/{model}/predict",
            )),
        }
    }

    /// The outputs that it asks for.
    pub fn wanted(&self) -> Wanted {
        let flag =
            |parameters: &Map<String, Value>, name: &str| parameters.get(name).and_then(Value::as_bool);
        let binary = flag(&self.parameters, "binary_data_output").unwrap_or(false);
        let named = self.outputs.iter();
        let named = named
            .map(|output| (output.name.clone(), flag(&output.parameters, "binary_data").unwrap_or(binary)));
        Wanted { named: named.collect(), binary }
    }

    /// The rows in the inputs; `tail` is the binary data behind the JSON.
    ///
    /// # Errors
    /// A 400 that names the input at fault, or a 413 for too many rows.
    pub fn rows(&self, layout: &Layout, tail: &[u8]) -> Result<Rows, Problem> {
        let rows = self.row_count()?;
        let mut left = tail;
        let mut named = Vec::with_capacity(self.inputs.len());
        for (place, input) in self.inputs.iter().enumerate() {
            let wrong = |problem: String| Problem::bad_request(format!("input `{}`: {problem}", input.name));
            if self.inputs[..place].iter().any(|other| other.name == input.name) {
                return Err(wrong("it stands twice".into()));
            }
            if !layout.fields().any(|(name, _)| name == input.name) {
                let known: Vec<&str> = layout.fields().map(|(name, _)| name).collect();
                let hint = schemas::suggest::hint(&input.name, known);
                return Err(wrong(format!("the model reads no such field{hint}")));
            }
            let values = input.values(&mut left).map_err(wrong)?;
            if values.len() != rows {
                return Err(wrong(format!("its shape means {rows} elements, its data has {}", values.len())));
            }
            named.push((input.name.as_str(), values));
        }
        if !left.is_empty() {
            let detail = format!("{} bytes of binary data belong to no input", left.len());
            return Err(Problem::bad_request(detail));
        }
        Ok(Rows::by_columns(layout, rows, named))
    }

    /// The number of rows that all shapes agree on.
    fn row_count(&self) -> Result<usize, Problem> {
        let first = self.inputs.first().ok_or_else(|| Problem::bad_request("the request has no inputs"))?;
        let rows = first.shape.first().copied().unwrap_or(0);
        let is_column =
            |shape: &[u64]| shape.first() == Some(&rows) && shape[1..].iter().all(|size| *size == 1);
        if let Some(other) = self.inputs.iter().find(|input| !is_column(&input.shape)) {
            return Err(Problem::bad_request(format!(
                "input `{}` has the shape {:?}; all inputs need [{rows}] or [{rows}, 1], one element for each row",
                other.name, other.shape
            )));
        }
        match usize::try_from(rows) {
            Ok(0) => Err(Problem::bad_request("the request has no rows")),
            Ok(rows) if rows <= PREDICT_ROWS_MAX => Ok(rows),
            _ => Err(Problem::too_large(format!(
                "the request has more than {PREDICT_ROWS_MAX} rows; send them in several requests"
            ))),
        }
    }
}

impl Input {
    /// Its elements; what it has in binary is taken from the front of `left`.
    fn values<'v>(&'v self, left: &mut &'v [u8]) -> Result<Vec<Scalar<'v>>, String> {
        let datatype = Datatype::parse(&self.datatype)?;
        match (self.parameters.get("binary_data_size"), &self.data) {
            (None, Some(data)) => datatype.of_json(data),
            (None, None) => Err("it has neither `data` nor the parameter `binary_data_size`".into()),
            (Some(_), Some(_)) => Err("it has both `data` and the parameter `binary_data_size`".into()),
            (Some(size), None) => {
                let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
                let size = size.ok_or("`binary_data_size` is no number of bytes")?;
                let there = left.len();
                let short = || format!("it declares {size} bytes of binary data, of which {there} are left");
                let (own, others) = left.split_at_checked(size).ok_or_else(short)?;
                *left = others;
                datatype.of_bytes(own)
            }
        }
    }
}
