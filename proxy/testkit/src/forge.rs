//! Bytes that no honest server sends: bombs, lists that lie, far too much of everything.

use std::io::Write as _;

use bytes::Bytes;
use mesegate_protocol::to_client;
use mesegate_protocol::wire::Writer;

use crate::world::{NodeSpec, content_features};

/// A zstd frame of a few kilobytes that unpacks to this many zeros.
pub fn bomb(bytes: u64) -> Bytes {
    let zeros = vec![0; 1 << 20];
    let mut left = bytes;
    let mut packed = Vec::new();
    // Writing to memory does not fail; a broken frame would be refused for another reason, which
    // tests notice.
    if let Ok(mut encoder) = zstd::Encoder::new(&mut packed, 3) {
        while left > 0 {
            let now = left.min(zeros.len() as u64);
            if encoder.write_all(&zeros[..now as usize]).is_err() {
                break;
            }
            left -= now;
        }
        let _ = encoder.finish();
    }
    packed.into()
}

/// The body of an ITEMDEF or NODEDEF of protocol 48 or newer around a frame.
pub fn definitions_of(frame: &[u8]) -> Bytes {
    let mut w = Writer::new();
    w.str32(frame);
    w.finish()
}

/// The body of a NODEDEF of protocol 48 or newer with so many nodes. The count has 16 bits only,
/// and so have the ids: past 65 535 both begin again.
pub fn many_nodes(count: u32) -> Bytes {
    let mut list = Writer::new();
    for index in 0..count {
        let id = index as u16;
        let node = NodeSpec {
            name: format!("many:n{index}"),
            id,
            texture: String::new(),
            connects_to: Vec::new(),
        };
        list.u16(id).str16(&content_features(&node));
    }
    let mut w = Writer::new();
    w.u8(1).u16(count.min(u32::from(u16::MAX)) as u16).str32(&list.into_vec());
    definitions_of(&zstd::bulk::compress(&w.into_vec(), 3).unwrap_or_default())
}

/// A BLOCKDATA of protocol 40 or newer around a frame.
pub fn block_of(position: [i16; 3], frame: &[u8]) -> Bytes {
    let mut w = Writer::command(to_client::BLOCKDATA);
    w.v3s16(position).raw(frame).u8(2);
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesegate_protocol::ProtocolVersion;
    use mesegate_protocol::content::NodeDefs;

    #[test]
    fn a_bomb_is_small_and_unpacks_to_what_it_says() {
        let bomb = bomb(100 << 20);
        assert!(bomb.len() < 20_000, "{}", bomb.len());
        let unpacked = zstd::stream::read::Decoder::new(&bomb[..]).unwrap();
        let count = std::io::copy(&mut { unpacked }, &mut std::io::sink()).unwrap();
        assert_eq!(count, 100 << 20);
    }

    #[test]
    fn a_list_that_does_not_lie_can_be_read() {
        let nodes = NodeDefs::decode(&many_nodes(1000), ProtocolVersion(53)).unwrap().nodes;
        assert_eq!(nodes.len(), 1000);
        assert_eq!(nodes[999].name, "many:n999");
    }
}
