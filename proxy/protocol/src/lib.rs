//! Luanti network commands of protocol 37 to 53: what they are called, how they are laid out per
//! version, and what a proxy does with each.
//!
//! Messages are [`bytes::Bytes`] that start with the `u16` command; decoders take the body after
//! it. The crate owns layouts and the login's order of steps. It knows nothing of sockets, clocks,
//! password arithmetic, configuration or which backends exist: states hand out typed requests and
//! callers answer them.
//!
//! Readers follow the engine's rule for growth: fields after the last known one are kept or
//! ignored, never refused, so that a newer engine does not break the proxy.
//!
//! ```
//! use mesegate_protocol::{routing, routing::Route, to_client};
//! assert_eq!(routing::to_client_route(to_client::NODEDEF), Route::Consume);
//! assert_eq!(routing::to_client_route(0x7f), Route::Forward);
//! ```
#![forbid(unsafe_code)]

pub mod client_state;
pub mod content;
mod editor;
mod edits;
pub mod formspec;
pub mod inventory;
pub mod login;
pub mod map;
pub mod names;
pub mod objects;
pub mod opcodes;
pub mod particle;
pub mod play;
pub mod routing;
pub mod to_client;
pub mod to_server;
pub mod translate;
mod translation;
pub mod version;
pub mod wire;

pub use names::NameMap;
pub use opcodes::{Command, State, split_command};
pub use translation::Translation;
pub use version::ProtocolVersion;

/// Text of a message: bytes that are not UTF-8 become U+FFFD.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
