//! The inner bytes of one item definition (`itemdef.cpp`, `ItemDefinition::serialize`).

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::wire::Writer;

use super::features::sound;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Without a use of its own: the hand.
    None = 0,
    /// A node of the same name.
    Node = 1,
    /// Anything that can be carried.
    Craft = 2,
}

/// A definition as an engine of release 5.9 or newer writes it for `version`.
pub(super) fn item_definition(
    name: &str,
    kind: Kind,
    image: &str,
    version: ProtocolVersion,
) -> Bytes {
    let mut w = Writer::new();
    w.u8(6).u8(kind as u8).str16(name.as_bytes()).str16(name.as_bytes());
    item_image(&mut w, image, version);
    item_image(&mut w, "", version);
    w.v3f([1.0; 3]).i16(99).u8(0).u8(0);
    // The hand must be able to do something: a client without its capabilities terminates.
    w.str16(&if name.is_empty() { tool_capabilities(version) } else { Vec::new() });
    w.u16(0).str16(b"");
    sound(&mut w);
    sound(&mut w);
    w.f32(-1.0).str16(b"").u32(0xffff_ffff);
    item_image(&mut w, "", version);
    item_image(&mut w, "", version);
    w.str16(b"");
    if version.item_place_param2_byte() {
        w.u8(0);
    }
    sound(&mut w);
    sound(&mut w);
    w.u8(0).u8(0).u8(0).u8(0).u8(0).str16(b"").u8(0);
    w.finish()
}

fn item_image(w: &mut Writer, texture: &str, version: ProtocolVersion) {
    w.str16(texture.as_bytes());
    if version.item_image_animation() {
        w.u8(0);
    }
}

/// `tool.cpp`, `ToolCapabilities::serialize`: digs "cracky" slowly, by hand.
fn tool_capabilities(version: ProtocolVersion) -> Vec<u8> {
    let mut w = Writer::new();
    let uses = version.incremental_inventory();
    w.u8(if uses { 5 } else { 4 }).f32(1.0).i16(0);
    w.u32(1).str16(b"cracky").i16(0).i16(1);
    w.u32(1).i16(3).f32(0.5);
    w.u32(1).str16(b"fleshy").i16(1);
    if uses {
        w.u16(0);
    }
    w.into_vec()
}
