//! Object properties, as far as they hold a content id (`object_properties.cpp`).

use crate::wire::{Reader, Result};

/// The only layout version there is; others are refused by clients.
const VERSION: u8 = 4;

/// Offset of the content id of the `node` visual in the body of a SET_PROPERTIES message.
/// `None` if the sender is older than 5.12 or the version is unknown.
pub(super) fn node_offset(body: &[u8]) -> Result<Option<usize>> {
    let mut r = Reader::new(body);
    if r.u8()? != VERSION {
        return Ok(None);
    }
    r.take(2 + 1 + 4 + 4 * 12 + 1, "object size")?;
    r.str16()?; // visual
    r.take(12, "visual size")?;
    for _ in 0..r.u16()? {
        r.str16()?; // texture
    }
    r.take(4 + 4 + 1 + 1 + 4, "sprite")?;
    r.str16()?; // mesh
    let colors = usize::from(r.u16()?);
    r.take(colors * 4, "colours")?;
    r.take(1 + 4 + 1 + 4 + 1, "movement")?;
    r.str16()?; // nametag
    r.take(4 + 4, "nametag colour")?;
    r.str16()?; // infotext
    r.str16()?; // wield item
    r.take(1 + 2 + 4 + 4 + 1, "view")?;
    // Trailing groups: each is there as a whole or not at all.
    if r.is_empty() {
        return Ok(None);
    }
    r.str16()?; // damage texture modifier, 5.3
    r.u8()?;
    if r.is_empty() {
        return Ok(None);
    }
    r.take(1 + 4, "nametag background")?; // 5.4
    if r.is_empty() {
        return Ok(None);
    }
    r.u8()?; // selection box rotates, 5.7
    if r.is_empty() {
        return Ok(None);
    }
    let offset = r.position();
    r.take(2 + 1 + 1, "node")?; // 5.12
    Ok(Some(offset))
}
