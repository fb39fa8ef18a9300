//! Messages that are between the server's mods and the proxy.

use mesegate_protocol::play::{ChannelSignal, Signal, channel};
use mesegate_protocol::{to_client, to_server};

use super::play::{End, Player};
use crate::mod_api::{Parcel, is_reserved};

impl Player {
    /// Joins the server's mods, if they may ask for anything.
    pub(super) fn meet_mods(&mut self) {
        let Some(world) = &self.world else { return };
        let network = self.shared.network.load_full();
        let api = network.server(&world.server).and_then(|it| it.spec.mod_api.as_ref());
        if let Some(join) = self.mods.arrived(&world.server, api) {
            self.send_world(0, true, join);
        }
    }

    /// Takes a message of the server that is for the proxy and not for the client.
    pub(super) fn taken_from_mods(&mut self, command: u16, body: &[u8]) -> bool {
        if !matches!(command, to_client::MODCHANNEL_MSG | to_client::MODCHANNEL_SIGNAL) {
            return false;
        }
        let presence = self.shared.players.get(&self.who.name);
        let Some(answers) = self.mods.message(command, body, presence.as_deref(), &self.shared)
        else {
            return false;
        };
        for answer in answers {
            self.send_world(0, true, answer);
        }
        true
    }

    pub(super) fn tell_mods(&mut self, parcel: Parcel) {
        if let Some(message) = self.mods.deliver(parcel, &self.shared) {
            self.send_world(0, true, message);
        }
    }

    /// Takes a message with which the client meddles with a channel that is not for clients.
    pub(super) fn kept_from_mods(&mut self, command: u16, body: &[u8]) -> Result<bool, End> {
        let signal = match command {
            to_server::MODCHANNEL_JOIN => Signal::JoinFailed,
            to_server::MODCHANNEL_LEAVE => Signal::LeaveFailed,
            to_server::MODCHANNEL_MSG => Signal::NotRegistered,
            _ => return Ok(false),
        };
        match channel::decode_channel(body) {
            Ok(channel) if is_reserved(channel) => {
                let answer = ChannelSignal { signal, channel };
                self.send_client(0, true, answer.encode())?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
