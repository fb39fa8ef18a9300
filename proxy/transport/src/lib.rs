//! The Luanti UDP transport ("MTP"): reliable and unreliable messages on three channels.
//!
//! This crate owns everything between UDP payloads and application messages: packet layout,
//! peer ids, acknowledgements, retransmission, ordering, splitting, keep-alive, congestion
//! control and the limits that keep a hostile peer cheap. It refuses to know what a message
//! means: commands, protocol versions and logins live elsewhere.
//!
//! [`Connection`] is the protocol as a state machine without sockets and without a clock.
//! [`Listener`] and [`Link`] drive it on tokio, many peers on few sockets.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use mesegate_transport::{Config, Link};
//! let mut link = Link::connect("127.0.0.1:30000".parse().unwrap(), Config::default().into()).await?;
//! while link.closed().is_none() {
//!     link.drive().await;
//!     while let Some(message) = link.recv() {
//!         println!("{} bytes on channel {}", message.data.len(), message.channel);
//!     }
//!     link.flush();
//! }
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]

mod admission;
mod clock;
mod config;
mod congestion;
mod connection;
mod error;
mod half_open;
mod limits;
mod link;
mod listener;
mod pacer;
mod packet;
mod reassembly;
mod recv_channel;
mod rtt;
mod send_channel;
mod seqnum;
mod socket;
mod stats;

pub use config::{Config, ListenConfig};
pub use connection::{Connection, Message, Ticket, Transmit};
pub use error::{CloseReason, SendError};
pub use limits::{Budget, ReceiveLimits};
pub use link::Link;
pub use listener::{Binding, Listener};
pub use stats::{DropReason, ListenerSnapshot, ListenerStats, Stats};

/// Number of channels of a connection; valid channel numbers are below it.
pub const CHANNELS: usize = 3;

/// Longest message a reliable channel can carry, in bytes: the engine numbers the chunks of a
/// split with 16 bits and gives up above 32767 of them (`network/mtp/impl.cpp`).
pub const MAX_MESSAGE: usize = 32_767 * packet::RELIABLE_CHUNK;
