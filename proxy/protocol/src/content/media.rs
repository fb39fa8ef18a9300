//! REQUEST_MEDIA and MEDIA (`server.cpp` sendRequestedMedia).

use std::ops::Range;

use bytes::Bytes;

use super::compression::{zstd_compress, zstd_decompress};
use crate::wire::{Reader, Result, WireError, Writer};
use crate::{ProtocolVersion, lossy, to_client, to_server};

/// Largest file that can pass the transport, compressed where it is compressed
/// (`network/networkprotocol.h`, MEDIAFILE_MAX_SIZE).
pub const MEDIA_FILE_MAX: usize = 16_700_000;

/// A bunch is closed once it holds this many bytes of files.
pub const BUNCH_BYTES: usize = 5000;

/// One file on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFile {
    /// Its name.
    pub name: String,
    /// Its content as it travels: what [`frame`] makes of the plain content.
    pub data: Bytes,
}

impl MediaFile {
    /// The plain content, at most `limit` bytes.
    pub fn content(&self, version: ProtocolVersion, limit: usize) -> Result<Bytes> {
        if version.zstd_definitions() {
            return zstd_decompress(&self.data, limit).map(Bytes::from);
        }
        if self.data.len() > limit {
            return Err(WireError::TooLarge { what: "media file", limit });
        }
        Ok(self.data.clone())
    }
}

/// A file's content as it travels to clients of `version`: one zstd frame, or as it is. Made once
/// and kept, it serves every client of that kind.
pub fn frame(content: &Bytes, version: ProtocolVersion) -> Result<Bytes> {
    if version.zstd_definitions() {
        zstd_compress(content).map(Bytes::from)
    } else {
        Ok(content.clone())
    }
}

/// Cuts a row of files into bunches, by their travelling sizes. A bunch is begun anew once the
/// last has [`BUNCH_BYTES`]; so it holds at most that and one file more.
pub fn bunches(sizes: impl IntoIterator<Item = usize>) -> Vec<Range<usize>> {
    let mut bunches = Vec::new();
    let (mut start, mut end, mut bytes) = (0, 0, 0);
    for size in sizes {
        if bytes >= BUNCH_BYTES {
            bunches.push(start..end);
            (start, bytes) = (end, 0);
        }
        bytes += size;
        end += 1;
    }
    if end > start {
        bunches.push(start..end);
    }
    bunches
}

/// One bunch of files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Media {
    /// Number of bunches that answer the request.
    pub bunches: u16,
    /// Index of this one; clients do not look at it.
    pub index: u16,
    /// The files.
    pub files: Vec<MediaFile>,
}

impl Media {
    /// With command.
    pub fn encode(&self) -> Bytes {
        let files = self.files.iter().map(|f| (f.name.as_str(), &f.data[..]));
        Self::encode_files(self.bunches, self.index, files)
    }

    /// As [`Media::encode`], for files that are kept elsewhere.
    pub fn encode_files<'a>(
        bunches: u16,
        index: u16,
        files: impl ExactSizeIterator<Item = (&'a str, &'a [u8])>,
    ) -> Bytes {
        let mut w = Writer::command(to_client::MEDIA);
        w.u16(bunches).u16(index).u32(files.len() as u32);
        for (name, data) in files {
            w.str16(name.as_bytes()).str32(data);
        }
        w.finish()
    }

    /// From the body; contents stay as they travel and share its buffer.
    pub fn decode(body: &Bytes) -> Result<Self> {
        let mut r = Reader::new(body);
        let (bunches, index, count) = (r.u16()?, r.u16()?, r.u32()?);
        // Not reserved: the count is the sender's claim.
        let mut files = Vec::new();
        for _ in 0..count {
            let name = lossy(r.str16()?);
            files.push(MediaFile { name, data: body.slice_ref(r.str32()?) });
        }
        Ok(Self { bunches, index, files })
    }
}

/// Asks for files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestMedia {
    /// Their names.
    pub names: Vec<String>,
}

impl RequestMedia {
    /// With command; names past 65 535 are left out.
    pub fn encode(&self) -> Bytes {
        let names = &self.names[..self.names.len().min(u16::MAX.into())];
        let mut w = Writer::command(to_server::REQUEST_MEDIA);
        w.u16(names.len() as u16);
        for name in names {
            w.str16(name.as_bytes());
        }
        w.finish()
    }

    /// From the body.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut r = Reader::new(body);
        let mut names = Vec::new();
        for _ in 0..r.u16()? {
            names.push(lossy(r.str16()?));
        }
        Ok(Self { names })
    }
}
