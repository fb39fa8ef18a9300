//! One item's definition (`itemdef.cpp`, ItemDefinition::serialize).

use std::ops::Range;

use bytes::Bytes;

use super::fields::{self, Field, FieldKind, Place, Section, Walker, expect_version};
use super::order;
use crate::ProtocolVersion;
use crate::editor::replace_str16;
use crate::edits::Edits;
use crate::names::NameMap;
use crate::wire::{Reader, Result, WireError, Writer};

/// Longest definition of one item, in bytes: a `str16`.
const ITEM_MAX: usize = u16::MAX as usize;

/// An item definition with the client's names: its own, and those it refers to. The same bytes if
/// nothing changes.
///
/// Images are left out if the definition would be longer than a `str16` holds with them.
///
/// # Errors
/// The definition cannot be read, is newer than any known while there are names to change, or does
/// not fit even without images.
pub fn rewrite(item: &Bytes, names: &NameMap, version: ProtocolVersion) -> Result<Bytes> {
    let view = match ItemView::parse(item, version) {
        // Engines read newer definitions as far as they know them, so clients may.
        Err(WireError::Newer { .. }) if fields::keeps_all(names) => return Ok(item.clone()),
        view => view?,
    };
    let edited = |images: bool| {
        view.edited(&mut |field| match field.kind {
            FieldKind::Texture if !images => Some(Vec::new()),
            _ => fields::translated(field, names),
        })
    };
    let Some(new) = edited(true) else { return Ok(item.clone()) };
    if new.len() <= ITEM_MAX {
        return Ok(new);
    }
    edited(false)
        .filter(|new| new.len() <= ITEM_MAX)
        .ok_or(WireError::TooLarge { what: "item definition", limit: ITEM_MAX })
}

/// What an item stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemType {
    /// Nothing: `unknown` and the hand.
    None,
    /// A node of the same name.
    Node,
    /// Anything that is neither.
    Craft,
    /// A tool.
    Tool,
    /// A type of a newer engine.
    Other(u8),
}

/// Names in one item definition, found without copying.
#[derive(Debug, Clone)]
pub struct ItemView<'a> {
    raw: &'a [u8],
    item_type: ItemType,
    name: Range<usize>,
    /// Bytes of the string, without its length.
    tool_capabilities: Range<usize>,
    groups: Range<usize>,
    places: Vec<Place>,
    sections: Vec<Section>,
    pointabilities: Option<Pointabilities>,
    /// What clients assume for known fields at the end that are missing.
    missing: Vec<u8>,
    end: usize,
}

/// A string in the definition that holds names inside a string of its own.
#[derive(Debug, Clone)]
struct Pointabilities {
    /// Bytes of the outer string, without its length.
    outer: Range<usize>,
    /// Node names, as ranges of that string.
    nodes: Vec<Place>,
}

impl<'a> ItemView<'a> {
    /// Reads up to the last known field. A version byte that is not known is an error.
    pub fn parse(raw: &'a [u8], version: ProtocolVersion) -> Result<Self> {
        let mut w = Walker::new(raw);
        expect_version(&mut w.reader, 6, "version of an item definition")?;
        w.section("type");
        let item_type = match w.reader.u8()? {
            0 => ItemType::None,
            1 => ItemType::Node,
            2 => ItemType::Craft,
            3 => ItemType::Tool,
            other => ItemType::Other(other),
        };
        w.section("name");
        let name = w.name(FieldKind::Name)?;
        w.section("description");
        w.reader.str16()?;
        w.section("inventory_image");
        image(&mut w, version)?;
        w.section("wield_image");
        image(&mut w, version)?;
        w.section("wield_scale");
        w.skip(12)?;
        w.section("stack_max");
        w.skip(2)?;
        w.section("on_use or liquids_pointable");
        w.skip(2)?;
        w.section("tool_capabilities");
        let capabilities = w.reader.str16()?; // holds no names
        let end = w.reader.position();
        let tool_capabilities = end - capabilities.len()..end;
        w.section("groups");
        let groups = w.groups()?;
        w.section("node_placement_prediction");
        w.name(FieldKind::Reference)?;
        w.section("sound");
        w.sound()?;
        w.sound()?;
        w.section("range");
        w.skip(4)?;
        w.section("palette");
        w.name(FieldKind::Palette)?;
        w.section("color");
        w.skip(4)?;
        w.section("inventory_overlay");
        image(&mut w, version)?;
        w.section("wield_overlay");
        image(&mut w, version)?;
        w.section("short_description or other late properties");
        let Trailing { pointabilities, missing } = trailing(&mut w, version)?;
        let end = w.reader.position();
        Ok(Self {
            raw,
            item_type,
            name,
            tool_capabilities,
            groups,
            places: w.places,
            sections: w.sections,
            pointabilities,
            missing,
            end,
        })
    }

    /// What the item stands for.
    pub fn item_type(&self) -> ItemType {
        self.item_type
    }

