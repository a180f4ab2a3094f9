//! What a model takes and gives.

use schemas::spec::ModelSpec;
use schemas::task::Task;
use serde::Serialize;

use crate::rows::Layout;

/// A model as the protocol describes one.
#[derive(Debug, Serialize)]
pub struct ModelMetadata {
    name: String,
    /// The spec's revision.
    versions: Vec<String>,
    platform: &'static str,
    inputs: Vec<TensorMetadata>,
    outputs: Vec<TensorMetadata>,
}

/// One input or output.
#[derive(Debug, Serialize)]
pub struct TensorMetadata {
    name: String,
    datatype: &'static str,
    /// -1 for any size.
    shape: Vec<i64>,
}

/// Describes a model: a field that is only ever a number is one, others are texts.
pub fn model_metadata(spec: &ModelSpec, layout: &Layout) -> ModelMetadata {
    let tensor = |name: &str, datatype| TensorMetadata { name: name.to_owned(), datatype, shape: vec![-1] };
    let input = |(name, is_number)| tensor(name, if is_number { "FP64" } else { "BYTES" });
    // A cluster is told by its name, too, and with the probability of each where there are some.
    let rows_of = |name: &str| TensorMetadata { shape: vec![-1, -1], ..tensor(name, "FP64") };
    let mut outputs = match spec.task() {
        Ok(Task::Classification | Task::Clusters) => {
            vec![tensor("predictions", "BYTES"), rows_of("probabilities")]
        }
        Ok(Task::Components) => vec![rows_of("predictions")],
        _ => vec![tensor("predictions", "FP64")],
    };
    outputs.push(tensor("scope", "BYTES"));
    outputs.push(tensor("level", "INT32"));
    outputs.extend(["fingerprint", "campaign", "error"].map(|name| tensor(name, "BYTES")));
    ModelMetadata {
        name: spec.name.clone(),
        versions: vec![layout.revision.clone()],
        platform: "scopeforge",
        inputs: layout.fields().map(input).collect(),
        outputs,
    }
}
