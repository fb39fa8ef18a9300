//! The small messages of play that a proxy reads or writes itself. What it only forwards has no
//! type here.

pub mod channel;
pub mod chat;
pub mod client_info;
pub mod form;
pub mod hud;
pub mod players;
pub mod position;
pub mod restrictions;
pub mod sound;
pub mod text;
pub mod vitals;

pub use channel::{ChannelMessage, ChannelSignal, Signal};
pub use chat::{ChatKind, ChatMessage, decode_chat, encode_chat};
pub use client_info::{ClientInfo, PlayerItem};
pub use form::{Fields, ShowFormspec};
pub use hud::{FIRST_PROXY_HUD_ID, HudText, HudType};
pub use players::{PlayerList, PlayerListChange};
pub use position::{MovePlayer, PlayerPos};
pub use restrictions::ModRestrictions;
pub use sound::{decode_removed_sounds, encode_removed_sounds};
pub use vitals::Hp;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{DetachedInventory, InventoryMessage};
    use crate::version::ProtocolVersion;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(
            body in prop::collection::vec(any::<u8>(), 0..80), version in 37u16..54,
        ) {
            let _ = ChatMessage::decode(&body);
            let _ = decode_chat(&body);
            let _ = ChannelSignal::decode(&body);
            let _ = ChannelMessage::decode(&body);
            let _ = channel::decode_channel(&body);
            let _ = ClientInfo::decode(&body);
            let _ = PlayerItem::decode(&body);
            let _ = Fields::decode(&body);
            let _ = ShowFormspec::decode(&body);
            let _ = hud::decode_added(&body);
            let _ = hud::decode_removed(&body);
            let _ = PlayerList::decode(&body);
            let _ = ModRestrictions::decode(&body);
            let _ = MovePlayer::decode(&body);
            let _ = PlayerPos::decode(&body);
            let _ = PlayerPos::with_position(&body, [f32::NAN, f32::INFINITY, -0.0]);
            let _ = decode_removed_sounds(&body);
            let _ = Hp::decode(&body);
            let _ = DetachedInventory::decode(&body);
            let _ = InventoryMessage::decode(&body, ProtocolVersion(version));
        }
    }
}
