//! The protocol of one peer as a state machine: datagrams and a clock in; datagrams, messages
//! and a deadline out. It reads no clock, owns no socket and rolls no dice.

mod receive;
mod recovery;
mod transmit;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::CHANNELS;
use crate::MAX_MESSAGE;
use crate::clock::{Clock, Micros, micros};
use crate::config::Config;
use crate::congestion::Congestion;
use crate::error::{CloseReason, SendError};
use crate::limits::{Ledger, ReceiveLimits};
use crate::pacer::Pacer;
use crate::packet::{NO_ID, SERVER_ID};
use crate::reassembly;
use crate::recv_channel::{self, RecvChannel};
use crate::rtt::Rtt;
use crate::send_channel::{OVERHEAD, Payload, SendChannel};
use crate::stats::Stats;

use recovery::Recovery;
use transmit::Unreliable;

/// An application message: a 16-bit command and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// 0, 1 or 2; order holds among the reliable messages of one channel only.
    pub channel: u8,
    /// Whether it was sent reliably.
    pub reliable: bool,
    /// Command and body, at least two bytes.
    pub data: Bytes,
}

/// Names a message whose acknowledgement is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub(crate) u64);

/// A run of datagrams appended to the transmit buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Bytes appended.
    pub len: usize,
    /// If the run holds several datagrams: the size of each but the last, which may be
    /// shorter.
    pub segment_size: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

/// One peer's connection. See the crate documentation for how to drive it.
#[derive(Debug)]
pub struct Connection {
    config: Arc<Config>,
    clock: Clock,
    role: Role,
    /// What this side writes as its own id.
    own_id: u16,
    /// Server role: the id the peer was given.
    peer_id: u16,
    /// Server role: the peer has used its id. A client sees its server as open at once.
    open: bool,
    limits: ReceiveLimits,
    send: [SendChannel; CHANNELS],
    recv: [RecvChannel; CHANNELS],
    reorder_usage: recv_channel::Usage,
    reassembly_usage: reassembly::Usage,
    undelivered: VecDeque<Message>,
    undelivered_bytes: usize,
    acks: VecDeque<(u8, u16)>,
    unreliable: VecDeque<Unreliable>,
    unreliable_bytes: usize,
    tickets: u64,
    acked: VecDeque<Ticket>,
    rtt: Rtt,
    congestion: Congestion,
    pacer: Pacer,
    recovery: Recovery,
    /// Set when only the pacer held data back.
    paced_until: Option<Micros>,
    turn: u8,
    last_received: Micros,
    next_ping: Micros,
    flush_until: Option<Micros>,
    closed: Option<CloseReason>,
    farewells: u8,
    ledger: Ledger,
    stats: Stats,
}

impl Connection {
    /// A connection to a server. Its first reliable packet, an empty message on channel 0 as
    /// the engine's clients send it, is ready to go.
    pub fn client(config: Arc<Config>, now: Instant) -> Self {
        let mut connection = Self::new(config, now, Role::Client);
        connection.open = true;
        connection.send[0].push(Bytes::new(), None);
        connection
    }

    /// A connection to a client that is told `peer_id`. The SET_PEER_ID that tells it counts
    /// as sent at `now` and is repeated from here until it is acknowledged.
    pub fn server(config: Arc<Config>, now: Instant, peer_id: u16) -> Self {
        let mut connection = Self::new(config, now, Role::Server);
        connection.own_id = SERVER_ID;
        connection.peer_id = peer_id;
        let seqnum = crate::seqnum::INITIAL;
        connection.send[0].add_slot(Payload::SetPeerId(peer_id));
        connection.note_transmission(0, 0, seqnum);
        connection
    }

    fn new(config: Arc<Config>, now: Instant, role: Role) -> Self {
        let window = config.channel_window;
        Self {
            clock: Clock::new(now),
            role,
            own_id: NO_ID,
            peer_id: NO_ID,
            open: false,
            limits: config.stranger_limits,
            send: std::array::from_fn(|_| SendChannel::new(window)),
            recv: std::array::from_fn(|_| RecvChannel::new()),
            reorder_usage: recv_channel::Usage::default(),
            reassembly_usage: reassembly::Usage::default(),
            undelivered: VecDeque::new(),
            undelivered_bytes: 0,
            acks: VecDeque::new(),
            unreliable: VecDeque::new(),
            unreliable_bytes: 0,
            tickets: 0,
            acked: VecDeque::new(),
            rtt: Rtt::default(),
            congestion: Congestion::new(&config),
            pacer: Pacer::new(),
            recovery: Recovery::default(),
            paced_until: None,
            turn: 0,
            last_received: 0,
            next_ping: micros(config.ping_interval),
            flush_until: None,
            closed: None,
            farewells: 0,
            ledger: Ledger::new(config.budget.clone()),
            stats: Stats::default(),
            config,
        }
    }

