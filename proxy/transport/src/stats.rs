//! Counters of connections and listeners.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters and estimates of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Datagrams received for this connection.
    pub datagrams_in: u64,
    /// Their UDP payload bytes.
    pub bytes_in: u64,
    /// Datagrams produced.
    pub datagrams_out: u64,
    /// Their UDP payload bytes.
    pub bytes_out: u64,
    /// Reliable packets sent for the first time.
    pub reliables_out: u64,
    /// Reliable packets sent again.
    pub retransmits: u64,
    /// Retransmits that turned out to be needless.
    pub spurious_retransmits: u64,
    /// Received datagrams or packets that were malformed or had a wrong peer id.
    pub malformed: u64,
    /// Received packets dropped without acknowledgement because a limit was reached.
    pub over_limit: u64,
    /// Messages received and handed out or waiting to be.
    pub messages_in: u64,
    /// Messages accepted for sending.
    pub messages_out: u64,
    /// Highest memory use of the receive side so far, in bytes.
    pub receive_high_water: usize,
    /// Highest memory use of the send side so far, in bytes.
    pub send_high_water: usize,
    /// Smoothed round trip; `None` before the first sample.
    pub smoothed_rtt: Option<Duration>,
    /// Lowest round trip of the last seconds.
    pub min_rtt: Option<Duration>,
    /// Congestion window in bytes.
    pub congestion_window: u64,
    /// Unacknowledged bytes on the way.
    pub in_flight: u64,
    /// ICMP "port unreachable" seen by the socket (client role). A hint for dialers only; the
    /// connection ignores it, as the engine does.
    pub refused: u64,
}

/// Why a [`Listener`](crate::Listener) dropped a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum DropReason {
    /// Too short, of another protocol or with an unknown channel.
    Malformed,
    /// A peer id that does not belong to the source address.
    UnknownPeer,
    /// A new peer above the rate of its source.
    SourceRate,
    /// A new peer above the rate of all sources.
    TotalRate,
    /// A new peer while the half-open table is full.
    HalfOpenLimit,
    /// A new peer while the peer table or the accept backlog is full, or the memory budget is
    /// used up, or the listener is gone.
    PeerLimit,
    /// The peer's task did not keep up.
    QueueFull,
    /// More than a half-open peer may have held.
    NotHeld,
}

impl DropReason {
    /// Every reason, in the order of [`ListenerSnapshot::dropped`].
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::UnknownPeer,
        Self::SourceRate,
        Self::TotalRate,
        Self::HalfOpenLimit,
        Self::PeerLimit,
        Self::QueueFull,
        Self::NotHeld,
    ];

    /// The reason's name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownPeer => "unknown_peer",
            Self::SourceRate => "source_rate",
            Self::TotalRate => "total_rate",
            Self::HalfOpenLimit => "half_open_limit",
            Self::PeerLimit => "peer_limit",
            Self::QueueFull => "queue_full",
            Self::NotHeld => "not_held",
        }
    }
}

/// Live counters of a listener; clones share them.
#[derive(Clone, Debug, Default)]
pub struct ListenerStats {
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    datagrams_in: AtomicU64,
    bytes_in: AtomicU64,
    datagrams_out: AtomicU64,
    bytes_out: AtomicU64,
    send_errors: AtomicU64,
    half_open: AtomicU64,
    open: AtomicU64,
    accepted: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

/// The counters of a listener at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerSnapshot {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Their UDP payload bytes.
    pub bytes_in: u64,
    /// Datagrams sent, by the listener and its links.
    pub datagrams_out: u64,
    /// Their UDP payload bytes.
    pub bytes_out: u64,
    /// Sends the operating system refused.
    pub send_errors: u64,
    /// Peers that have not used their id yet (now).
    pub half_open: u64,
    /// Peers in the table (now).
    pub open: u64,
    /// Peers that opened, ever.
    pub accepted: u64,
    /// Datagrams dropped, by [`DropReason`].
    pub dropped: [u64; DropReason::ALL.len()],
}

impl ListenerStats {
    /// Reads all counters.
    pub fn snapshot(&self) -> ListenerSnapshot {
        let c = &*self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ListenerSnapshot {
            datagrams_in: read(&c.datagrams_in),
            bytes_in: read(&c.bytes_in),
            datagrams_out: read(&c.datagrams_out),
            bytes_out: read(&c.bytes_out),
            send_errors: read(&c.send_errors),
            half_open: read(&c.half_open),
            open: read(&c.open),
            accepted: read(&c.accepted),
            dropped: std::array::from_fn(|index| read(&c.dropped[index])),
        }
    }

    /// Datagrams dropped for one reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.dropped[reason as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn on_received(&self, datagrams: u64, bytes: u64) {
        add(&self.counters.datagrams_in, datagrams);
        add(&self.counters.bytes_in, bytes);
    }

    pub(crate) fn on_sent(&self, datagrams: u64, bytes: u64) {
        add(&self.counters.datagrams_out, datagrams);
        add(&self.counters.bytes_out, bytes);
    }

    pub(crate) fn on_send_error(&self) {
        add(&self.counters.send_errors, 1);
    }

    pub(crate) fn on_dropped(&self, reason: DropReason, datagrams: u64) {
        add(&self.counters.dropped[reason as usize], datagrams);
    }

    pub(crate) fn on_half_open(&self, change: i64) {
        shift(&self.counters.half_open, change);
    }

    pub(crate) fn on_opened(&self) {
        add(&self.counters.open, 1);
        add(&self.counters.accepted, 1);
    }

    pub(crate) fn on_removed(&self) {
        shift(&self.counters.open, -1);
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn shift(counter: &AtomicU64, change: i64) {
    // Two's complement: adding the wrapped value subtracts.
    counter.fetch_add(change as u64, Ordering::Relaxed);
}
