//! How much may be in flight: a model of the path after BBR.
//!
//! Players sit behind radio links that lose packets at random, so loss alone must not shrink
//! the window (Reno would crawl at 10 % loss). The window follows the highest delivery rate
//! seen lately times the lowest round trip; only a round that loses more than a third is
//! taken as a sign of an overrun buffer or a policer.

use crate::clock::Micros;
use crate::config::Config;
use crate::packet::MAX_DATAGRAM;

const PACKET: u64 = MAX_DATAGRAM as u64;
/// Rounds over which the highest delivery rate is remembered.
const RATE_ROUNDS: usize = 10;
/// How long the lowest round trip is believed.
const MIN_RTT_LIFE: Micros = 10_000_000;
/// How long the queue is drained to measure it again.
const PROBE_RTT_TIME: Micros = 200_000;
/// Round trips below this are scheduling, not path; a window for less would starve loopback.
const RTT_FLOOR: Micros = 10_000;
/// Pacing gains while probing for more, in percent: one round up, one down, six level.
const CYCLE: [u64; 8] = [125, 75, 100, 100, 100, 100, 100, 100];
const STARTUP_GAIN: u64 = 277;
/// Loss in 1/1000 up to which a round is the path's fault and not the sender's. A lost ACK looks
/// like a lost packet, so a path that loses 18 % each way is still below.
const MAX_LOSS: u64 = 330;
/// The same for paths too short for radio links: what they lose, an overrun buffer lost.
const MAX_LOCAL_LOSS: u64 = 30;
const LOCAL_RTT: Micros = 3_000;

/// What is remembered about a packet when it is sent, to compute the rate it was delivered at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Snapshot {
    delivered: u64,
    delivered_at: Micros,
    burst_began: Micros,
    app_limited: bool,
}

/// A packet that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    pub(crate) sent_at: Micros,
    pub(crate) bytes: u64,
    pub(crate) snapshot: Snapshot,
    /// If it is known which of its sendings was acknowledged.
    pub(crate) rtt: Option<Micros>,
    /// Mean deviation of the round trips.
    pub(crate) jitter: Micros,
    /// What was in flight before this acknowledgement.
    pub(crate) in_flight: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Doubling until the rate stops growing.
    Startup,
    /// Letting the queue of the startup run empty.
    Drain,
    Cruise {
        phase: usize,
        since: Micros,
    },
    ProbeRtt {
        until: Micros,
    },
}

#[derive(Debug)]
pub(crate) struct Congestion {
    mode: Mode,
    min_window: u64,
    max_window: u64,
    initial_window: u64,
    window: u64,
    /// Ceiling learned from rounds with heavy loss.
    ceiling: u64,
    delivered: u64,
    delivered_at: Micros,
    burst_began: Micros,
    /// Samples of packets sent before this much was delivered say how little there was to send.
    app_limited_until: u64,
    round_end: u64,
    round: usize,
    rates: [u64; RATE_ROUNDS],
    rate: u64,
    plateau_rate: u64,
    plateau_rounds: u8,
    round_acked: u64,
    round_lost: u64,
    /// Share of the packets that got lost lately, in 1/1000.
    loss: u64,
    min_rtt: Micros,
    min_rtt_at: Micros,
    /// Mean deviation of the round trip.
    jitter: Micros,
}

impl Congestion {
    pub(crate) fn new(config: &Config) -> Self {
        let initial = config.initial_window as u64 * PACKET;
        Self {
            mode: Mode::Startup,
            min_window: config.min_window.max(4) as u64 * PACKET,
            max_window: config.max_window.max(4) as u64 * PACKET,
            initial_window: initial,
            window: initial,
            ceiling: u64::MAX,
            delivered: 0,
            delivered_at: 0,
            burst_began: 0,
            app_limited_until: 0,
            round_end: 0,
            round: 0,
            rates: [0; RATE_ROUNDS],
            rate: 0,
            plateau_rate: 0,
            plateau_rounds: 0,
            round_acked: 0,
            round_lost: 0,
            loss: 0,
            min_rtt: Micros::MAX,
            min_rtt_at: 0,
            jitter: 0,
        }
    }

    /// Bytes that may be in flight.
    pub(crate) fn window(&self) -> u64 {
        match self.mode {
            Mode::ProbeRtt { .. } => self.window.min((self.bdp(100) / 2).max(self.min_window)),
            _ => self.window,
        }
    }

    /// Lowest round trip seen lately, if any was.
    pub(crate) fn min_rtt(&self) -> Option<Micros> {
        (self.min_rtt != Micros::MAX).then_some(self.min_rtt)
    }

    /// Bandwidth-delay product times `gain` percent.
    fn bdp(&self, gain: u64) -> u64 {
        let rtt = match self.min_rtt() {
            // On a path that jitters the lowest round trip is an exception.
            Some(rtt) => (rtt + 4 * self.jitter).max(RTT_FLOOR),
            None => return self.initial_window,
        };
        (u128::from(self.rate) * u128::from(rtt) * u128::from(gain) / 100_000_000) as u64
    }

