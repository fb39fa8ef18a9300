//! Block format 28 (protocol 37 to 39): the header is plain, nodes and metadata are one zlib
//! stream each, without lengths.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{
    Block, BlockLimits, HEADER, NETWORK_VERSION, NODE_BYTES, Result, Translation, WireError,
};

/// How much output space is offered at a time.
const STEP: usize = 16 * 1024;

pub(super) struct Codec {
    inflate: Decompress,
    deflate: Compress,
}

impl Default for Codec {
    fn default() -> Self {
        Self { inflate: Decompress::new(true), deflate: Compress::new(Compression::fast(), true) }
    }
}

impl Codec {
    pub(super) fn remap(
        &mut self,
        prefix: &[u8],
        body: &[u8],
        translation: &Translation,
        limits: BlockLimits,
        block: &mut Block,
    ) -> Result<Option<Bytes>> {
        let Some((header, streams)) = body.split_at_checked(HEADER) else {
            return Err(WireError::Short { what: "block header", offset: 0 });
        };
        block.header.copy_from_slice(header);
        block.check_widths()?;
        let used = self.inflate(streams, &mut block.nodes, NODE_BYTES)?;
        if block.nodes.len() != NODE_BYTES {
            return Err(WireError::Short { what: "block nodes", offset: block.nodes.len() });
        }
        let remapped = block.remap(translation);
        if !remapped && !translation.renames() {
            return Ok(None);
        }
        let streams = &streams[used..];
        let rest = match self.inflate(streams, &mut block.metadata, limits.metadata()) {
            Ok(used) => {
                if !block.rename(translation)? && !remapped {
                    return Ok(None);
                }
                &streams[used..]
            }
            Err(WireError::TooLarge { .. }) => {
                block.drop_metadata();
                &[NETWORK_VERSION]
            }
            Err(error) => return Err(error),
        };
        let mut out = Vec::with_capacity(prefix.len() + body.len() + 64);
        out.extend_from_slice(prefix);
        out.extend_from_slice(&block.header);
        self.deflate(&block.nodes, &mut out)?;
        self.deflate(&block.metadata, &mut out)?;
        out.extend_from_slice(rest);
        Ok(Some(out.into()))
    }

    /// Decompresses one stream into `out`; returns how many input bytes it took.
    fn inflate(&mut self, input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<usize> {
        self.inflate.reset(true);
        out.clear();
        loop {
            if out.len() == out.capacity() {
                out.reserve(STEP);
            }
            let taken = self.inflate.total_in() as usize;
            let before = (taken, out.len());
            let status =
                self.inflate
                    .decompress_vec(&input[taken..], out, FlushDecompress::None)
                    .map_err(|_| WireError::Invalid { what: "block zlib stream", offset: taken })?;
            let taken = self.inflate.total_in() as usize;
            if out.len() > limit {
                return Err(WireError::TooLarge { what: "decompressed block", limit });
            }
            if status == Status::StreamEnd {
                return Ok(taken);
            }
            if before == (taken, out.len()) && out.len() < out.capacity() {
                return Err(WireError::Short { what: "block zlib stream", offset: taken });
            }
        }
    }

    /// Appends `plain` to `out` as one stream.
    fn deflate(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.deflate.reset();
        loop {
            let taken = self.deflate.total_in() as usize;
            out.reserve(STEP);
            let status = self
                .deflate
                .compress_vec(&plain[taken..], out, FlushCompress::Finish)
                .map_err(|_| WireError::Invalid { what: "zlib output", offset: taken })?;
            if status == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}
