//! The swap of two object ids, applied to every message that names objects.

use bytes::Bytes;

use super::packet::{Addition, Packet, decode_messages, encode_messages};
use super::site::{self, Kind, Site};
use super::{message, particle};
use crate::map::IdMap;
use crate::version::ProtocolVersion;
use crate::wire::{Reader, Result, WireError, Writer};
use crate::{split_command, to_client};

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

    fn apply(&self, ids: &IdMap, kind: Kind, id: u16) -> u16 {
        match kind {
            Kind::Object => self.swap(id),
            Kind::Content => map_content(ids, id),
        }
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
        ids: &IdMap,
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
        if whole && self.is_identity() && ids.is_identity() {
            result.messages.push(message.clone());
        } else {
            if !kept.is_empty() || !result.removed.is_empty() || created {
                result.messages.push(self.encode(&result.removed, &kept, ids));
            }
            if let Some(own) = own.filter(|_| !created) {
                result.messages.extend(self.own_messages(local, own, ids));
            }
        }
        Ok(result)
    }

    fn encode(&self, removed: &[u16], added: &[&Addition<'_>], ids: &IdMap) -> Bytes {
        let mut w = Writer::command(to_client::ACTIVE_OBJECT_REMOVE_ADD);
        w.u16(removed.len() as u16);
        for id in removed {
            w.u16(*id);
        }
        w.u16(added.len() as u16);
        let mut sites = Vec::new();
        for added in added {
            sites.push(Site::object(w.len()));
            w.u16(added.id).u8(added.kind).u32(added.data.len() as u32);
            if let Some(init) = &added.init {
                init.sites(w.len(), &mut sites);
            }
            w.raw(added.data);
        }
        let mut out = w.into_vec();
        site::patch(&mut out, &sites, |kind, id| self.apply(ids, kind, id));
        out.into()
    }

    /// The first messages to the own object, as messages to the object the client has.
    fn own_messages(&self, local: u16, own: &Addition<'_>, ids: &IdMap) -> Option<Bytes> {
        let messages = own.init.as_ref().map_or(&[][..], |init| &init.messages);
        let mut mapped = Vec::with_capacity(messages.len());
        for data in messages {
            let mut sites = Vec::new();
            message::sites(data, 0, &mut sites);
            let mut data = data.to_vec();
            site::patch(&mut data, &sites, |kind, id| self.apply(ids, kind, id));
            mapped.push(data);
        }
        encode_messages(local, mapped.iter().map(Vec::as_slice))
    }

    /// Maps an ACTIVE_OBJECT_MESSAGES. `None`: forward the same bytes.
    ///
    /// # Errors
    /// The message cannot be read to its end.
    pub fn messages(&self, message: &[u8], ids: &IdMap) -> Result<Option<Bytes>> {
        if self.is_identity() && ids.is_identity() {
            return Ok(None);
        }
        let mut sites = Vec::new();
        for part in decode_messages(body_of(message)?) {
            let part = part?;
            sites.push(Site::object(COMMAND + part.offset));
            message::sites(part.data, COMMAND + part.offset + 4, &mut sites);
        }
        Ok(site::rewrite(message, &sites, |kind, id| self.apply(ids, kind, id)))
    }

    /// Maps the object of a PLAY_SOUND. `None`: forward the same bytes.
    ///
    /// # Errors
    /// The message ends before the object.
    pub fn play_sound(&self, message: &[u8]) -> Result<Option<Bytes>> {
        if self.is_identity() {
            return Ok(None);
        }
        let mut r = Reader::new(message);
        r.take(COMMAND + 4, "sound id")?;
        r.str16()?;
        r.take(4 + 1 + 12, "sound position")?;
        let site = Site::object(r.position());
        r.u16()?;
        Ok(site::rewrite(message, &[site], |_, id| self.swap(id)))
    }

    /// Maps the objects and the node of an ADD_PARTICLESPAWNER. `None`: forward the same bytes.
    ///
    /// # Errors
    /// The message ends inside a field.
    pub fn particle_spawner(
        &self,
        message: &[u8],
        ids: &IdMap,
        version: ProtocolVersion,
    ) -> Result<Option<Bytes>> {
        if self.is_identity() && ids.is_identity() {
            return Ok(None);
        }
        let sites = particle::spawner_sites(message, version)?;
        Ok(site::rewrite(message, &sites, |kind, id| self.apply(ids, kind, id)))
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
        let mut r = Reader::new(message);
        r.take(COMMAND + 1 + 2, "interaction")?;
        let pointed = r.str32()?;
        let start = r.position() - pointed.len();
        let mut r = Reader::new(pointed);
        if (r.u8()?, r.u8()?) != (0, OBJECT) {
            return Ok(None);
        }
        let site = Site::object(start + r.position());
        r.u16()?;
        Ok(site::rewrite(message, &[site], |_, id| self.swap(id)))
    }
}

/// A content id; the identity map leaves even ids alone that it does not know.
pub(super) fn map_content(ids: &IdMap, id: u16) -> u16 {
    if ids.is_identity() { id } else { ids.get(id) }
}

fn body_of(message: &[u8]) -> Result<&[u8]> {
    match split_command(message) {
        Some((_, body)) => Ok(body),
        None => Err(WireError::Short { what: "command", offset: 0 }),
    }
}

#[cfg(test)]
mod tests;
