//! The swap of two object ids, applied to every message that names objects.

use std::borrow::Cow;

use bytes::Bytes;

use super::mapping::Mapping;
use super::message;
use super::packet::{Addition, Packet, encode_messages};
use crate::editor::Editor;
use crate::translation::Translation;
use crate::version::ProtocolVersion;
use crate::wire::{Result, WireError, Writer};
use crate::{particle, split_command, to_client};

/// Bytes of the command, which offsets in a body do not count.
const COMMAND: usize = 2;

/// Which id the player's own object has on the client and on the current backend. All other ids
/// are the same on both sides, except that the backend's object with the client's id takes the
/// place that became free. The swap is its own inverse, so it serves both directions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectMap {
    local: Option<u16>,
    backend: Option<u16>,
}

/// How the own object occurred in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnObject {
    /// The client creates it now; only the first backend of a visit gets to do this.
    Created,
    /// A later backend's: the client keeps its object and gets the new state as messages.
    Updated,
}

/// What an ACTIVE_OBJECT_REMOVE_ADD of the backend means to the client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoveAdd {
    /// What to send instead, in this order, on the channel the message came on.
    pub messages: Vec<Bytes>,
    /// Ids the client is told to remove, after mapping.
    pub removed: Vec<u16>,
    /// Ids the client is told to add, after mapping, without its own object.
    pub added: Vec<u16>,
    /// The message brought the player's own object.
    pub own: Option<OwnObject>,
}

impl ObjectMap {
    /// Nothing known yet: the start of a visit.
    pub fn new() -> Self {
        Self::default()
    }

    /// A map with known ids.
    pub fn with_ids(local: u16, backend: Option<u16>) -> Self {
        Self { local: Some(local), backend }
    }

    /// The own object's id on the client, once it has one.
    pub fn local(&self) -> Option<u16> {
        self.local
    }

    /// The own object's id on the current backend, once that has told it.
    pub fn backend(&self) -> Option<u16> {
        self.backend
    }

    /// The messages from now on are another backend's, or the same one's after a new login.
    pub fn enter_backend(&mut self) {
        self.backend = None;
    }

    /// True while no id changes.
    pub fn is_identity(&self) -> bool {
        self.backend.is_none() || self.backend == self.local
    }

    /// Maps one object id, in either direction. 0 is "no object".
    pub fn swap(&self, id: u16) -> u16 {
        match (self.local, self.backend) {
            _ if id == 0 => 0,
            (Some(local), Some(backend)) if id == backend => local,
            (Some(local), Some(backend)) if id == local => backend,
            _ => id,
        }
    }

    fn mapping<'a>(&'a self, translation: &'a Translation) -> Mapping<'a> {
        Mapping { objects: self, translation }
    }

    /// Maps an ACTIVE_OBJECT_REMOVE_ADD of the backend, and learns the own object's id from it.
    /// `login_name` is the player's name as the client sent it.
    ///
    /// Before the client has its own object, a message that does not bring it results in nothing:
    /// it would abort the client. Engine servers send none.
    ///
    /// # Errors
    /// The message cannot be read; nothing was learned.
    pub fn remove_add(
        &mut self,
        message: &Bytes,
        login_name: &[u8],
        translation: &Translation,
    ) -> Result<RemoveAdd> {
        let packet = Packet::decode(body_of(message)?)?;
        let own = packet.added.iter().find(|added| added.is_own(login_name));
        // The client registers the object under the inner id but looks it up by the outer one.
        let torn = |added: &&Addition<'_>| added.init.as_ref().is_some_and(|i| i.id != added.id);
        if packet.added.iter().find(torn).is_some() || own.is_some_and(|own| own.id == 0) {
            return Err(WireError::Invalid { what: "object id", offset: COMMAND });
        }

        let mut result = RemoveAdd::default();
        let mut stale = None;
        if let Some(own) = own {
            result.own = Some(OwnObject::Updated);
            if self.local.is_none() {
                self.local = Some(own.id);
                result.own = Some(OwnObject::Created);
            } else {
                // The own object under a new id on the same backend: what the client holds under
                // the old one was the other half of the swap, and is reachable no more.
                stale = self.backend.filter(|old| *old != own.id && Some(*old) != self.local);
            }
            self.backend = Some(own.id);
        }
        let Some(local) = self.local else {
            return Ok(RemoveAdd::default());
        };

        let created = result.own == Some(OwnObject::Created);
        let keep = |added: &&Addition<'_>| {
            if added.is_own(login_name) {
                created && own.is_some_and(|own| std::ptr::eq(own, *added))
            } else {
                // Without the backend's own id known, its object with the client's id has no
                // place to go.
                self.swap(added.id) != local
            }
        };
        let kept: Vec<_> = packet.added.iter().filter(keep).collect();
        result.removed = stale.into_iter().collect();
        result.removed.extend(packet.removed.iter().map(|id| self.swap(*id)));
        result.removed.retain(|id| *id != local);
        result.added = kept.iter().map(|added| self.swap(added.id)).collect();
        result.added.retain(|id| *id != local);

