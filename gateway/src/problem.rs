//! Errors as `application/problem+json` (RFC 9457).

use std::path::Path;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::predict::RowError;
use serde::Serialize;
use utoipa::ToSchema;

/// An error for the caller.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// What kind of problem, in a few words.
    #[schema(value_type = String)]
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, where, and what to do.
    pub detail: String,
    /// The rows at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<RowProblem>,
    /// Seconds after which trying again makes sense.
    #[serde(skip)]
    pub retry_after_seconds: Option<u32>,
}

/// One row's error.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RowProblem {
    /// The row's index in the request.
    pub row: u32,
    /// The field at fault, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl From<RowError> for RowProblem {
    fn from(error: RowError) -> Self {
        RowProblem { row: error.row, field: error.field, message: error.message }
    }
}

impl Problem {
    /// A problem with the caller's or the system's part, by status.
    pub fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// The request itself cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad request", detail)
    }

    /// What was named does not exist.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not found", detail)
    }

    /// Larger than allowed.
    pub fn too_large(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", detail)
    }

    /// Nobody can answer now; in a second somebody may.
    pub fn unavailable(detail: impl Into<String>) -> Problem {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Problem { retry_after_seconds: Some(1), ..problem }
    }

    /// What a gateway cannot do that answers from a bundle.
    pub fn not_implemented(bundle: Option<&Path>) -> Problem {
        let file = bundle.map(|file| format!(" {}", file.display())).unwrap_or_default();
        let detail = format!(
            "this gateway answers from the bundle{file} and has no queue and no ledger; ask one that was started without --fits"
        );
        Problem::new(StatusCode::NOT_IMPLEMENTED, "not implemented", detail)
    }

    /// Whether the same request may well succeed a moment later.
    pub fn is_passing(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE.as_u16()
    }

    /// Something behind the gateway failed; the cause goes to the log, its message to the caller.
    pub fn internal(error: impl Into<anyhow::Error>) -> Problem {
        let detail = format!("{:#}", error.into());
        tracing::error!("{detail}");
        Problem::new(StatusCode::BAD_GATEWAY, "bad gateway", detail)
    }
}

impl Problem {
    /// Its status and when to try again, around a `body` that says the rest.
    pub fn respond(&self, body: &impl Serialize) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(body)).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.respond(&self);
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
