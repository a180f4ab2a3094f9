//! The interface as OpenAPI 3.1, out of the handlers' own annotations, and a page to read it.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse};
use bytes::Bytes;
use utoipa::{IntoResponses, OpenApi, ToSchema};

use crate::problem::Problem;
use crate::routes;

/// Everything that the gateway answers.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Scopeforge",
        description = "One model for each slice of the data, and the right one for every row.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        routes::predict::predict,
        routes::models::list,
        routes::models::show,
        routes::models::fits,
        routes::train::train,
        routes::campaigns::list,
        routes::campaigns::show,
        routes::queue::queue,
        routes::v2::server,
        routes::v2::live,
        routes::v2::ready,
        routes::v2::model,
        routes::v2::model_ready,
        routes::v2::infer,
        routes::v2::model_version,
        routes::v2::model_version_ready,
        routes::v2::infer_version,
        routes::health::alive,
        routes::health::ready,
        routes::health::metrics,
    ),
    // Only the refusals name them, and what these name is not gathered by itself.
    components(schemas(Problem, V2Error)),
    tags(
        (name = "predictions", description = "Rows in, predictions out"),
        (name = "models", description = "What is trained, and with what success"),
        (name = "campaigns", description = "Training orders and their queue"),
        (name = "inference protocol", description = "The Open Inference Protocol v2, for clients that speak it"),
        (name = "operation", description = "Whether the gateway lives, and its numbers"),
    )
)]
struct Interface;

/// The refusals that any route can give.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub(crate) enum Refusals {
    /// The request cannot be read; `detail` says why
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(Problem),
    /// What was named does not exist; `detail` names the nearest that does
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The body did not arrive in time
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(Problem),
    /// More than a request may have
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is packed in a way that is not taken
    #[response(status = 415, content_type = "application/problem+json")]
    Encoding(Problem),
    /// No row can be predicted; `errors` names the rows
    #[response(status = 422, content_type = "application/problem+json")]
    NoUsableRow(Problem),
    /// A predictor failed, or a fit is damaged
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(Problem),
    /// The gateway answers from a bundle: there is no queue and no ledger
    #[response(status = 501, content_type = "application/problem+json")]
    NotImplemented(Problem),
    /// Something behind the gateway failed
    #[response(status = 502, content_type = "application/problem+json")]
    BadGateway(Problem),
    /// Nobody can answer now, or all have too much to do; try again after `retry-after` seconds
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
    /// No answer before the deadline
    #[response(status = 504, content_type = "application/problem+json")]
    TimedOut(Problem),
}

/// The refusals that the inference protocol's routes can give.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub(crate) enum V2Refusals {
    /// The request cannot be read
    #[response(status = 400)]
    BadRequest(V2Error),
    /// What was named does not exist
    #[response(status = 404)]
    NotFound(V2Error),
    /// The body did not arrive in time
    #[response(status = 408)]
    TooSlow(V2Error),
    /// More than a request may have
    #[response(status = 413)]
    TooLarge(V2Error),
    /// The body is packed in a way that is not taken
    #[response(status = 415)]
    Encoding(V2Error),
    /// No row can be predicted
    #[response(status = 422)]
    NoUsableRow(V2Error),
    /// A predictor failed, or a fit is damaged
    #[response(status = 500)]
    Failed(V2Error),
    /// Something behind the gateway failed
    #[response(status = 502)]
    BadGateway(V2Error),
    /// Nobody can answer now, or all have too much to do; try again after `retry-after` seconds
    #[response(status = 503)]
    Unavailable(V2Error),
    /// No answer before the deadline
    #[response(status = 504)]
    TimedOut(V2Error),
}

/// A refusal of the inference protocol.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(crate) struct V2Error {
    /// What is wrong.
    error: String,
}

/// Written once: it does not change while the process runs.
static JSON: LazyLock<Bytes> = LazyLock::new(|| {
    // Plain data always serialises.
    Bytes::from(Interface::openapi().to_json().unwrap_or_default())
});

pub(crate) async fn json() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], JSON.clone())
}

pub(crate) async fn page() -> Html<&'static str> {
    Html(include_str!("openapi.html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_openapi_3_1_and_every_operation_has_its_refusals() {
        let whole: serde_json::Value = serde_json::from_slice(&JSON).unwrap();
        assert_eq!(whole["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
        let predict = &whole["paths"]["/v1/models/{model}/predict"]["post"];
        assert!(
            predict["requestBody"]["content"]["application/json"]["example"]["rows"].is_array(),
            "{predict}"
        );
        assert!(predict["responses"]["503"].is_object() && predict["responses"]["422"].is_object());
    }
}
