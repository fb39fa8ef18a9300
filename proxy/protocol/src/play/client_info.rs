//! What the client tells about itself while playing, and a new backend must be told again.

use bytes::Bytes;

use crate::to_server;
use crate::wire::{Reader, Result, Writer};

/// PLAYERITEM: the wielded slot of the hotbar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayerItem(pub u16);

impl PlayerItem {
    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short.
    pub fn decode(body: &[u8]) -> Result<Self> {
        Reader::new(body).u16().map(Self)
    }

    /// The whole message.
    pub fn encode(self) -> Bytes {
        let mut w = Writer::command(to_server::PLAYERITEM);
        w.u16(self.0);
        w.finish()
    }
}

/// UPDATE_CLIENT_INFO: the client's window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClientInfo {
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// Scaling of forms.
    pub gui_scaling: f32,
    /// Scaling of the HUD.
    pub hud_scaling: f32,
    /// Largest form that fits, in form units.
    pub max_formspec: [f32; 2],
    /// Touch screen; clients before 5.9 do not say.
    pub touch: Option<bool>,
}

impl ClientInfo {
    /// Reads the body.
    ///
    /// # Errors
    /// The body is too short.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        Ok(Self {
            size: [r.u32()?, r.u32()?],
            gui_scaling: r.f32()?,
            hud_scaling: r.f32()?,
            max_formspec: [r.f32()?, r.f32()?],
            touch: if r.is_empty() { None } else { Some(r.bool()?) },
        })
    }

    /// The whole message.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::command(to_server::UPDATE_CLIENT_INFO);
        w.u32(self.size[0]).u32(self.size[1]).f32(self.gui_scaling).f32(self.hud_scaling);
        w.f32(self.max_formspec[0]).f32(self.max_formspec[1]);
        if let Some(touch) = self.touch {
            w.bool(touch);
        }
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_and_slot_survive_being_written_and_read() {
        for touch in [None, Some(true), Some(false)] {
            let info = ClientInfo {
                size: [1920, 1080],
                gui_scaling: 1.5,
                hud_scaling: 1.0,
                max_formspec: [20.0, 11.25],
                touch,
            };
            assert_eq!(ClientInfo::decode(&info.encode()[2..]), Ok(info));
        }
        assert_eq!(PlayerItem::decode(&PlayerItem(7).encode()[2..]), Ok(PlayerItem(7)));
        assert!(ClientInfo::decode(&[0; 23]).is_err());
    }
}
