//! Handing a link's counters to the metrics, and noticing a backend that is gone.

use std::time::{Duration, Instant};

use mesegate_transport::{Link, Stats};

use crate::metrics::Metrics;

/// How long a backend whose port was reported closed may stay silent before it counts as lost.
/// The report (ICMP port unreachable) means that no process listens there any more; a live
/// server acknowledges within a round trip.
const GRACE: Duration = Duration::from_millis(500);

/// What of a link's counters was reported already.
#[derive(Debug)]
pub(super) struct Traffic {
    side: &'static str,
    reported: Stats,
    /// Datagrams received when a refusal was first seen, and when that was.
    refused: Option<(u64, Instant)>,
    /// Refusals seen so far.
    refusals: u64,
}

impl Traffic {
    /// For a link on `side`: `client` or `server`.
    pub(super) fn new(side: &'static str) -> Self {
        Self { side, reported: Stats::default(), refused: None, refusals: 0 }
    }

    /// Adds what was counted since the last report.
    pub(super) fn report(&mut self, link: &Link, metrics: &Metrics) {
        let now = link.stats();
        let old = &self.reported;
        let add = |vec: &prometheus::IntCounterVec, label: &str, new: u64, old: u64| {
            if new > old {
                vec.with_label_values(&[self.side, label]).inc_by(new - old);
            }
        };
        add(&metrics.datagrams_total, "in", now.datagrams_in, old.datagrams_in);
        add(&metrics.datagrams_total, "out", now.datagrams_out, old.datagrams_out);
        add(&metrics.datagram_bytes_total, "in", now.bytes_in, old.bytes_in);
        add(&metrics.datagram_bytes_total, "out", now.bytes_out, old.bytes_out);
        for (reason, new, old) in [
            ("malformed", now.malformed, old.malformed),
            ("over_limit", now.over_limit, old.over_limit),
        ] {
            add(&metrics.datagrams_dropped_total, reason, new, old);
        }
        if now.retransmits > old.retransmits {
            let more = now.retransmits - old.retransmits;
            metrics.retransmits_total.with_label_values(&[self.side]).inc_by(more);
        }
        if let Some(srtt) = now.smoothed_rtt
            && now.datagrams_in > old.datagrams_in
        {
            metrics.rtt.with_label_values(&[self.side]).observe(srtt.as_secs_f64());
        }
        self.reported = now;
    }

    /// True when the peer's port was reported closed and nothing has come since, for a while. To be
    /// asked regularly.
    pub(super) fn unreachable(&mut self, link: &Link) -> bool {
        let now = link.stats();
        if self.refused.is_some_and(|(seen, _)| now.datagrams_in > seen) {
            self.refused = None;
        }
        if now.refused > self.refusals && self.refused.is_none() {
            self.refused = Some((now.datagrams_in, Instant::now()));
        }
        self.refusals = now.refused;
        self.refused.is_some_and(|(_, since)| since.elapsed() >= GRACE)
    }
}
