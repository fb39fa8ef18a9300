//! Map blocks of a flat landscape (`mapblock.cpp` serialize, formats 28 and 29).

use std::io::Write;

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::map::AIR;
use mesegate_protocol::to_client;
use mesegate_protocol::wire::Writer;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

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
    let mut body = bodies(world, centre, format);
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
        let mut w = Writer::command(to_client::BLOCKDATA);
        w.v3s16(std::array::from_fn(|axis| centre[axis] + offset[axis])).raw(&body(offset));
        w.finish()
    };
    positions.into_iter().map(message).collect()
}

/// Gives the encoded block at an offset from the centre.
fn bodies<'a>(
    world: &'a World,
    centre: [i16; 3],
    format: u8,
) -> Box<dyn FnMut([i16; 3]) -> Vec<u8> + 'a> {
    if let Some(seed) = world.hills {
        return Box::new(move |offset| {
            encode(&hills(world, seed, std::array::from_fn(|i| centre[i] + offset[i])), format)
        });
    }
    let full = encode(&[world.ground(); NODES], format);
    let surface = encode(&surface(world), format);
    Box::new(move |offset| if offset[1] < 0 { full.clone() } else { surface.clone() })
}

/// Ground with hills, lumps of other nodes and single ones strewn in: compresses to about half a
/// kilobyte, as a block of the standard game's surface does.
fn hills(world: &World, seed: u64, block: [i16; 3]) -> [u16; NODES] {
    let place = block.iter().fold(seed, |hash, axis| {
        (hash ^ u64::from(axis.cast_unsigned())).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
    });
    let mut rng = SmallRng::seed_from_u64(place);
    let mut any = || match world.nodes.len() {
        0 => AIR,
        count => world.nodes[rng.random_range(0..count)].id,
    };
    let lumps: [u16; 64] = std::array::from_fn(|_| any());
    let strewn: [u16; 64] = std::array::from_fn(|_| any());
    let height: [usize; 16] = std::array::from_fn(|i| 4 + (usize::from(strewn[i]) % 10));
    std::array::from_fn(|index| {
        let (x, y, z) = (index % SIDE, index / SIDE % SIDE, index / SIDE / SIDE);
        if y > height[z / 4 * 4 + x / 4] {
            AIR
        } else if index % 67 == 0 {
            strewn[index / 67]
        } else {
            lumps[z / 4 * 16 + y / 4 * 4 + x / 4]
        }
    })
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
    fn no_two_blocks_of_a_hilly_world_are_alike() {
        let world = World::new("a").with_more_nodes("m:n", 50, 300, "m.png").with_hills(1);
        let version = ProtocolVersion(53);
        let messages = messages(&world, version);
        let bodies: BTreeSet<&[u8]> = messages.iter().map(|message| &message[8..]).collect();
        assert_eq!(bodies.len(), messages.len());
        let ids = world.nodes.iter().map(|node| node.id).collect();
        let mut view = View::new(version, "bot", ids, true);
        for message in &messages {
            view.observe(message);
        }
        assert_eq!(view.violations, Vec::<String>::new());
        let average = messages.iter().map(Bytes::len).sum::<usize>() / messages.len();
        assert!((300..1000).contains(&average), "{average}");
    }

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
