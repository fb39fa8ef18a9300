//! Places in a message that hold an id. Ids have a fixed size, so a message is rewritten by
//! overwriting them, and everything around them stays as it was sent.

use bytes::Bytes;

/// What kind of id is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An object; 0 is "none".
    Object,
    /// A node's content id.
    Content,
}

/// A `u16` id at a byte offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) offset: usize,
    pub(super) kind: Kind,
}

impl Site {
    pub(super) fn object(offset: usize) -> Self {
        Self { offset, kind: Kind::Object }
    }

    pub(super) fn content(offset: usize) -> Self {
        Self { offset, kind: Kind::Content }
    }

    fn read(self, bytes: &[u8]) -> u16 {
        u16::from_be_bytes([bytes[self.offset], bytes[self.offset + 1]])
    }
}

/// Overwrites the ids in place. The sites come from a walk over the same bytes.
pub(super) fn patch(bytes: &mut [u8], sites: &[Site], map: impl Fn(Kind, u16) -> u16) {
    for site in sites {
        let new = map(site.kind, site.read(bytes));
        bytes[site.offset..site.offset + 2].copy_from_slice(&new.to_be_bytes());
    }
}

/// The message with its ids mapped, or `None` if none changes.
pub(super) fn rewrite(
    message: &[u8],
    sites: &[Site],
    map: impl Fn(Kind, u16) -> u16,
) -> Option<Bytes> {
    let same = sites.iter().all(|site| {
        let id = site.read(message);
        map(site.kind, id) == id
    });
    if same {
        return None;
    }
    let mut out = message.to_vec();
    patch(&mut out, sites, map);
    Some(out.into())
}
