//! The two envelopes: ACTIVE_OBJECT_REMOVE_ADD and ACTIVE_OBJECT_MESSAGES.

use bytes::Bytes;

use super::init::Init;
use crate::to_client;
use crate::wire::{Reader, Result, Writer};

/// One object that is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition<'a> {
    /// The backend's id.
    pub id: u16,
    /// Object type; 101 is the only one engines use.
    pub kind: u8,
    /// The raw initialisation data.
    pub data: &'a [u8],
    /// The data taken apart, if its version is known.
    pub init: Option<Init<'a>>,
}

impl Addition<'_> {
    /// True if the client takes this for its own player.
    pub fn is_own(&self, name: &[u8]) -> bool {
        self.init.as_ref().is_some_and(|init| init.is_own(name))
    }
}

/// A whole ACTIVE_OBJECT_REMOVE_ADD. Clients do the removals first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Removed ids.
    pub removed: Vec<u16>,
    /// Added objects.
    pub added: Vec<Addition<'a>>,
}

impl<'a> Packet<'a> {
    /// Reads the body (after the command).
    ///
    /// # Errors
    /// The body ends inside a field.
    pub fn decode(body: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let removed = (0..r.u16()?).map(|_| r.u16()).collect::<Result<_>>()?;
        let mut added = Vec::new();
        for _ in 0..r.u16()? {
            let (id, kind, data) = (r.u16()?, r.u8()?, r.str32()?);
            let init = Init::decode(data)?;
            added.push(Addition { id, kind, data, init });
        }
        Ok(Self { removed, added })
    }

    /// A whole message that removes `ids` and adds nothing.
    pub fn removal(ids: impl ExactSizeIterator<Item = u16>) -> Bytes {
        let mut w = Writer::command(to_client::ACTIVE_OBJECT_REMOVE_ADD);
        let count = ids.len().min(u16::MAX.into());
        w.u16(count as u16);
        for id in ids.take(count) {
            w.u16(id);
        }
        w.u16(0);
        w.finish()
    }
}

/// One message to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Receiving object.
    pub id: u16,
    /// `u8` command and fields.
    pub data: &'a [u8],
    /// Offset of the id in the body.
    pub(super) offset: usize,
}

/// The messages in the body of an ACTIVE_OBJECT_MESSAGES, up to its end.
pub fn decode_messages(body: &[u8]) -> impl Iterator<Item = Result<Message<'_>>> {
    let mut r = Reader::new(body);
    std::iter::from_fn(move || {
        if r.is_empty() {
            return None;
        }
        let mut next = || {
            let offset = r.position();
            Ok(Message { id: r.u16()?, data: r.str16()?, offset })
        };
        let result = next();
        if result.is_err() {
            r.rest();
        }
        Some(result)
    })
}

/// A whole ACTIVE_OBJECT_MESSAGES for one object. Messages over 65 535 bytes do not fit the
/// length they have here and are left out. `None` if nothing is left.
pub fn encode_messages<'a>(id: u16, messages: impl IntoIterator<Item = &'a [u8]>) -> Option<Bytes> {
    let mut w = Writer::command(to_client::ACTIVE_OBJECT_MESSAGES);
    let empty = w.len();
    for message in messages {
        if u16::try_from(message.len()).is_ok() {
            w.u16(id).str16(message);
        }
    }
    (w.len() > empty).then(|| w.finish())
}
