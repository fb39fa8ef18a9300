//! What a client holds, as its own messages tell, and where it would have stopped working.
//!
//! The view is read from bytes independently of the proxy's own bookkeeping, so that tests can
//! compare the two. Conditions under which an engine client aborts, crashes or leaves are kept as
//! [`View::violations`].

mod blocks;
mod objects;
mod ui;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use mesegate_protocol::wire::{Reader, WireError};
use mesegate_protocol::{ProtocolVersion, split_command, to_client};

/// Violations kept; further ones are only counted.
const VIOLATIONS: usize = 100;

/// An active object.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectView {
    /// Entity or player name.
    pub name: String,
    /// Whether it is a player's.
    pub is_player: bool,
    /// Last position in nodes.
    pub position: [f32; 3],
    /// Number of messages it got, its initial ones included.
    pub messages: u64,
}

/// A HUD element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HudView {
    /// Element type: 0 image, 1 text, …
    pub kind: u8,
    /// Its main text or texture.
    pub text: String,
}

/// A map block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockView {
    /// Content id of its first node.
    pub first: u16,
    /// Highest content id in it.
    pub highest: u16,
    /// Every node is 127: the block was "forgotten".
    pub ignored: bool,
    /// How often it was sent.
    pub sent: u32,
}

/// Everything a client was told and still holds.
#[derive(Debug, Clone, Default)]
pub struct View {
    version: u16,
    login_name: String,
    ready: bool,
    check_blocks: bool,
    known_ids: BTreeSet<u16>,
    /// Id of the client's own object, once it was added.
    pub own_object: Option<u16>,
    /// Objects by id, the own one included.
    pub objects: BTreeMap<u16, ObjectView>,
    /// HUD elements by id.
    pub huds: BTreeMap<u32, HudView>,
    /// Map blocks by position.
    pub blocks: BTreeMap<[i16; 3], BlockView>,
    /// Nodes changed one by one, by position.
    pub nodes: BTreeMap<[i16; 3], u16>,
    /// Sounds that were started with an id and not stopped, with their names.
    pub sounds: BTreeMap<i32, String>,
    /// Particle spawners.
    pub spawners: BTreeSet<u32>,
    /// Detached inventories with their text.
    pub detached: BTreeMap<String, String>,
    /// Names in the player list.
    pub players: BTreeSet<String>,
    /// Privileges.
    pub privileges: BTreeSet<String>,
    /// The last body of every message that replaces a whole state: sky, sun, moon, stars, clouds,
    /// lighting, day/night ratio, field of view, eye offset, animations, camera, minimap modes,
    /// HUD flags, prepend, inventory form, movement constants, restriction flags.
    pub states: BTreeMap<u16, Bytes>,
    /// HUD parameters by number: 1 hotbar size, 2 and 3 its images.
    pub hud_params: BTreeMap<u16, Bytes>,
    /// The form that is open: its name and text.
    pub formspec: Option<(String, String)>,
    /// Inventory text as it came last.
    pub inventory: String,
    /// Position of the last MOVE_PLAYER, in nodes.
    pub position: [f32; 3],
    /// Number of MOVE_PLAYER messages.
    pub moves: u64,
    /// Health.
    pub hp: Option<u16>,
    /// Breath.
    pub breath: Option<u16>,
    /// Time of day.
    pub time: Option<u16>,
    /// Mod channels the server let the client join.
    pub mod_channels: BTreeSet<String>,
    /// Files that were pushed and arrived intact.
    pub pushed: BTreeSet<String>,
    /// Files that were pushed and came empty or broken.
    pub undelivered: BTreeSet<String>,
    /// Messages received.
    pub messages: u64,
    /// What would have made an engine client abort, crash or leave, in order.
    pub violations: Vec<String>,
    /// Number of violations, also those that were not kept.
    pub violation_count: u64,
}

impl View {
    /// The view of a client named `login_name` at a protocol version. `known_ids` are the content
    /// ids that were defined at login. With `check_blocks`, map blocks are decompressed.
    pub fn new(
        version: ProtocolVersion,
        login_name: &str,
        known_ids: BTreeSet<u16>,
        check_blocks: bool,
    ) -> Self {
        Self {
            version: version.0,
            login_name: login_name.to_owned(),
            known_ids,
            check_blocks,
            ..Self::default()
        }
    }

