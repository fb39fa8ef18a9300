//! What is counted.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};
use tonic::Code;

use crate::verb::Verb;

/// Bounds of the histogram, in seconds.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The series of the interface. Cloning is cheap and shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests_total: IntCounterVec,
    request_duration: HistogramVec,
    pub(crate) connections: IntGauge,
    pub(crate) watches: IntGauge,
}

impl Metrics {
    /// Registers the series, whose names begin with `prefix`.
    ///
    /// # Errors
    /// When there are such series already.
    pub fn register(registry: &Registry, prefix: &str) -> prometheus::Result<Self> {
        let name = |name: &str| format!("{prefix}_admin_{name}");
        let requests_total = IntCounterVec::new(
            Opts::new(name("requests_total"), "Calls of the admin interface."),
            &["service", "method", "code"],
        )?;
        let request_duration = HistogramVec::new(
            HistogramOpts::new(
                name("request_duration_seconds"),
                "Time of calls of the admin interface.",
            )
            .buckets(SECONDS.to_vec()),
            &["service", "method"],
        )?;
        let connections =
            IntGauge::new(name("connections"), "Connections to the admin interface.")?;
        let watches = IntGauge::new(name("watches"), "Watches of the admin interface under way.")?;
        registry.register(Box::new(requests_total.clone()))?;
        registry.register(Box::new(request_duration.clone()))?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(watches.clone()))?;
        let metrics = Self { requests_total, request_duration, connections, watches };
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
