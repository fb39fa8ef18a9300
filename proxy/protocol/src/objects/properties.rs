//! Object properties, as far as they hold names and ids (`object_properties.cpp`).

use std::ops::Range;

use super::mapping::Mapping;
use crate::editor::replace_str16;
use crate::edits::Edits;
use crate::wire::{Reader, Result};

/// The only layout version there is; others are refused by clients.
const VERSION: u8 = 4;

/// Where names and ids lie in a SET_PROPERTIES message. Texts are without their lengths.
struct Places {
    visual: Range<usize>,
    textures: Vec<Range<usize>>,
    mesh: Range<usize>,
    wield_item: Range<usize>,
    /// Damage texture modifier, from 5.3 on.
    modifier: Option<Range<usize>>,
    /// Content id of the `node` visual, from 5.12 on.
    node: Option<Range<usize>>,
}

impl Places {
    /// `None` if the version is unknown.
    fn find(message: &[u8]) -> Result<Option<Self>> {
        let mut r = Reader::new(message);
        r.u8()?; // command
        if r.u8()? != VERSION {
            return Ok(None);
        }
        r.take(2 + 1 + 4 + 4 * 12 + 1, "object size")?;
        let visual = text(&mut r)?;
        r.take(12, "visual size")?;
        let textures = (0..r.u16()?).map(|_| text(&mut r)).collect::<Result<_>>()?;
        r.take(4 + 4 + 1 + 1 + 4, "sprite")?;
        let mesh = text(&mut r)?;
        let colors = usize::from(r.u16()?);
        r.take(colors * 4, "colours")?;
        r.take(1 + 4 + 1 + 4 + 1, "movement")?;
        r.str16()?; // nametag
        r.take(4 + 4, "nametag colour")?;
        r.str16()?; // infotext
        let wield_item = text(&mut r)?;
        r.take(1 + 2 + 4 + 4 + 1, "view")?;
        let mut places = Self { visual, textures, mesh, wield_item, modifier: None, node: None };
        // Trailing groups: each is there as a whole or not at all.
        if r.is_empty() {
            return Ok(Some(places));
        }
        places.modifier = Some(text(&mut r)?); // 5.3
        r.u8()?;
        for (size, what) in [(1 + 4, "nametag background"), (1, "selection box")] {
            if r.is_empty() {
                return Ok(Some(places));
            }
            r.take(size, what)?; // 5.4, 5.7
        }
        if !r.is_empty() {
            let start = r.position();
            r.take(2 + 1 + 1, "node")?; // 5.12
            places.node = Some(start..start + 2);
        }
        Ok(Some(places))
    }

    /// True if the first texture is the name of an item (`client/content_cao.cpp`,
    /// GenericCAO::addToScene).
    fn shows_item(&self, message: &[u8]) -> bool {
        matches!(&message[self.visual.clone()], b"item" | b"wielditem")
            && self.wield_item.is_empty()
    }

    fn edited(&self, message: &[u8], mapping: &Mapping<'_>, textures: bool) -> Option<Vec<u8>> {
        let names = mapping.translation.names();
        let texture = |text: &[u8]| if textures { names.texture(text) } else { Some(Vec::new()) };
        let item = |name: &[u8]| names.item(name).map(|new| new.to_vec());
        let mut edits = Edits::new(message);
        let mut replace = |place: &Range<usize>, new: Option<Vec<u8>>| {
            if let Some(new) = new {
                replace_str16(&mut edits, place.clone(), &new);
            }
        };
        let shows_item = self.shows_item(message);
        for (index, place) in self.textures.iter().enumerate() {
            let old = &message[place.clone()];
            replace(place, if shows_item && index == 0 { item(old) } else { texture(old) });
        }
        let mesh = names.media(&message[self.mesh.clone()]);
        replace(&self.mesh, mesh.map(|new| new.to_vec()));
        replace(&self.wield_item, names.item_string(&message[self.wield_item.clone()]));
        if let Some(place) = &self.modifier {
            replace(place, texture(&message[place.clone()]));
        }
        if let Some(place) = &self.node {
            let old = u16::from_be_bytes([message[place.start], message[place.start + 1]]);
            let new = mapping.translation.content(old);
            if new != old {
                edits.replace(place.clone(), &new.to_be_bytes());
            }
        }
        edits.finish()
    }
}

/// Reads a `str16`: where its text lies.
fn text(r: &mut Reader<'_>) -> Result<Range<usize>> {
    let length = r.str16()?.len();
    Ok(r.position() - length..r.position())
}

/// A SET_PROPERTIES message with other ids and names; `None` if nothing changes. Textures are
/// left out if it would be over `limit` bytes with them.
///
/// # Errors
/// The message ends inside a field.
pub(super) fn rewrite(
    message: &[u8],
    mapping: &Mapping<'_>,
    limit: usize,
) -> Result<Option<Vec<u8>>> {
    let Some(places) = Places::find(message)? else { return Ok(None) };
    let new = places.edited(message, mapping, true);
    match new {
        Some(new) if new.len() > limit => Ok(places.edited(message, mapping, false)),
        new => Ok(new),
    }
}
