//! One channel's sending half: messages waiting to be cut, and packets waiting for their ACK.
//!
//! Messages stay whole until there is room to send; a packet in flight holds a slice of its
//! message, not a copy, and its sequence number is given out when it is first sent.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::clock::Micros;
use crate::congestion::Snapshot;
use crate::connection::Ticket;
use crate::packet::{self, Chunk, RELIABLE_CHUNK, RELIABLE_SINGLE};
use crate::seqnum;

/// Bookkeeping charged per queued message and per packet in flight.
pub(crate) const OVERHEAD: usize = 128;

/// The content of a reliable packet in flight.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Original(Bytes),
    Split {
        seqnum: u16,
        count: u16,
        index: u16,
        data: Bytes,
    },
    Ping,
    SetPeerId(u16),
    /// Acknowledged; the slot only waits for earlier ones.
    Gone,
}

impl Payload {
    /// Size of the datagram that carries it.
    pub(crate) fn datagram_size(&self) -> usize {
        match self {
            Self::Original(data) => packet::original_size(data.len(), true),
            Self::Split { data, .. } => packet::split_size(data.len(), true),
            Self::Ping => packet::PING_SIZE,
            Self::SetPeerId(_) => packet::SET_PEER_ID_SIZE,
            Self::Gone => 0,
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Self::Original(data) | Self::Split { data, .. } => data.len(),
            _ => 0,
        }
    }

    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        match self {
            Self::Original(data) => packet::write_original(buf, data),
            &Self::Split { seqnum, count, index, ref data } => {
                packet::write_split(buf, Chunk { seqnum, count, index, data });
            }
            Self::Ping => packet::write_ping(buf),
            &Self::SetPeerId(id) => packet::write_set_peer_id(buf, id),
            Self::Gone => {}
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    InFlight,
    Lost,
    Acked,
}

/// A reliable packet from its first sending until everything before it is acknowledged.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) payload: Payload,
    pub(crate) state: State,
    pub(crate) transmissions: u8,
    /// Number of the latest transmission, over all channels.
    pub(crate) transmission: u32,
    pub(crate) first_sent: Micros,
    pub(crate) last_sent: Micros,
    pub(crate) snapshot: Snapshot,
}

#[derive(Debug)]
struct Queued {
    data: Bytes,
    ticket: Option<Ticket>,
}

/// The message at the head of the queue, once its first chunk has been cut.
#[derive(Clone, Copy, Debug)]
struct Cutting {
    split: u16,
    count: u16,
    index: u16,
}

#[derive(Debug)]
pub(crate) struct SendChannel {
    queue: VecDeque<Queued>,
    cutting: Option<Cutting>,
    ping_due: bool,
    next: u16,
    next_split: u16,
    base: u16,
    slots: VecDeque<Slot>,
    lost: VecDeque<u16>,
    tickets: VecDeque<(u16, Ticket)>,
    window: usize,
    /// Bytes of messages not yet cut, bookkeeping included.
    unsent: usize,
    /// Bytes of packets in flight, bookkeeping included.
    unacked: usize,
}

