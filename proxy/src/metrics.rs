//! What Prometheus scrapes. Labels are bounded: server names, sides, directions and reasons;
//! never players or addresses.

pub mod content;

use std::fmt::Write as _;

use mesegate_telemetry::{Registry, Series, forget};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

/// All series of one proxy. Cloning is cheap and shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Content and its translation.
    pub content: content::ContentMetrics,
    /// Players by `server` and `state` (`active`, `between`, `joining`).
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
    /// Seconds that backends took to answer when asked whether they are up, by `server`.
    pub backend_probe_duration: HistogramVec,
    /// Seconds that messages took, of some of them: those of clients, and those of servers.
    pub message_processing: [Histogram; 2],
    /// Hash of the documents in force, as a label.
    pub config_version: IntGaugeVec,
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

/// A message takes microseconds; a block that has to be translated, milliseconds.
const PROCESSING_SECONDS: [f64; 10] =
    [0.000_001, 0.000_005, 0.000_02, 0.000_1, 0.000_5, 0.002, 0.005, 0.01, 0.05, 0.25];
const SESSION_SECONDS: [f64; 8] = [10.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0, 43200.0];

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// When two series share a name, which a test excludes.
    pub fn new() -> prometheus::Result<Self> {
        let m = Registry::new("mesegate_proxy");
        m.program(env!("CARGO_PKG_VERSION"))?;
        let processing = m.times(
            "packet_processing_seconds",
            "Time that one message takes to be read, rewritten and queued, of every 64th one of a \
             player.",
            &["direction"],
            &PROCESSING_SECONDS,
        )?;
        let metrics = Self {
            sessions: m.gauges(
                "sessions",
                "Players on a server (`active`), who have lost theirs \
             and are on the way to another (`between`), and who are logging in (`joining`); \
             without a server the label is empty.",
                &["server", "state"],
            )?,
            sessions_total: m.counters(
                "sessions_total",
                "Logins that ended in a session (`accepted`) or a refusal (`rejected`).",
                &["result", "reason"],
            )?,
            session_duration: m.time(
                "session_duration_seconds",
                "Time from login to leaving.",
                &SESSION_SECONDS,
            )?,
            auth_attempts_total: m.counters(
                "auth_attempts_total",
                "Password checks: `first_srp`, `srp`, `legacy`.",
                &["method", "result"],
            )?,
            auth_duration: m.seconds(
                "auth_duration_seconds",
                "Time of a password check, the player's part included.",
                &["method"],
            )?,
            moves_total: m.counters(
                "moves_total",
                "Hops: `ok` or the reason, such as `full`, `draining`, `forbidden`, `no_member`.",
                &["from", "to", "result"],
            )?,
            move_duration: m.seconds(
                "move_duration_seconds",
                "From the wish to the first position on the target.",
                &["result"],
            )?,
            fallbacks_total: m.counters(
                "fallbacks_total",
                "Players that lost their backend.",
                &["server", "reason"],
            )?,
            kicks_total: m.counters(
                "kicks_total",
                "Players thrown out of the game by a `backend`, a `ban` or an `operator`.",
                &["source"],
            )?,
            datagrams_total: m.counters(
                "datagrams_total",
                "Datagrams of sessions.",
                &["side", "direction"],
            )?,
            datagram_bytes_total: m.counters(
                "datagram_bytes_total",
                "UDP payload of datagrams of sessions.",
                &["side", "direction"],
            )?,
            datagrams_dropped_total: m.counters(
                "datagrams_dropped_total",
                "Datagrams thrown away: `malformed`, `unknown_peer`, `source_rate`, \
                 `total_rate`, `half_open_limit`, `peer_limit`, `queue_full`, `not_held`, and of \
                 sessions `over_limit`.",
                &["side", "reason"],
            )?,
            retransmits_total: m.counters(
                "retransmits_total",
                "Datagrams sent again.",
                &["side"],
            )?,
            rtt: m.seconds(
                "rtt_seconds",
                "Smoothed round-trip times, sampled once a second and session.",
                &["side"],
            )?,
            backend_up: m.gauges("backend_up", "1 while the backend answers.", &["server"])?,
            backend_probe_duration: m.seconds(
                "backend_probe_duration_seconds",
                "Time that a backend takes to answer when asked whether it is up.",
                &["server"],
            )?,
            message_processing: ["to_server", "to_client"]
                .map(|it| processing.with_label_values(&[it])),
            bad_messages_total: m.counters(
                "bad_messages_total",
                "Messages that could not be read where they had to be rewritten, and were dropped.",
                &["direction"],
            )?,
            media_sent_bytes_total: m
                .counter("media_sent_bytes_total", "Bytes of media messages sent to players.")?,
            media_http_requests_total: m.counters(
                "media_http_requests_total",
                "Answers to clients that load media over HTTP.",
                &["code"],
            )?,
            media_http_bytes_total: m
                .counter("media_http_bytes_total", "Bytes of media sent over HTTP.")?,
            media_http_connections: m.gauge(
                "media_http_connections",
                "Open connections of clients that load media over HTTP (limit: \
                 `--media-connections`).",
            )?,
            media_http_refused_total: m.counters(
                "media_http_refused_total",
                "Connections of clients that load media over HTTP, closed at once: \
                 `connection_limit`, `source_limit` (one address holds at most a quarter).",
                &["reason"],
            )?,
            content: content::ContentMetrics::new(&m)?,
            config_nacks_total: m
                .counter("config_nacks_total", "Sets of documents that were refused.")?,
            config_version: m.gauges(
                "config_version_info",
                "Always 1, of the documents in force that a controller gave; `hash` is the \
                 beginning of their hash, the same at all proxies that have the same documents.",
                &["hash"],
            )?,
            unknown_fields: m.gauge(
                "unknown_fields",
                "Fields of a controller's documents that this release does not know; each counts \
                 once a kind.",
            )?,
            config_loaded_timestamp: m.gauge(
                "config_loaded_timestamp_seconds",
                "When the documents in force were read, in Unix seconds.",
            )?,
            control_stream_up: m
                .gauge("control_stream_up", "1 while a controller is connected.")?,
            control_streams: m.gauge(
                "control_streams",
                "Control streams that are open, one for each \
                 controller.",
            )?,
            control_failures_total: m.counters(
                "control_failures_total",
                "Control streams that ended or did not come about: `denied`, `connect`, \
                 `credentials`, `timeout`, `silence`, `status`, `ended`, `gap`, `overrun`, \
                 `twin`.",
                &["reason"],
            )?,
            name_claims_total: m.counters(
                "name_claims_total",
                "Names asked for at controllers: `granted`, `held` by another proxy, or nobody \
                 decided: let in all the same (`local`), or not (`undecided`).",
                &["result"],
            )?,
            draining: m.gauge("draining", "1 while the proxy is left by its players.")?,
            drain_remaining_sessions: m.gauge(
                "drain_remaining_sessions",
                "Players who are still there while the proxy is left.",
            )?,
            drain_deadline_timestamp: m.gauge(
                "drain_deadline_timestamp_seconds",
                "When players are sent away who are still there then, in Unix seconds; 0 while \
                 they are not.",
            )?,
            buffer_bytes: m.gauge(
                "buffer_bytes",
                "What all connections hold in buffers (limit: `--buffer-mb`).",
            )?,
            half_open_peers: m
                .gauge("half_open_peers", "Peers that have not proved their address.")?,
            ban_hits_total: m.counters(
                "ban_hits_total",
                "Logins that a ban kept out, by `name` or `address`.",
                &["kind"],
            )?,
            mod_requests_total: m.counters(
                "mod_requests_total",
                "Requests of servers' mods: `OK`, a reason of the admin interface, or why a line \
                 was not taken (`wrong_proof`, `replayed`, `foreign`).",
                &["op", "result"],
            )?,
            admin: mesegate_admin::Metrics::register(&m)?,
            registry: m,
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

    /// Documents with this hash are in force.
    pub(crate) fn documents(&self, hash: &[u8]) {
        let mut text = String::new();
        for byte in hash.iter().take(6) {
            let _ = write!(text, "{byte:02x}");
        }
        self.config_version.reset();
        self.config_version.with_label_values(&[text.as_str()]).set(1);
    }

    /// A server is no more: its series would stay at their last values for ever.
    pub(crate) fn forget(&self, server: &str) {
        forget(&self.sessions, "server", server);
        forget(&self.fallbacks_total, "server", server);
        forget(&self.backend_up, "server", server);
        forget(&self.backend_probe_duration, "server", server);
        for end in ["from", "to"] {
            forget(&self.moves_total, end, server);
        }
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
