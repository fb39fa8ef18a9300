//! Map blocks, decompressed (`mapblock.cpp` serialize, formats 28 and 29).

use std::io::Read;

use mesegate_protocol::wire::{Reader, WireError};

use super::{BlockView, View};

/// Nodes of a block.
const NODES: usize = 4096;

/// Bytes read of a decompressed block: the nodes, not what metadata may follow.
const NODE_BYTES: usize = 5 + NODES * 4;

/// Blocks a view keeps; an engine client keeps fewer.
const BLOCKS: usize = 50_000;

impl View {
    pub(super) fn block_data(&mut self, r: &mut Reader<'_>) -> Result<(), WireError> {
        let position = r.v3s16()?;
        let raw = r.rest();
        if raw.is_empty() {
            return Err(WireError::Short { what: "block", offset: 6 });
        }
        let sent = self.blocks.get(&position).map_or(0, |block| block.sent) + 1;
        let mut block = BlockView { first: 0, highest: 0, ignored: false, sent };
        if self.check_blocks {
            match content_ids(raw, self.version().serialization_version()) {
                Ok(ids) => {
                    block.first = ids[0];
                    block.highest = ids.iter().copied().max().unwrap_or(0);
                    block.ignored = ids.iter().all(|id| *id == mesegate_protocol::map::IGNORE);
                    let mut known = None;
                    for id in ids {
                        if known != Some(id) {
                            self.check_id(id, "BLOCKDATA");
                            known = Some(id);
                        }
                    }
                }
                Err(what) => self.violation(format!("block {position:?} is broken: {what}")),
            }
        }
        if self.blocks.len() < BLOCKS || self.blocks.contains_key(&position) {
            self.blocks.insert(position, block);
        }
        Ok(())
    }

    /// Engine servers send only ids they defined; a proxy maps others to "unknown".
    pub(super) fn check_id(&mut self, id: u16, place: &str) {
        let builtin =
            (mesegate_protocol::map::UNKNOWN..=mesegate_protocol::map::IGNORE).contains(&id);
        if !builtin && !self.known_ids.is_empty() && !self.known_ids.contains(&id) {
            self.violation(format!("{place} holds content id {id}, which was never defined"));
        }
    }
}

fn content_ids(raw: &[u8], format: u8) -> Result<Vec<u16>, String> {
    let (header, nodes) = if format >= 29 {
        let mut all = Vec::with_capacity(NODE_BYTES);
        let decoder = zstd::stream::read::Decoder::with_buffer(raw).map_err(|e| e.to_string())?;
        decoder.take(NODE_BYTES as u64).read_to_end(&mut all).map_err(|e| e.to_string())?;
        if all.len() < NODE_BYTES {
            return Err(format!("only {} bytes", all.len()));
        }
        let nodes = all.split_off(5);
        (all, nodes)
    } else {
        let (header, body) = raw.split_at_checked(5).ok_or("shorter than its header")?;
        let mut nodes = Vec::with_capacity(NODES * 4);
        flate2::bufread::ZlibDecoder::new(body)
            .take((NODES * 4) as u64)
            .read_to_end(&mut nodes)
            .map_err(|e| e.to_string())?;
        if nodes.len() < NODES * 4 {
            return Err(format!("only {} bytes of nodes", nodes.len()));
        }
        (header.to_vec(), nodes)
    };
    if header[3..5] != [2, 2] {
        return Err(format!("widths {:?}", &header[3..5]));
    }
    let ids = nodes[..NODES * 2].chunks_exact(2);
    Ok(ids.map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
}
