//! Handing a link's counters to the metrics, and noticing a backend that is gone.

use std::time::{Duration, Instant};

use mesegate_transport::{Link, Stats};

use crate::metrics::Metrics;

/// How long a backend whose port was reported closed may stay silent before it counts as lost.
/// The report (ICMP port unreachable) means that no process listens there any more; a live
/// server acknowledges within a round trip.
const GRACE: Duration = Duration::from_millis(500);

/// As [`GRACE`], where another player has lost the backend as well.
const CONFIRMED: Duration = Duration::from_millis(200);

/// A backend that another player has lost counts as lost too when it has been silent for this
/// long, the answer to a ping included. Live servers ping every 5 s and are far less silent
/// towards a player.
const SILENCE: Duration = Duration::from_secs(6);

/// Time for the answer to that ping, with two repetitions on a path that loses some.
const ANSWER: Duration = Duration::from_secs(1);

/// What of a link's counters was reported already.
#[derive(Debug)]
pub(super) struct Traffic {
    side: &'static str,
    reported: Stats,
    /// Refusals seen so far.
    refusals: u64,
    /// Datagrams received so far, and when the last one was noticed.
    heard: (u64, Instant),
    /// Since when the peer's port is reported closed, nothing having come since.
    refused: Option<Instant>,
    /// When another player's loss was heard of, nothing having come since.
    doubted: Option<Instant>,
}

impl Traffic {
    /// For a link on `side`: `client` or `server`.
    pub(super) fn new(side: &'static str) -> Self {
        Self {
            side,
            reported: Stats::default(),
            refusals: 0,
            heard: (0, Instant::now()),
            refused: None,
            doubted: None,
        }
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

    /// Another player has lost this backend.
    pub(super) fn doubt(&mut self, now: Instant) {
        self.doubted.get_or_insert(now);
    }

    /// True while a word of this link would settle what another player's loss means.
    pub(super) fn is_doubted(&self) -> bool {
        self.doubted.is_some()
    }

    /// True when the peer is gone: its port was reported closed and nothing has come since, for a
    /// while, or another player has lost it and it gives this one no sign of life either. To be
    /// asked regularly.
    pub(super) fn unreachable(&mut self, stats: &Stats, now: Instant) -> bool {
        if stats.datagrams_in > self.heard.0 {
            self.heard = (stats.datagrams_in, now);
            self.refused = None;
            self.doubted = None;
        }
        if stats.refused > self.refusals {
            self.refused.get_or_insert(now);
        }
        self.refusals = stats.refused;
        let silent = now.duration_since(self.heard.1);
        match (self.refused, self.doubted) {
            (Some(_), Some(_)) => silent >= CONFIRMED,
            (Some(since), None) => now.duration_since(since) >= GRACE,
            (None, Some(since)) => silent >= SILENCE && now.duration_since(since) >= ANSWER,
            (None, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(datagrams_in: u64, refused: u64) -> Stats {
        Stats { datagrams_in, refused, ..Stats::default() }
    }

    #[test]
    fn a_closed_port_counts_after_a_moment_of_silence() {
        let mut traffic = Traffic::new("server");
        let start = Instant::now();
        assert!(!traffic.unreachable(&stats(5, 0), start));
        assert!(!traffic.unreachable(&stats(5, 1), start + GRACE));
        assert!(!traffic.unreachable(&stats(5, 2), start + GRACE * 3 / 2));
        assert!(traffic.unreachable(&stats(5, 2), start + GRACE * 2));
        // Forged or from another time: the server is there.
        assert!(!traffic.unreachable(&stats(6, 2), start + GRACE * 2));
        assert!(!traffic.unreachable(&stats(6, 2), start + GRACE * 9));
    }

    #[test]
    fn a_second_witness_makes_it_sure_at_once() {
        let mut traffic = Traffic::new("server");
        let start = Instant::now();
        assert!(!traffic.unreachable(&stats(5, 0), start));
        let told = start + CONFIRMED;
        traffic.doubt(told);
        assert!(!traffic.unreachable(&stats(5, 0), told));
        assert!(traffic.unreachable(&stats(5, 1), told));
    }

    #[test]
    fn the_loss_of_one_is_not_that_of_the_others() {
        let mut traffic = Traffic::new("server");
        let start = Instant::now();
        assert!(!traffic.unreachable(&stats(5, 0), start));
        traffic.doubt(start + SILENCE / 2);
        assert!(traffic.is_doubted());
        // The server answers the ping.
        assert!(!traffic.unreachable(&stats(6, 0), start + SILENCE / 2));
        assert!(!traffic.is_doubted());
        assert!(!traffic.unreachable(&stats(6, 0), start + SILENCE * 3));
    }

    #[test]
    fn a_silent_server_that_others_lost_is_left_without_a_report() {
        let mut traffic = Traffic::new("server");
        let start = Instant::now();
        assert!(!traffic.unreachable(&stats(5, 0), start));
        traffic.doubt(start + SILENCE);
        assert!(!traffic.unreachable(&stats(5, 0), start + SILENCE + ANSWER / 2));
        assert!(traffic.unreachable(&stats(5, 0), start + SILENCE + ANSWER));
    }
}