    /// The item's name; empty = the hand.
    pub fn name(&self) -> &'a [u8] {
        &self.raw[self.name.clone()]
    }

    /// Bytes after the last known field.
    pub fn unknown(&self) -> &'a [u8] {
        &self.raw[self.end..]
    }

    /// Every name in the definition, empty ones included; node names among what the item points
    /// at come last.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let inside = self.pointabilities.iter();
        let inside = inside.flat_map(|p| fields::fields(&self.raw[p.outer.clone()], &p.nodes));
        fields::fields(self.raw, &self.places).chain(inside)
    }

    /// The definition with names replaced where `new_name` gives one. Names longer than 65 535
    /// bytes become empty.
    pub fn rename(&self, new_name: &mut dyn FnMut(Field<'_>) -> Option<Vec<u8>>) -> Bytes {
        self.edited(new_name).unwrap_or_else(|| Bytes::copy_from_slice(self.raw))
    }

    /// In the words of the Lua API, the first property in which two definitions differ, their own
    /// names aside. `None` if there is none.
    pub fn first_difference(&self, other: &ItemView<'_>) -> Option<&'static str> {
        fields::first_difference((self.raw, &self.sections), (other.raw, &other.sections))
    }

    /// The definition with all lists that stand for sets in ascending order: groups, what the tool
    /// does to which of them, and what it points at. `None` if they are. Engines write them in the
    /// order of a hash table, which says nothing.
    pub fn ordered(&self) -> Option<Bytes> {
        let mut edits = Edits::new(self.raw);
        if !self.tool_capabilities.is_empty() {
            edits.rewrite(self.tool_capabilities.clone(), order::tool_capabilities);
        }
        edits.rewrite(self.groups.clone(), order::groups);
        if let Some(inside) = &self.pointabilities {
            edits.rewrite(inside.outer.clone(), order::pointabilities);
        }
        edits.finish().map(Bytes::from)
    }

    /// The definition with all fields that every release knows, those of older servers as clients
    /// complete them; `None` if it has them. Clients of releases that know fewer of them ignore the
    /// rest, as they do with those of a newer server.
    pub fn completed(&self) -> Option<Bytes> {
        (!self.missing.is_empty()).then(|| [self.raw, &self.missing].concat().into())
    }

    /// With new names; `None` if nothing changes.
    fn edited(&self, new_name: &mut dyn FnMut(Field<'_>) -> Option<Vec<u8>>) -> Option<Bytes> {
        let mut edits = Edits::new(self.raw);
        fields::replace(self.raw, &self.places, new_name, &mut edits);
        // The string with names inside comes after all other names.
        if let Some(inside) = &self.pointabilities {
            let outer = &self.raw[inside.outer.clone()];
            let mut nodes = Edits::new(outer);
            fields::replace(outer, &inside.nodes, new_name, &mut nodes);
            if let Some(new) = nodes.finish() {
                replace_str16(&mut edits, inside.outer.clone(), &new);
            }
        }
        edits.finish().map(Bytes::from)
    }
}

fn image(w: &mut Walker<'_>, version: ProtocolVersion) -> Result<()> {
    w.name(FieldKind::Texture)?;
    if version.item_image_animation() { w.animation() } else { Ok(()) }
}

/// What there is after the last field that every release sends.
struct Trailing {
    pointabilities: Option<Pointabilities>,
    /// Known fields that are not there, as clients complete them.
    missing: Vec<u8>,
}

/// Fields that appear by the sender's release. A group that is begun is complete.
fn trailing(w: &mut Walker<'_>, version: ProtocolVersion) -> Result<Trailing> {
    let mut missing = Writer::new();
    // 5.4: short description
    if w.reader.is_empty() {
        missing.str16(b"");
    } else {
        w.reader.str16()?;
    }
    // 5.5: place param2, 0 for none
    let mut place_param2 = 0;
    if version.item_place_param2_byte() {
        if w.reader.is_empty() {
            missing.u8(place_param2);
        } else {
            place_param2 = w.reader.u8()?;
        }
    }
    // 5.7: use, use air
    for _ in 0..2 {
        if w.reader.is_empty() {
            missing.str16(b"").f32(1.0).f32(1.0).f32(0.0); // `sound_spec.h`
        } else {
            w.sound()?;
        }
    }
    // 5.8: place param2 again, now with a word for none
    if w.reader.is_empty() {
        missing.u8(u8::from(place_param2 != 0));
        if place_param2 != 0 {
            missing.u8(place_param2);
        }
    } else if w.reader.bool()? {
        w.skip(1)?;
    }
    // 5.9: wallmounted rotate vertical, touch interaction, what it points at, wear bar colours
    if w.reader.is_empty() {
        missing.u8(0).u8(TOUCH_USER).u8(TOUCH_USER).u8(TOUCH_USER).str16(b"").u8(0);
        return Ok(Trailing { pointabilities: None, missing: missing.into_vec() });
    }
    w.skip(1 + 3)?;
    let value = w.reader.str16()?;
    let end = w.reader.position();
    let pointabilities = pointabilities(value, end - value.len()..end)?;
    if w.reader.bool()? {
        expect_version(&mut w.reader, 1, "version of wear bar colours")?;
        w.skip(1)?;
        let stops = usize::from(w.reader.u16()?);
        w.skip(stops * 8)?;
    }
    Ok(Trailing { pointabilities, missing: missing.into_vec() })
}

/// `itemdef.h`, TouchInteractionMode: as the player has set it.
const TOUCH_USER: u8 = 2;

/// `util/pointabilities.cpp`: four maps, the first of which has node names as keys. The objects'
/// names in the third are types of entities, which are not renamed.
fn pointabilities(value: &[u8], outer: Range<usize>) -> Result<Option<Pointabilities>> {
    if value.is_empty() {
        return Ok(None);
    }
    let mut r = Reader::new(value);
    expect_version(&mut r, 0, "version of pointabilities")?;
    let mut nodes = Vec::new();
    for _ in 0..r.u32()? {
        let name = r.str16()?;
        let end = r.position();
        nodes.push(Place { kind: FieldKind::Reference, value: end - name.len()..end });
        r.u8()?;
    }
    Ok(Some(Pointabilities { outer, nodes }))
}