    /// Queues a message. `data` is shared, not copied, until it is acknowledged.
    pub fn send(
        &mut self,
        now: Instant,
        channel: u8,
        reliable: bool,
        data: Bytes,
    ) -> Result<(), SendError> {
        if reliable {
            return self.queue_reliable(channel, data, None);
        }
        self.check_send(channel, &data)?;
        self.queue_unreliable(self.clock.at(now), channel, data);
        self.settle_send()
    }

    /// Queues a reliable message; its ticket comes out of [`poll_acked`](Self::poll_acked)
    /// once the peer has acknowledged it and everything before it on its channel.
    pub fn send_tracked(
        &mut self,
        _now: Instant,
        channel: u8,
        data: Bytes,
    ) -> Result<Ticket, SendError> {
        let ticket = Ticket(self.tickets);
        self.queue_reliable(channel, data, Some(ticket))?;
        self.tickets += 1;
        Ok(ticket)
    }

    fn queue_reliable(
        &mut self,
        channel: u8,
        data: Bytes,
        ticket: Option<Ticket>,
    ) -> Result<(), SendError> {
        self.check_send(channel, &data)?;
        self.send[usize::from(channel)].push(data, ticket);
        self.settle_send()
    }

    fn check_send(&self, channel: u8, data: &Bytes) -> Result<(), SendError> {
        if self.closed.is_some() || self.flush_until.is_some() {
            return Err(SendError::Closed);
        }
        if usize::from(channel) >= CHANNELS || data.len() > MAX_MESSAGE {
            return Err(SendError::TooLarge);
        }
        if self.queued_bytes() + data.len() + OVERHEAD > self.config.max_queued_bytes {
            return Err(SendError::QueueFull);
        }
        Ok(())
    }

    fn settle_send(&mut self) -> Result<(), SendError> {
        self.stats.messages_out += 1;
        let queued = self.queued_bytes();
        self.stats.send_high_water = self.stats.send_high_water.max(queued);
        if self.ledger.settle(queued + self.receive_bytes()) {
            Ok(())
        } else {
            self.terminate(CloseReason::SendLimit);
            Err(SendError::Closed)
        }
    }

    /// Takes back the reliable messages of a channel of which no byte was sent yet, oldest
    /// first. Their tickets never come.
    pub fn discard_unsent(&mut self, channel: u8) -> Vec<Bytes> {
        match self.send.get_mut(usize::from(channel)) {
            Some(channel) => channel.discard_unsent(),
            None => Vec::new(),
        }
    }

    /// The next received message.
    pub fn poll_message(&mut self) -> Option<Message> {
        let message = self.undelivered.pop_front()?;
        self.undelivered_bytes -= message.data.len() + OVERHEAD;
        Some(message)
    }

    /// The next tracked message that was fully acknowledged.
    pub fn poll_acked(&mut self) -> Option<Ticket> {
        self.acked.pop_front()
    }

    /// The peer has proved who it is: from now on it may use more memory.
    pub fn lift_limits(&mut self) {
        self.limits = self.config.authenticated_limits;
    }

    /// Asks the peer for a sign of life with the next transmission, instead of after the ping
    /// interval: it acknowledges, or its host reports that nobody listens.
    pub fn ping(&mut self) {
        if self.open && self.closed.is_none() {
            self.send[0].push_ping();
        }
    }

    /// Ends the connection: everything queued is dropped and the peer told, several times as
    /// the packet is not acknowledged. Does nothing if it has ended already.
    pub fn close(&mut self, _now: Instant) {
        self.terminate(CloseReason::Local);
    }

    /// Ends the connection once everything reliable is acknowledged, or after `limit`.
    /// Nothing more can be sent; messages are still received.
    pub fn close_after_flush(&mut self, now: Instant, limit: Duration) {
        if self.closed.is_none() {
            let until = self.clock.at(now).saturating_add(micros(limit));
            let until = self.flush_until.map_or(until, |earlier| earlier.min(until));
            self.flush_until = Some(until);
            self.finish_flush(self.clock.at(now));
        }
    }

