//! One message at a time, from one leg to the other.

use std::time::Instant;

use mesegate_protocol::content::RequestMedia;
use mesegate_protocol::login::AccessDenied;
use mesegate_protocol::login::DenyCode;
use mesegate_protocol::play::{MovePlayer, PlayerPos, decode_chat};
use mesegate_protocol::routing::{Route, to_client_route, to_server_route};
use mesegate_protocol::translate::Translator;
use mesegate_protocol::{split_command, to_client, to_server};
use mesegate_transport::Message;

use super::denial::Denial;
use super::play::{End, Player};
use crate::mutes::{is_talk, told};
use crate::shared::unix_now;

/// Lines that are kept while a player is between two servers.
const HELD_CHAT: usize = 8;

impl Player {
    /// A message of the player's client.
    pub(super) fn client_message(&mut self, message: Message) -> Result<(), End> {
        let Some((command, body)) = split_command(&message.data) else { return Ok(()) };
        if self.kept_from_mods(command, body)? {
            return Ok(());
        }
        // Reports about what an earlier backend had put up end here.
        let Some(data) = self.state.observe_to_server(&message.data) else { return Ok(()) };
        let message = Message { data, ..message };
        match to_server_route(command) {
            Route::Forward => self.act(command, message),
            Route::Rewrite => self.rewrite_to_world(command, message)?,
            Route::Consume => match command {
                to_server::REQUEST_MEDIA => self.request_media(body),
                to_server::HAVE_MEDIA => {
                    if let Some(confirmed) = self.pushes.confirmed(body) {
                        self.send_world(message.channel, message.reliable, confirmed);
                    }
                }
                to_server::FIRST_SRP | to_server::SRP_BYTES_A | to_server::SRP_BYTES_M => {
                    self.change_password(&message.data)?;
                }
                // INIT, INIT2 and CLIENT_READY are of the past.
                _ => {}
            },
            Route::Drop => {}
        }
        Ok(())
    }

    /// Passes on what needs no change, unless the gate holds it back.
    fn act(&mut self, command: u16, message: Message) {
        if !self.gate.is_open() {
            match command {
                to_server::PLAYERPOS => {
                    let Some((_, body)) = split_command(&message.data) else { return };
                    if let Ok(pos) = PlayerPos::decode(body) {
                        self.gate.position(&pos);
                    }
                    if !self.gate.is_open() {
                        return;
                    }
                }
                // Remembered, and told to the new world once it listens.
                to_server::MODCHANNEL_JOIN | to_server::UPDATE_CLIENT_INFO
                    if self.gate.awaits_move() =>
                {
                    return;
                }
                // Meant for the world before.
                to_server::INVENTORY_ACTION
                | to_server::PLAYERITEM
                | to_server::DAMAGE
                | to_server::RESPAWN_LEGACY
                | to_server::NODEMETA_FIELDS
                | to_server::INVENTORY_FIELDS => return,
                _ => {}
            }
        }
        self.send_world(message.channel, message.reliable, message.data);
    }

    fn rewrite_to_world(&mut self, command: u16, message: Message) -> Result<(), End> {
        let data = match command {
            to_server::CHAT_MESSAGE => {
                let Some((_, body)) = split_command(&message.data) else { return Ok(()) };
                // Never to a backend by mistake: a line that cannot be read is dropped.
                let Ok(line) = decode_chat(body) else { return Ok(()) };
                let network = self.shared.network.load_full();
                if let Some(line) = line.strip_prefix(&*network.proxy.command_prefix) {
                    return self.command(line);
                }
                if let Some(mute) = self.shared.mutes.of(&self.who.name, unix_now() as i64)
                    && is_talk(&line)
                {
                    return self.tell(&format!("{}.", told(&mute, unix_now() as i64)));
                }
                if self.gate.awaits_move() {
                    return self.hold_chat(message);
                }
                Some(message.data)
            }
            to_server::INTERACT if !self.gate.is_open() => None,
            to_server::INTERACT => match self.objects.interact(&message.data) {
                Ok(mapped) => Some(mapped.unwrap_or(message.data)),
                Err(error) => {
                    self.bad_message("to_server", command, &error);
                    None
                }
            },
            _ => Some(message.data),
        };
        if let Some(data) = data {
            self.send_world(message.channel, message.reliable, data);
        }
        Ok(())
    }

    fn request_media(&mut self, body: &[u8]) {
        let Ok(mut request) = RequestMedia::decode(body) else { return };
        if let Some(asked) = self.pushes.asked(&mut request.names) {
            self.send_world(1, true, asked);
        }
        if !request.names.is_empty() {
            self.media.request(&self.who.catalogue, &request.names);
        }
    }

    /// A message of the backend.
    pub(super) fn world_message(&mut self, message: Message) -> Result<(), End> {
        let Some((command, body)) = split_command(&message.data) else { return Ok(()) };
        let Message { channel, reliable, .. } = message;
        if self.taken_from_mods(command, body) {
            return Ok(());
        }
        match to_client_route(command) {
            Route::Forward if command == to_client::MOVE_PLAYER && self.gate.awaits_move() => {
                self.first_move(&message);
                Ok(())
            }
            Route::Forward => self.send_client(channel, reliable, message.data),
            Route::Rewrite => self.rewrite_to_client(command, message),
            Route::Consume => match command {
                to_client::ACCESS_DENIED => self.denied_by_world(body),
                to_client::MEDIA_PUSH => self.file_offered(message),
                to_client::MEDIA => self.files_came(message),
                _ => Ok(()),
            },
            Route::Drop => Ok(()),
        }
    }

