//! Datagrams out, in order of urgency: ACKs, unreliables, channels 0 and 1, then channel 2.

use std::time::Instant;

use bytes::Bytes;

use super::{Connection, Transmit};
use crate::clock::Micros;
use crate::packet::{self, Chunk, MAX_DATAGRAM, UNRELIABLE_CHUNK, UNRELIABLE_SINGLE};
use crate::send_channel::OVERHEAD;

/// Unreliable messages are worth little late: they may overdraw the pacer this far.
const UNRELIABLE_RESERVE: usize = 64 * MAX_DATAGRAM;
/// One packet in this many goes to channel 2 first, so that it cannot starve.
const FAIRNESS: u8 = 8;
/// Largest UDP payload a segmented send may have.
const MAX_RUN: usize = 65_507;

/// An unreliable message, cut while it is sent.
#[derive(Debug)]
pub(super) struct Unreliable {
    channel: u8,
    data: Bytes,
    /// Split number and next chunk, if it does not fit one datagram.
    split: Option<(u16, u16)>,
}

impl Unreliable {
    fn next_size(&self) -> usize {
        match self.split {
            None => packet::original_size(self.data.len(), false),
            Some((_, index)) => {
                let rest = self.data.len() - usize::from(index) * UNRELIABLE_CHUNK;
                packet::split_size(rest.min(UNRELIABLE_CHUNK), false)
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Ack(u8, u16),
    Unreliable,
    Again(u8, u16),
    New(u8),
}

impl Connection {
    pub(super) fn queue_unreliable(&mut self, _now: Micros, channel: u8, data: Bytes) {
        let split = (data.len() > UNRELIABLE_SINGLE)
            .then(|| (self.send[usize::from(channel)].take_split_number(), 0));
        self.unreliable_bytes += data.len() + OVERHEAD;
        self.unreliable.push_back(Unreliable { channel, data, split });
    }

    /// Appends the next run of at most `max_segments` datagrams to `buf`. All have the same
    /// size except that the last may be shorter, so one segmented send can carry them.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        max_segments: usize,
    ) -> Option<Transmit> {
        let start = buf.len();
        let mut run = Run::default();
        if self.closed.is_some() {
            while self.farewells > 0 && run.segments < max_segments {
                self.farewells -= 1;
                packet::write_header(buf, self.own_id, 0);
                packet::write_disco(buf);
                run.add(packet::HEADER + 2);
            }
        } else {
            let now = self.clock.at(now);
            let rate = self.congestion.pacing_rate(self.rtt.smoothed());
            self.pacer.refill(now, rate);
            while run.segments < max_segments
                && !run.complete
                && let Some((choice, size)) = self.select()
                && run.fits(size, buf.len() - start)
            {
                self.write(now, choice, buf);
                run.add(size);
            }
        }
        let len = buf.len() - start;
        if len == 0 {
            return None;
        }
        self.stats.datagrams_out += run.segments as u64;
        self.stats.bytes_out += len as u64;
        Some(Transmit { len, segment_size: (run.segments > 1).then_some(run.size) })
    }

    /// What to send next, and the size of its datagram.
    fn select(&mut self) -> Option<(Choice, usize)> {
        self.paced_until = None;
        if let Some(&(channel, seqnum)) = self.acks.front() {
            return Some((Choice::Ack(channel, seqnum), packet::ACK_SIZE));
        }
        let mut paced = false;
        if let Some(unreliable) = self.unreliable.front() {
            if self.pacer.allows(UNRELIABLE_RESERVE) {
                return Some((Choice::Unreliable, unreliable.next_size()));
            }
            paced = true;
        }
        let reserve = self.config.priority_reserve * MAX_DATAGRAM;
        let order = if self.turn.is_multiple_of(FAIRNESS) { [2, 0, 1] } else { [0, 1, 2] };
        let mut starved = true;
        for channel in order {
            let send = &mut self.send[usize::from(channel)];
            let (choice, size) = if let Some((seqnum, size)) = send.next_lost() {
                (Choice::Again(channel, seqnum), size)
            } else if let Some(size) = send.next_new() {
                (Choice::New(channel), size)
            } else {
                continue;
            };
            starved = false;
            if self.recovery.probes > 0 && matches!(choice, Choice::Again(..)) {
                return Some((choice, size));
            }
            let reserve = if channel == 2 { 0 } else { reserve };
            let window = self.congestion.window() + reserve as u64;
            if self.recovery.in_flight + size as u64 > window {
                continue;
            }
            if !self.pacer.allows(reserve) {
                paced = true;
                continue;
            }
            return Some((choice, size));
        }
        if paced {
            self.paced_until = Some(self.pacer.ready_at());
        }
        if starved && self.recovery.in_flight < self.congestion.window() {
            self.congestion.on_app_limited(self.recovery.in_flight);
        }
        None
    }

    fn write(&mut self, now: Micros, choice: Choice, buf: &mut Vec<u8>) {
        let (channel, seqnum) = match choice {
            Choice::Ack(channel, seqnum) => {
                self.acks.pop_front();
                packet::write_header(buf, self.own_id, channel);
                packet::write_ack(buf, seqnum);
                return;
            }
            Choice::Unreliable => return self.write_unreliable(buf),
            Choice::Again(channel, seqnum) => {
                self.send[usize::from(channel)].pop_lost();
                self.recovery.probes = self.recovery.probes.saturating_sub(1);
                (channel, seqnum)
            }
            Choice::New(channel) => match self.send[usize::from(channel)].take_new() {
                Some(seqnum) => (channel, seqnum),
                None => return,
            },
        };
        self.turn = self.turn.wrapping_add(1);
        let Some(slot) = self.send[usize::from(channel)].slot(seqnum) else {
            return;
        };
        // The id is written anew with every sending: what waited for an id gets it.
        packet::write_header(buf, self.own_id, channel);
        packet::write_reliable(buf, seqnum);
        slot.payload.write(buf);
        self.pacer.spend(slot.payload.datagram_size());
        self.note_transmission(now, channel, seqnum);
    }

    fn write_unreliable(&mut self, buf: &mut Vec<u8>) {
        let Some(front) = self.unreliable.front_mut() else {
            return;
        };
        self.pacer.spend(front.next_size());
        packet::write_header(buf, self.own_id, front.channel);
        let len = front.data.len();
        let done = match &mut front.split {
            None => {
                packet::write_original(buf, &front.data);
                true
            }
            Some((seqnum, index)) => {
                let from = usize::from(*index) * UNRELIABLE_CHUNK;
                let to = (from + UNRELIABLE_CHUNK).min(len);
                let chunk = Chunk {
                    seqnum: *seqnum,
                    count: len.div_ceil(UNRELIABLE_CHUNK) as u16,
                    index: *index,
                    data: &front.data[from..to],
                };
                packet::write_split(buf, chunk);
                *index += 1;
                to == len
            }
        };
        if done {
            self.unreliable.pop_front();
            self.unreliable_bytes -= len + OVERHEAD;
        }
    }
}

/// The shape of a segmented send.
#[derive(Debug, Default)]
struct Run {
    segments: usize,
    size: usize,
    complete: bool,
}

impl Run {
    fn fits(&self, size: usize, len: usize) -> bool {
        self.segments == 0 || (size <= self.size && len + size <= MAX_RUN)
    }

    fn add(&mut self, size: usize) {
        if self.segments == 0 {
            self.size = size;
        }
        self.complete = size < self.size;
        self.segments += 1;
    }
}
