//! What Prometheus scrapes. No labels for proxies or objects, which are not
//! bounded, but for servers where players are.

use std::collections::{BTreeMap, HashMap};

use mesegate_resource::{BanSpec, GroupSpec, Kind, ProxySpec, ServerSpec};
use mesegate_telemetry::{Registry, Series};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::compile::Compiled;

/// The kinds of objects that are looked after.
const KINDS: [&str; 4] = [ServerSpec::KIND, GroupSpec::KIND, ProxySpec::KIND, BanSpec::KIND];

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
    /// Statuses that were written, by `kind`.
    pub status_writes_total: IntCounterVec,
    /// Statuses that could not be written, by `kind`.
    pub status_errors_total: IntCounterVec,
    /// Errors of watches, by `kind`; they are tried again.
    pub watch_errors_total: IntCounterVec,
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
    /// Times that this began or ceased.
    pub lease_transitions_total: IntCounter,
    /// Seconds that documents took to be put together.
    pub compile_duration: Histogram,
    /// Seconds from an update to the proxy's answer, by `result`.
    pub push_duration: HistogramVec,
    /// Objects by `kind` and whether they are `accepted`.
    objects: IntGaugeVec,
    /// Bytes of all documents of the largest set.
    snapshot_bytes: IntGauge,
    /// Players by `server`.
    players: IntGaugeVec,
}

/// Documents are put together in milliseconds.
const COMPILE_SECONDS: [f64; 8] = [0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0];

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// When two series share a name, which a test excludes.
    pub fn new() -> prometheus::Result<Self> {
        let m = Registry::new("mesegate_controller");
        m.program(env!("CARGO_PKG_VERSION"))?;
        let metrics = Self {
            leader: m.gauge("leader", "1 while this replica writes.")?,
            lease_transitions_total: m.counter(
                "lease_transitions_total",
                "Times that this replica began or ceased to be the one that writes.",
            )?,
            objects: m.gauges(
                "objects",
                "Objects of the namespace by kind; `accepted` is `false` for those that proxies \
                 are not given, whose conditions say why.",
                &["kind", "accepted"],
            )?,
            unknown_fields: m.gauge(
                "unknown_fields",
                "Fields of objects that this release does not know; each counts once a kind.",
            )?,
            compiles_total: m
                .counter("compiles_total", "Times that documents were put together.")?,
            compile_duration: m.time(
                "compile_duration_seconds",
                "Time that putting all documents together takes.",
                &COMPILE_SECONDS,
            )?,
            snapshot_bytes: m.gauge(
                "snapshot_bytes",
                "Size of all documents of the largest fleet of proxies, as they are sent to a proxy \
                 that has none.",
            )?,
            streams: m.gauge("streams", "Control streams that are open.")?,
            streams_total: m.counter("streams_total", "Control streams that were opened.")?,
            connections: m.gauge("connections", "Connections of proxies.")?,
            refused_total: m
                .counter("refused_total", "Control streams that were not let in.")?,
            updates_total: m
                .counter("updates_total", "Snapshots and differences that were sent to proxies.")?,
            push_duration: m.seconds(
                "push_duration_seconds",
                "Time from a snapshot or difference to the proxy's answer: `ok` when it is in \
                 force, `refused`, or `elsewhere` when those of another controller are.",
                &["result"],
            )?,
            nacks_total: m
                .counter("nacks_total", "Snapshots and differences that proxies refused.")?,
            players: m.gauges(
                "players",
                "Players on a server, over all proxies that are connected here.",
                &["server"],
            )?,
            claims: m.gauge("claims", "Names that players have, on the leader.")?,
            status_writes_total: m.counters(
                "status_writes_total",
                "Statuses of objects that were written.",
                &["kind"],
            )?,
            status_errors_total: m.counters(
                "status_errors_total",
                "Statuses of objects that could not be written; they are tried again.",
                &["kind"],
            )?,
            watch_errors_total: m.counters(
                "watch_errors_total",
                "Watches of objects that failed; they are tried again.",
                &["kind"],
            )?,
            events_total: m.counter("events_total", "Events that were published.")?,
            events_dropped_total: m.counter(
                "events_dropped_total",
                "Events left out: there were too many, or the API server took none.",
            )?,
            bans_deleted_total: m
                .counter("bans_deleted_total", "Bans that were deleted after their end.")?,
            managed_writes_total: m.counter(
                "managed_writes_total",
                "Objects of managed servers that were made, changed or deleted.",
            )?,
            managed_errors_total: m.counter(
                "managed_errors_total",
                "Objects of managed servers that could not be made, changed or deleted; they are \
                 tried again.",
            )?,
            admin: mesegate_admin::Metrics::register(&m)?,
            registry: m,
        };
        metrics.begin();
        Ok(metrics)
    }

    /// Series whose labels are known beforehand begin at 0, so that nothing happened can be told
    /// from nothing being counted.
    fn begin(&self) {
        for kind in KINDS {
            self.status_writes_total.with_label_values(&[kind]);
            self.status_errors_total.with_label_values(&[kind]);
            self.watch_errors_total.with_label_values(&[kind]);
            for accepted in ["true", "false"] {
                self.objects.with_label_values(&[kind, accepted]);
            }
        }
        for result in ["ok", "refused", "elsewhere"] {
            self.push_duration.with_label_values(&[result]);
        }
    }

    /// What became of the objects, and how much proxies are given of them.
    pub fn compiled(&self, compiled: &Compiled) {
        let mut counts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for kind in KINDS {
            counts.insert((kind, "true"), 0);
            counts.insert((kind, "false"), 0);
        }
        for ((kind, _), verdict) in &compiled.verdicts {
            let accepted = if verdict.accepted.good { "true" } else { "false" };
            *counts.entry((kind, accepted)).or_default() += 1;
        }
        for ((kind, accepted), count) in counts {
            self.objects.with_label_values(&[kind, accepted]).set(count);
        }
        let largest = compiled.sets.values().map(|set| set.bytes()).max();
        self.snapshot_bytes.set(largest.unwrap_or_default() as i64);
    }

    /// Where the players are. Servers where nobody is any more have no series.
    pub fn whereabouts(&self, players: &HashMap<String, u32>) {
        self.players.reset();
        for (server, count) in players {
            self.players.with_label_values(&[server.as_str()]).set((*count).into());
        }
    }

    /// Measures the tokio runtime that this is called in, under that name.
    pub fn runs_on(&self, name: &str) {
        self.registry.runs_on(name);
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        self.registry.render()
    }

    /// What there is, for the manual.
    pub fn series(&self) -> Vec<Series> {
        self.registry.series()
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
