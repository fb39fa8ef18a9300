//! Block format 29 (protocol 40 and later): one zstd frame over everything, then the network
//! version outside of it.

use bytes::Bytes;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::DParameter;

use super::{
    Block, BlockLimits, HEADER, NETWORK_VERSION, NODE_BYTES, Result, Translation, WireError,
};

/// Engine servers use level 3; one is a third faster and hardly larger on node data.
const LEVEL: i32 = 1;
/// Engine frames have windows up to 2 MiB (level 3). A larger one would only cost memory.
const WINDOW_LOG_MAX: u32 = 23;
/// How much output space is offered at a time while metadata is read.
const STEP: usize = 16 * 1024;

pub(super) struct Codec {
    decoder: Decoder<'static>,
    encoder: zstd::bulk::Compressor<'static>,
    plain: Vec<u8>,
    frame: Vec<u8>,
}

impl Codec {
    pub(super) fn new() -> Result<Self> {
        let set_up = || {
            let mut decoder = Decoder::new()?;
            decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
            let encoder = zstd::bulk::Compressor::new(LEVEL)?;
            Ok::<_, std::io::Error>(Self { decoder, encoder, plain: Vec::new(), frame: Vec::new() })
        };
        set_up().map_err(|_| WireError::Invalid { what: "zstd context", offset: 0 })
    }

    pub(super) fn remap(
        &mut self,
        prefix: &[u8],
        body: &[u8],
        translation: &Translation,
        limits: BlockLimits,
        block: &mut Block,
    ) -> Result<Option<Bytes>> {
        self.decoder.reinit().map_err(|_| bad_frame())?;
        let mut input = InBuffer::around(body);

        // The nodes first: most blocks that need no change are recognised without their metadata.
        self.plain.clear();
        self.plain.resize(HEADER + NODE_BYTES, 0);
        let mut ended = self.fill(&mut input, 0)?;
        block.header.copy_from_slice(&self.plain[..HEADER]);
        block.check_widths()?;
        block.nodes.clear();
        block.nodes.extend_from_slice(&self.plain[HEADER..]);
        let remapped = block.remap(translation);
        if !remapped && !translation.renames() {
            return Ok(None);
        }

        block.metadata.clear();
        while !ended && block.metadata.len() <= limits.metadata() {
            let (used, end) = self.step(&mut input)?;
            block.metadata.extend_from_slice(&self.plain[..used]);
            ended = end;
        }
        if block.metadata.is_empty() {
            return Err(WireError::Short { what: "block metadata", offset: HEADER + NODE_BYTES });
        }
        if block.metadata.len() > limits.metadata() {
            block.drop_metadata();
        } else if !block.rename(translation)? && !remapped {
            return Ok(None);
        }
        // What follows the frame is the network version, and whatever a newer engine adds.
        let rest = if ended { &body[input.pos()..] } else { &[NETWORK_VERSION][..] };
        self.encode(prefix, block, rest).map(Some)
    }

    /// Gives memory back that only an unusually large block needed.
    pub(super) fn trim(&mut self, keep: usize) {
        for buffer in [&mut self.plain, &mut self.frame] {
            if buffer.capacity() > keep {
                *buffer = Vec::new();
            }
        }
    }

    /// Fills `plain` from `start` to its end; true if the frame ended there.
    fn fill(&mut self, input: &mut InBuffer<'_>, start: usize) -> Result<bool> {
        let mut pos = start;
        loop {
            let before = (pos, input.pos());
            let mut output = OutBuffer::around_pos(&mut self.plain[..], pos);
            let hint = self.decoder.run(input, &mut output).map_err(|_| bad_frame())?;
            pos = output.pos();
            if pos == self.plain.len() {
                return Ok(hint == 0);
            }
            if hint == 0 || before == (pos, input.pos()) {
                return Err(WireError::Short { what: "block nodes", offset: pos });
            }
        }
    }

    /// Decompresses some more bytes to the start of `plain`: how many, and whether the frame ended.
    fn step(&mut self, input: &mut InBuffer<'_>) -> Result<(usize, bool)> {
        let before = input.pos();
        let size = STEP.min(self.plain.len());
        let mut output = OutBuffer::around(&mut self.plain[..size]);
        let hint = self.decoder.run(input, &mut output).map_err(|_| bad_frame())?;
        let used = output.pos();
        if hint != 0 && used == 0 && input.pos() == before {
            return Err(WireError::Short { what: "block metadata", offset: before });
        }
        Ok((used, hint == 0))
    }

    fn encode(&mut self, prefix: &[u8], block: &Block, rest: &[u8]) -> Result<Bytes> {
        self.plain.clear();
        self.plain.extend_from_slice(&block.header);
        self.plain.extend_from_slice(&block.nodes);
        self.plain.extend_from_slice(&block.metadata);
        self.frame.clear();
        self.frame.reserve(zstd::zstd_safe::compress_bound(self.plain.len()));
        self.encoder
            .compress_to_buffer(&self.plain, &mut self.frame)
            .map_err(|_| WireError::Invalid { what: "zstd output", offset: 0 })?;
        let mut out = Vec::with_capacity(prefix.len() + self.frame.len() + rest.len());
        out.extend_from_slice(prefix);
        out.extend_from_slice(&self.frame);
        out.extend_from_slice(rest);
        Ok(out.into())
    }
}

fn bad_frame() -> WireError {
    WireError::Invalid { what: "block zstd frame", offset: 0 }
}
