//! One channel's receiving half: what comes next, and what came too early.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::limits::ReceiveLimits;
use crate::reassembly::Reassembly;
use crate::seqnum::{self, Position};

/// Bookkeeping charged per datagram held.
const OVERHEAD: usize = 64;

/// Room in use, over all channels of a connection.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) datagrams: usize,
    pub(crate) bytes: usize,
}

/// What became of a datagram that came too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Early {
    /// Held, now or before; to be acknowledged.
    Held,
    /// No room; to be dropped without acknowledgement, so that the peer sends it again.
    Refused,
    /// The number is held with content of another length (the engine calls it corruption).
    Conflict,
}

#[derive(Debug)]
pub(crate) struct RecvChannel {
    next: u16,
    early: BTreeMap<u16, Bytes>,
    pub(crate) splits: Reassembly,
}

impl RecvChannel {
    pub(crate) fn new() -> Self {
        Self { next: seqnum::INITIAL, early: BTreeMap::new(), splits: Reassembly::default() }
    }

    pub(crate) fn position(&self, seqnum: u16) -> Position {
        seqnum::classify(seqnum, self.next)
    }

    /// Consumes the next expected number.
    pub(crate) fn advance(&mut self) {
        self.next = self.next.wrapping_add(1);
    }

    pub(crate) fn hold(
        &mut self,
        seqnum: u16,
        content: &[u8],
        limits: &ReceiveLimits,
        usage: &mut Usage,
    ) -> Early {
        if let Some(held) = self.early.get(&seqnum) {
            return if held.len() == content.len() { Early::Held } else { Early::Conflict };
        }
        let charge = content.len() + OVERHEAD;
        if usage.datagrams >= limits.reorder_datagrams
            || usage.bytes + charge > limits.reorder_bytes
        {
            return Early::Refused;
        }
        usage.datagrams += 1;
        usage.bytes += charge;
        self.early.insert(seqnum, Bytes::copy_from_slice(content));
        Early::Held
    }

    /// The next expected content, if it came early; consumes its number.
    pub(crate) fn take_held(&mut self, usage: &mut Usage) -> Option<Bytes> {
        if self.early.is_empty() {
            return None;
        }
        let content = self.early.remove(&self.next)?;
        usage.datagrams -= 1;
        usage.bytes -= content.len() + OVERHEAD;
        self.advance();
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_content_is_released_in_order() {
        let mut channel = RecvChannel::new();
        let mut usage = Usage::default();
        let limits = ReceiveLimits::STRANGER;
        for seqnum in [65502, 65501] {
            let content = [seqnum as u8];
            assert_eq!(channel.hold(seqnum, &content, &limits, &mut usage), Early::Held);
        }
        assert_eq!(channel.take_held(&mut usage), None);
        channel.advance();
        assert_eq!(channel.take_held(&mut usage).unwrap()[..], [65501u16 as u8]);
        assert_eq!(channel.take_held(&mut usage).unwrap()[..], [65502u16 as u8]);
        assert_eq!((usage.datagrams, usage.bytes), (0, 0));
        assert_eq!(channel.position(65503), Position::Next);
    }

    #[test]
    fn a_number_cannot_change_its_length_and_room_is_limited() {
        let mut channel = RecvChannel::new();
        let mut usage = Usage::default();
        let limits = ReceiveLimits { reorder_datagrams: 2, ..ReceiveLimits::STRANGER };
        assert_eq!(channel.hold(1, b"a", &limits, &mut usage), Early::Held);
        assert_eq!(channel.hold(1, b"b", &limits, &mut usage), Early::Held);
        assert_eq!(channel.hold(1, b"bc", &limits, &mut usage), Early::Conflict);
        assert_eq!(channel.hold(2, b"a", &limits, &mut usage), Early::Held);
        assert_eq!(channel.hold(3, b"a", &limits, &mut usage), Early::Refused);
    }
}
