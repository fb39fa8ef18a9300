//! One node's ContentFeatures (`nodedef.cpp`, ContentFeatures::serialize). The layout is the same
//! for every protocol version from 37 to 53; only some values differ.

use std::ops::Range;

use bytes::Bytes;

use super::fields::{self, Field, FieldKind, Place, Section, Walker, expect_version};
use super::order;
use crate::edits::Edits;
use crate::names::NameMap;
use crate::wire::{Result, WireError, Writer};

/// Longest definition of one node, in bytes: a `str16`.
const FEATURES_MAX: usize = u16::MAX as usize;

/// A node definition with the client's names and ids: its own name and those it refers to through
/// `names`, the ids it connects to through `connects` (sorted and without repeats). The same bytes
/// if nothing changes. The layout is that of every protocol version.
///
/// Tiles are left out if the definition would be longer than a `str16` holds with them.
///
/// # Errors
/// The definition cannot be read, is newer than any known while there are names to change, or
/// does not fit even without tiles.
pub fn rewrite(features: &Bytes, names: &NameMap, connects: &dyn Fn(u16) -> u16) -> Result<Bytes> {
    let view = match FeaturesView::parse(features) {
        // Engines read newer definitions as far as they know them, so clients may.
        Err(WireError::Newer { .. }) if fields::keeps_all(names) => return Ok(features.clone()),
        view => view?,
    };
    let edited = |tiles: bool| {
        view.edited(
            &mut |field| match field.kind {
                FieldKind::Texture if !tiles => Some(Vec::new()),
                _ => fields::translated(field, names),
            },
            Some(connects),
        )
    };
    let Some(new) = edited(true) else { return Ok(features.clone()) };
    if new.len() <= FEATURES_MAX {
        return Ok(new);
    }
    edited(false)
        .filter(|new| new.len() <= FEATURES_MAX)
        .ok_or(WireError::TooLarge { what: "content features", limit: FEATURES_MAX })
}

/// Content ids that a node's box connects to, in the order of the definition.
///
/// # Errors
/// The definition cannot be read or is newer than any known.
pub fn connects(features: &Bytes) -> Result<Vec<u16>> {
    Ok(FeaturesView::parse(features)?.connects_to().collect())
}

/// Names and ids in one node definition, found without copying.
#[derive(Debug, Clone)]
pub struct FeaturesView<'a> {
    raw: &'a [u8],
    name: Range<usize>,
    groups: Range<usize>,
    /// The `u16` count and the ids after it.
    connects_to: Range<usize>,
    places: Vec<Place>,
    sections: Vec<Section>,
    /// Everything after the dig prediction.
    tail: Range<usize>,
    /// What a client assumes for the known bytes of the tail if they are missing.
    defaults: [u8; 5],
}

