//! What is known about a server, for people and metrics.

use std::time::{Instant, SystemTime};

use mesegate_protocol::ProtocolVersion;

use crate::hash::Hash;

/// Whether a server can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerState {
    /// Not looked at yet.
    Unknown,
    /// It answers.
    Up,
    /// It could not be fetched from.
    Down {
        /// One name of the cause, the same in logs and metrics.
        reason: &'static str,
        /// The cause in words.
        text: String,
        /// Since when.
        since: SystemTime,
    },
    /// It answers, but does not let in clients of the network's version.
    VersionRefused {
        /// What to change, in words.
        text: String,
    },
}

impl ServerState {
    /// The reason of a server that answers, but with content that cannot be used.
    pub const UNUSABLE: &str = "unusable_content";

    /// True if the server answered when it was last looked at.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }

    /// True if a look failed.
    pub fn is_known_down(&self) -> bool {
        matches!(self, Self::Down { .. } | Self::VersionRefused { .. })
    }
}

/// Bytes that content takes in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContentMemory {
    /// Definitions, announcements and maps of the catalogues that new players get.
    pub catalogue_bytes: usize,
    /// Media that was asked for lately, as it is sent.
    pub frame_cache_bytes: usize,
}

/// One server's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerStatus {
    /// Name of the server.
    pub name: String,
    /// Newest protocol version it speaks, if it was ever seen.
    pub newest: Option<ProtocolVersion>,
    /// Whether it can be used.
    pub state: ServerState,
    /// When it was last found to answer after it had not, or for the first time.
    pub up_since: Option<Instant>,
    /// When its content was last seen to be what is stored.
    pub last_fetch: Option<SystemTime>,
    /// Hash over what it sends to clients of the network's version.
    pub digest: Option<Hash>,
    /// Why its content is not in the catalogue for clients of the network's version, though it was
    /// fetched.
    pub left_out: Option<String>,
}
