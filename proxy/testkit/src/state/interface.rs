//! Messages about what is drawn around the world: HUD, forms, sky and the like.

use mesegate_protocol::wire::WireError;
use mesegate_protocol::{ProtocolVersion, to_client};

use super::canon::Scribe;

type Result<T> = std::result::Result<T, WireError>;

/// Which of an element's strings (text, text2) are textures (`client/hud.cpp` drawLuaElements).
fn textures(kind: u8) -> (bool, bool) {
    match kind {
        0 | 5 | 6 => (true, false),
        2 => (true, true),
        _ => (false, false),
    }
}

fn texture_or_words(s: &mut Scribe<'_>, is_texture: bool) -> Result<()> {
    if is_texture { s.texture() } else { s.words().map(drop) }
}

/// HUDADD after the element's number. Gives the element's type.
pub(super) fn hud_add(s: &mut Scribe<'_>) -> Result<u8> {
    let kind = s.u8()?;
    let (text, text2) = textures(kind);
    s.copy(8)?;
    s.words()?;
    s.copy(8)?;
    texture_or_words(s, text)?;
    // Number, item, direction, alignment, offset, world position, size; z index.
    s.copy(12 + 16 + 12 + 8)?;
    if !s.r.is_empty() {
        s.copy(2)?;
    }
    if !s.r.is_empty() {
        texture_or_words(s, text2)?;
    }
    s.rest();
    Ok(kind)
}

/// HUDCHANGE after the element's number.
pub(super) fn hud_change(s: &mut Scribe<'_>, kind: Option<u8>) -> Result<()> {
    let (text, text2) = kind.map_or((false, false), textures);
    match s.u8()? {
        3 => texture_or_words(s, text),
        12 => texture_or_words(s, text2),
        1 => s.words().map(drop),
        // Only the low 16 bits mean something (`server.cpp` SendHUDChange).
        11 => {
            s.r.u16()?;
            s.copy(2).map(drop)
        }
        _ => {
            s.rest();
            Ok(())
        }
    }
}

/// Every other message.
pub(super) fn write(command: u16, s: &mut Scribe<'_>, version: ProtocolVersion) -> Result<()> {
    match command {
        to_client::INVENTORY_FORMSPEC => {
            let form = s.r.str32()?;
            s.formspec(form);
        }
        to_client::SHOW_FORMSPEC => {
            let form = s.r.str32()?;
            s.formspec(form);
            s.words()?;
        }
        to_client::FORMSPEC_PREPEND => {
            let form = s.r.str16()?;
            s.formspec(form);
        }
        to_client::HUD_SET_PARAM => match s.u16()? {
            2 | 3 => s.texture()?,
            _ => {
                let value = s.r.str16()?;
                s.hex(value);
            }
        },
        to_client::SET_SKY => sky(s, version)?,
        to_client::SET_SUN => {
            s.u8()?;
            s.texture()?;
            s.texture()?;
            s.texture()?;
        }
        to_client::SET_MOON => {
            s.u8()?;
            s.texture()?;
            s.texture()?;
        }
        to_client::MINIMAP_MODES => {
            let count = s.u16()?;
            s.u16()?;
            for _ in 0..count {
                s.u16()?;
                s.words()?;
                s.u16()?;
                s.texture()?;
                s.u16()?;
            }
        }
        to_client::CHAT_MESSAGE => {
            s.copy(2)?;
            let sender = s.r.wstr()?;
            let text = s.r.wstr()?;
            s.put(&format!("{sender:?}: {text:?}"));
            // When it was said.
            s.r.rest();
        }
        _ => {}
    }
    s.rest();
    Ok(())
}

fn sky(s: &mut Scribe<'_>, version: ProtocolVersion) -> Result<()> {
    s.copy(4)?;
    let kind = s.words()?;
    if version.0 >= 39 {
        s.copy(9)?;
        s.words()?;
        if kind != "skybox" {
            return Ok(());
        }
    }
    for _ in 0..s.u16()? {
        s.texture()?;
    }
    Ok(())
}