impl<'a> FeaturesView<'a> {
    /// Reads up to the last known field. A version byte that is not known is an error: such a
    /// definition can be forwarded, but not edited.
    pub fn parse(raw: &'a [u8]) -> Result<Self> {
        let mut w = Walker::new(raw);
        expect_version(&mut w.reader, 13, "version of content features")?;
        w.section("name");
        let name = w.name(FieldKind::Name)?;
        w.section("groups");
        let groups = w.groups()?;
        w.section("paramtype or paramtype2");
        w.skip(2)?;
        w.section("drawtype");
        let draw_type = w.reader.u8()?;
        w.section("mesh");
        w.name(FieldKind::Mesh)?;
        w.section("visual_scale");
        w.skip(4)?;
        w.section("tiles");
        tile_count(&mut w)?;
        tiles(&mut w, 6)?;
        w.section("overlay_tiles");
        tiles(&mut w, 6)?; // overlay tiles have no count of their own
        w.section("special_tiles");
        tile_count(&mut w)?;
        tiles(&mut w, 6)?;
        w.section("use_texture_alpha");
        let legacy_alpha = w.reader.u8()?;
        w.section("color");
        w.skip(3)?;
        w.section("palette");
        w.name(FieldKind::Palette)?;
        w.section("waving or connect_sides");
        w.skip(2)?;
        w.section("connects_to");
        let start = w.reader.position();
        let count = usize::from(w.reader.u16()?);
        w.skip(count * 2)?;
        let connects_to = start..w.reader.position();
        w.section("post_effect_color");
        w.skip(4)?;
        w.section("leveled");
        w.skip(1)?;
        w.section("light");
        w.skip(3)?;
        w.section("walkable, pointable, diggable, climbable, buildable_to or on_rightclick");
        w.skip(1 + 6)?; // ground content comes first
        w.section("damage_per_second");
        w.skip(4)?;
        w.section("liquidtype");
        let liquid_type = w.reader.u8()?;
        w.section("liquid_alternative_flowing");
        w.name(FieldKind::Reference)?;
        w.section("liquid_alternative_source");
        w.name(FieldKind::Reference)?;
        w.section("liquid properties, drowning or floodable");
        let viscosity = w.reader.u8()?;
        w.skip(4)?;
        for part in ["node_box", "selection_box", "collision_box"] {
            w.section(part);
            node_box(&mut w)?;
        }
        w.section("sounds");
        for _ in 0..3 {
            w.sound()?;
        }
        w.section("legacy param2");
        w.skip(2)?; // facedir, wallmounted
        w.section("node_dig_prediction");
        w.name(FieldKind::Reference)?;
        w.section("use_texture_alpha, move_resistance or other late properties");
        // What follows are single bytes by release; nothing in them is a name.
        let tail = w.reader.position()..raw.len();
        let alpha = alpha_from_legacy(draw_type, legacy_alpha);
        let defaults = [LEVELED_MAX, alpha, viscosity, u8::from(liquid_type != 0), 0];
        Ok(Self {
            raw,
            name,
            groups,
            connects_to,
            places: w.places,
            sections: w.sections,
            tail,
            defaults,
        })
    }

