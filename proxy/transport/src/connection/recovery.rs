//! Acknowledgements, lost packets and the timers that find them.
//!
//! A packet counts as lost when one sent later has arrived and a round trip plus an adaptive
//! reordering window has passed (the idea of RACK, RFC 8985); the retransmission timeout only
//! probes the tail.

use std::collections::VecDeque;

use super::Connection;
use crate::clock::{Micros, micros};
use crate::congestion::Delivery;
use crate::send_channel::{Payload, State};

/// Packets sent again when the retransmission timeout fires; the answer tells about the rest.
const PROBES: usize = 2;
/// Timeouts in a row after which the path counts as gone.
const BLACKOUT: u32 = 4;
const REORDER_FACTOR: u64 = 3;
const MAX_REORDER_FACTOR: u64 = 10;

/// One sending of one packet.
#[derive(Clone, Copy, Debug)]
struct Transmission {
    sent: Micros,
    number: u32,
    seqnum: u16,
    channel: u8,
}

#[derive(Debug)]
pub(super) struct Recovery {
    /// Bytes sent, neither acknowledged nor lost.
    pub(super) in_flight: u64,
    /// Sendings in order, over all channels; stale ones are skipped.
    log: VecDeque<Transmission>,
    transmissions: u32,
    /// When the latest-sent packet known to have arrived was sent.
    arrived: Option<Micros>,
    reorder_factor: u64,
    last_probe: Micros,
    backoff: u32,
    /// Packets the retransmission timeout lets out whatever the window says.
    pub(super) probes: usize,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            in_flight: 0,
            log: VecDeque::new(),
            transmissions: 0,
            arrived: None,
            reorder_factor: REORDER_FACTOR,
            last_probe: 0,
            backoff: 0,
            probes: 0,
        }
    }
}

impl Recovery {
    pub(super) fn keep_house(&mut self) {
        if self.log.is_empty() {
            self.log = VecDeque::new();
        }
        self.reorder_factor = (self.reorder_factor - 1).max(REORDER_FACTOR);
    }
}

impl Connection {
    /// A reliable packet is being sent, for the first time or again.
    pub(super) fn note_transmission(&mut self, now: Micros, channel: u8, seqnum: u16) {
        let recovery = &mut self.recovery;
        let Some(slot) = self.send[usize::from(channel)].slot_mut(seqnum) else {
            return;
        };
        recovery.transmissions = recovery.transmissions.wrapping_add(1);
        if slot.transmissions == 0 {
            slot.first_sent = now;
            self.stats.reliables_out += 1;
        } else {
            self.stats.retransmits += 1;
        }
        slot.transmissions = slot.transmissions.saturating_add(1);
        slot.transmission = recovery.transmissions;
        slot.last_sent = now;
        slot.state = State::InFlight;
        slot.snapshot = self.congestion.on_sent(now, recovery.in_flight);
        recovery.in_flight += slot.payload.datagram_size() as u64;
        recovery.log.push_back(Transmission {
            sent: now,
            number: recovery.transmissions,
            seqnum,
            channel,
        });
    }

    pub(super) fn handle_ack(&mut self, now: Micros, channel: u8, seqnum: u16) {
        let index = usize::from(channel);
        let Some(slot) = self.send[index].slot(seqnum) else {
            return;
        };
        if slot.state == State::Acked || slot.transmissions == 0 {
            return;
        }
        let bytes = slot.payload.datagram_size() as u64;
        let elapsed = now.saturating_sub(slot.last_sent);
        let (sent, snapshot) = (slot.last_sent, slot.snapshot);
        let repeated = slot.transmissions > 1;
        // The listener has sent the SET_PEER_ID before there was a connection, once or several
        // times: how long it was under way is not known here. Taken for a round trip, its
        // acknowledgement would make any path look local.
        let handshake = matches!(slot.payload, Payload::SetPeerId(_));
        let in_flight = self.recovery.in_flight;
        if slot.state == State::InFlight {
            self.recovery.in_flight = in_flight.saturating_sub(bytes);
        }
        let min_rtt = self.congestion.min_rtt().unwrap_or(0);
        // An answer faster than the path allows is for an earlier sending of the packet.
        let premature = repeated && elapsed < min_rtt * 3 / 4;
        if premature || slot.state == State::Lost {
            self.stats.spurious_retransmits += u64::from(premature);
            let factor = self.recovery.reorder_factor + 1;
            self.recovery.reorder_factor = factor.min(MAX_REORDER_FACTOR);
        }
        if !premature {
            self.recovery.arrived = self.recovery.arrived.max(Some(sent));
        }
        let sample = (!repeated && !handshake).then_some(elapsed);
        if let Some(sample) = sample {
            self.rtt.sample(sample);
        }
        let delivery = Delivery {
            sent_at: sent,
            bytes,
            snapshot,
            rtt: sample,
            jitter: self.rtt.variation(),
            in_flight,
        };
        self.congestion.on_ack(now, delivery);
        self.recovery.backoff = 0;
        self.send[index].release(seqnum, &mut self.acked);
        self.find_losses(now);
    }

