//! Textures of HUD elements (`server.cpp` SendHUDAdd, SendHUDChange; `client/hud.cpp`
//! drawLuaElements).

use crate::NameMap;
use crate::editor::Editor;
use crate::play::HudType;
use crate::wire::Result;

/// HUDADD.
pub(super) fn add(edit: &mut Editor<'_>, names: &NameMap) -> Result<()> {
    edit.skip(4, "HUD id")?;
    let kind = HudType(edit.read().u8()?);
    edit.skip(8, "HUD position")?;
    edit.read().str16()?; // name
    edit.skip(8, "HUD scale")?;
    edit.str16(|text| if kind.text_is_texture() { names.texture(text) } else { None })?;
    if !kind.text2_is_texture() {
        return Ok(());
    }
    edit.skip(3 * 4 + 2 * 8 + 12 + 8, "HUD size")?;
    if edit.is_empty() {
        return Ok(());
    }
    edit.skip(2, "HUD z index")?; // 5.2
    if edit.is_empty() {
        return Ok(());
    }
    edit.str16(|text| names.texture(text)) // 5.3
}

/// HUDCHANGE. It does not say of what type the element is.
pub(super) fn change(
    edit: &mut Editor<'_>,
    names: &NameMap,
    hud_type: &dyn Fn(u32) -> Option<HudType>,
) -> Result<()> {
    /// `hud_element.h`, HudElementStat.
    const TEXT: u8 = 3;
    const TEXT2: u8 = 12;
    let id = edit.read().u32()?;
    let stat = edit.read().u8()?;
    let is_texture = hud_type(id).is_some_and(|kind| match stat {
        TEXT => kind.text_is_texture(),
        TEXT2 => kind.text2_is_texture(),
        _ => false,
    });
    if is_texture { edit.str16(|text| names.texture(text)) } else { Ok(()) }
}

/// HUD_SET_PARAM.
pub(super) fn set_param(edit: &mut Editor<'_>, names: &NameMap) -> Result<()> {
    /// `hud_element.h`, HudParameter: image of the hotbar, and of its selected slot.
    const IMAGES: [u16; 2] = [2, 3];
    let param = edit.read().u16()?;
    if IMAGES.contains(&param) { edit.str16(|text| names.texture(text)) } else { Ok(()) }
}
