//! HUD elements: ids and types of those that servers add, and texts of the proxy's own.

use bytes::Bytes;

use crate::to_client;
use crate::version::ProtocolVersion;
use crate::wire::{Reader, Result, Writer};

/// From here up ids are the proxy's: servers count from 0 (`remoteplayer.cpp`, `addHud`).
pub const FIRST_PROXY_HUD_ID: u32 = 0xffff_0000;

/// Type of a HUD element (`hud_element.h`, `HudElementType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HudType(pub u8);

impl HudType {
    /// An image on the screen.
    pub const IMAGE: Self = Self(0);
    /// A text.
    pub const TEXT: Self = Self(1);
    /// A bar of images, half of one a step.
    pub const STATBAR: Self = Self(2);
    /// An image at a place in the world.
    pub const IMAGE_WAYPOINT: Self = Self(5);
    /// An image that turns with the player's look.
    pub const COMPASS: Self = Self(6);

    /// True if the element's text is a texture. That of a newer type is taken for plain text.
    pub fn text_is_texture(self) -> bool {
        matches!(self, Self::IMAGE | Self::STATBAR | Self::IMAGE_WAYPOINT | Self::COMPASS)
    }

    /// True if the element's second text is a texture: the background of a bar.
    pub fn text2_is_texture(self) -> bool {
        self == Self::STATBAR
    }
}

/// Id and type of a HUDADD body.
///
/// # Errors
/// The body is too short.
pub fn decode_added(body: &[u8]) -> Result<(u32, HudType)> {
    let mut r = Reader::new(body);
    Ok((r.u32()?, HudType(r.u8()?)))
}

/// Id of a HUDRM body.
///
/// # Errors
/// The body is too short.
pub fn decode_removed(body: &[u8]) -> Result<u32> {
    Reader::new(body).u32()
}

/// HUDRM.
pub fn encode_remove(id: u32) -> Bytes {
    let mut w = Writer::command(to_client::HUDRM);
    w.u32(id);
    w.finish()
}

/// A text on the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct HudText {
    /// Id; take one from [`FIRST_PROXY_HUD_ID`] up.
    pub id: u32,
    /// Place on the screen, 0 to 1 from the left and from the top.
    pub position: [f32; 2],
    /// The text.
    pub text: String,
    /// Colour, 0xRRGGBB.
    pub color: u32,
    /// Which point of the text is at the position: −1 its right or bottom end, 0 its middle, 1
    /// its left or top end.
    pub alignment: [f32; 2],
    /// Pixels to move it by.
    pub offset: [f32; 2],
    /// Higher ones are drawn over lower ones.
    pub z_index: i16,
}

impl HudText {
    /// HUDADD for this text.
    pub fn encode(&self, version: ProtocolVersion) -> Bytes {
        let mut w = Writer::command(to_client::HUDADD);
        let pair = |w: &mut Writer, v: [f32; 2]| {
            w.f32(v[0]).f32(v[1]);
        };
        w.u32(self.id).u8(HudType::TEXT.0);
        pair(&mut w, self.position);
        w.str16(b"");
        pair(&mut w, [100.0, 100.0]); // a text's scale is unused
        w.str16(self.text.as_bytes()).u32(self.color).u32(0).u32(0);
        pair(&mut w, self.alignment);
        pair(&mut w, self.offset);
        w.v3f([0.0; 3]);
        // The size of a text is a factor of the font size.
        if version.float_hud_size() {
            pair(&mut w, [1.0, 1.0]);
        } else {
            w.i32(1).i32(1);
        }
        w.i16(self.z_index).str16(b"").u32(0);
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_text_has_the_layout_of_its_version() {
        let text = HudText {
            id: FIRST_PROXY_HUD_ID,
            position: [0.5, 0.25],
            text: "Moving".into(),
            color: 0x00ff_ffff,
            alignment: [0.0; 2],
            offset: [0.0; 2],
            z_index: 1000,
        };
        for version in [37, 51, 52, 53].map(ProtocolVersion) {
            let message = text.encode(version);
            assert_eq!(decode_added(&message[2..]), Ok((text.id, HudType::TEXT)));
            let mut r = Reader::new(&message[2 + 5 + 8..]);
            assert_eq!(r.str16(), Ok(&b""[..]));
            r.take(8, "scale").unwrap();
            assert_eq!(r.str16(), Ok(&b"Moving"[..]));
            r.take(12 + 16 + 12, "numbers").unwrap();
            let size = [r.u32().unwrap(), r.u32().unwrap()];
            let one = if version.0 >= 52 { 1.0f32.to_bits() } else { 1 };
            assert_eq!(size, [one; 2]);
            assert_eq!(r.i16(), Ok(1000));
            assert_eq!((r.str16(), r.u32(), r.is_empty()), (Ok(&b""[..]), Ok(0), true));
        }
        assert_eq!(decode_removed(&encode_remove(text.id)[2..]), Ok(text.id));
    }
}