    /// CLIENT_READY was sent: from now on definitions abort the client.
    pub fn set_ready(&mut self) {
        self.ready = true;
    }

    fn version(&self) -> ProtocolVersion {
        ProtocolVersion(self.version)
    }

    /// True once the player stands in a world: it was put somewhere and has its own object.
    pub fn in_game(&self) -> bool {
        self.moves > 0 && self.own_object.is_some()
    }

    /// Objects without the own one.
    pub fn other_objects(&self) -> BTreeSet<u16> {
        self.objects.keys().copied().filter(|id| Some(*id) != self.own_object).collect()
    }

    /// Blocks that are not ignored.
    pub fn real_blocks(&self) -> usize {
        self.blocks.values().filter(|block| !block.ignored).count()
    }

    pub(crate) fn violation(&mut self, what: impl Into<String>) {
        self.violation_count += 1;
        if self.violations.len() < VIOLATIONS {
            self.violations.push(what.into());
        }
    }

    /// Takes in a message as it came from the server.
    pub fn observe(&mut self, message: &[u8]) {
        self.messages += 1;
        let Some((command, body)) = split_command(message) else { return };
        if let Err(error) = self.apply(command, body) {
            self.violation(format!("{} cannot be read: {error}", to_client::name(command)));
        }
    }

    fn apply(&mut self, command: u16, body: &[u8]) -> Result<(), WireError> {
        let mut r = Reader::new(body);
        match command {
            to_client::ITEMDEF | to_client::NODEDEF | to_client::ANNOUNCE_MEDIA if self.ready => {
                self.violation(format!("{} after CLIENT_READY", to_client::name(command)));
            }
            to_client::AUTH_ACCEPT if self.ready => {
                self.violation("a second AUTH_ACCEPT while playing");
            }
            to_client::BLOCKDATA => self.block_data(&mut r)?,
            to_client::ADDNODE => {
                let position = r.v3s16()?;
                let id = r.u16()?;
                r.take(3, "params")?;
                self.check_id(id, "ADDNODE");
                self.nodes.insert(position, id);
            }
            to_client::REMOVENODE => {
                self.nodes.insert(r.v3s16()?, mesegate_protocol::map::AIR);
            }
            to_client::ACTIVE_OBJECT_REMOVE_ADD => self.remove_add(&mut r)?,
            to_client::ACTIVE_OBJECT_MESSAGES => self.object_messages(&mut r)?,
            to_client::MOVE_PLAYER => {
                self.position = r.v3f()?.map(|unit| unit / 10.0);
                r.take(8, "look")?;
                self.moves += 1;
            }
            to_client::HP => self.hp = Some(r.u16()?),
            to_client::BREATH => self.breath = Some(r.u16()?),
            to_client::TIME_OF_DAY => {
                self.time = Some(r.u16()?);
                r.f32()?;
            }
            to_client::PRIVILEGES => {
                let count = r.u16()?;
                self.privileges = (0..count).map(|_| text(&mut r)).collect::<Result<_, _>>()?;
            }
            to_client::UPDATE_PLAYER_LIST => self.player_list(&mut r)?,
            to_client::INVENTORY => {
                let raw = if self.version().framed_inventory() { r.str32()? } else { r.rest() };
                self.inventory = String::from_utf8_lossy(raw).into_owned();
            }
            to_client::MODCHANNEL_SIGNAL => self.channel_signal(&mut r)?,
            _ => self.interface(command, &mut r)?,
        }
        Ok(())
    }

    fn player_list(&mut self, r: &mut Reader<'_>) -> Result<(), WireError> {
        let kind = r.u8()?;
        for _ in 0..r.u16()? {
            let name = text(r)?;
            match kind {
                2 => {
                    self.players.remove(&name);
                }
                _ => {
                    self.players.insert(name);
                }
            }
        }
        Ok(())
    }

    fn channel_signal(&mut self, r: &mut Reader<'_>) -> Result<(), WireError> {
        let signal = r.u8()?;
        let channel = text(r)?;
        match signal {
            0 => {
                self.mod_channels.insert(channel);
            }
            2 => {
                self.mod_channels.remove(&channel);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Reads a `str16` as text.
fn text(r: &mut Reader<'_>) -> Result<String, WireError> {
    Ok(String::from_utf8_lossy(r.str16()?).into_owned())
}

/// How long a view may take to reach a state before a test gives up, unless it says otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