    fn finish_flush(&mut self, now: Micros) {
        if let Some(until) = self.flush_until
            && (now >= until || self.is_flushed())
        {
            self.terminate(CloseReason::Local);
        }
    }

    fn is_flushed(&self) -> bool {
        self.unreliable.is_empty() && self.send.iter().all(SendChannel::is_idle)
    }

    /// Why the connection has ended, if it has.
    pub fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Bytes queued or unacknowledged, bookkeeping included.
    pub fn queued_bytes(&self) -> usize {
        let reliable: usize = self.send.iter().map(SendChannel::held_bytes).sum();
        reliable + self.unreliable_bytes
    }

    /// Bytes held for receiving, bookkeeping included.
    fn receive_bytes(&self) -> usize {
        self.undelivered_bytes + self.reorder_usage.bytes + self.reassembly_usage.bytes
    }

    /// Counters and estimates.
    pub fn stats(&self) -> Stats {
        Stats {
            smoothed_rtt: self.rtt.smoothed().map(Duration::from_micros),
            min_rtt: self.congestion.min_rtt().map(Duration::from_micros),
            congestion_window: self.congestion.window(),
            in_flight: self.recovery.in_flight,
            ..self.stats
        }
    }

    /// Ends the connection for `reason` and frees its buffers. Messages already received stay.
    fn terminate(&mut self, reason: CloseReason) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(reason);
        // The engine removes a silent peer silently; everybody else is told.
        self.farewells = match reason {
            CloseReason::PeerDisconnected | CloseReason::ReceiveTimeout => 0,
            _ => self.config.disconnect_repeats,
        };
        let window = self.config.channel_window;
        self.send = std::array::from_fn(|_| SendChannel::new(window));
        self.recv = std::array::from_fn(|_| RecvChannel::new());
        self.reorder_usage = recv_channel::Usage::default();
        self.reassembly_usage = reassembly::Usage::default();
        self.acks = VecDeque::new();
        self.unreliable = VecDeque::new();
        self.unreliable_bytes = 0;
        self.recovery = Recovery::default();
        self.paced_until = None;
        self.flush_until = None;
        self.ledger.settle(self.undelivered_bytes);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next; `None` once closed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed.is_some() {
            return None;
        }
        let mut at = self.last_received + micros(self.config.receive_timeout);
        if self.open {
            at = at.min(self.next_ping);
        }
        for candidate in [self.loss_deadline(), self.paced_until, self.flush_until] {
            at = at.min(candidate.unwrap_or(Micros::MAX));
        }
        if let Some(oldest) = self.oldest_unacked() {
            at = at.min(oldest + micros(self.config.ack_timeout));
        }
        self.clock.instant(at)
    }

    fn oldest_unacked(&self) -> Option<Micros> {
        self.send.iter().filter_map(SendChannel::oldest).min()
    }

    /// Lets timers that have expired by `now` fire.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed.is_some() {
            return;
        }
        let now = self.clock.at(now);
        if now >= self.last_received + micros(self.config.receive_timeout) {
            return self.terminate(CloseReason::ReceiveTimeout);
        }
        if let Some(oldest) = self.oldest_unacked()
            && now >= oldest + micros(self.config.ack_timeout)
        {
            return self.terminate(CloseReason::AckTimeout);
        }
        if self.open && now >= self.next_ping {
            self.next_ping = now + micros(self.config.ping_interval);
            self.send[0].push_ping();
            self.keep_house(now);
        }
        if self.paced_until.is_some_and(|at| now >= at) {
            self.paced_until = None;
        }
        self.handle_loss_timeout(now);
        self.finish_flush(now);
    }

    /// Chores that need no deadline of their own: done with every PING.
    fn keep_house(&mut self, now: Micros) {
        let deadline = now.saturating_sub(micros(self.config.split_timeout));
        for channel in &mut self.recv {
            channel.splits.expire(deadline, &mut self.reassembly_usage);
        }
        for channel in &mut self.send {
            channel.shrink();
        }
        if self.undelivered.is_empty() {
            self.undelivered = VecDeque::new();
        }
        if self.acks.is_empty() {
            self.acks = VecDeque::new();
        }
        if self.unreliable.is_empty() {
            self.unreliable = VecDeque::new();
        }
        self.recovery.keep_house();
        self.ledger.settle(self.queued_bytes() + self.receive_bytes());
    }
}

#[cfg(test)]
mod tests;
