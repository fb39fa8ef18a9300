//! Putting split messages together (the engine's `IncomingSplitBuffer`), within limits.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use crate::clock::Micros;
use crate::limits::ReceiveLimits;
use crate::packet::Chunk;

/// Bookkeeping charged per reassembly and per chunk that waits for an earlier one.
const OVERHEAD: usize = 128;

/// What became of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Kept, or a duplicate, or inconsistent with the first chunk.
    Nothing,
    /// The last missing one: the whole message.
    Complete(Bytes),
    /// There is no room for it.
    OverLimit,
}

/// Room in use, over all channels of a connection.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) open: usize,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
struct Partial {
    count: u16,
    began: Micros,
    reliable: bool,
    /// Chunks 0 to `joined` - 1, already in place: reliable chunks come in order.
    message: BytesMut,
    joined: u16,
    waiting: BTreeMap<u16, Bytes>,
    charged: usize,
}

/// The open reassemblies of one channel; reliable and unreliable ones share the numbers.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    partials: BTreeMap<u16, Partial>,
}

impl Reassembly {
    pub(crate) fn insert(
        &mut self,
        now: Micros,
        chunk: Chunk<'_>,
        reliable: bool,
        limits: &ReceiveLimits,
        usage: &mut Usage,
    ) -> Outcome {
        if chunk.index >= chunk.count {
            return Outcome::Nothing;
        }
        if let Some(partial) = self.partials.get(&chunk.seqnum) {
            let known = chunk.index < partial.joined || partial.waiting.contains_key(&chunk.index);
            if partial.count != chunk.count || known {
                return Outcome::Nothing;
            }
        } else if usage.open >= limits.reassemblies && !self.evict_unreliable(usage) {
            return Outcome::OverLimit;
        }
        let fresh = !self.partials.contains_key(&chunk.seqnum);
        let in_order = self.partials.get(&chunk.seqnum).map_or(0, |p| p.joined) == chunk.index;
        let charge = chunk.data.len()
            + if fresh { OVERHEAD } else { 0 }
            + if in_order { 0 } else { OVERHEAD };
        if usage.bytes + charge > limits.reassembly_bytes {
            return Outcome::OverLimit;
        }
        let partial = self.partials.entry(chunk.seqnum).or_insert_with(|| {
            usage.open += 1;
            Partial {
                count: chunk.count,
                began: now,
                reliable,
                message: BytesMut::new(),
                joined: 0,
                waiting: BTreeMap::new(),
                charged: 0,
            }
        });
        usage.bytes += charge;
        partial.charged += charge;
        if in_order {
            partial.append(chunk.data);
            while let Some(data) = partial.waiting.remove(&partial.joined) {
                partial.append(&data);
            }
        } else {
            let data = Bytes::copy_from_slice(chunk.data);
            partial.waiting.insert(chunk.index, data);
        }
        if partial.joined < partial.count {
            return Outcome::Nothing;
        }
        match self.remove(chunk.seqnum, usage) {
            Some(message) if !message.is_empty() => Outcome::Complete(message.freeze()),
            _ => Outcome::Nothing,
        }
    }

    /// Forgets unreliable messages begun before `deadline`; their missing chunks are not coming.
    pub(crate) fn expire(&mut self, deadline: Micros, usage: &mut Usage) {
        let stale: Vec<u16> = self
            .partials
            .iter()
            .filter(|(_, partial)| !partial.reliable && partial.began < deadline)
            .map(|(&seqnum, _)| seqnum)
            .collect();
        for seqnum in stale {
            self.remove(seqnum, usage);
        }
    }

    fn evict_unreliable(&mut self, usage: &mut Usage) -> bool {
        let oldest = self
            .partials
            .iter()
            .filter(|(_, partial)| !partial.reliable)
            .min_by_key(|(_, partial)| partial.began)
            .map(|(&seqnum, _)| seqnum);
        oldest.is_some_and(|seqnum| self.remove(seqnum, usage).is_some())
    }

