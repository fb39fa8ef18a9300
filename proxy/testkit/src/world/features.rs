//! The inner bytes of one node definition (`nodedef.cpp`, `ContentFeatures::serialize`).

use bytes::Bytes;
use mesegate_protocol::wire::Writer;

use super::NodeSpec;

/// Faces of a node; each of the three tile groups has this many tiles.
const FACES: u8 = 6;

/// A plain opaque cube. No field used here differs between protocol versions: it has no bouncy
/// group, is not liquid, and its texture does not start with a modifier.
pub(crate) fn content_features(node: &NodeSpec) -> Bytes {
    let mut w = Writer::new();
    w.u8(13).str16(node.name.as_bytes());
    w.u16(1).str16(b"cracky").i16(3);
    w.u8(0).u8(0).u8(0).str16(b"").f32(1.0);
    w.u8(FACES);
    (0..FACES).for_each(|_| tile(&mut w, &node.texture));
    (0..FACES).for_each(|_| tile(&mut w, ""));
    w.u8(FACES);
    (0..FACES).for_each(|_| tile(&mut w, ""));
    w.u8(255).u8(255).u8(255).u8(255).str16(b"").u8(0).u8(0);
    w.u16(node.connects_to.len() as u16);
    for id in &node.connects_to {
        w.u16(*id);
    }
    // Post effect colour, leveled, light (three), ground content.
    w.u32(0).u8(0).u8(0).u8(0).u8(0).u8(1);
    // Walkable, pointable, diggable, climbable, buildable to, right-clickable.
    w.u8(1).u8(1).u8(1).u8(0).u8(0).u8(0);
    w.u32(0).u8(0).str16(b"").str16(b"");
    // Viscosity, renewable, range, drowning, floodable.
    w.u8(0).u8(1).u8(8).u8(0).u8(0);
    for _ in 0..3 {
        w.u8(6).u8(0);
    }
    for _ in 0..3 {
        sound(&mut w);
    }
    w.u8(0).u8(0).str16(b"air");
    w.u8(127).u8(2).u8(0).u8(0).u8(0);
    w.finish()
}

fn tile(w: &mut Writer, texture: &str) {
    w.u8(6).str16(texture.as_bytes()).u8(0).u16(1);
}

/// A sound that is not there (`sound_spec.cpp`).
pub(super) fn sound(w: &mut Writer) {
    w.str16(b"").f32(1.0).f32(1.0).f32(0.0);
}
