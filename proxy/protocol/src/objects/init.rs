//! Initialisation data of an object (`server/player_sao.cpp`, `server/luaentity_sao.cpp`,
//! `content_cao.cpp` processInitData).

use std::ops::Range;

use super::message;
use super::site::Site;
use crate::wire::{Reader, Result};

/// The only layout version there is.
const VERSION: u8 = 1;

/// What the proxy reads of an object's initialisation data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init<'a> {
    /// Entity name, or player name.
    pub name: &'a [u8],
    /// The object is a player.
    pub is_player: bool,
    /// The id under which the client registers the object.
    pub id: u16,
    /// The first messages to the object.
    pub messages: Vec<&'a [u8]>,
    id_offset: usize,
    ranges: Vec<Range<usize>>,
}

impl<'a> Init<'a> {
    /// Reads initialisation data; `None` if its version is unknown, which clients refuse.
    ///
    /// # Errors
    /// The data ends inside a field.
    pub fn decode(data: &'a [u8]) -> Result<Option<Self>> {
        let mut r = Reader::new(data);
        if r.u8()? != VERSION {
            return Ok(None);
        }
        let name = r.str16()?;
        let is_player = r.bool()?;
        let id_offset = r.position();
        let id = r.u16()?;
        r.take(12 + 12 + 2, "object position")?;
        let count = r.u8()?;
        let mut messages = Vec::with_capacity(count.into());
        let mut ranges = Vec::with_capacity(count.into());
        for _ in 0..count {
            let message = r.str32()?;
            ranges.push(r.position() - message.len()..r.position());
            messages.push(message);
        }
        Ok(Some(Self { name, is_player, id, messages, id_offset, ranges }))
    }

    /// True if a client that logged in as `name` takes the object for its own player: the names
    /// are compared byte by byte.
    pub fn is_own(&self, name: &[u8]) -> bool {
        self.is_player && self.name == name
    }

    /// Adds the places of ids; the data starts at `base` in the whole message.
    pub(super) fn sites(&self, base: usize, out: &mut Vec<Site>) {
        out.push(Site::object(base + self.id_offset));
        for (message, range) in self.messages.iter().zip(&self.ranges) {
            message::sites(message, base + range.start, out);
        }
    }
}
