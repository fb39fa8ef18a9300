//! Single object messages: `u8` command and its fields (`activeobject.h`,
//! `content_cao.cpp` processMessage).

use super::init::Init;
use super::mapping::Mapping;
use super::properties;
use crate::editor::Editor;
use crate::wire::{Reader, Result};

/// Object properties.
pub(super) const SET_PROPERTIES: u8 = 0;
/// What is appended to every texture of the object.
pub(super) const SET_TEXTURE_MOD: u8 = 2;
/// Animation of the model; since 5.17 of one of its tracks.
pub(super) const SET_ANIMATION: u8 = 6;
/// Position, rotation and scale of one bone.
pub const SET_BONE_POSITION: u8 = 7;
/// Parent object, 0 to detach.
pub const ATTACH_TO: u8 = 8;
/// Movement factors of a player.
pub const SET_PHYSICS_OVERRIDE: u8 = 9;
/// An attached child.
pub(super) const SPAWN_INFANT: u8 = 11;
/// Speed of an animation.
pub(super) const SET_ANIMATION_SPEED: u8 = 12;
/// Ends an animation track; from 5.17 on, to protocol 52 and later.
pub const STOP_ANIMATION: u8 = 13;

/// Longest message that ACTIVE_OBJECT_MESSAGES holds, in bytes.
pub(super) const FRAMED_MAX: usize = u16::MAX as usize;

/// Children of children whose data are looked into. Engines nest them as objects are attached to
/// each other; nothing sensible is attached this deep.
const INFANTS: u8 = 8;

/// A message with other ids and names; `None` if nothing changes. Textures are left out if it
/// would be over `limit` bytes with them. A message that ends inside a field stays as it is: the
/// client drops it by itself.
pub(super) fn rewrite(message: &[u8], mapping: &Mapping<'_>, limit: usize) -> Option<Vec<u8>> {
    rewrite_nested(message, mapping, limit, INFANTS)
}

/// As [`rewrite`]; `depth` is how many children may be inside each other.
pub(super) fn rewrite_nested(
    message: &[u8],
    mapping: &Mapping<'_>,
    limit: usize,
    depth: u8,
) -> Option<Vec<u8>> {
    let mut edit = Editor::new(message);
    let result = match edit.read().u8().ok()? {
        SET_PROPERTIES => return properties::rewrite(message, mapping, limit).ok().flatten(),
        SET_TEXTURE_MOD => edit.str16(|text| mapping.texture(text)),
        ATTACH_TO => edit.u16(|id| mapping.object(id)),
        SPAWN_INFANT => infant(&mut edit, mapping, depth),
        _ => Ok(()),
    };
    result.ok().and_then(|()| edit.finish()).filter(|new| new.len() <= limit)
}

/// A child's id and type. To clients of protocol 37, its initialisation data follow
/// (`server/serveractiveobject.cpp` generateUpdateInfantCommand).
fn infant(edit: &mut Editor<'_>, mapping: &Mapping<'_>, depth: u8) -> Result<()> {
    edit.u16(|id| mapping.object(id))?;
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    if edit.read().take(1, "child's type").is_err() || edit.is_empty() {
        return Ok(());
    }
    edit.str32(|data| Init::decode(data).ok().flatten()?.rewrite_nested(data, mapping, depth))
}

/// What a message sets on an object that a later backend's first messages do not overwrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnState<'a> {
    /// An override of the bone with this name.
    Bone(&'a [u8]),
    /// An animation track plays; the bytes are the track as it is written on the wire.
    Track(&'a [u8]),
    /// An animation track was stopped.
    TrackStopped(&'a [u8]),
}

/// The lasting state a message sets, if any. Messages that cannot be read set nothing, as in the
/// client, which drops them.
pub fn own_state(message: &[u8]) -> Option<OwnState<'_>> {
    let (command, body) = message.split_first()?;
    let mut r = Reader::new(body);
    match *command {
        SET_ANIMATION => {
            r.take(8 + 4 + 4 + 1, "animation").ok()?;
            track(&mut r).map(OwnState::Track)
        }
        SET_BONE_POSITION => r.str16().ok().map(OwnState::Bone),
        SET_ANIMATION_SPEED => {
            r.f32().ok()?;
            track(&mut r).map(OwnState::Track)
        }
        STOP_ANIMATION => track(&mut r).map(OwnState::TrackStopped),
        _ => None,
    }
}

/// The raw bytes of a track: number + 1, or 0 and a name.
fn track<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    let raw = r.remaining();
    let start = r.position();
    if r.u16().ok()? == 0 {
        r.str16().ok()?;
    }
    raw.get(..r.position() - start)
}
