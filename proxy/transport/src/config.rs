//! Settings of connections and listeners; the defaults suit the engine's peers.

use std::sync::Arc;
use std::time::Duration;

use crate::limits::{Budget, ReceiveLimits};

/// Limits and timers of a [`Connection`](crate::Connection). A clone shares the budget.
#[derive(Clone, Debug)]
pub struct Config {
    /// Time between reliable PINGs (engine: `PING_INTERVAL`, 5 s).
    pub ping_interval: Duration,
    /// Silence after which the connection is given up (engine: `CONNECTION_TIMEOUT`, 30 s).
    pub receive_timeout: Duration,
    /// How long a reliable packet may stay unacknowledged before the connection is given up
    /// (engine since 5.9: 30 s).
    pub ack_timeout: Duration,
    /// Age at which an incomplete unreliable split message is forgotten (engine: 30 s).
    pub split_timeout: Duration,
    /// Retransmission timeout before the first round trip was measured.
    pub initial_rto: Duration,
    /// Lower bound of the retransmission timeout.
    pub min_rto: Duration,
    /// Upper bound of the retransmission timeout, back-off included.
    pub max_rto: Duration,
    /// Congestion window at the start, in full datagrams.
    pub initial_window: usize,
    /// Lower bound of the congestion window, in full datagrams.
    pub min_window: usize,
    /// Upper bound of the congestion window, in full datagrams.
    pub max_window: usize,
    /// Reliable packets of one channel past its oldest unacknowledged one. Receivers accept
    /// up to 32767; higher values are lowered to that.
    pub channel_window: usize,
    /// Full datagrams by which channels 0 and 1 may exceed the congestion window, so that
    /// bulk data on channel 2 does not hold up play.
    pub priority_reserve: usize,
    /// Bytes queued and unacknowledged per connection, bookkeeping included; more is refused
    /// with [`SendError::QueueFull`](crate::SendError::QueueFull).
    pub max_queued_bytes: usize,
    /// Receive limits until [`lift_limits`](crate::Connection::lift_limits).
    pub stranger_limits: ReceiveLimits,
    /// Receive limits afterwards.
    pub authenticated_limits: ReceiveLimits,
    /// How many DISCOs announce a closed connection; the packet is not acknowledged.
    pub disconnect_repeats: u8,
    /// Receive buffer asked of the kernel for a client's socket, in bytes; it may grant less.
    pub socket_receive_buffer: usize,
    /// Memory shared by every connection that was given a clone of this configuration.
    pub budget: Arc<Budget>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(5),
            receive_timeout: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(30),
            split_timeout: Duration::from_secs(30),
            initial_rto: Duration::from_millis(500),
            min_rto: Duration::from_millis(100),
            max_rto: Duration::from_secs(1),
            initial_window: 64,
            min_window: 32,
            max_window: 8192,
            channel_window: 2048,
            priority_reserve: 16,
            max_queued_bytes: 8 << 20,
            stranger_limits: ReceiveLimits::STRANGER,
            authenticated_limits: ReceiveLimits::AUTHENTICATED,
            disconnect_repeats: 3,
            socket_receive_buffer: 1 << 20,
            budget: Budget::new(2 << 30),
        }
    }
}

/// Settings of a [`Listener`](crate::Listener).
#[derive(Clone, Debug)]
pub struct ListenConfig {
    /// Settings of the accepted connections.
    pub connection: Arc<Config>,
    /// How long a peer that has not used its id is remembered; nothing extends it
    /// (engine: 7.5 s).
    pub half_open_life: Duration,
    /// Peers that have not used their id, per socket. At the limit new ones are ignored.
    pub max_half_open: usize,
    /// Resends of SET_PEER_ID to a half-open peer, each provoked by a datagram (engine: 6).
    pub max_id_resends: u8,
    /// Open peers per socket. At the limit new ones are ignored.
    pub max_peers: usize,
    /// New peers per second from all sources together.
    pub new_peers_per_second: u32,
    /// New peers from all sources that may come at once.
    pub new_peers_burst: u32,
    /// New peers per second from one IPv4 address or IPv6 /64.
    pub source_peers_per_second: u32,
    /// New peers from one source that may come at once.
    pub source_peers_burst: u32,
    /// Bytes received for a peer that its task has not processed; more is dropped.
    pub peer_queue_bytes: usize,
    /// Peers that have opened and wait for [`accept`](crate::Listener::accept).
    pub accept_backlog: usize,
    /// Receive buffer asked of the kernel per socket, in bytes; it may grant less.
    pub socket_receive_buffer: usize,
    /// Send buffer asked of the kernel per socket, in bytes; it may grant less.
    pub socket_send_buffer: usize,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            connection: Arc::new(Config::default()),
            half_open_life: Duration::from_millis(7500),
            max_half_open: 4096,
            max_id_resends: 6,
            max_peers: 60_000,
            new_peers_per_second: 300,
            new_peers_burst: 600,
            source_peers_per_second: 20,
            source_peers_burst: 60,
            peer_queue_bytes: 512 << 10,
            accept_backlog: 1024,
            socket_receive_buffer: 4 << 20,
            socket_send_buffer: 4 << 20,
        }
    }
}
