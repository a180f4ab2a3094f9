//! Numbers for Prometheus.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use prometheus::{
    CounterVec, Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use runtime::lag::Lag;

use crate::shadow::Difference;

/// Bounds of the latency histogram, in seconds: from a broker hop to the default deadline.
const LATENCY_SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// A request that is being answered.
#[derive(Debug)]
pub struct OpenRequest {
    route: Arc<RouteMetrics>,
    began: Instant,
}

impl OpenRequest {
    /// Counts and times its answer by the HTTP status.
    pub fn answered(self, status: u16) {
        self.route.answered(status, self.began.elapsed());
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.route.open.dec();
    }
}

/// The gateway's numbers.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    routes: Arc<RwLock<HashMap<String, Arc<RouteMetrics>>>>,
    requests: IntCounterVec,
    open: IntGaugeVec,
    latency: HistogramVec,
    rows: IntCounterVec,
    shadow_rows: IntCounterVec,
    shadow_difference: CounterVec,
    pending: IntGauge,
    in_flight: IntGauge,
    dead: IntGauge,
    oldest: Gauge,
    work: Gauge,
    trainers: IntGauge,
    predictors: IntGauge,
    predictors_busy: Gauge,
}

/// The numbers of one route.
#[derive(Debug)]
pub struct RouteMetrics {
    route: String,
    open: IntGauge,
    latency: Histogram,
    answered_well: IntCounter,
    requests: IntCounterVec,
}

impl RouteMetrics {
    /// Counts a request as open until it is answered, or dropped.
    pub fn opened(self: &Arc<Self>) -> OpenRequest {
        self.open.inc();
        OpenRequest { route: self.clone(), began: Instant::now() }
    }

    fn answered(&self, status: u16, took: Duration) {
        match status {
            200 => self.answered_well.inc(),
            _ => self.requests.with_label_values(&[&self.route, &status.to_string()]).inc(),
        }
        self.latency.observe(took.as_secs_f64());
    }
}

/// How many rows of one model were asked for.
#[derive(Debug, Clone)]
pub struct RowMetrics {
    predicted: IntCounter,
    failed: IntCounter,
}

impl RowMetrics {
    /// Notes the rows of a request.
    pub fn note(&self, predicted: usize, failed: usize) {
        // Threads share the counters: what adds nothing is not written.
        for (counter, rows) in [(&self.predicted, predicted), (&self.failed, failed)] {
            if rows > 0 {
                counter.inc_by(rows as u64);
            }
        }
    }
}

impl Metrics {
    /// All numbers at zero.
    ///
    /// # Errors
    /// When two of them have one name, which a test rules out.
    pub fn new() -> prometheus::Result<Metrics> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        };
        let real = |name: &str, help: &str| {
            let gauge = Gauge::new(name, help)?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        };
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone())).map(|()| counter)
        };
        let latency = HistogramOpts::new("scopeforge_request_duration_seconds", "Time to answer, by route")
            .buckets(LATENCY_SECONDS.to_vec());
        let latency = HistogramVec::new(latency, &["route"])?;
        registry.register(Box::new(latency.clone()))?;
        let open = Opts::new("scopeforge_requests_open", "Requests being answered, by route");
        let open = IntGaugeVec::new(open, &["route"])?;
        registry.register(Box::new(open.clone()))?;
        let difference = Opts::new(
            "scopeforge_shadow_absolute_difference_total",
            "Sum of the absolute differences between a shadow channel's numbers and those of the channel",
        );
        let shadow_difference = CounterVec::new(difference, &["model", "channel"])?;
        registry.register(Box::new(shadow_difference.clone()))?;
        Ok(Metrics {
            open,
            routes: Arc::default(),
            requests: counter(
                "scopeforge_requests_total",
                "Requests by route and status",
                &["route", "status"],
            )?,
            rows: counter(
                "scopeforge_rows_total",
                "Rows by model and whether they were predicted",
                &["model", "outcome"],
            )?,
            shadow_rows: counter(
                "scopeforge_shadow_rows_total",
                "Rows that a shadow channel was asked for, by how its answers compare",
                &["model", "channel", "outcome"],
            )?,
            shadow_difference,
            pending: gauge("scopeforge_queue_pending_packs", "Packs that wait")?,
            in_flight: gauge("scopeforge_queue_in_flight_packs", "Packs with trainers")?,
            dead: gauge("scopeforge_queue_dead_packs", "Packs that were set aside")?,
            oldest: real("scopeforge_queue_oldest_seconds", "Age of the oldest unfinished pack")?,
            work: real("scopeforge_queue_work_seconds", "Estimated work left, in seconds of one core")?,
            trainers: gauge("scopeforge_trainers", "Living trainers")?,
            predictors: gauge("scopeforge_predictors", "Living predictors")?,
            predictors_busy: real(
                "scopeforge_predictors_busy",
                "Shares of the last seconds in which each predictor was busy, added up",
            )?,
            latency,
            registry,
        })
    }

    /// The numbers of a route: looked up once for all its requests.
    pub fn route(&self, route: &str) -> Arc<RouteMetrics> {
        if let Some(known) = self.routes.read().unwrap_or_else(PoisonError::into_inner).get(route) {
            return known.clone();
        }
        let new = Arc::new(RouteMetrics {
            route: route.to_owned(),
            open: self.open.with_label_values(&[route]),
            latency: self.latency.with_label_values(&[route]),
            answered_well: self.requests.with_label_values(&[route, "200"]),
            requests: self.requests.clone(),
        });
        self.routes.write().unwrap_or_else(PoisonError::into_inner).insert(route.to_owned(), new.clone());
        new
    }

    /// The rows of a known model: looked up once for many requests.
    pub fn rows(&self, model: &str) -> RowMetrics {
        let of = |outcome| self.rows.with_label_values(&[model, outcome]);
        RowMetrics { predicted: of("predicted"), failed: of("failed") }
    }

    /// Notes how far a shadow's answers are from those of the channel.
    pub fn shadow(&self, model: &str, channel: &str, difference: &Difference) {
        let outcomes = [
            ("same", difference.rows - difference.differing),
            ("differing", difference.differing),
            ("unanswered", difference.unanswered),
        ];
        for (outcome, rows) in outcomes {
            self.shadow_rows.with_label_values(&[model, channel, outcome]).inc_by(rows);
        }
        self.shadow_difference.with_label_values(&[model, channel]).inc_by(difference.absolute);
    }

    /// Notes rows that were not compared.
    pub fn shadow_skipped(&self, model: &str, channel: &str, rows: usize) {
        self.shadow_rows.with_label_values(&[model, channel, "skipped"]).inc_by(rows as u64);
    }

    /// Notes how many predictors there are.
    pub fn predictors(&self, count: usize) {
        self.predictors.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Notes the state of the queue.
    pub fn queue(&self, lag: &Lag) {
        let set = |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.pending, lag.pending);
        set(&self.in_flight, lag.in_flight);
        set(&self.dead, lag.dead);
        set(&self.trainers, lag.trainers);
        set(&self.predictors, lag.predictors);
        self.oldest.set(lag.oldest_seconds);
        self.work.set(lag.seconds_of_work);
        self.predictors_busy.set(lag.predictors_busy);
    }

    /// All numbers in Prometheus' text format.
    ///
    /// # Errors
    /// When one cannot be written as text.
    pub fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_carry_units() {
        let metrics = Metrics::new().unwrap();
        metrics.route("/v1/models").opened().answered(200);
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        assert!(text.contains("scopeforge_requests_total{route=\"/v1/models\",status=\"200\"} 1"), "{text}");
    }
}