    fn rewrite_to_client(&mut self, command: u16, message: Message) -> Result<(), End> {
        let Message { channel, reliable, data } = message;
        let Some(world) = &self.world else { return Ok(()) };
        let version = self.who.version;
        let translation = &*world.translation;
        let rewritten = match command {
            to_client::ACTIVE_OBJECT_REMOVE_ADD => {
                match self.objects.remove_add(&data, self.who.name.as_bytes(), translation) {
                    Ok(result) => {
                        for message in result.messages {
                            self.send_client(channel, reliable, message)?;
                        }
                    }
                    Err(error) => self.bad_message("to_client", command, &error),
                }
                return Ok(());
            }
            to_client::CSM_RESTRICTION_FLAGS => self.restrict(&data).map(Some),
            // The list is the network's.
            to_client::UPDATE_PLAYER_LIST if self.state.keeps_players() => return Ok(()),
            to_client::UPDATE_PLAYER_LIST => Ok(None),
            to_client::ACTIVE_OBJECT_MESSAGES => self.objects.messages(&data, translation),
            _ => {
                let translator = Translator { translation, version, blocks: &self.shared.blocks };
                let new = translator.to_client(&data, &|id| self.state.hud_type(id));
                new.and_then(|new| {
                    let message = new.as_ref().unwrap_or(&data);
                    let mapped = match command {
                        to_client::PLAY_SOUND => self.objects.play_sound(message)?,
                        to_client::ADD_PARTICLESPAWNER => {
                            self.objects.particle_spawner(message, version)?
                        }
                        _ => None,
                    };
                    Ok(mapped.or(new))
                })
            }
        };
        match rewritten {
            Ok(Some(new)) => self.send_client(channel, reliable, new),
            Ok(None) => self.send_client(channel, reliable, data),
            Err(error) => {
                self.bad_message("to_client", command, &error);
                Ok(())
            }
        }
    }

    /// A message that cannot be read is not passed on where ids would have to be mapped: as it
    /// is, it would show another world's nodes or name another object.
    pub(super) fn bad_message(
        &self,
        direction: &str,
        command: u16,
        error: &mesegate_protocol::wire::WireError,
    ) {
        self.shared.metrics.bad_messages_total.with_label_values(&[direction]).inc();
        let server = self.world.as_ref().map(|w| w.server.as_str());
        tracing::debug!(server, command, %error, "a message was dropped because it cannot be read");
    }

    /// The first MOVE_PLAYER of a backend: the client's answer opens the gate, and the backend
    /// is told at once where its player stands, without which it sends hardly any block
    /// (`server/clientiface.cpp` GetNextBlocks).
    fn first_move(&mut self, message: &Message) {
        let Some((_, body)) = split_command(&message.data) else { return };
        let Ok(target) = MovePlayer::decode(body) else { return };
        self.state.observe_to_client(&message.data, self.who.version);
        match self.client.send_tracked(message.channel, message.data.clone()) {
            Ok(ticket) => self.gate.moved(ticket, target.position, Instant::now()),
            Err(_) => return,
        }
        let last = self.state.last_position();
        if let Some(Ok(pos)) = last.map(|p| PlayerPos::with_position(p, target.position)) {
            self.send_world(0, false, pos);
        }
        self.introduce();
        for line in std::mem::take(&mut self.held_chat) {
            self.send_world(line.channel, line.reliable, line.data);
        }
        self.arrived();
    }

    /// Keeps a line for the world the player is on the way to: there is none yet, or it would drop
    /// what comes before it has seen CLIENT_READY.
    fn hold_chat(&mut self, line: Message) -> Result<(), End> {
        if self.held_chat.len() >= HELD_CHAT {
            return self.tell("You are between two servers; your line was not said.");
        }
        self.held_chat.push(line);
        Ok(())
    }

    /// The backend sends the player away.
    fn denied_by_world(&mut self, body: &[u8]) -> Result<(), End> {
        let Ok(denied) = AccessDenied::decode(body) else { return Ok(()) };
        match denied.code {
            // The backend ends, the player need not.
            DenyCode::Shutdown | DenyCode::Crash => {
                self.world_lost("backend_shutdown", &denied.text)
            }
            // It failed for this player, as when it cannot load them.
            DenyCode::ServerFail => self.world_lost("backend_failed", &denied.text),
            // Newer servers count their users once more at CLIENT_READY, and others may have
            // been quicker (`network/serverpackethandler.cpp`).
            DenyCode::TooManyUsers => self.world_lost("full", ""),
            code => {
                self.shared.metrics.kicks_total.with_label_values(&["backend"]).inc();
                let mut denial = Denial::code("kicked", code, denied.text);
                denial.reconnect = denied.reconnect;
                Err(End::Deny(denial))
            }
        }
    }
}