    /// Drops sendings that no longer matter from the front of the log.
    fn trim_log(&mut self) -> Option<Transmission> {
        while let Some(&front) = self.recovery.log.front() {
            let slot = self.send[usize::from(front.channel)].slot(front.seqnum);
            if slot.is_some_and(|slot| {
                slot.state == State::InFlight && slot.transmission == front.number
            }) {
                return Some(front);
            }
            self.recovery.log.pop_front();
        }
        None
    }

    fn find_losses(&mut self, now: Micros) {
        let delay = self.rtt.loss_delay(self.recovery.reorder_factor);
        while let Some(front) = self.trim_log() {
            let overtaken = self.recovery.arrived.is_some_and(|at| front.sent <= at);
            if !overtaken || front.sent + delay > now {
                break;
            }
            self.lose(front, true);
        }
    }

    /// `counts`: it says something about how full the path is.
    fn lose(&mut self, transmission: Transmission, counts: bool) {
        let channel = &mut self.send[usize::from(transmission.channel)];
        let Some(slot) = channel.slot(transmission.seqnum) else {
            return;
        };
        let bytes = slot.payload.datagram_size() as u64;
        self.recovery.in_flight = self.recovery.in_flight.saturating_sub(bytes);
        channel.mark_lost(transmission.seqnum);
        if counts {
            self.congestion.on_lost();
        }
    }

    /// When a packet will count as lost, or the tail be probed.
    pub(super) fn loss_deadline(&self) -> Option<Micros> {
        let front = self.recovery.log.front()?;
        if self.recovery.arrived.is_some_and(|at| front.sent <= at) {
            return Some(front.sent + self.rtt.loss_delay(self.recovery.reorder_factor));
        }
        Some(self.probe_deadline(front.sent))
    }

    fn probe_deadline(&self, sent: Micros) -> Micros {
        let base = self.rtt.timeout(&self.config);
        // 1.5 per step, as the engine backs off.
        let factor = 3u64.saturating_pow(self.recovery.backoff);
        let divisor = 1u64 << self.recovery.backoff.min(40);
        let delay = (base.saturating_mul(factor) / divisor).min(micros(self.config.max_rto));
        sent.max(self.recovery.last_probe) + delay.max(base)
    }

    pub(super) fn handle_loss_timeout(&mut self, now: Micros) {
        self.find_losses(now);
        let Some(front) = self.trim_log() else { return };
        if now < self.probe_deadline(front.sent) {
            return;
        }
        let overtaken = self.recovery.arrived.is_some_and(|at| front.sent <= at);
        if overtaken {
            return;
        }
        let backoff = (self.recovery.backoff + 1).min(20);
        self.recovery.backoff = backoff;
        self.recovery.last_probe = now;
        self.recovery.probes = PROBES;
        if backoff == BLACKOUT {
            self.congestion.on_blackout();
        }
        // After a blackout nothing of what was on the way is on its way.
        let lost = if backoff >= BLACKOUT { usize::MAX } else { PROBES };
        for _ in 0..lost {
            let Some(front) = self.trim_log() else { break };
            self.lose(front, backoff < BLACKOUT);
        }
        self.trim_log();
    }
}