impl SendChannel {
    pub(crate) fn new(window: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            cutting: None,
            ping_due: false,
            next: seqnum::INITIAL,
            next_split: seqnum::INITIAL,
            base: seqnum::INITIAL,
            slots: VecDeque::new(),
            lost: VecDeque::new(),
            tickets: VecDeque::new(),
            window: window.clamp(1, 0x7fff),
            unsent: 0,
            unacked: 0,
        }
    }

    pub(crate) fn push(&mut self, data: Bytes, ticket: Option<Ticket>) {
        self.unsent += data.len() + OVERHEAD;
        self.queue.push_back(Queued { data, ticket });
    }

    pub(crate) fn push_ping(&mut self) {
        self.ping_due = true;
    }

    pub(crate) fn take_split_number(&mut self) -> u16 {
        let number = self.next_split;
        self.next_split = number.wrapping_add(1);
        number
    }

    /// Bytes held, sent or not, bookkeeping included.
    pub(crate) fn held_bytes(&self) -> usize {
        self.unsent + self.unacked
    }

    /// Nothing waits to be sent or acknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.slots.is_empty() && !self.ping_due
    }

    /// Removes the messages of which nothing was sent.
    pub(crate) fn discard_unsent(&mut self) -> Vec<Bytes> {
        let keep = usize::from(self.cutting.is_some()).min(self.queue.len());
        let dropped: Vec<Bytes> = self.queue.drain(keep..).map(|queued| queued.data).collect();
        self.unsent -= dropped.iter().map(|data| data.len() + OVERHEAD).sum::<usize>();
        dropped
    }

    /// Size of the next datagram that was never sent, if the channel's window lets it go.
    pub(crate) fn next_new(&self) -> Option<usize> {
        if self.slots.len() >= self.window {
            return None;
        }
        if self.ping_due {
            return Some(packet::PING_SIZE);
        }
        let len = self.queue.front()?.data.len();
        Some(match self.cutting {
            None if len <= RELIABLE_SINGLE => packet::original_size(len, true),
            None => packet::split_size(RELIABLE_CHUNK, true),
            Some(cutting) => {
                let rest = len - usize::from(cutting.index) * RELIABLE_CHUNK;
                packet::split_size(rest.min(RELIABLE_CHUNK), true)
            }
        })
    }

    /// Cuts what [`next_new`](Self::next_new) announced and gives it a number.
    pub(crate) fn take_new(&mut self) -> Option<u16> {
        let payload = if self.ping_due {
            self.ping_due = false;
            Payload::Ping
        } else {
            self.cut()?
        };
        let seqnum = self.next;
        self.unacked += payload.data_len() + OVERHEAD;
        self.unsent -= payload.data_len();
        self.add_slot(payload);
        Some(seqnum)
    }

    /// Puts a packet in flight that was sent by other means: the SET_PEER_ID of the handshake.
    pub(crate) fn add_slot(&mut self, payload: Payload) {
        self.next = self.next.wrapping_add(1);
        self.slots.push_back(Slot {
            payload,
            state: State::Lost,
            transmissions: 0,
            transmission: 0,
            first_sent: 0,
            last_sent: 0,
            snapshot: Snapshot::default(),
        });
    }

    fn cut(&mut self) -> Option<Payload> {
        let head = self.queue.front()?;
        let len = head.data.len();
        if self.cutting.is_none() && len <= RELIABLE_SINGLE {
            let head = self.queue.pop_front()?;
            self.finish_message(head.ticket);
            return Some(Payload::Original(head.data));
        }
        let cutting = match self.cutting {
            Some(cutting) => cutting,
            None => Cutting {
                split: {
                    let number = self.next_split;
                    self.next_split = number.wrapping_add(1);
                    number
                },
                // `Connection::send` refuses what needs more than 32767 chunks.
                count: len.div_ceil(RELIABLE_CHUNK) as u16,
                index: 0,
            },
        };
        let from = usize::from(cutting.index) * RELIABLE_CHUNK;
        let to = (from + RELIABLE_CHUNK).min(len);
        let data = head.data.slice(from..to);
        if to == len {
            self.cutting = None;
            let ticket = self.queue.pop_front().and_then(|queued| queued.ticket);
            self.finish_message(ticket);
        } else {
            self.cutting = Some(Cutting { index: cutting.index + 1, ..cutting });
        }
        Some(Payload::Split {
            seqnum: cutting.split,
            count: cutting.count,
            index: cutting.index,
            data,
        })
    }

    fn finish_message(&mut self, ticket: Option<Ticket>) {
        self.unsent -= OVERHEAD;
        if let Some(ticket) = ticket {
            self.tickets.push_back((self.next, ticket));
        }
    }

    /// The next packet to send again.
    pub(crate) fn next_lost(&mut self) -> Option<(u16, usize)> {
        while let Some(&seqnum) = self.lost.front() {
            if let Some(slot) = self.slot(seqnum)
                && slot.state == State::Lost
            {
                return Some((seqnum, slot.payload.datagram_size()));
            }
            self.lost.pop_front();
        }
        None
    }

    pub(crate) fn pop_lost(&mut self) {
        self.lost.pop_front();
    }

    pub(crate) fn mark_lost(&mut self, seqnum: u16) {
        if let Some(slot) = self.slot_mut(seqnum) {
            slot.state = State::Lost;
            self.lost.push_back(seqnum);
        }
    }

    pub(crate) fn slot(&self, seqnum: u16) -> Option<&Slot> {
        self.slots.get(usize::from(seqnum.wrapping_sub(self.base)))
    }

    pub(crate) fn slot_mut(&mut self, seqnum: u16) -> Option<&mut Slot> {
        let index = usize::from(seqnum.wrapping_sub(self.base));
        self.slots.get_mut(index)
    }

    /// Releases an acknowledged packet; tickets of messages complete up to here go to `acked`.
    pub(crate) fn release(&mut self, seqnum: u16, acked: &mut VecDeque<Ticket>) {
        let Some(slot) = self.slot_mut(seqnum) else {
            return;
        };
        slot.state = State::Acked;
        let payload = std::mem::replace(&mut slot.payload, Payload::Gone);
        self.unacked = self.unacked.saturating_sub(payload.data_len() + OVERHEAD);
        while self.slots.front().is_some_and(|slot| slot.state == State::Acked) {
            self.slots.pop_front();
            if let Some(&(last, ticket)) = self.tickets.front()
                && last == self.base
            {
                self.tickets.pop_front();
                acked.push_back(ticket);
            }
            self.base = self.base.wrapping_add(1);
        }
    }

    /// When the oldest unacknowledged packet was first sent.
    pub(crate) fn oldest(&self) -> Option<Micros> {
        self.slots.front().map(|slot| slot.first_sent)
    }

    /// Returns memory a burst left behind.
    pub(crate) fn shrink(&mut self) {
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        if self.slots.is_empty() {
            self.slots = VecDeque::new();
            self.lost = VecDeque::new();
            self.tickets = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(len: usize) -> Vec<usize> {
        let mut channel = SendChannel::new(2048);
        channel.push(Bytes::from(vec![1; len]), None);
        let mut sizes = Vec::new();
        while let Some(size) = channel.next_new() {
            let seqnum = channel.take_new().unwrap();
            let slot = channel.slot(seqnum).unwrap();
            assert_eq!(slot.payload.datagram_size(), size);
            sizes.push(size);
        }
        assert_eq!(channel.unsent, 0);
        sizes
    }

    #[test]
    fn messages_are_cut_where_the_engine_cuts_them() {
        assert_eq!(sizes(501), [512]);
        assert_eq!(sizes(502), [512, 17 + 7]);
        assert_eq!(sizes(1200), [512, 512, 227]);
    }

    #[test]
    fn the_window_counts_from_the_oldest_unacknowledged() {
        let mut channel = SendChannel::new(2);
        let mut acked = VecDeque::new();
        for _ in 0..4 {
            channel.push(Bytes::from_static(b"xx"), None);
        }
        let first = channel.take_new().unwrap();
        let second = channel.take_new().unwrap();
        assert_eq!(channel.next_new(), None);
        channel.release(second, &mut acked);
        assert_eq!(channel.next_new(), None, "the oldest is still missing");
        channel.release(first, &mut acked);
        assert!(channel.next_new().is_some());
    }

    #[test]
    fn only_untouched_messages_are_discarded() {
        let mut channel = SendChannel::new(2048);
        channel.push(Bytes::from(vec![0; 2000]), None);
        channel.push(Bytes::from_static(b"ab"), Some(Ticket(1)));
        channel.take_new().unwrap();
        assert_eq!(channel.discard_unsent(), [Bytes::from_static(b"ab")]);
        while channel.next_new().is_some() {
            channel.take_new().unwrap();
        }
        let mut acked = VecDeque::new();
        for offset in 0..5 {
            channel.release(65500u16.wrapping_add(offset), &mut acked);
        }
        assert!(channel.is_idle());
        assert_eq!(channel.held_bytes(), 0);
        assert!(acked.is_empty());
    }

    #[test]
    fn a_ticket_is_due_when_the_last_chunk_and_all_before_are_acknowledged() {
        let mut channel = SendChannel::new(2048);
        channel.push(Bytes::from(vec![0; 1000]), Some(Ticket(9)));
        let numbers: Vec<u16> = (0..3).map(|_| channel.take_new().unwrap()).collect();
        let mut acked = VecDeque::new();
        channel.release(numbers[2], &mut acked);
        channel.release(numbers[0], &mut acked);
        assert!(acked.is_empty());
        channel.release(numbers[1], &mut acked);
        assert_eq!(acked, [Ticket(9)]);
    }
}
