//! What is counted.

use mesegate_telemetry::Registry;
use prometheus::{HistogramVec, IntCounterVec, IntGauge};
use tonic::Code;

use crate::verb::Verb;

/// The series of the interface. Cloning is cheap and shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests_total: IntCounterVec,
    request_duration: HistogramVec,
    pub(crate) connections: IntGauge,
    pub(crate) watches: IntGauge,
}

impl Metrics {
    /// Registers the series.
    ///
    /// # Errors
    /// When there are such series already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            requests_total: registry.counters(
                "admin_requests_total",
                "Calls of the admin interface; streams count when they begin.",
                &["service", "method", "code"],
            )?,
            request_duration: registry.seconds(
                "admin_request_duration_seconds",
                "Time of calls of the admin interface; of streams until they begin.",
                &["service", "method"],
            )?,
            connections: registry
                .gauge("admin_connections", "Open connections to the admin interface.")?,
            watches: registry
                .gauge("admin_watches", "Watches of the admin interface under way.")?,
        };
        // So that the first call is an increase, and that nothing happened can be told from
        // nothing being counted.
        for verb in Verb::ALL {
            let labels = [verb.service, verb.method];
            metrics.requests_total.with_label_values(&[labels[0], labels[1], "Ok"]);
            metrics.request_duration.with_label_values(&labels);
        }
        Ok(metrics)
    }

    /// A call has ended so, or a stream has begun.
    pub(crate) fn called(&self, verb: Verb, code: Code, seconds: f64) {
        let labels = [verb.service, verb.method, &format!("{code:?}")];
        self.requests_total.with_label_values(&labels).inc();
        self.request_duration.with_label_values(&labels[..2]).observe(seconds);
    }
}