    /// Bytes per second at which bulk data may leave.
    pub(crate) fn pacing_rate(&self, smoothed_rtt: Option<Micros>) -> u64 {
        let rtt = smoothed_rtt.unwrap_or(100_000).max(1_000);
        let per_window = |window: u64| window.saturating_mul(1_000_000) / rtt;
        // The rate is what arrives; to keep it up, what gets lost must be sent on top. Not
        // all of it, lest losses of our own making feed on themselves; probing does the rest.
        let rate = self.rate * 1000 / (1000 - self.loss.min(MAX_LOSS) * 3 / 4);
        let floor = per_window(4 * PACKET);
        match self.mode {
            Mode::Startup => rate.max(per_window(self.window)) * STARTUP_GAIN / 100,
            Mode::Drain => (rate * 100 / STARTUP_GAIN).max(floor),
            Mode::Cruise { phase, .. } => (rate * CYCLE[phase] / 100).max(floor),
            Mode::ProbeRtt { .. } => rate.max(floor),
        }
    }

    pub(crate) fn on_sent(&mut self, now: Micros, in_flight: u64) -> Snapshot {
        if in_flight == 0 {
            self.burst_began = now;
            self.delivered_at = now;
        }
        Snapshot {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            burst_began: self.burst_began,
            app_limited: self.delivered < self.app_limited_until,
        }
    }

    /// There was nothing to send although the window had room.
    pub(crate) fn on_app_limited(&mut self, in_flight: u64) {
        self.app_limited_until = self.delivered + in_flight.max(1);
    }

    pub(crate) fn on_ack(&mut self, now: Micros, delivery: Delivery) {
        let Delivery { sent_at, bytes, snapshot, rtt, jitter, in_flight } = delivery;
        self.jitter = jitter;
        self.delivered += bytes;
        self.delivered_at = now;
        self.burst_began = sent_at;
        self.round_acked += 1;
        self.update_min_rtt(now, rtt, in_flight);
        self.update_rate(now, sent_at, snapshot);
        if snapshot.delivered >= self.round_end {
            self.round_end = self.delivered;
            self.end_round(snapshot.app_limited);
        }
        self.advance(now, in_flight);
        self.grow(bytes, in_flight);
    }

    pub(crate) fn on_lost(&mut self) {
        self.round_lost += 1;
    }

    /// Nothing came back for several timeouts in a row.
    pub(crate) fn on_blackout(&mut self) {
        self.window = self.min_window;
    }

    fn update_min_rtt(&mut self, now: Micros, rtt: Option<Micros>, in_flight: u64) {
        let Some(rtt) = rtt else { return };
        let expired = now.saturating_sub(self.min_rtt_at) > MIN_RTT_LIFE;
        if rtt <= self.min_rtt {
            self.min_rtt = rtt;
            self.min_rtt_at = now;
        } else if expired && !matches!(self.mode, Mode::ProbeRtt { .. }) {
            if in_flight <= self.min_window {
                // The path is nearly idle: the sample is as good as a probe would give.
                self.min_rtt = rtt;
                self.min_rtt_at = now;
            } else if matches!(self.mode, Mode::Cruise { .. }) {
                self.min_rtt = rtt;
                self.mode = Mode::ProbeRtt { until: now + PROBE_RTT_TIME.max(rtt) };
            }
        }
    }

    fn update_rate(&mut self, now: Micros, sent_at: Micros, snapshot: Snapshot) {
        let sending = sent_at.saturating_sub(snapshot.burst_began);
        let acking = now.saturating_sub(snapshot.delivered_at);
        let elapsed = sending.max(acking);
        let bytes = self.delivered - snapshot.delivered;
        // A sample shorter than the shortest round trip is an artefact of batched ACKs.
        if elapsed == 0 || elapsed < self.min_rtt.min(RTT_FLOOR) / 2 {
            return;
        }
        let rate = (u128::from(bytes) * 1_000_000 / u128::from(elapsed)) as u64;
        if rate >= self.rate || !snapshot.app_limited {
            let slot = &mut self.rates[self.round % RATE_ROUNDS];
            *slot = rate.max(*slot);
            self.rate = self.rate.max(rate);
        }
    }

    fn is_local(&self) -> bool {
        self.min_rtt < LOCAL_RTT
    }

    /// Whether the packets since the last judgement, if they are enough for one, were more lost
    /// than the path explains.
    fn judge_losses(&mut self) -> bool {
        let packets = self.round_acked + self.round_lost;
        if packets < 32 {
            return false;
        }
        let lost = self.round_lost * 1000 / packets;
        self.loss = (7 * self.loss + lost) / 8;
        self.round_acked = 0;
        self.round_lost = 0;
        let tolerated = if self.is_local() { MAX_LOCAL_LOSS } else { MAX_LOSS };
        lost > tolerated
    }

