//! BLOCKDATA: changing the 4096 content ids and the names in node metadata inside the compressed
//! block (`mapblock.cpp`, `MapBlock::serialize`).

mod format28;
mod format29;

use bytes::Bytes;

use super::metadata;
use crate::to_client;
use crate::translation::Translation;
use crate::wire::{Result, WireError, Writer};

/// Nodes in a block.
const NODES: usize = 16 * 16 * 16;
/// Bytes of the node arrays: content ids, light, param2.
const NODE_BYTES: usize = NODES * 4;
/// Flags, lighting bits, content width, params width.
const HEADER: usize = 5;
/// Command and block position.
pub(super) const PREFIX: usize = 2 + 6;
/// What follows the block; clients read it and ignore its value (`SendBlockNoLock`).
const NETWORK_VERSION: u8 = 2;
/// An empty node metadata list (`nodemetadata.cpp`): its version byte says so.
const NO_METADATA: u8 = 0;

/// Buffers above this size are not kept from one block to the next, in bytes.
const KEPT_BUFFER: usize = 256 * 1024;

/// How much a block may be when decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockLimits {
    /// Bytes of a whole decompressed block. The nodes always fit; a block whose metadata is
    /// larger is passed on without metadata.
    pub decompressed: usize,
}

impl Default for BlockLimits {
    fn default() -> Self {
        Self { decompressed: 4 * 1024 * 1024 }
    }
}

impl BlockLimits {
    /// Bytes left for metadata.
    fn metadata(self) -> usize {
        self.decompressed.saturating_sub(HEADER + NODE_BYTES)
    }
}

/// Rewrites BLOCKDATA messages. It keeps its compressors and buffers, so one of these per thread
/// or per player avoids setting them up for every block.
#[derive(Default)]
pub struct BlockRemapper {
    limits: BlockLimits,
    format28: Option<format28::Codec>,
    format29: Option<format29::Codec>,
    block: Block,
}

/// A block taken apart. The buffers are reused.
#[derive(Default)]
struct Block {
    /// Flags, lighting bits and the two widths.
    header: [u8; HEADER],
    /// Content ids, light, param2.
    nodes: Vec<u8>,
    /// The metadata list with its version byte.
    metadata: Vec<u8>,
}

impl Block {
    /// Maps all content ids; false if none changed.
    fn remap(&mut self, translation: &Translation) -> bool {
        let ids = translation.ids();
        if ids.is_identity() {
            return false;
        }
        let mut changed = false;
        for raw in self.nodes[..NODES * 2].chunks_exact_mut(2) {
            let old = u16::from_be_bytes([raw[0], raw[1]]);
            let new = ids.get(old);
            changed |= new != old;
            raw.copy_from_slice(&new.to_be_bytes());
        }
        changed
    }

    /// Renames what the metadata names; false if nothing changed.
    fn rename(&mut self, translation: &Translation) -> Result<bool> {
        if !translation.renames() {
            return Ok(false);
        }
        let new = metadata::rewrite(&self.metadata, false, translation.names())?;
        let changed = new.is_some();
        self.metadata = new.unwrap_or(std::mem::take(&mut self.metadata));
        Ok(changed)
    }

    /// Engines between protocol 37 and 53 write both widths as 2 and nothing else.
    fn check_widths(&self) -> Result<()> {
        if self.header[3..] == [2, 2] {
            Ok(())
        } else {
            Err(WireError::Invalid { what: "block node width", offset: 3 })
        }
    }

    fn drop_metadata(&mut self) {
        self.metadata.clear();
        self.metadata.push(NO_METADATA);
    }
}

impl BlockRemapper {
    /// A remapper with these limits.
    pub fn new(limits: BlockLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Translates the content ids and the node metadata of a BLOCKDATA message in block format
    /// `format` (28 or 29).
    ///
    /// `None`: nothing in it changes, forward the same bytes. Node metadata that is over the limit
    /// is left out.
    ///
    /// # Errors
    /// The block cannot be decompressed, has another node width or block format, or its metadata
    /// cannot be read.
    pub fn remap(
        &mut self,
        message: &[u8],
        translation: &Translation,
        format: u8,
    ) -> Result<Option<Bytes>> {
        if !changes(translation) {
            return Ok(None);
        }
        let Some((prefix, body)) = message.split_at_checked(PREFIX) else {
            return Err(WireError::Short { what: "block position", offset: 0 });
        };
        let result = match format {
            29 => {
                let codec = match &mut self.format29 {
                    Some(codec) => codec,
                    empty => empty.insert(format29::Codec::new()?),
                };
                let result = codec.remap(prefix, body, translation, self.limits, &mut self.block);
                codec.trim(KEPT_BUFFER);
                result
            }
            28 => {
                let codec = self.format28.get_or_insert_default();
                codec.remap(prefix, body, translation, self.limits, &mut self.block)
            }
            _ => Err(WireError::Invalid { what: "block format", offset: 0 }),
        };
        if self.block.metadata.capacity() > KEPT_BUFFER {
            self.block.metadata = Vec::new();
        }
        result
    }
}

/// True if a block can be another one for the client.
pub(super) fn changes(translation: &Translation) -> bool {
    !translation.ids().is_identity() || translation.renames()
}

/// All nodes "ignore", block format 29: one zstd frame and the network version.
const IGNORE_29: &[u8] = &[
    0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x06, 0x3f, 0x95, 0x00, 0x00, 0x38, 0x08, 0xff, 0xff, 0x02, 0x02,
    0x00, 0x7f, 0x02, 0x00, 0xfd, 0x0f, 0x7a, 0xc0, 0xff, 0xf5, 0xce, 0x08, 0x02,
];

/// All nodes "ignore", block format 28: header, two zlib streams, network version.
const IGNORE_28: &[u8] = &[
    0x08, 0xff, 0xff, 0x02, 0x02, 0x78, 0xda, 0xed, 0xc1, 0x01, 0x09, 0x00, 0x00, 0x00, 0x02, 0xa0,
    0x9e, 0x77, 0xbd, 0x1d, 0x81, 0x9a, 0x46, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x7d, 0x0f,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xdc, 0x1b, 0x94, 0x4a, 0xf0, 0x6a, 0x78, 0xda, 0x63,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x02,
];

fn ignore_body(format: u8) -> &'static [u8] {
    if format < 29 { IGNORE_28 } else { IGNORE_29 }
}

/// A BLOCKDATA message that overwrites the block at `position` with "ignore": the client draws
/// nothing there and the player can neither move nor fall in it. No message makes a client drop a
/// block, so this is what unloading is (`content_mapblock.cpp`, `collision.cpp`).
pub fn ignore_block(position: [i16; 3], format: u8) -> Bytes {
    let mut w = Writer::command(to_client::BLOCKDATA);
    w.v3s16(position).raw(ignore_body(format));
    w.finish()
}

/// True if `message` is one of [`ignore_block`].
pub fn is_ignore_block(message: &[u8]) -> bool {
    message.get(PREFIX..).is_some_and(|body| body == IGNORE_29 || body == IGNORE_28)
}

#[cfg(test)]
mod tests;