        let whole = kept.len() == packet.added.len() && result.removed == packet.removed;
        let mapping = self.mapping(translation);
        if whole && mapping.is_identity() {
            result.messages.push(message.clone());
        } else {
            if !kept.is_empty() || !result.removed.is_empty() || created {
                result.messages.push(encode(&result.removed, &kept, &mapping));
            }
            if let Some(own) = own.filter(|_| !created) {
                result.messages.extend(own_messages(local, own, &mapping));
            }
        }
        Ok(result)
    }

    /// Maps an ACTIVE_OBJECT_MESSAGES. `None`: forward the same bytes.
    ///
    /// # Errors
    /// The message cannot be read to its end.
    pub fn messages(&self, message: &[u8], translation: &Translation) -> Result<Option<Bytes>> {
        let mapping = self.mapping(translation);
        if mapping.is_identity() {
            return Ok(None);
        }
        let mut edit = Editor::new(message);
        edit.skip(COMMAND, "command")?;
        while !edit.is_empty() {
            edit.u16(|id| self.swap(id))?;
            edit.str16(|data| message::rewrite(data, &mapping, message::FRAMED_MAX))?;
        }
        Ok(edit.finish().map(Bytes::from))
    }

    /// Maps the object of a PLAY_SOUND. `None`: forward the same bytes.
    ///
    /// # Errors
    /// The message ends before the object.
    pub fn play_sound(&self, message: &[u8]) -> Result<Option<Bytes>> {
        if self.is_identity() {
            return Ok(None);
        }
        let mut edit = Editor::new(message);
        edit.skip(COMMAND + 4, "sound id")?;
        edit.read().str16()?;
        edit.skip(4 + 1 + 12, "sound position")?;
        edit.u16(|id| self.swap(id))?;
        Ok(edit.finish().map(Bytes::from))
    }

    /// Maps the objects of an ADD_PARTICLESPAWNER. `None`: forward the same bytes.
    ///
    /// # Errors
    /// The message ends inside a field.
    pub fn particle_spawner(
        &self,
        message: &[u8],
        version: ProtocolVersion,
    ) -> Result<Option<Bytes>> {
        if self.is_identity() {
            return Ok(None);
        }
        particle::rewrite_spawner(message, version, &mut |field| match field {
            particle::Field::Object(id) => particle::Change::Id(self.swap(id)),
            _ => particle::Change::None,
        })
    }

    /// Maps the pointed object of an INTERACT of the client. `None`: forward the same bytes.
    ///
    /// # Errors
    /// The message ends inside a field.
    pub fn interact(&self, message: &[u8]) -> Result<Option<Bytes>> {
        /// `util/pointedthing.cpp`, `POINTEDTHING_OBJECT`.
        const OBJECT: u8 = 2;
        if self.is_identity() {
            return Ok(None);
        }
        let mut edit = Editor::new(message);
        edit.skip(COMMAND + 1 + 2, "interaction")?;
        let length = edit.read().u32()?;
        let head = edit.read().take(2, "pointed thing")?;
        if head != [0, OBJECT] || length < 4 {
            return Ok(None);
        }
        edit.u16(|id| self.swap(id))?;
        Ok(edit.finish().map(Bytes::from))
    }
}

fn encode(removed: &[u16], added: &[&Addition<'_>], mapping: &Mapping<'_>) -> Bytes {
    let mut w = Writer::command(to_client::ACTIVE_OBJECT_REMOVE_ADD);
    w.u16(removed.len() as u16);
    for id in removed {
        w.u16(*id);
    }
    w.u16(added.len() as u16);
    for added in added {
        let new = added.init.as_ref().and_then(|init| init.rewrite(added.data, mapping));
        let data = new.as_deref().unwrap_or(added.data);
        w.u16(mapping.object(added.id)).u8(added.kind).str32(data);
    }
    w.finish()
}

/// The first messages to the own object, as messages to the object the client has.
fn own_messages(local: u16, own: &Addition<'_>, mapping: &Mapping<'_>) -> Option<Bytes> {
    let messages = own.init.as_ref().map_or(&[][..], |init| &init.messages);
    let mapped: Vec<Cow<'_, [u8]>> = messages
        .iter()
        .map(|data| match message::rewrite(data, mapping, message::FRAMED_MAX) {
            Some(new) => new.into(),
            None => (*data).into(),
        })
        .collect();
    encode_messages(local, mapped.iter().map(|data| &data[..]))
}

fn body_of(message: &[u8]) -> Result<&[u8]> {
    match split_command(message) {
        Some((_, body)) => Ok(body),
        None => Err(WireError::Short { what: "command", offset: 0 }),
    }
}

#[cfg(test)]
mod tests;
