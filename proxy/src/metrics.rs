//! What Prometheus scrapes. Labels are bounded: server names, sides, directions and reasons;
//! never players or addresses.

pub mod content;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// All series of one proxy. Cloning is cheap and shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Content and its translation.
    pub content: content::ContentMetrics,
    /// Players by `server` and `state` (`active`).
    pub sessions: IntGaugeVec,
    /// Ended logins by `result` (`accepted`, `rejected`) and `reason`.
    pub sessions_total: IntCounterVec,
    /// Seconds from login to leaving.
    pub session_duration: Histogram,
    /// Password checks by `method` (`first_srp`, `srp`, `legacy`) and `result`.
    pub auth_attempts_total: IntCounterVec,
    /// Seconds of a password check, arithmetic and waiting for the player, by `method`.
    pub auth_duration: HistogramVec,
    /// Hops by `from`, `to` and `result` (`ok` or a reason).
    pub moves_total: IntCounterVec,
    /// Seconds from the wish to the first position on the target, by `result`.
    pub move_duration: HistogramVec,
    /// Lost backends by `server` and `reason`.
    pub fallbacks_total: IntCounterVec,
    /// Players that were thrown out, by `source` (`backend`, `ban`, `operator`).
    pub kicks_total: IntCounterVec,
    /// Datagrams by `side` (`client`, `server`) and `direction` (`in`, `out`).
    pub datagrams_total: IntCounterVec,
    /// Their bytes.
    pub datagram_bytes_total: IntCounterVec,
    /// Datagrams that were thrown away, by `side` and `reason`.
    pub datagrams_dropped_total: IntCounterVec,
    /// Datagrams that were sent again, by `side`.
    pub retransmits_total: IntCounterVec,
    /// Round-trip times seen by the transport, by `side`.
    pub rtt: HistogramVec,
    /// 1 while a backend answers, by `server`.
    pub backend_up: IntGaugeVec,
    /// Messages that could not be understood and were passed on or dropped, by `direction`.
    pub bad_messages_total: IntCounterVec,
    /// Bytes of media sent to players.
    pub media_sent_bytes_total: IntCounter,
    /// Answers over HTTP to clients that load media, by `code`.
    pub media_http_requests_total: IntCounterVec,
    /// Bytes of media given away over HTTP.
    pub media_http_bytes_total: IntCounter,
    /// Open connections of clients that load media over HTTP.
    pub media_http_connections: IntGauge,
    /// Such connections that were closed at once, by `reason`.
    pub media_http_refused_total: IntCounterVec,
    /// Refused sets of documents.
    pub config_nacks_total: IntCounter,
    /// Fields of a controller's documents that this release does not know, by kind.
    pub unknown_fields: IntGauge,
    /// Seconds since the documents in force were read.
    pub config_loaded_timestamp: IntGauge,
    /// 1 while a controller is connected.
    pub control_stream_up: IntGauge,
    /// Control streams that are open.
    pub control_streams: IntGauge,
    /// Control streams that ended or did not come about, by `reason`.
    pub control_failures_total: IntCounterVec,
    /// Names that were asked for at controllers, by `result`.
    pub name_claims_total: IntCounterVec,
    /// 1 while the proxy is being left by its players.
    pub draining: IntGauge,
    /// Players who are still there then.
    pub drain_remaining_sessions: IntGauge,
    /// When they are sent away, in Unix seconds; 0 while they are not.
    pub drain_deadline_timestamp: IntGauge,
    /// Bytes that received and queued messages of all connections hold now.
    pub buffer_bytes: IntGauge,
    /// Peers that have not proved their address yet.
    pub half_open_peers: IntGauge,
    /// Logins that a ban kept out, by `kind` (`name`, `address`).
    pub ban_hits_total: IntCounterVec,
    /// Requests of servers' mods by `op` and `result` (`OK` or a reason).
    mod_requests_total: IntCounterVec,
    /// The admin interface.
    pub admin: mesegate_admin::Metrics,
}

const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const SESSION_SECONDS: [f64; 8] = [10.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0, 43200.0];

/// Registers series one after the other and remembers the first failure.
struct Make {
    registry: Registry,
}

