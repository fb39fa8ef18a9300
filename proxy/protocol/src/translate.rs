//! Messages of a backend in the names and ids of a client.
//!
//! A message is edited where a name or id is to be another one; every other byte is kept, unknown
//! fields at its end included. Whether anything of its kind is to be another one at all is looked
//! at first, so where a backend's names and ids are the client's own nothing is read.

mod hud;
mod sky;
mod text;

use bytes::Bytes;

use crate::client_state::{moon_default, sun_default};
use crate::editor::Editor;
use crate::map::{BlockCache, remap_add_node};
use crate::particle::{self, Change, Field};
use crate::play::HudType;
use crate::translation::Translation;
use crate::version::ProtocolVersion;
use crate::wire::Result;
use crate::{split_command, to_client};

/// Bytes of the command.
const COMMAND: usize = 2;

/// What the messages of one backend to one client are translated with.
///
/// ```
/// use mesegate_protocol::map::{BlockCache, IdMap};
/// use mesegate_protocol::translate::Translator;
/// use mesegate_protocol::{NameMap, ProtocolVersion, Translation};
///
/// let sounds = [("dig".into(), "mine_dig".into())];
/// let names = NameMap::new([], sounds, [], None);
/// let translation = Translation::new(IdMap::identity(), names);
/// let blocks = BlockCache::new(1 << 20);
/// let version = ProtocolVersion(53);
/// let translator = Translator { translation: &translation, version, blocks: &blocks };
/// let sound = b"\0\x3f\0\0\0\x01\0\x03dig...";
/// let new = translator.to_client(sound, &|_| None)?;
/// assert_eq!(new.as_deref(), Some(&b"\0\x3f\0\0\0\x01\0\x08mine_dig..."[..]));
/// # Ok::<(), mesegate_protocol::wire::WireError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Translator<'a> {
    /// The backend's ids and names.
    pub translation: &'a Translation,
    /// Version of the client and its backend.
    pub version: ProtocolVersion,
    /// Where translated map blocks are kept.
    pub blocks: &'a BlockCache,
}

impl Translator<'_> {
    /// Translates any message of the backend but ACTIVE_OBJECT_REMOVE_ADD and
    /// ACTIVE_OBJECT_MESSAGES, which are those of an [`ObjectMap`](crate::objects::ObjectMap), as
    /// are object ids in other messages. `hud_type` knows the types of the HUD elements that the
    /// client has. `None`: forward the same bytes.
    ///
    /// # Errors
    /// The message cannot be read as far as there is something to translate, or it unpacks to more
    /// than is allowed. It should then not be passed on.
    pub fn to_client(
        &self,
        message: &[u8],
        hud_type: &dyn Fn(u32) -> Option<HudType>,
    ) -> Result<Option<Bytes>> {
        use to_client as c;
        let Some((command, _)) = split_command(message) else { return Ok(None) };
        if !self.concerns(command) {
            return Ok(None);
        }
        let t = self.translation;
        match command {
            c::BLOCKDATA => {
                let format = self.version.serialization_version();
                return self.blocks.translate(message, t, format);
            }
            c::ADDNODE => return remap_add_node(message, t.ids()),
            c::SPAWN_PARTICLE => {
                return particle::rewrite_particle(message, &mut |field| self.particle(field));
            }
            c::SPAWN_PARTICLE_BATCH => {
                return particle::rewrite_batch(message, &mut |field| self.particle(field));
            }
            c::ADD_PARTICLESPAWNER => {
                let change = &mut |field: Field<'_>| self.particle(field);
                return particle::rewrite_spawner(message, self.version, change);
            }
            _ => {}
        }
        let mut edit = Editor::new(message);
        edit.skip(COMMAND, "command")?;
        let names = t.names();
        match command {
            c::NODEMETA_CHANGED => text::node_metadata(&mut edit, names)?,
            c::INVENTORY => text::inventory(&mut edit, names, self.version)?,
            c::DETACHED_INVENTORY => text::detached_inventory(&mut edit, names)?,
            c::SHOW_FORMSPEC | c::INVENTORY_FORMSPEC => text::form(&mut edit, names)?,
            c::FORMSPEC_PREPEND => text::prepend(&mut edit, names)?,
            c::PLAY_SOUND => {
                edit.skip(4, "sound id")?;
                edit.str16(|name| names.sound(name).map(|new| new.to_vec()))?;
            }
            c::HUDADD => hud::add(&mut edit, names)?,
            c::HUDCHANGE => hud::change(&mut edit, names, hud_type)?,
            c::HUD_SET_PARAM => hud::set_param(&mut edit, names)?,
            c::SET_SKY => sky::sky(&mut edit, names, self.version)?,
            c::SET_SUN => sky::body(&mut edit, names, 3)?,
            c::SET_MOON => sky::body(&mut edit, names, 2)?,
            c::MINIMAP_MODES => sky::minimap_modes(&mut edit, names)?,
            _ => {}
        }
        Ok(edit.finish().map(Bytes::from))
    }

    /// Messages, with their channels, to send to a client that enters the backend: a server that
    /// is content with the client's own sun and moon sends nothing, and the client knows the files
    /// that this server has for them by other names.
    pub fn entering(&self) -> Vec<(u8, Bytes)> {
        if !self.version.sky_objects() {
            return Vec::new();
        }
        let changed =
            |message: Bytes| self.to_client(&message, &|_| None).ok().flatten().map(|new| (0, new));
        [sun_default(), moon_default()].into_iter().filter_map(changed).collect()
    }

    /// False if no message of this kind changes.
    fn concerns(&self, command: u16) -> bool {
        use to_client as c;
        let t = self.translation;
        match command {
            // Blocks are asked about by their cache.
            c::BLOCKDATA => true,
            c::ADDNODE => !t.ids().is_identity(),
            c::SPAWN_PARTICLE | c::SPAWN_PARTICLE_BATCH | c::ADD_PARTICLESPAWNER => {
                t.renames_media() || !t.ids().is_identity()
            }
            c::PLAY_SOUND => t.renames_sounds(),
            c::INVENTORY => t.renames_items() || t.renames_media() || t.names().hand().is_some(),
            c::DETACHED_INVENTORY => t.renames_items() || t.renames_media(),
            c::NODEMETA_CHANGED
            | c::SHOW_FORMSPEC
            | c::INVENTORY_FORMSPEC
            | c::FORMSPEC_PREPEND => t.renames(),
            c::HUDADD
            | c::HUDCHANGE
            | c::HUD_SET_PARAM
            | c::SET_SKY
            | c::SET_SUN
            | c::SET_MOON
            | c::MINIMAP_MODES => t.renames_media(),
            _ => false,
        }
    }

    fn particle(&self, field: Field<'_>) -> Change {
        match field {
            Field::Texture(text) => {
                self.translation.names().texture(text).map_or(Change::None, Change::Texture)
            }
            Field::Content(id) => Change::Id(self.translation.content(id)),
            Field::Object(_) => Change::None,
        }
    }
}