    fn remove(&mut self, seqnum: u16, usage: &mut Usage) -> Option<BytesMut> {
        let partial = self.partials.remove(&seqnum)?;
        usage.open -= 1;
        usage.bytes -= partial.charged;
        Some(partial.message)
    }
}

impl Partial {
    fn append(&mut self, data: &[u8]) {
        let free = self.message.capacity() - self.message.len();
        if free < data.len() {
            // Double, but no further than the message can become: every chunk but the last has
            // the same size. What the peer announces is not believed beyond what it delivered.
            let expected = usize::from(self.count - self.joined) * data.len();
            let growth = self.message.len().max(16 * data.len()).min(expected);
            self.message.reserve(growth.max(data.len()));
        }
        self.message.extend_from_slice(data);
        self.joined += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(index: u16, count: u16, data: &[u8]) -> Chunk<'_> {
        Chunk { seqnum: 7, count, index, data }
    }

    fn insert(r: &mut Reassembly, u: &mut Usage, c: Chunk<'_>) -> Outcome {
        r.insert(0, c, true, &ReceiveLimits::STRANGER, u)
    }

    #[test]
    fn chunks_in_any_order_make_the_message_once() {
        let (mut r, mut u) = (Reassembly::default(), Usage::default());
        assert_eq!(insert(&mut r, &mut u, chunk(2, 3, b"e")), Outcome::Nothing);
        assert_eq!(insert(&mut r, &mut u, chunk(0, 3, b"ab")), Outcome::Nothing);
        assert_eq!(insert(&mut r, &mut u, chunk(0, 3, b"xx")), Outcome::Nothing);
        assert_eq!(insert(&mut r, &mut u, chunk(1, 4, b"zz")), Outcome::Nothing);
        let complete = Outcome::Complete(Bytes::from_static(b"abcde"));
        assert_eq!(insert(&mut r, &mut u, chunk(1, 3, b"cd")), complete);
        assert_eq!((u.open, u.bytes), (0, 0));
    }

    #[test]
    fn an_index_beyond_the_count_and_an_empty_result_are_nothing() {
        let (mut r, mut u) = (Reassembly::default(), Usage::default());
        assert_eq!(insert(&mut r, &mut u, chunk(3, 3, b"a")), Outcome::Nothing);
        assert_eq!(insert(&mut r, &mut u, chunk(0, 0, b"a")), Outcome::Nothing);
        assert_eq!(insert(&mut r, &mut u, chunk(0, 1, b"")), Outcome::Nothing);
        assert_eq!((u.open, u.bytes), (0, 0));
    }

    #[test]
    fn limits_hold_even_for_empty_chunks() {
        let (mut r, mut u) = (Reassembly::default(), Usage::default());
        let mut refused = 0;
        for index in 1..u16::MAX {
            if insert(&mut r, &mut u, chunk(index, u16::MAX, b"")) == Outcome::OverLimit {
                refused += 1;
            }
            assert!(u.bytes <= ReceiveLimits::STRANGER.reassembly_bytes);
        }
        assert!(refused > 65_000);
    }

    #[test]
    fn unreliable_ones_make_way_and_expire() {
        let (mut r, mut u) = (Reassembly::default(), Usage::default());
        let limits = ReceiveLimits::STRANGER;
        for seqnum in 0..6 {
            let c = Chunk { seqnum, count: 2, index: 0, data: b"a" };
            assert_eq!(r.insert(seqnum.into(), c, false, &limits, &mut u), Outcome::Nothing);
        }
        assert_eq!(u.open, limits.reassemblies);
        r.expire(5, &mut u);
        assert_eq!(u.open, 1);
        r.expire(6, &mut u);
        assert_eq!((u.open, u.bytes), (0, 0));
    }

    #[test]
    fn announced_size_reserves_nothing() {
        let (mut r, mut u) = (Reassembly::default(), Usage::default());
        insert(&mut r, &mut u, chunk(0, u16::MAX, &[0; 495]));
        assert!(r.partials[&7].message.capacity() <= 16 * 495);
    }
}
