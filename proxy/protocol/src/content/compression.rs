//! Whole-buffer zlib and zstd with limits.
//!
//! Sizes that a sender claims are never believed: output grows as it is produced and stops at the
//! limit. Frames of the engine carry no content size anyway.

use std::io::Read;

use crate::ProtocolVersion;
use crate::wire::{Result, WireError};

/// Level for definitions, which are made once and sent often.
const DEFINITIONS_LEVEL: i32 = 9;

/// Level for files: most are images and sounds, on which more work is wasted.
const FILE_LEVEL: i32 = 3;

/// Decompressed definitions are at most this large: the inner string is a `str32`.
pub const DEFINITIONS_MAX: usize = crate::wire::STR32_MAX + 16;

/// How a version wraps definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// One RFC 1950 stream.
    Zlib,
    /// One RFC 8878 frame.
    Zstd,
}

impl Compression {
    /// Of ITEMDEF and NODEDEF.
    pub fn of_definitions(version: ProtocolVersion) -> Self {
        if version.zstd_definitions() { Self::Zstd } else { Self::Zlib }
    }

    /// Compresses.
    pub fn compress(self, data: &[u8]) -> Result<Vec<u8>> {
        match self {
            Self::Zlib => zlib_compress(data),
            Self::Zstd => zstd_at_level(data, DEFINITIONS_LEVEL),
        }
    }

    /// Decompresses at most `limit` bytes.
    pub fn decompress(self, data: &[u8], limit: usize) -> Result<Vec<u8>> {
        match self {
            Self::Zlib => zlib_decompress(data, limit),
            Self::Zstd => zstd_decompress(data, limit),
        }
    }
}

/// Makes one zlib stream.
pub fn zlib_compress(data: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    flate2::bufread::ZlibEncoder::new(data, flate2::Compression::default())
        .read_to_end(&mut out)
        .map_err(|_| WireError::Invalid { what: "zlib input", offset: 0 })?;
    Ok(out)
}

/// Reads one zlib stream of at most `limit` bytes; bytes after it are ignored.
pub fn zlib_decompress(data: &[u8], limit: usize) -> Result<Vec<u8>> {
    zlib_decompress_prefix(data, limit).map(|(out, _)| out)
}

/// As [`zlib_decompress`], and says how many bytes the stream took.
pub fn zlib_decompress_prefix(data: &[u8], limit: usize) -> Result<(Vec<u8>, usize)> {
    let mut decoder = flate2::bufread::ZlibDecoder::new(data);
    let out = read_limited(&mut decoder, limit, "zlib stream")?;
    Ok((out, decoder.total_in() as usize))
}

/// Makes one zstd frame, quickly.
pub fn zstd_compress(data: &[u8]) -> Result<Vec<u8>> {
    zstd_at_level(data, FILE_LEVEL)
}

fn zstd_at_level(data: &[u8], level: i32) -> Result<Vec<u8>> {
    zstd::bulk::compress(data, level)
        .map_err(|_| WireError::Invalid { what: "zstd input", offset: 0 })
}

/// Reads one zstd frame of at most `limit` bytes; bytes after it are ignored.
pub fn zstd_decompress(data: &[u8], limit: usize) -> Result<Vec<u8>> {
    let invalid = |_| WireError::Invalid { what: "zstd frame", offset: 0 };
    let mut decoder = zstd::stream::read::Decoder::with_buffer(data).map_err(invalid)?;
    decoder = decoder.single_frame();
    read_limited(&mut decoder, limit, "zstd frame")
}

fn read_limited(reader: &mut impl Read, limit: usize, what: &'static str) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    reader
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|_| WireError::Invalid { what, offset: 0 })?;
    if out.len() > limit {
        return Err(WireError::TooLarge { what, limit });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bombs_stop_at_the_limit() {
        let zeros = vec![0; 1 << 20];
        for codec in [Compression::Zlib, Compression::Zstd] {
            let small = codec.compress(&zeros).unwrap();
            assert!(small.len() < 4096);
            assert_eq!(codec.decompress(&small, zeros.len()).unwrap(), zeros);
            assert!(matches!(
                codec.decompress(&small, zeros.len() - 1),
                Err(WireError::TooLarge { .. })
            ));
        }
    }

    #[test]
    fn cut_and_empty_input_is_an_error() {
        for codec in [Compression::Zlib, Compression::Zstd] {
            let packed = codec.compress(b"some text that is long enough to cut").unwrap();
            for len in 0..packed.len() {
                assert!(codec.decompress(&packed[..len], 1000).is_err(), "{codec:?} {len}");
            }
        }
    }

    #[test]
    fn bytes_after_the_stream_are_left() {
        let mut two = zlib_compress(b"first").unwrap();
        let len = two.len();
        two.extend(zlib_compress(b"second").unwrap());
        let (out, used) = zlib_decompress_prefix(&two, 100).unwrap();
        assert_eq!((&out[..], used), (&b"first"[..], len));
        assert_eq!(zlib_decompress(&two[used..], 100).unwrap(), b"second");
        let mut frame = zstd_compress(b"first").unwrap();
        frame.extend_from_slice(b"tail");
        assert_eq!(zstd_decompress(&frame, 100).unwrap(), b"first");
    }
}
