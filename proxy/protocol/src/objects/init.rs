//! Initialisation data of an object (`server/player_sao.cpp`, `server/luaentity_sao.cpp`,
//! `content_cao.cpp` processInitData).

use super::mapping::Mapping;
use super::message;
use crate::editor::Editor;
use crate::wire::{Reader, Result, STR32_MAX};

/// The only layout version there is.
const VERSION: u8 = 1;

/// Bytes from the id to the messages: position, rotation, health, number of messages.
const BETWEEN: usize = 12 + 12 + 2 + 1;

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
    /// Where the id lies in the data.
    id_offset: usize,
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
        r.take(BETWEEN - 1, "object position")?;
        let count = r.u8()?;
        let mut messages = Vec::with_capacity(count.into());
        for _ in 0..count {
            messages.push(r.str32()?);
        }
        Ok(Some(Self { name, is_player, id, messages, id_offset }))
    }

    /// True if a client that logged in as `name` takes the object for its own player: the names
    /// are compared byte by byte.
    pub fn is_own(&self, name: &[u8]) -> bool {
        self.is_player && self.name == name
    }

    /// The data this was read from with other ids and names; `None` if nothing changes.
    pub(super) fn rewrite(&self, data: &[u8], mapping: &Mapping<'_>) -> Option<Vec<u8>> {
        self.rewrite_messages(data, mapping, |message| {
            message::rewrite(message, mapping, STR32_MAX)
        })
    }

    /// As [`rewrite`](Self::rewrite), for a child inside a message; `depth` is how many more
    /// children may be inside each other.
    pub(super) fn rewrite_nested(
        &self,
        data: &[u8],
        mapping: &Mapping<'_>,
        depth: u8,
    ) -> Option<Vec<u8>> {
        self.rewrite_messages(data, mapping, |message| {
            message::rewrite_nested(message, mapping, STR32_MAX, depth)
        })
    }

    fn rewrite_messages(
        &self,
        data: &[u8],
        mapping: &Mapping<'_>,
        rewrite: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let mut edit = Editor::new(data);
        let mut walk = || {
            edit.skip(self.id_offset, "object name")?;
            edit.u16(|id| mapping.object(id))?;
            edit.skip(BETWEEN, "object position")?;
            for _ in &self.messages {
                edit.str32(&rewrite)?;
            }
            Ok(())
        };
        // What was read once can be read again.
        let walked: Result<()> = walk();
        walked.ok().and_then(|()| edit.finish())
    }
}
