//! What the bridge between a client and its backend does with each command.
//!
//! The table is about a running game. Observing (what the client holds, for the reset before
//! another backend) is not part of it: that looks at forwarded messages too.

use crate::{to_client, to_server};

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Pass on the same bytes on the same channel with the same reliability.
    Forward,
    /// Carries ids or text of one side only: edit, then pass on. May also end here.
    Rewrite,
    /// Belongs to the proxy, which answers or uses it. Never passed on.
    Consume,
    /// No use to anybody and harmful on the other side.
    Drop,
}

/// Route of a message that a backend sent.
pub fn to_client_route(command: u16) -> Route {
    use to_client as c;
    match command {
        // The proxy is the client of this login; its own player has another one.
        c::HELLO | c::AUTH_ACCEPT | c::SRP_BYTES_S_B => Route::Consume,
        // A kick from one backend need not end the visit.
        c::ACCESS_DENIED | c::ACCESS_DENIED_LEGACY => Route::Consume,
        // The proxy never changes a password on a backend, and the player's client would take a
        // stray answer for that of its own attempt at the proxy.
        c::ACCEPT_SUDO_MODE | c::DENY_SUDO_MODE => Route::Drop,
        // Clients abort on definitions that come after they are ready
        // (`network/clientpackethandler.cpp`, sanity_check on the mesh thread).
        c::NODEDEF | c::ITEMDEF | c::ANNOUNCE_MEDIA => Route::Consume,
        // Files go through the proxy's own store; tokens of a push are numbers of one backend.
        c::MEDIA | c::MEDIA_PUSH => Route::Consume,
        // Content ids and names.
        c::BLOCKDATA | c::ADDNODE | c::NODEMETA_CHANGED => Route::Rewrite,
        c::INVENTORY | c::DETACHED_INVENTORY => Route::Rewrite,
        c::SHOW_FORMSPEC | c::INVENTORY_FORMSPEC | c::FORMSPEC_PREPEND => Route::Rewrite,
        c::SPAWN_PARTICLE | c::SPAWN_PARTICLE_BATCH => Route::Rewrite,
        c::HUDADD | c::HUDCHANGE | c::HUD_SET_PARAM => Route::Rewrite,
        c::SET_SKY | c::SET_SUN | c::SET_MOON | c::MINIMAP_MODES => Route::Rewrite,
        // Object ids too.
        c::ACTIVE_OBJECT_REMOVE_ADD | c::ACTIVE_OBJECT_MESSAGES => Route::Rewrite,
        // The object a sound or a source of particles is attached to.
        c::PLAY_SOUND | c::ADD_PARTICLESPAWNER => Route::Rewrite,
        // The network may forbid more, and may list its players itself.
        c::CSM_RESTRICTION_FLAGS | c::UPDATE_PLAYER_LIST => Route::Rewrite,
        _ => Route::Forward,
    }
}

/// Route of a message that a player's client sent.
pub fn to_server_route(command: u16) -> Route {
    use to_server as s;
    match command {
        // The player logs in to the proxy once; each backend gets the proxy's own login.
        s::INIT | s::INIT2 | s::FIRST_SRP | s::SRP_BYTES_A | s::SRP_BYTES_M => Route::Consume,
        // Replayed to every backend by the proxy. A second one would end in a kick.
        s::CLIENT_READY => Route::Consume,
        // Answered from the proxy's media store.
        s::REQUEST_MEDIA | s::HAVE_MEDIA => Route::Consume,
        // The object that is pointed at.
        s::INTERACT => Route::Rewrite,
        // May be a command to the proxy.
        s::CHAT_MESSAGE => Route::Rewrite,
        // Reports about sounds and blocks of an earlier backend must not reach this one, which
        // may use the same numbers (`network/serverpackethandler.cpp`).
        s::REMOVED_SOUNDS | s::GOTBLOCKS => Route::Rewrite,
        _ => Route::Forward,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_and_definitions_never_cross() {
        for command in [0x02, 0x03, 0x04, 0x05, 0x0a, 0x35, 0x38, 0x3a, 0x3c, 0x3d, 0x60] {
            assert!(
                matches!(to_client_route(command), Route::Consume | Route::Drop),
                "{command:#x}"
            );
        }
        for command in [0x02, 0x11, 0x40, 0x41, 0x43, 0x50, 0x51, 0x52] {
            assert_eq!(to_server_route(command), Route::Consume, "{command:#x}");
        }
    }

    #[test]
    fn unknown_commands_pass() {
        for command in [0x00, 0x65, 0x54, 0xffff] {
            assert_eq!(to_server_route(command), Route::Forward);
        }
        for command in [0x00, 0x65, 0xffff] {
            assert_eq!(to_client_route(command), Route::Forward);
        }
    }
}
