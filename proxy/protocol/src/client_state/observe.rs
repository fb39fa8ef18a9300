//! Following what is sent to the client and what it sends.

use bytes::Bytes;

use super::{ClientState, REPLAY_LIMIT};
use crate::map::{block_position, decode_positions, encode_positions};
use crate::objects::{OwnState, Packet, decode_messages, own_state};
use crate::particle::spawner_id;
use crate::play::{
    ChannelSignal, Hp, PlayerItem, PlayerList, PlayerListChange, Signal, channel,
    decode_removed_sounds, encode_removed_sounds, hud,
};
use crate::version::ProtocolVersion;
use crate::wire::{Reader, Result};
use crate::{split_command, to_client, to_server};

impl ClientState {
    /// Follows a message that is sent to the client. Messages that cannot be read change nothing,
    /// as they change nothing in the client. Do not feed it what [`ClientState::reset`] and
    /// [`ClientState::take_evicted`] give: that is accounted for.
    pub fn observe_to_client(&mut self, message: &[u8], version: ProtocolVersion) {
        let Some((command, body)) = split_command(message) else {
            return;
        };
        // What comes before an error was read whole, and is kept.
        let _: Result<()> = match command {
            to_client::BLOCKDATA => block_position(message).map(|p| self.blocks.sent(p)),
            to_client::ACTIVE_OBJECT_MESSAGES => self.own_messages(body),
            to_client::ACTIVE_OBJECT_REMOVE_ADD => self.objects_changed(body),
            to_client::HP => Hp::decode(body).map(|hp| self.dead = hp.hp == 0),
            to_client::HUDADD => {
                // A client ignores an id it has already (`client/game.cpp`).
                hud::decode_added(body).map(|(id, kind)| {
                    if self.hud.get(&id).is_none() {
                        self.hud.insert(id, kind.0);
                    }
                })
            }
            to_client::HUDRM => hud::decode_removed(body).map(|id| {
                self.hud.remove(&id);
            }),
            to_client::DETACHED_INVENTORY => self.detached_changed(body),
            to_client::ADD_PARTICLESPAWNER => {
                spawner_id(message, version).map(|id| self.spawners.insert(id, ()))
            }
            to_client::DELETE_PARTICLESPAWNER => Reader::new(body).u32().map(|id| {
                self.spawners.remove(&id);
            }),
            to_client::PLAY_SOUND => Reader::new(body).i32().map(|id| {
                // −1 is shared by all ephemeral sounds, which nobody can stop.
                if id >= 0 {
                    self.sounds.insert(id, true);
                }
            }),
            to_client::STOP_SOUND => Reader::new(body).i32().map(|id| {
                // The client still reports its end.
                if let Some(plays) = self.sounds.get_mut(&id) {
                    *plays = false;
                }
            }),
            to_client::UPDATE_PLAYER_LIST => self.players_changed(body),
            to_client::MODCHANNEL_SIGNAL => ChannelSignal::decode(body).map(|signal| {
                if signal.signal == Signal::JoinFailed {
                    self.channels.remove(signal.channel);
                }
            }),
            _ => Ok(()),
        };
    }

    fn objects_changed(&mut self, body: &[u8]) -> Result<()> {
        let packet = Packet::decode(body)?;
        for id in &packet.removed {
            self.objects.remove(id);
        }
        for added in &packet.added {
            if self.local.is_none() && added.is_own(&self.login_name) {
                self.local = Some(added.id);
                for message in added.init.iter().flat_map(|init| &init.messages) {
                    self.own_message(message);
                }
            } else if Some(added.id) != self.local {
                self.objects.insert(added.id);
            }
        }
        Ok(())
    }

    fn own_messages(&mut self, body: &[u8]) -> Result<()> {
        let Some(local) = self.local else {
            return Ok(());
        };
        for message in decode_messages(body) {
            let message = message?;
            if message.id == local {
                self.own_message(message.data);
            }
        }
        Ok(())
    }

    fn own_message(&mut self, message: &[u8]) {
        match own_state(message) {
            Some(OwnState::Bone(name)) => self.bones.insert(name.to_vec(), ()),
            Some(OwnState::Track(track)) => self.tracks.insert(track.to_vec(), ()),
            Some(OwnState::TrackStopped(track)) => {
                self.tracks.remove(track);
            }
            None => {}
        }
    }

    fn detached_changed(&mut self, body: &[u8]) -> Result<()> {
        let mut r = Reader::new(body);
        let name = r.str16()?;
        if r.bool()? {
            self.detached.insert(name.to_vec(), ());
        } else {
            self.detached.remove(name);
        }
        Ok(())
    }

    fn players_changed(&mut self, body: &[u8]) -> Result<()> {
        let list = PlayerList::decode(body)?;
        for name in list.names {
            if list.change == PlayerListChange::Remove {
                self.players.remove(name);
            } else {
                self.players.insert(name.to_vec(), ());
            }
        }
        Ok(())
    }

    /// Follows a message of the client and gives what of it concerns the current backend, `None`
    /// if nothing does. Call it while the player is between backends as well, and drop the result.
    ///
    /// Only two commands are ever changed: GOTBLOCKS loses the blocks that the proxy overwrote,
    /// REMOVED_SOUNDS the sounds that the current backend never started.
    pub fn observe_to_server(&mut self, message: &Bytes) -> Option<Bytes> {
        let forward = || Some(message.clone());
        let Some((command, body)) = split_command(message) else {
            return forward();
        };
        match command {
            to_server::PLAYERPOS => remember(&mut self.position, message),
            to_server::UPDATE_CLIENT_INFO => remember(&mut self.info, message),
            to_server::PLAYERITEM => self.item = PlayerItem::decode(body).ok().or(self.item),
            to_server::MODCHANNEL_JOIN => {
                if let Ok(name) = channel::decode_channel(body) {
                    self.channels.insert(name.to_vec(), ());
                }
            }
            to_server::MODCHANNEL_LEAVE => {
                if let Ok(name) = channel::decode_channel(body) {
                    self.channels.remove(name);
                }
            }
            to_server::DELETEDBLOCKS => {
                for position in decode_positions(body).into_iter().flatten() {
                    self.blocks.deleted(position);
                }
            }
            to_server::GOTBLOCKS => {
                if let Ok(positions) = decode_positions(body) {
                    let is_theirs = |p: &[i16; 3]| !self.blocks.swallow(*p);
                    let theirs: Vec<_> = positions.iter().copied().filter(is_theirs).collect();
                    if theirs.len() < positions.len() {
                        return encode_positions(command, &theirs).into_iter().next();
                    }
                }
            }
            to_server::REMOVED_SOUNDS => {
                if let Ok(ids) = decode_removed_sounds(body) {
                    let is_theirs = |id: &i32| self.sounds.remove(id);
                    let theirs: Vec<_> = ids.iter().copied().filter(is_theirs).collect();
                    if theirs.len() < ids.len() {
                        return (!theirs.is_empty()).then(|| encode_removed_sounds(&theirs));
                    }
                }
            }
            _ => {}
        }
        forward()
    }
}

/// Keeps a copy: the message may be a slice of a much larger receive buffer.
fn remember(slot: &mut Vec<u8>, message: &[u8]) {
    if message.len() <= REPLAY_LIMIT {
        slot.clear();
        slot.extend_from_slice(message);
    }
}
