//! What Prometheus scrapes. No labels for proxies or objects: neither are
//! bounded.

use prometheus::{IntCounter, IntGauge, Registry, TextEncoder};

/// All series of one controller. Cloning is cheap and shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// The admin interface.
    pub admin: mesegate_admin::Metrics,
    /// Streams that were opened.
    pub streams_total: IntCounter,
    /// Streams that were not let in.
    pub refused_total: IntCounter,
    /// Connections of proxies.
    pub connections: IntGauge,
    /// Streams that are open.
    pub streams: IntGauge,
    /// Snapshots and deltas that were sent.
    pub updates_total: IntCounter,
    /// Those that were refused.
    pub nacks_total: IntCounter,
    /// Times that the documents were compiled.
    pub compiles_total: IntCounter,
    /// Statuses that were written.
    pub status_writes_total: IntCounter,
    /// Statuses that could not be written.
    pub status_errors_total: IntCounter,
    /// Errors of watches; they are tried again.
    pub watch_errors_total: IntCounter,
    /// Events that were published.
    pub events_total: IntCounter,
    /// Events that were left out: there were too many, or the API server took none.
    pub events_dropped_total: IntCounter,
    /// Fields of objects that this release does not know, by kind.
    pub unknown_fields: IntGauge,
    /// Bans that were over and were deleted.
    pub bans_deleted_total: IntCounter,
    /// Objects of managed servers that were made, changed or deleted.
    pub managed_writes_total: IntCounter,
    /// Those that the API server refused to.
    pub managed_errors_total: IntCounter,
    /// Names that are held.
    pub claims: IntGauge,
    /// 1 while this replica writes.
    pub leader: IntGauge,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// When two series share a name, which a test excludes.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let made = IntCounter::new(format!("mesegate_controller_{name}"), help)?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        let gauge = |name: &str, help: &str| {
            let made = IntGauge::new(format!("mesegate_controller_{name}"), help)?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        Ok(Self {
            admin: mesegate_admin::Metrics::register(&registry, "mesegate_controller")?,
            streams_total: counter("streams_total", "Control streams that were opened.")?,
            refused_total: counter("refused_total", "Control streams that were not let in.")?,
            connections: gauge("connections", "Connections of proxies.")?,
            streams: gauge("streams", "Control streams that are open.")?,
            updates_total: counter("updates_total", "Snapshots and deltas that were sent.")?,
            nacks_total: counter("nacks_total", "Snapshots and deltas that proxies refused.")?,
            compiles_total: counter("compiles_total", "Times that documents were compiled.")?,
            status_writes_total: counter("status_writes_total", "Statuses written.")?,
            status_errors_total: counter("status_errors_total", "Statuses not written.")?,
            watch_errors_total: counter("watch_errors_total", "Errors of watches.")?,
            events_total: counter("events_total", "Events published.")?,
            events_dropped_total: counter("events_dropped_total", "Events left out.")?,
            unknown_fields: gauge(
                "unknown_fields",
                "Fields of objects that this release does not know.",
            )?,
            bans_deleted_total: counter("bans_deleted_total", "Bans deleted after their end.")?,
            managed_writes_total: counter(
                "managed_writes_total",
                "Objects of managed servers made, changed or deleted.",
            )?,
            managed_errors_total: counter(
                "managed_errors_total",
                "Objects of managed servers not made, changed or deleted.",
            )?,
            claims: gauge("claims", "Names that players have, on the leader.")?,
            leader: gauge("leader", "1 while this replica writes.")?,
            registry: registry.clone(),
        })
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text).is_err() {
            text.clear();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_rendered() {
        let metrics = Metrics::new().unwrap();
        metrics.nacks_total.inc();
        assert!(metrics.render().contains("mesegate_controller_nacks_total 1"));
    }
}
