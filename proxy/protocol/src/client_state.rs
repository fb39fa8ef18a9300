//! What a client holds that its current backend has put there, and the messages that undo it when
//! the player moves on to another backend.
//!
//! [`ClientState`] is fed with every message that is *sent to the client* (after mapping, so not
//! with what a backend sent) and with everything the client sends. [`ClientState::reset`] gives
//! the messages after which the client is as it was when it joined its first backend. An entry too
//! many is harmless, as clients ignore removals of what they do not have; an entry that is missing
//! stays visible for ever. So whenever there is doubt, the bookkeeping keeps the entry.

mod blocks;
mod bounded;
mod defaults;
mod observe;
mod reset;

use std::collections::BTreeSet;

use blocks::HeldBlocks;
use bounded::Bounded;
use bytes::Bytes;

use crate::map;
use crate::play::{HudType, PlayerItem};
use crate::version::ProtocolVersion;

pub use blocks::HELD_LIMIT;
pub(crate) use defaults::{moon as moon_default, sun as sun_default};

/// Longest PLAYERPOS or UPDATE_CLIENT_INFO that is remembered, in bytes; engines send less than 50.
const REPLAY_LIMIT: usize = 256;
/// Memory for numeric ids of one kind, in bytes of ids.
const ID_LIMIT: usize = 256 * 1024;
/// Memory for names of one kind, in bytes.
const NAME_LIMIT: usize = 1024 * 1024;
/// Memory for bone names, and for track names, of the own object.
const OWN_LIMIT: usize = 64 * 1024;

/// Bookkeeping of one client's visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientState {
    login_name: Vec<u8>,
    /// Id of the client's own object.
    local: Option<u16>,
    objects: BTreeSet<u16>,
    hud: Bounded<u32, u8>,
    detached: Bounded<Vec<u8>>,
    spawners: Bounded<u32>,
    /// True while the sound was not told to stop.
    sounds: Bounded<i32, bool>,
    players: Bounded<Vec<u8>>,
    /// Whether the names in the player list are nothing of a backend.
    keeps_players: bool,
    channels: Bounded<Vec<u8>>,
    bones: Bounded<Vec<u8>>,
    tracks: Bounded<Vec<u8>>,
    blocks: HeldBlocks,
    dead: bool,
    item: Option<PlayerItem>,
    info: Vec<u8>,
    position: Vec<u8>,
}

impl ClientState {
    /// A client that has just logged in as `login_name`.
    pub fn new(login_name: &str) -> Self {
        Self {
            login_name: login_name.into(),
            local: None,
            objects: BTreeSet::new(),
            hud: Bounded::new(ID_LIMIT),
            detached: Bounded::new(NAME_LIMIT),
            spawners: Bounded::new(ID_LIMIT),
            sounds: Bounded::new(ID_LIMIT),
            players: Bounded::new(NAME_LIMIT),
            keeps_players: false,
            channels: Bounded::new(NAME_LIMIT),
            bones: Bounded::new(OWN_LIMIT),
            tracks: Bounded::new(OWN_LIMIT),
            blocks: HeldBlocks::default(),
            dead: false,
            item: None,
            info: Vec::new(),
            position: Vec::new(),
        }
    }

    /// False once a limit made the bookkeeping forget something the client holds. A reset would
    /// leave that behind, so the player's next move should go through a reconnect. Blocks are no
    /// part of this, see [`Self::take_evicted`].
    pub fn is_complete(&self) -> bool {
        let Self { hud, detached, spawners, sounds, players, channels, bones, tracks, .. } = self;
        let overflowed = hud.overflowed()
            || spawners.overflowed()
            || sounds.overflowed()
            || [detached, players, channels, bones, tracks].iter().any(|set| set.overflowed());
        !overflowed && self.blocks.is_complete()
    }

