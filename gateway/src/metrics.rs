//! Numbers for Prometheus.

use std::time::Duration;

use prometheus::{
    Encoder, Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use runtime::lag::Lag;

/// Bounds of the latency histogram, in seconds: from a broker hop to the default deadline.
const LATENCY_SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// A request that is being answered.
#[derive(Debug)]
pub struct OpenRequest(IntGauge);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The gateway's numbers.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    open: IntGaugeVec,
    latency: HistogramVec,
    rows: IntCounterVec,
    pending: IntGauge,
    in_flight: IntGauge,
    dead: IntGauge,
    oldest: Gauge,
    work: Gauge,
    trainers: IntGauge,
    predictors: IntGauge,
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
        Ok(Metrics {
            open,
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
            pending: gauge("scopeforge_queue_pending_packs", "Packs that wait")?,
            in_flight: gauge("scopeforge_queue_in_flight_packs", "Packs with trainers")?,
            dead: gauge("scopeforge_queue_dead_packs", "Packs that were set aside")?,
            oldest: real("scopeforge_queue_oldest_seconds", "Age of the oldest unfinished pack")?,
            work: real("scopeforge_queue_work_seconds", "Estimated work left, in seconds of one core")?,
            trainers: gauge("scopeforge_trainers", "Living trainers")?,
            predictors: gauge("scopeforge_predictors", "Living predictors")?,
            latency,
            registry,
        })
    }

    /// Counts a request as open until the result is dropped.
    pub fn opened(&self, route: &str) -> OpenRequest {
        let gauge = self.open.with_label_values(&[route]);
        gauge.inc();
        OpenRequest(gauge)
    }

    /// Notes an answered request.
    pub fn answered(&self, route: &str, status: u16, took: Duration) {
        self.requests.with_label_values(&[route, &status.to_string()]).inc();
        self.latency.with_label_values(&[route]).observe(took.as_secs_f64());
    }

    /// Notes rows of a known model.
    pub fn rows(&self, model: &str, predicted: usize, failed: usize) {
        self.rows.with_label_values(&[model, "predicted"]).inc_by(predicted as u64);
        self.rows.with_label_values(&[model, "failed"]).inc_by(failed as u64);
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
        metrics.answered("/v1/models", 200, Duration::from_millis(3));
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        assert!(text.contains("scopeforge_requests_total{route=\"/v1/models\",status=\"200\"} 1"), "{text}");
    }
}
