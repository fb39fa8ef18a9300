//! The messages that undo what a backend has put into the client.

use bytes::Bytes;

use super::{ClientState, defaults};
use crate::map::ignore_block;
use crate::objects::{
    ATTACH_TO, Packet, SET_BONE_POSITION, SET_PHYSICS_OVERRIDE, STOP_ANIMATION, encode_messages,
};
use crate::play::{PlayerList, PlayerListChange, hud};
use crate::to_client;
use crate::version::ProtocolVersion;
use crate::wire::Writer;

impl ClientState {
    /// All messages, each with its channel, that set the client back before another backend's
    /// first message; all reliable. What they undo is forgotten here.
    ///
    /// HUD elements of the proxy's own go too if they were observed; the player list does not while
    /// it is the proxy's ([`ClientState::keep_players`]).
    ///
    /// Not forgotten, as the client keeps it: its own object's id, mod channels, the last
    /// PLAYERITEM, UPDATE_CLIENT_INFO and PLAYERPOS, whether it is dead, and which blocks it will
    /// confirm although the proxy overwrote them.
    pub fn reset(&mut self, version: ProtocolVersion) -> Vec<(u8, Bytes)> {
        let mut messages = defaults::messages(version);
        messages.extend(self.remove_objects());
        messages.extend(self.reset_own_object(version));
        for (name, ()) in self.detached.drain() {
            let mut w = Writer::command(to_client::DETACHED_INVENTORY);
            w.str16(&name).bool(false);
            messages.push(w.finish());
        }
        for (id, ()) in self.spawners.drain() {
            let mut w = Writer::command(to_client::DELETE_PARTICLESPAWNER);
            w.u32(id);
            messages.push(w.finish());
        }
        for (id, plays) in self.sounds.drain() {
            if plays {
                let mut w = Writer::command(to_client::STOP_SOUND);
                w.i32(id);
                messages.push(w.finish());
            }
        }
        messages.extend(self.hud.drain().into_keys().map(hud::encode_remove));
        if !self.keeps_players {
            messages.extend(self.remove_players());
        }
        let format = version.serialization_version();
        messages.extend(self.blocks.reset().into_iter().map(|at| ignore_block(at, format)));
        messages.into_iter().map(|message| (channel(&message), message)).collect()
    }

    /// Nothing before the client has its own object: any such message without it aborts a client.
    fn remove_objects(&mut self) -> Option<Bytes> {
        let objects = std::mem::take(&mut self.objects);
        (self.local.is_some() && !objects.is_empty())
            .then(|| Packet::removal(objects.iter().copied()))
    }

    fn remove_players(&mut self) -> Vec<Bytes> {
        let names = self.players.drain();
        let names: Vec<_> = names.keys().map(Vec::as_slice).collect();
        names
            .chunks(u16::MAX.into())
            .map(|names| {
                let change = PlayerListChange::Remove;
                PlayerList { change, names: names.to_vec() }.encode()
            })
            .collect()
    }

    /// State of the own object that a later backend's first messages do not overwrite, or that
    /// would be wrong until they come.
    fn reset_own_object(&mut self, version: ProtocolVersion) -> Option<Bytes> {
        let mut messages = vec![detach(), default_physics()];
        let bones = self.bones.drain();
        // Clients up to 5.8 cannot forget a bone: zero would be its place, which is worse.
        if version.0 >= 44 {
            messages.extend(bones.keys().map(|name| reset_bone(name)));
        }
        let tracks = self.tracks.drain();
        // The command is known since 5.17, and other clients of its protocols ignore it.
        if version.0 >= 52 {
            messages.extend(tracks.keys().map(|track| {
                let mut w = Writer::new();
                w.u8(STOP_ANIMATION).raw(track);
                w.into_vec()
            }));
        }
        encode_messages(self.local?, messages.iter().map(Vec::as_slice))
    }
}

/// Each kind of state lives on one channel, so that an undoing is in order with what it undoes and
/// with what comes after it.
fn channel(message: &[u8]) -> u8 {
    let command = crate::split_command(message).map_or(0, |(command, _)| command);
    to_client::default_delivery(command).0
}

fn detach() -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(ATTACH_TO).u16(0).str16(b"").v3f([0.0; 3]).v3f([0.0; 3]).bool(false);
    w.into_vec()
}

fn default_physics() -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(SET_PHYSICS_OVERRIDE).v3f([1.0; 3]);
    // Not sneak, not sneak glitch, not new move: the glitch alone is off.
    w.u8(0).u8(1).u8(0);
    for _ in 0..10 {
        w.f32(1.0);
    }
    w.into_vec()
}

/// An override without any effect, which makes the client delete it (`content_cao.cpp`).
fn reset_bone(name: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(SET_BONE_POSITION).str16(name).v3f([0.0; 3]).v3f([0.0; 3]).v3f([1.0; 3]);
    w.v3f([0.0; 3]).u8(0);
    w.into_vec()
}
