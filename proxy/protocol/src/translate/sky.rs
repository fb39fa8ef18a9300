//! Textures of sky, sun, moon and minimap (`server.cpp` SendSetSky, SendSetSun, SendSetMoon,
//! SendMinimapModes).

use crate::NameMap;
use crate::editor::Editor;
use crate::version::ProtocolVersion;
use crate::wire::Result;

/// SET_SKY.
pub(super) fn sky(edit: &mut Editor<'_>, names: &NameMap, version: ProtocolVersion) -> Result<()> {
    edit.skip(4, "sky colour")?;
    let kind = edit.read().str16()?;
    if version.sky_objects() {
        edit.skip(1 + 4 + 4, "sky tints")?;
        edit.read().str16()?; // kind of tint
        // What follows another kind of sky are no textures.
        if kind != b"skybox" {
            return Ok(());
        }
    }
    for _ in 0..edit.read().u16()? {
        edit.str16(|text| names.texture(text))?;
    }
    Ok(())
}

/// SET_SUN and SET_MOON, with so many textures. `sun.png` and `moon.png` mean the look that is
/// built into the client only where no file of that name is known (`client/sky.cpp`), so a
/// backend's own file is a texture as any other.
pub(super) fn body(edit: &mut Editor<'_>, names: &NameMap, textures: usize) -> Result<()> {
    edit.skip(1, "visibility")?;
    for _ in 0..textures {
        edit.str16(|text| names.texture(text))?;
    }
    Ok(())
}

/// MINIMAP_MODES.
pub(super) fn minimap_modes(edit: &mut Editor<'_>, names: &NameMap) -> Result<()> {
    let count = edit.read().u16()?;
    edit.skip(2, "minimap mode")?;
    for _ in 0..count {
        edit.skip(2, "type of minimap")?;
        edit.read().str16()?; // label
        edit.skip(2, "size of minimap")?;
        edit.str16(|text| names.texture(text))?;
        edit.skip(2, "scale of minimap")?;
    }
    Ok(())
}
