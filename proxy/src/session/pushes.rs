//! Files that a backend offers while playing, and whose receipt the client confirms.
//!
//! The tokens are numbers of one backend: a confirmation that comes late must not reach another
//! one, which may use the same number for another file.

use std::collections::HashSet;

use bytes::Bytes;
use mesegate_protocol::content::{HaveMedia, MediaPush, PushContent};
use mesegate_protocol::{ProtocolVersion, split_command};

/// Offers that are remembered; engines forget theirs after a minute.
const OPEN: usize = 4096;

/// Tokens of the current backend that the client has not confirmed.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    open: HashSet<u32>,
}

impl Pushes {
    /// A file was offered.
    pub(super) fn offered(&mut self, message: &Bytes, version: ProtocolVersion) {
        let Some((_, body)) = split_command(message) else { return };
        if let Ok(push) = MediaPush::decode(&message.slice_ref(body), version)
            && let PushContent::Token(token) = push.content
            && self.open.len() < OPEN
        {
            self.open.insert(token);
        }
    }

    /// What of a confirmation concerns the current backend.
    pub(super) fn confirmed(&mut self, body: &[u8]) -> Option<Bytes> {
        let mut have = HaveMedia::decode(body).ok()?;
        have.tokens.retain(|token| self.open.remove(token));
        (!have.tokens.is_empty()).then(|| have.encode())
    }

    /// The backend is left.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }
}
