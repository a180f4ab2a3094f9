//! What the connections of a thread share, and who answers those that ask for more than plain predictions.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::app::Shared;
use crate::metrics::RouteMetrics;
use crate::routes::{Router, predict, router};

/// All that the gateway answers.
#[derive(Debug, Clone)]
pub struct Front {
    /// What the answers come from.
    pub app: Shared,
    /// The numbers of the route for predictions.
    pub predictions: Arc<RouteMetrics>,
    /// Time for the head of a request, between two requests of one connection, and for a client to take some of its answer.
    pub idle: Duration,
    router: TowerToHyperService<Router>,
    leaving: Arc<AtomicBool>,
}

impl Front {
    /// All routes of the gateway.
    pub fn new(app: Shared, idle: Duration) -> Front {
        let predictions = app.metrics.route(predict::PATH);
        let router = TowerToHyperService::new(router(app.clone()));
        Front { app, predictions, idle, router, leaving: Arc::default() }
    }

    /// From now on each answer is the last of its connection, and says so.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether the next answer is the last of its connection.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let routed = self.router.call(request.map(Body::new));
        let leaving = self.leaving.clone();
        Box::pin(async move {
            let mut answer = routed.await?;
            if leaving.load(Ordering::Relaxed) {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer)
        })
    }
}
