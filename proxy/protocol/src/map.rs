//! Map blocks and single nodes: what a proxy reads of them, and how the content ids and names in
//! them are changed from a backend's to those the client was told at login.

mod block;
mod cache;
mod ids;
pub mod metadata;
mod position;

pub use block::{BlockLimits, BlockRemapper, ignore_block, is_ignore_block};
pub use cache::{BlockCache, BlockCacheStats};
pub use ids::{AIR, IGNORE, IdMap, UNKNOWN};
pub use position::{block_position, decode_positions, encode_positions, node_position};

use bytes::Bytes;

use crate::wire::Result;

/// Offset of the content id in ADDNODE, command included: the node position comes before it.
const ADD_NODE_ID: usize = 2 + 6;

/// Maps the content id of an ADDNODE message. `None`: forward the same bytes.
///
/// # Errors
/// The message ends before the id.
pub fn remap_add_node(message: &[u8], ids: &IdMap) -> Result<Option<Bytes>> {
    let mut reader = crate::wire::Reader::new(message);
    reader.take(ADD_NODE_ID, "node position")?;
    let old = reader.u16()?;
    let new = ids.get(old);
    if new == old || ids.is_identity() {
        return Ok(None);
    }
    let mut out = message.to_vec();
    out[ADD_NODE_ID..ADD_NODE_ID + 2].copy_from_slice(&new.to_be_bytes());
    Ok(Some(out.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::to_client;
    use crate::wire::Writer;

    fn add_node(id: u16) -> Bytes {
        let mut w = Writer::command(to_client::ADDNODE);
        w.v3s16([1, -2, 3]).u16(id).u8(15).u8(2).bool(false);
        w.finish()
    }

    #[test]
    fn add_node_gets_the_clients_id_and_keeps_the_rest() {
        let ids = IdMap::new([(16, 900)]);
        assert_eq!(remap_add_node(&add_node(16), &ids).unwrap(), Some(add_node(900)));
        assert_eq!(remap_add_node(&add_node(17), &ids).unwrap(), Some(add_node(UNKNOWN)));
        assert_eq!(remap_add_node(&add_node(AIR), &ids).unwrap(), None);
        assert_eq!(node_position(&add_node(16)).unwrap(), [1, -2, 3]);
    }

    #[test]
    fn short_add_node_is_an_error() {
        let ids = IdMap::new([(16, 900)]);
        assert!(remap_add_node(&add_node(16)[..9], &ids).is_err());
    }
}