    /// Id of the client's own object, once it has one. Until then no ACTIVE_OBJECT_REMOVE_ADD may
    /// reach the client but the one that brings it.
    pub fn local_object(&self) -> Option<u16> {
        self.local
    }

    /// Objects the client holds besides its own.
    pub fn objects(&self) -> impl ExactSizeIterator<Item = u16> + '_ {
        self.objects.iter().copied()
    }

    /// Type of a HUD element the client holds.
    pub fn hud_type(&self, id: u32) -> Option<HudType> {
        self.hud.get(&id).map(HudType)
    }

    /// Names in the client's player list.
    pub fn player_names(&self) -> impl Iterator<Item = &[u8]> {
        self.players.keys().map(Vec::as_slice)
    }

    /// Whether a name is in the client's player list.
    pub fn lists_player(&self, name: &str) -> bool {
        self.players.contains(name.as_bytes())
    }

    /// Whether the player list is the proxy's own, which no reset takes back. At first it is not.
    pub fn keep_players(&mut self, keep: bool) {
        self.keeps_players = keep;
    }

    /// Whether the player list is the proxy's own.
    pub fn keeps_players(&self) -> bool {
        self.keeps_players
    }

    /// Mod channels the client takes itself to be a member of: a new backend has to be told.
    pub fn mod_channels(&self) -> impl Iterator<Item = &[u8]> {
        self.channels.keys().map(Vec::as_slice)
    }

    /// Number of map blocks the client holds.
    pub fn held_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Health is 0: the client sends no PLAYERPOS until an HP message revives it.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// The last PLAYERITEM.
    pub fn last_item(&self) -> Option<PlayerItem> {
        self.item
    }

    /// The last UPDATE_CLIENT_INFO, whole, to be sent to a new backend.
    pub fn last_client_info(&self) -> Option<Bytes> {
        (!self.info.is_empty()).then(|| Bytes::copy_from_slice(&self.info))
    }

    /// The last PLAYERPOS, whole; see [`crate::play::PlayerPos::with_position`].
    pub fn last_position(&self) -> Option<&[u8]> {
        (!self.position.is_empty()).then_some(&self.position)
    }

    /// Messages that overwrite blocks which the bookkeeping had to give up because the client
    /// holds more than [`HELD_LIMIT`]: send them (channel 2) now, and the blocks are really gone.
    /// The farthest from the newest block go first. Real clients unload long before that
    /// (`client_mapblock_limit`), so for them this is always empty.
    pub fn take_evicted(&mut self, version: ProtocolVersion) -> Vec<Bytes> {
        let format = version.serialization_version();
        let evicted = self.blocks.take_evicted();
        evicted.into_iter().map(|position| map::ignore_block(position, format)).collect()
    }

    /// A BLOCKDATA that was observed but then thrown away before any of it was sent. Call it for
    /// each such message in the order they were queued.
    ///
    /// The block counts as held again only if the client can have it from before: if it was sent
    /// more than once, one of them may have arrived. A discarded overwriting (of
    /// [`Self::reset`] or [`Self::take_evicted`]) makes the block held again.
    pub fn discarded(&mut self, message: &[u8]) {
        if message.get(..2) != Some(&crate::to_client::BLOCKDATA.to_be_bytes()) {
            return;
        }
        if let Ok(position) = map::block_position(message) {
            self.blocks.discarded(position, map::is_ignore_block(message));
        }
    }

    /// True if [`Self::reset`] has nothing to undo that depends on what was observed.
    pub fn is_clear(&self) -> bool {
        let Self { hud, detached, spawners, sounds, players, bones, tracks, .. } = self;
        let listed = !players.is_empty() && !self.keeps_players;
        hud.is_empty()
            && spawners.is_empty()
            && sounds.is_empty()
            && [detached, bones, tracks].iter().all(|set| set.is_empty())
            && !listed
            && self.objects.is_empty()
            && self.blocks.len() == 0
    }
}

#[cfg(test)]
mod tests;
