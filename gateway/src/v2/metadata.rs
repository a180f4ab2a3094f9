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
    let classifies = matches!(spec.task(), Ok(Task::Classification | Task::Clusters));
    let mut outputs = vec![tensor("predictions", if classifies { "BYTES" } else { "FP64" })];
    if classifies {
        outputs.push(TensorMetadata { name: "probabilities".into(), datatype: "FP64", shape: vec![-1, -1] });
    }
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
