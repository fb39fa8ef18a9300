//! Everything that plays the other side in tests and measurements: [`Bot`]s that join as clients
//! and keep a strict record of what they were told, a [`FakeServer`] that plays a game server, a
//! [`Relay`] that loses, repeats and delays datagrams, and the load generator `mesegate-bench`.
//!
//! The crate reads messages with its own code where it checks others (the [`View`] of a bot), so
//! that a mistake in a codec does not hide itself. It knows nothing of how a proxy works inside:
//! it meets one only over UDP, its process and its HTTP endpoint.
//!
//! All sockets are bound to loopback addresses, and all waits have a limit.
#![forbid(unsafe_code)]

pub mod bench;
mod bot;
mod chat;
pub mod clock;
mod fake;
pub mod forge;
pub mod mutate;
mod probe;
pub mod procfs;
mod record;
mod relay;
pub mod samples;
mod server_list;
pub mod state;
mod talk;
mod tcp_relay;
mod view;
mod world;

pub use bot::{Bot, BotOptions, ChatLine, Closed, Event, JoinError, JoinTimes, Traffic, WaitError};
pub use fake::{Arrived, FakeServer, FakeServerOptions, LoginRule};
pub use record::{RecordError, record};
pub use relay::{Impairment, Relay, RelayOptions, RelayStats};
pub use server_list::{Announced, ServerList};
pub use tcp_relay::TcpRelay;
pub use view::{BlockView, HudView, ObjectView, View};
pub use world::{Show, World, WorldError};
