//! What mods of the client may do (`clientpackethandler.cpp`,
//! handleCommand_CSMRestrictionFlags).

use bytes::Bytes;

use crate::to_client;
use crate::wire::{Reader, Result, Writer};

/// The flag under which nodes can be looked up only so many nodes away from the player
/// (`networkprotocol.h`, `CSM_RF_LOOKUP_NODES`).
const LOOKUP_NODES: u64 = 16;

/// CSM_RESTRICTION_FLAGS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModRestrictions {
    /// What is forbidden, as bits. Unknown ones are kept.
    pub flags: u64,
    /// How far nodes can be looked up, in nodes. Without the flag for it, it means nothing.
    pub range: u32,
}

impl ModRestrictions {
    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        Ok(Self { flags: r.u64()?, range: r.u32()? })
    }

    /// The whole message.
    pub fn encode(self) -> Bytes {
        let mut w = Writer::command(to_client::CSM_RESTRICTION_FLAGS);
        w.u64(self.flags).u32(self.range);
        w.finish()
    }

    /// What is forbidden if both forbid something. The smaller range counts among those that limit
    /// looking up nodes at all; 0 leaves only the player's own node (`client/client.cpp`,
    /// CSMClampPos).
    pub fn and(self, other: Self) -> Self {
        let limits = |it: Self| it.flags & LOOKUP_NODES != 0;
        let range = match (limits(self), limits(other)) {
            (true, true) => self.range.min(other.range),
            (false, true) => other.range,
            _ => self.range,
        };
        Self { flags: self.flags | other.flags, range }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an engine writes it with its default settings.
    const ENGINE: [u8; 14] = [0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 0x3e, 0, 0, 0, 0];

    #[test]
    fn restrictions_are_read_and_written() {
        let engine = ModRestrictions::decode(&ENGINE[2..]).unwrap();
        assert_eq!(engine, ModRestrictions { flags: 0x3e, range: 0 });
        assert_eq!(engine.encode(), ENGINE[..]);
        assert!(ModRestrictions::decode(&ENGINE[2..13]).is_err());
    }

    #[test]
    fn what_either_forbids_stays_forbidden() {
        let it = |flags, range| ModRestrictions { flags, range };
        let none = it(0, 0);
        for (a, b, both) in [
            (it(0x3e, 0), it(1, 0), it(0x3f, 0)),
            (it(2, 0), it(32, 9), it(34, 0)),
            // Only who limits the range has a say in it.
            (it(16, 8), none, it(16, 8)),
            (it(16, 0), none, it(16, 0)),
            (none, it(16, 5), it(16, 5)),
            (it(2, 3), it(16, 5), it(18, 5)),
            (it(16, 8), it(16, 5), it(16, 5)),
            (it(16, 8), it(16, 0), it(16, 0)),
            // What a later engine may add.
            (it(1 << 40, 0), it(4, 0), it(1 << 40 | 4, 0)),
        ] {
            assert_eq!(a.and(b), both, "{a:?} {b:?}");
            let (one, other) = (a.and(b).flags, b.and(a).flags);
            assert_eq!(one, other);
        }
        assert_eq!(
            it(0x3e, 0).and(it(1, 0)).encode(),
            [0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 0x3f, 0, 0, 0, 0][..]
        );
    }
}