    /// The node's name; empty = clients ignore the definition.
    pub fn name(&self) -> &'a [u8] {
        &self.raw[self.name.clone()]
    }

    /// Content ids that the node's box connects to, resolved by the server.
    pub fn connects_to(&self) -> impl Iterator<Item = u16> + 'a {
        let ids = &self.raw[self.connects_to.start + 2..self.connects_to.end];
        ids.chunks_exact(2).map(|id| u16::from_be_bytes([id[0], id[1]]))
    }

    /// Every name in the definition, in its order, empty ones included.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        fields::fields(self.raw, &self.places)
    }

    /// The definition with names replaced where `new_name` gives one. Names longer than 65 535
    /// bytes become empty. The whole may then be longer than a `str16` holds: see
    /// [`NodeDefs::encode`](super::NodeDefs::encode).
    pub fn rename(&self, new_name: &mut dyn FnMut(Field<'_>) -> Option<Vec<u8>>) -> Bytes {
        self.edited(new_name, None).unwrap_or_else(|| Bytes::copy_from_slice(self.raw))
    }

    /// With new names and ids; `None` if nothing changes.
    fn edited(
        &self,
        new_name: &mut dyn FnMut(Field<'_>) -> Option<Vec<u8>>,
        connects: Option<&dyn Fn(u16) -> u16>,
    ) -> Option<Bytes> {
        let mut edits = Edits::new(self.raw);
        let ids = self.connects_to.clone();
        let after = self.places.partition_point(|place| place.value.start < ids.start);
        let (before, after) = self.places.split_at(after);
        fields::replace(self.raw, before, new_name, &mut edits);
        if let Some(new) = connects.and_then(|map| self.mapped_connects_to(map)) {
            edits.replace(ids, &new);
        }
        fields::replace(self.raw, after, new_name, &mut edits);
        edits.finish().map(Bytes::from)
    }

    /// Bytes after the last name: up to five known ones, by the sender's release (leveled max,
    /// alpha mode, move resistance, liquid physics, shaded), and whatever a newer one adds.
    pub fn tail(&self) -> &'a [u8] {
        &self.raw[self.tail.clone()]
    }

    /// The definition with all five known bytes of the tail; `None` if it has them. Clients read
    /// a list of nodes into one scratch record, so a definition of an older server would inherit
    /// these values from the node before it (`nodedef.cpp` NodeDefManager::deSerialize).
    pub fn completed(&self) -> Option<Bytes> {
        let missing = self.defaults.get(self.tail.len()..).filter(|m| !m.is_empty())?;
        let mut w = Writer::new();
        w.raw(self.raw).raw(missing);
        Some(w.finish())
    }

    /// The definition with its groups in ascending order; `None` if they are. Engines write them in
    /// the order of a hash table, which says nothing.
    pub fn ordered(&self) -> Option<Bytes> {
        let mut edits = Edits::new(self.raw);
        edits.rewrite(self.groups.clone(), order::groups);
        edits.finish().map(Bytes::from)
    }

    /// The definition with other ids to connect to, sorted and without repeats, so that equal sets
    /// are equal bytes. Clients only look whether an id is among them (`nodedef.cpp`
    /// nodeboxConnects).
    pub fn remap_connects_to(&self, map: &dyn Fn(u16) -> u16) -> Bytes {
        self.edited(&mut |_| None, Some(map)).unwrap_or_else(|| Bytes::copy_from_slice(self.raw))
    }

    /// The definition with these ids to connect to, of which there are at most 65 535.
    pub fn with_connects_to(&self, ids: &[u16]) -> Bytes {
        let mut edits = Edits::new(self.raw);
        edits.replace(self.connects_to.clone(), &connects_list(ids));
        edits.finish().map_or_else(Bytes::new, Bytes::from)
    }

    /// In the words of the Lua API, the first property in which two definitions differ, their own
    /// names aside. `None` if there is none.
    pub fn first_difference(&self, other: &FeaturesView<'_>) -> Option<&'static str> {
        fields::first_difference((self.raw, &self.sections), (other.raw, &other.sections))
    }

    /// Count and ids to connect to; `None` if they are those there are.
    fn mapped_connects_to(&self, map: &dyn Fn(u16) -> u16) -> Option<Vec<u8>> {
        let mut ids: Vec<u16> = self.connects_to().map(map).collect();
        ids.sort_unstable();
        ids.dedup();
        let new = connects_list(&ids);
        (new != self.raw[self.connects_to.clone()]).then_some(new)
    }
}

fn connects_list(ids: &[u16]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u16(ids.len() as u16);
    for id in ids.iter().take(usize::from(u16::MAX)) {
        w.u16(*id);
    }
    w.into_vec()
}

/// `nodedef.cpp` LEVELED_MAX.
const LEVELED_MAX: u8 = 127;

/// `nodedef.cpp` ContentFeatures::setAlphaFromLegacy.
fn alpha_from_legacy(draw_type: u8, legacy_alpha: u8) -> u8 {
    const BLEND: u8 = 0;
    const CLIP: u8 = 1;
    const OPAQUE: u8 = 2;
    match (draw_type, legacy_alpha) {
        (0 | 2 | 3, 255) => OPAQUE,
        (0, _) | (_, 255) => CLIP,
        _ => BLEND,
    }
}

/// Clients refuse any other count.
fn tile_count(w: &mut Walker<'_>) -> Result<()> {
    expect_version(&mut w.reader, 6, "tile count")
}

fn tiles(w: &mut Walker<'_>, count: usize) -> Result<()> {
    for _ in 0..count {
        expect_version(&mut w.reader, 6, "version of a tile")?;
        w.name(FieldKind::Texture)?;
        w.animation()?;
        let flags = w.reader.u16()?;
        let has = |bit: u16| usize::from(flags & bit != 0);
        w.skip(3 * has(8) + has(16) + has(32))?; // colour, scale, align style
    }
    Ok(())
}

/// `nodedef.cpp` NodeBox::serialize; clients take unknown types as regular and read no more.
fn node_box(w: &mut Walker<'_>) -> Result<()> {
    expect_version(&mut w.reader, 6, "version of a node box")?;
    match w.reader.u8()? {
        1 | 3 => boxes(w),
        2 => w.skip(6 * 12),
        4 => {
            for _ in 0..15 {
                boxes(w)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn boxes(w: &mut Walker<'_>) -> Result<()> {
    let count = usize::from(w.reader.u16()?);
    w.skip(count * 24)
}
