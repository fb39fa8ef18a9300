//! Map blocks of a flat landscape (`mapblock.cpp` serialize, formats 28 and 29).

use std::io::Write;

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::map::AIR;
use mesegate_protocol::to_client;
use mesegate_protocol::wire::Writer;

use super::World;

const SIDE: usize = 16;
const NODES: usize = SIDE * SIDE * SIDE;

/// BLOCKDATA for all blocks around the start, nearest first. The surface lies just below it: its
/// block holds one layer of every node of the world in turn, so that each content id travels.
pub(super) fn messages(world: &World, version: ProtocolVersion) -> Vec<Bytes> {
    if world.radius <= 0 {
        return Vec::new();
    }
    let format = version.serialization_version();
    let centre = world.spawn.map(|nodes| (nodes / SIDE as f32).floor() as i16);
    let full = encode(&[world.ground(); NODES], format);
    let surface = encode(&surface(world), format);
    let mut positions = Vec::new();
    for z in -world.radius..=world.radius {
        for y in -1..=0 {
            for x in -world.radius..=world.radius {
                positions.push([x, y, z]);
            }
        }
    }
    positions.sort_by_key(|p| p.iter().map(|c| i32::from(*c) * i32::from(*c)).sum::<i32>());
    let message = |offset: [i16; 3]| {
        let body = if offset[1] < 0 { &full } else { &surface };
        let mut w = Writer::command(to_client::BLOCKDATA);
        w.v3s16(std::array::from_fn(|axis| centre[axis] + offset[axis])).raw(body);
        w.finish()
    };
    positions.into_iter().map(message).collect()
}

fn surface(world: &World) -> [u16; NODES] {
    let mut ids = [AIR; NODES];
    if world.nodes.is_empty() {
        return ids;
    }
    let mut next = world.nodes.iter().cycle();
    for z in 0..SIDE {
        for x in 0..SIDE {
            // Index = (z * 16 + y) * 16 + x, with y = 0.
            ids[z * SIDE * SIDE + x] = next.next().map_or(AIR, |node| node.id);
        }
    }
    ids
}

/// A generated, fully lit block without metadata, with its network version byte.
fn encode(ids: &[u16; NODES], format: u8) -> Vec<u8> {
    let mut header = Writer::new();
    header.u8(2).u16(0xffff).u8(2).u8(2);
    let mut nodes = Writer::new();
    for id in ids {
        nodes.u16(*id);
    }
    nodes.raw(&[0x0f; NODES]).raw(&[0; NODES]);
    let mut out = Vec::new();
    if format >= 29 {
        let mut inner = header.into_vec();
        inner.extend(nodes.into_vec());
        inner.push(0);
        // Compressing to memory fails only without memory; an empty block then shows as broken.
        out = zstd::bulk::compress(&inner, 3).unwrap_or_default();
    } else {
        out.extend(header.into_vec());
        for stream in [&nodes.into_vec()[..], &[0]] {
            let mut zlib = flate2::write::ZlibEncoder::new(out, flate2::Compression::fast());
            let written = zlib.write_all(stream).and_then(|()| zlib.finish());
            out = written.unwrap_or_default();
        }
    }
    out.push(2);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::View;
    use std::collections::BTreeSet;

    #[test]
    fn blocks_of_both_formats_hold_the_worlds_nodes() {
        for version in [37, 39, 40, 53].map(ProtocolVersion) {
            let world = World::new("a").with_spawn([-20.0, 33.0, 0.0]);
            let ids = BTreeSet::from([200, 201]);
            let mut view = View::new(version, "bot", ids, true);
            let messages = messages(&world, version);
            assert_eq!(messages.len(), 18);
            for message in &messages {
                view.observe(message);
            }
            assert_eq!(view.violations, Vec::<String>::new(), "at {version}");
            assert_eq!(view.blocks[&[-2, 2, 0]].first, 200);
            assert_eq!(view.blocks[&[-2, 2, 0]].highest, 201);
            assert_eq!(view.blocks[&[-2, 1, 0]].highest, 200);
        }
    }
}
