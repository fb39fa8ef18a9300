//! Datagrams in (`network/mtp/threads.cpp`, the receive thread).

use std::time::Instant;

use bytes::Bytes;

use super::{Connection, Message, Role};
use crate::clock::Micros;
use crate::error::CloseReason;
use crate::packet::{self, Content, MAX_RECEIVE, NO_ID, Packet, SERVER_ID};
use crate::reassembly::Outcome;
use crate::recv_channel::Early;
use crate::send_channel::OVERHEAD;
use crate::seqnum::{INITIAL, Position};

/// ACKs waiting to be sent; beyond it reliables are dropped, which only happens while the
/// socket is blocked.
const MAX_ACKS: usize = 4096;

impl Connection {
    /// Takes one UDP payload from the peer's address. Never fails: what is malformed is
    /// counted and dropped, what breaks the protocol closes the connection.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.stats.datagrams_in += 1;
        self.stats.bytes_in += datagram.len() as u64;
        if self.closed.is_some() {
            return;
        }
        let datagram = &datagram[..datagram.len().min(MAX_RECEIVE)];
        let Some((header, packet)) = packet::split_header(datagram) else {
            self.stats.malformed += 1;
            return;
        };
        let acceptable = match self.role {
            // Servers before 5.9 are also heard with id 0, as their clients did.
            Role::Client => header.sender == SERVER_ID || header.sender == NO_ID,
            Role::Server if header.sender == NO_ID && self.open => {
                let now = self.clock.at(now);
                return self.handle_without_id(now, header.channel, packet);
            }
            Role::Server => header.sender == NO_ID || header.sender == self.peer_id,
        };
        if !acceptable {
            self.stats.malformed += 1;
            return;
        }
        let now = self.clock.at(now);
        self.last_received = now;
        if header.sender != NO_ID && !self.open {
            self.open = true;
            self.next_ping = now + crate::clock::micros(self.config.ping_interval);
        }
        match Packet::parse(packet) {
            None => self.stats.malformed += 1,
            Some(Packet::Plain(content)) => self.process(now, header.channel, content, None),
            Some(Packet::Reliable { seqnum, content }) => {
                self.handle_reliable(now, header.channel, seqnum, content);
            }
        }
        if self.closed.is_none() {
            self.finish_flush(now);
            self.settle_receive();
        }
    }

    /// Clients before 5.11 do not rewrite the id in their first packet, an empty one on channel 0
    /// (`network/mtp/impl.cpp`, `Connection::Connect`). If it got lost, or its ACK, they repeat it
    /// with id 0 until they give up, and nothing they send on that channel is next before it is
    /// there. So it is taken, which whoever guesses the address gains nothing by; anything else is
    /// at most acknowledged.
    fn handle_without_id(&mut self, now: Micros, channel: u8, packet: &[u8]) {
        if let Some(Packet::Reliable { seqnum, content }) = Packet::parse(packet) {
            let position = self.recv[usize::from(channel)].position(seqnum);
            let first = (channel, seqnum, content) == (0, INITIAL, &[packet::ORIGINAL][..]);
            match position {
                Position::Old => return self.acknowledge(channel, seqnum),
                Position::Next if first => {
                    self.handle_reliable(now, channel, seqnum, content);
                    if self.closed.is_none() {
                        self.settle_receive();
                    }
                    return;
                }
                _ => {}
            }
        }
        self.stats.malformed += 1;
    }

    fn handle_reliable(&mut self, now: Micros, channel: u8, seqnum: u16, content: &[u8]) {
        let index = usize::from(channel);
        match self.recv[index].position(seqnum) {
            Position::Next => {
                if self.is_clogged() {
                    self.stats.over_limit += 1;
                    return;
                }
                self.acknowledge(channel, seqnum);
                self.recv[index].advance();
                self.process_reliable(now, channel, content, None);
                while self.closed.is_none()
                    && let Some(held) = self.recv[index].take_held(&mut self.reorder_usage)
                {
                    self.process_reliable(now, channel, &held, Some(&held));
                }
            }
            Position::Ahead if self.is_clogged() => self.stats.over_limit += 1,
            Position::Ahead => {
                let usage = &mut self.reorder_usage;
                match self.recv[index].hold(seqnum, content, &self.limits, usage) {
                    Early::Held => self.acknowledge(channel, seqnum),
                    Early::Refused => self.stats.over_limit += 1,
                    Early::Conflict => self.terminate(CloseReason::ProtocolViolation),
                }
            }
            Position::Old => self.acknowledge(channel, seqnum),
            Position::Ambiguous => self.stats.malformed += 1,
        }
    }

    /// The application has not taken its messages, or the socket takes no ACKs: let the peer
    /// wait and repeat.
    fn is_clogged(&self) -> bool {
        self.undelivered_bytes > self.limits.undelivered_bytes || self.acks.len() >= MAX_ACKS
    }

    fn acknowledge(&mut self, channel: u8, seqnum: u16) {
        if self.acks.len() < MAX_ACKS {
            self.acks.push_back((channel, seqnum));
        }
    }

    fn process_reliable(&mut self, now: Micros, channel: u8, content: &[u8], held: Option<&Bytes>) {
        match Content::parse(content) {
            // Acknowledged and consumed all the same; every client opens with one of these.
            None => {}
            Some(Content::Split(chunk)) => {
                let splits = &mut self.recv[usize::from(channel)].splits;
                let usage = &mut self.reassembly_usage;
                match splits.insert(now, chunk, true, &self.limits, usage) {
                    Outcome::Nothing => {}
                    Outcome::Complete(data) => self.deliver(channel, true, data),
                    Outcome::OverLimit => self.terminate(CloseReason::ReceiveLimit),
                }
            }
            Some(Content::Original(data)) => {
                let data = match held {
                    Some(held) => held.slice_ref(data),
                    None => Bytes::copy_from_slice(data),
                };
                self.deliver(channel, true, data);
            }
            Some(control) => self.process(now, channel, control, held),
        }
    }

    fn process(&mut self, now: Micros, channel: u8, content: Content<'_>, _held: Option<&Bytes>) {
        match content {
            Content::Ack(seqnum) => self.handle_ack(now, channel, seqnum),
            Content::SetPeerId(id) => {
                if self.role == Role::Client && self.own_id == NO_ID && id > SERVER_ID {
                    self.own_id = id;
                }
            }
            Content::Ping => {}
            Content::Disco => self.terminate(CloseReason::PeerDisconnected),
            Content::Original(_) | Content::Split(_) if self.is_clogged() => {
                self.stats.over_limit += 1;
            }
            Content::Original(data) => {
                self.deliver(channel, false, Bytes::copy_from_slice(data));
            }
            Content::Split(chunk) => {
                let splits = &mut self.recv[usize::from(channel)].splits;
                let usage = &mut self.reassembly_usage;
                match splits.insert(now, chunk, false, &self.limits, usage) {
                    Outcome::Nothing => {}
                    Outcome::Complete(data) => self.deliver(channel, false, data),
                    Outcome::OverLimit => self.stats.over_limit += 1,
                }
            }
        }
    }

    fn deliver(&mut self, channel: u8, reliable: bool, data: Bytes) {
        // Without a command it means nothing (`ReceiveTimeoutMs`, `network/mtp/impl.cpp`).
        if data.len() < 2 {
            return;
        }
        self.stats.messages_in += 1;
        self.undelivered_bytes += data.len() + OVERHEAD;
        self.undelivered.push_back(Message { channel, reliable, data });
    }

    fn settle_receive(&mut self) {
        let received = self.receive_bytes();
        self.stats.receive_high_water = self.stats.receive_high_water.max(received);
        if !self.ledger.settle(received + self.queued_bytes()) {
            self.terminate(CloseReason::ReceiveLimit);
        }
    }
}