impl Make {
    fn add<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<C>,
    ) -> prometheus::Result<C> {
        let made = made?;
        self.registry.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.add(IntCounter::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.add(IntGauge::new(name, help))
    }

    fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<HistogramVec> {
        let opts = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.add(HistogramVec::new(opts, labels))
    }
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// When two series share a name, which a test excludes.
    pub fn new() -> prometheus::Result<Self> {
        let m = Make { registry: Registry::new() };
        let build = m.gauges("mesegate_proxy_build_info", "Always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let metrics = Self {
            content: content::ContentMetrics::new(&m)?,
            sessions: m.gauges("mesegate_proxy_sessions", "Players.", &["server", "state"])?,
            sessions_total: m.counters(
                "mesegate_proxy_sessions_total",
                "Logins that ended in a session or a refusal.",
                &["result", "reason"],
            )?,
            session_duration: m.add(Histogram::with_opts(
                HistogramOpts::new(
                    "mesegate_proxy_session_duration_seconds",
                    "Time from login to leaving.",
                )
                .buckets(SESSION_SECONDS.to_vec()),
            ))?,
            auth_attempts_total: m.counters(
                "mesegate_proxy_auth_attempts_total",
                "Password checks.",
                &["method", "result"],
            )?,
            auth_duration: m.seconds(
                "mesegate_proxy_auth_duration_seconds",
                "Time of a password check, the player's part included.",
                &["method"],
            )?,
            moves_total: m.counters(
                "mesegate_proxy_moves_total",
                "Hops between backends.",
                &["from", "to", "result"],
            )?,
            move_duration: m.seconds(
                "mesegate_proxy_move_duration_seconds",
                "Time from the wish to hop to the first position on the target.",
                &["result"],
            )?,
            fallbacks_total: m.counters(
                "mesegate_proxy_fallbacks_total",
                "Players that lost their backend.",
                &["server", "reason"],
            )?,
            kicks_total: m.counters(
                "mesegate_proxy_kicks_total",
                "Players that were thrown out of the game.",
                &["source"],
            )?,
            datagrams_total: m.counters(
                "mesegate_proxy_datagrams_total",
                "Datagrams.",
                &["side", "direction"],
            )?,
            datagram_bytes_total: m.counters(
                "mesegate_proxy_datagram_bytes_total",
                "Bytes of UDP payload.",
                &["side", "direction"],
            )?,
            datagrams_dropped_total: m.counters(
                "mesegate_proxy_datagrams_dropped_total",
                "Datagrams that were thrown away.",
                &["side", "reason"],
            )?,
            retransmits_total: m.counters(
                "mesegate_proxy_retransmits_total",
                "Datagrams that were sent again.",
                &["side"],
            )?,
            rtt: m.seconds(
                "mesegate_proxy_rtt_seconds",
                "Smoothed round-trip times.",
                &["side"],
            )?,
            backend_up: m.gauges(
                "mesegate_proxy_backend_up",
                "1 while the backend answers.",
                &["server"],
            )?,
            bad_messages_total: m.counters(
                "mesegate_proxy_bad_messages_total",
                "Messages that could not be understood.",
                &["direction"],
            )?,
            media_sent_bytes_total: m.counter(
                "mesegate_proxy_media_sent_bytes_total",
                "Bytes of media messages sent to players.",
            )?,
            media_http_requests_total: m.counters(
                "mesegate_proxy_media_http_requests_total",
                "Answers to clients that load media over HTTP.",
                &["code"],
            )?,
            media_http_bytes_total: m.counter(
                "mesegate_proxy_media_http_bytes_total",
                "Bytes of media sent over HTTP.",
            )?,
            media_http_connections: m.gauge(
                "mesegate_proxy_media_http_connections",
                "Open connections of clients that load media over HTTP.",
            )?,
            media_http_refused_total: m.counters(
                "mesegate_proxy_media_http_refused_total",
                "Connections for media that were closed at once.",
                &["reason"],
            )?,
            config_nacks_total: m.counter(
                "mesegate_proxy_config_nacks_total",
                "Sets of documents that were refused.",
            )?,
            unknown_fields: m.gauge(
                "mesegate_proxy_unknown_fields",
                "Fields of a controller's documents that this release does not know.",
            )?,
            config_loaded_timestamp: m.gauge(
                "mesegate_proxy_config_loaded_timestamp_seconds",
                "When the documents in force were read, in Unix seconds.",
            )?,
            control_stream_up: m
                .gauge("mesegate_proxy_control_stream_up", "1 while a controller is connected.")?,
            control_streams: m
                .gauge("mesegate_proxy_control_streams", "Control streams that are open.")?,
            control_failures_total: m.counters(
                "mesegate_proxy_control_failures_total",
                "Control streams that ended or did not come about.",
                &["reason"],
            )?,
            name_claims_total: m.counters(
                "mesegate_proxy_name_claims_total",
                "Names that were asked for at controllers.",
                &["result"],
            )?,
            draining: m.gauge(
                "mesegate_proxy_draining",
                "1 while the proxy is being left by its players.",
            )?,
            drain_remaining_sessions: m.gauge(
                "mesegate_proxy_drain_remaining_sessions",
                "Players who are still on a proxy that is being left.",
            )?,
            drain_deadline_timestamp: m.gauge(
                "mesegate_proxy_drain_deadline_timestamp_seconds",
                "When they are sent away, in Unix seconds; 0 while they are not.",
            )?,
            buffer_bytes: m.gauge(
                "mesegate_proxy_buffer_bytes",
                "Bytes that received and queued messages of all connections hold.",
            )?,
            half_open_peers: m.gauge(
                "mesegate_proxy_half_open_peers",
                "Peers that have not proved their address yet.",
            )?,
            ban_hits_total: m.counters(
                "mesegate_proxy_ban_hits_total",
                "Logins that a ban kept out.",
                &["kind"],
            )?,
            mod_requests_total: m.counters(
                "mesegate_proxy_mod_requests_total",
                "Requests of servers' mods.",
                &["op", "result"],
            )?,
            admin: mesegate_admin::Metrics::register(&m.registry, "mesegate_proxy")?,
            registry: m.registry,
        };
        metrics.begin();
        Ok(metrics)
    }

    /// Series whose labels are known beforehand begin at 0, so that their first increase is one
    /// and that nothing happened can be told from nothing being counted.
    fn begin(&self) {
        for reason in ["connect", "denied", "ended", "silence", "status", "timeout"] {
            self.control_failures_total.with_label_values(&[reason]);
        }
        for result in ["granted", "held", "local", "undecided"] {
            self.name_claims_total.with_label_values(&[result]);
        }
        for op in ["address", "message", "move", "players", "send", "where"] {
            self.mod_requests_total.with_label_values(&[op, "OK"]);
        }
        for source in ["backend", "ban", "duplicate", "operator"] {
            self.kicks_total.with_label_values(&[source]);
        }
        for kind in ["name", "address"] {
            self.ban_hits_total.with_label_values(&[kind]);
        }
        self.move_duration.with_label_values(&["ok"]);
        for code in ["200", "206", "404"] {
            self.media_http_requests_total.with_label_values(&[code]);
        }
        for reason in ["connection_limit", "source_limit"] {
            self.media_http_refused_total.with_label_values(&[reason]);
        }
        for direction in ["to_client", "to_server"] {
            self.bad_messages_total.with_label_values(&[direction]);
        }
        for side in ["client", "server"] {
            self.rtt.with_label_values(&[side]);
            self.retransmits_total.with_label_values(&[side]);
            for direction in ["in", "out"] {
                self.datagrams_total.with_label_values(&[side, direction]);
                self.datagram_bytes_total.with_label_values(&[side, direction]);
            }
            for reason in ["malformed", "over_limit"] {
                self.datagrams_dropped_total.with_label_values(&[side, reason]);
            }
        }
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text).is_err() {
            text.clear();
        }
        text
    }

    /// Counts a request of a server's mod; `op` is empty if it could not be read.
    pub fn mod_request(&self, op: &str, result: &str) {
        let op = if op.is_empty() { "unknown" } else { op };
        self.mod_requests_total.with_label_values(&[op, result]).inc();
    }

    /// Counts a login that was refused.
    pub fn rejected(&self, reason: &str) {
        self.sessions_total.with_label_values(&["rejected", reason]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_rendered() {
        let metrics = Metrics::new().unwrap();
        metrics.rejected("full");
        let text = metrics.render();
        assert!(
            text.contains("mesegate_proxy_sessions_total{reason=\"full\",result=\"rejected\"} 1")
        );
        assert!(text.contains("mesegate_proxy_build_info"));
    }
}
