//! What answers a connection's requests: predictions of the plainest kind take the straight way, all else the router's.
//!
//! A request for one row is answered in some ten microseconds, of which a router with its layers would take a third.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, header};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::app::Shared;
use crate::metrics::RouteMetrics;
use crate::payload::too_slow;
use crate::problem::Problem;
use crate::routes::{Router, predict, router};

/// Bytes of a body that takes the straight way. Larger ones have to be counted as they come.
const STRAIGHT_BYTES_MAX: u64 = 256 * 1024;

/// The service of a connection.
#[derive(Debug, Clone)]
pub struct Front {
    app: Shared,
    predictions: Arc<RouteMetrics>,
    router: TowerToHyperService<Router>,
    leaving: Arc<AtomicBool>,
}

impl Front {
    /// All routes of the gateway.
    pub fn new(app: Shared) -> Front {
        let predictions = app.metrics.route(predict::PATH);
        let router = TowerToHyperService::new(router(app.clone()));
        Front { app, predictions, router, leaving: Arc::default() }
    }

    /// From now on each answer is the last of its connection, and says so.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let leaving = self.leaving.clone();
        let Some(model) = straight(&request).map(str::to_owned) else {
            let routed = self.router.call(request.map(Body::new));
            return Box::pin(async move { routed.await.map(|answer| last_if(&leaving, answer)) });
        };
        let (app, predictions) = (self.app.clone(), self.predictions.clone());
        Box::pin(async move {
            let open = predictions.opened();
            let answer = predicted(&app, &model, request.into_body()).await;
            let answer = open.answered(answer.unwrap_or_else(IntoResponse::into_response));
            Ok(last_if(&leaving, answer))
        })
    }
}

/// The answer, which ends its connection when the gateway is `leaving`.
fn last_if(leaving: &AtomicBool, mut answer: Response) -> Response {
    if leaving.load(Ordering::Relaxed) {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// The model whose rows a request asks to predict, where it is of the plainest kind: JSON as it is, of a length that it says, for
/// the channel that answers by default or the one in the body.
fn straight(request: &Request<Incoming>) -> Option<&str> {
    let (uri, headers) = (request.uri(), request.headers());
    let model = uri.path().strip_prefix("/v1/models/")?.strip_suffix("/predict")?;
    let is_json = headers.get(header::CONTENT_TYPE)?.as_bytes() == b"application/json";
    let length = request.body().size_hint().exact()?;
    let is_plain = is_json
        && request.method() == Method::POST
        && uri.query().is_none()
        && !model.contains(['/', '%'])
        && !headers.contains_key(header::CONTENT_ENCODING);
    (is_plain && length <= STRAIGHT_BYTES_MAX).then_some(model)
}

async fn predicted(app: &Shared, model: &str, body: Incoming) -> Result<Response, Problem> {
    let body = tokio::time::timeout(app.deadline, body.collect()).await;
    let body = body.map_err(|_| too_slow(app.deadline))?;
    let body = body.map_err(|error| Problem::bad_request(format!("the body ended early: {error}")))?;
    predict::answer(app, model, None, body.to_bytes()).await
}