    fn end_round(&mut self, app_limited: bool) {
        let heavy = self.judge_losses();
        if heavy {
            self.ceiling = (self.window * 7 / 10).max(self.min_window);
            self.window = self.window.min(self.ceiling);
        } else if self.ceiling != u64::MAX {
            // Rounds of a short path pass quickly; it should not run over its buffer in each.
            let share = if self.is_local() { 32 } else { 8 };
            let step = self.ceiling / share;
            self.ceiling += step.max(PACKET);
            if self.ceiling > self.max_window {
                self.ceiling = u64::MAX;
            }
        }
        if self.mode == Mode::Startup {
            if heavy {
                self.mode = Mode::Drain;
            } else if !app_limited {
                if self.rate > self.plateau_rate + self.plateau_rate / 4 {
                    self.plateau_rate = self.rate;
                    self.plateau_rounds = 0;
                } else {
                    self.plateau_rounds += 1;
                    if self.plateau_rounds >= 3 {
                        self.mode = Mode::Drain;
                    }
                }
            }
        }
        if !app_limited {
            // Only rounds that tried to fill the path push old rates out of the memory.
            self.round = (self.round + 1) % RATE_ROUNDS;
            self.rates[self.round] = 0;
            self.rate = self.rates.iter().copied().max().unwrap_or_default();
        }
    }

    fn advance(&mut self, now: Micros, in_flight: u64) {
        match self.mode {
            Mode::Startup => {}
            Mode::Drain => {
                if in_flight <= self.bdp(100).max(self.min_window) {
                    self.mode = Mode::Cruise { phase: 2, since: now };
                }
            }
            Mode::Cruise { phase, since } => {
                let round = self.min_rtt.clamp(1_000, MIN_RTT_LIFE);
                if now.saturating_sub(since) > round {
                    self.mode = Mode::Cruise { phase: (phase + 1) % CYCLE.len(), since: now };
                }
            }
            Mode::ProbeRtt { until } => {
                if now >= until {
                    self.min_rtt_at = now;
                    self.mode = Mode::Cruise { phase: 2, since: now };
                }
            }
        }
    }

    fn grow(&mut self, bytes: u64, in_flight: u64) {
        let model = self.bdp(200) + 16 * PACKET;
        let target = match self.mode {
            // Doubling per round, but only if the window is what holds the sender back.
            Mode::Startup if in_flight * 2 < self.window => self.window,
            Mode::Startup => (self.window + bytes).min(model.max(self.window)),
            _ => model.min(self.window + bytes),
        };
        let highest = self.ceiling.min(self.max_window).max(self.min_window);
        self.window = target.clamp(self.min_window, highest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bottleneck of `rate` packets per second with a deep buffer.
    fn run(rate: u64, rtt: Micros, loss_every: u64, seconds: u64) -> Congestion {
        let mut congestion = Congestion::new(&Config::default());
        let mut queue = std::collections::VecDeque::new();
        let mut now = 0;
        let mut free_at = 0;
        let mut in_flight = 0u64;
        let mut number = 0u64;
        while now < seconds * 1_000_000 {
            while in_flight + PACKET <= congestion.window() {
                let snapshot = congestion.on_sent(now, in_flight);
                free_at = u64::max(free_at, now) + 1_000_000 / rate;
                queue.push_back((free_at + rtt, now, snapshot, number));
                number += 1;
                in_flight += PACKET;
            }
            let (at, sent, snapshot, number) = queue.pop_front().unwrap();
            now = at;
            if loss_every != 0 && number % loss_every == 0 {
                congestion.on_lost();
            } else {
                let delivery = Delivery {
                    sent_at: sent,
                    bytes: PACKET,
                    snapshot,
                    rtt: Some(now - sent),
                    jitter: 0,
                    in_flight,
                };
                congestion.on_ack(now, delivery);
            }
            in_flight -= PACKET;
        }
        congestion
    }

    #[test]
    fn the_window_settles_near_twice_the_path() {
        let congestion = run(2_000, 100_000, 0, 8);
        let bdp = 200 * PACKET;
        assert!(congestion.window() > bdp, "{}", congestion.window());
        assert!(congestion.window() < 4 * bdp, "{}", congestion.window());
    }

    #[test]
    fn random_loss_does_not_shrink_the_window() {
        let congestion = run(2_000, 100_000, 10, 8);
        assert!(congestion.window() > 180 * PACKET, "{}", congestion.window());
    }

    #[test]
    fn heavy_loss_does() {
        let clean = run(2_000, 100_000, 0, 8).window();
        let lossy = run(2_000, 100_000, 2, 8).window();
        assert!(lossy < clean / 2, "{lossy} of {clean}");
    }
}
