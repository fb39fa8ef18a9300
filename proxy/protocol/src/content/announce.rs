//! ANNOUNCE_MEDIA (`server.cpp` sendMediaAnnouncement, `util/serialize.cpp`
//! serializeString16Array).

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::compression::{zstd_compress, zstd_decompress};
use crate::wire::{Reader, Result, WireError, Writer};
use crate::{ProtocolVersion, lossy, to_client};

/// Most files in an announcement; the older layout counts them in a `u16`.
pub const MEDIA_FILES_MAX: usize = 65535;

/// Longest file name.
pub const MEDIA_NAME_MAX: usize = 255;

/// Engines write no padding and old readers accept both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Names and hashes of a server's files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnnounceMedia {
    /// Name and SHA-1 of the content.
    pub files: Vec<(String, [u8; 20])>,
    /// Base URLs of HTTP servers that have the files by hash, separated by commas; each ends in
    /// `/`. Empty = none.
    pub remote: String,
}

impl AnnounceMedia {
    /// From the body. Files whose hash is not 20 bytes are left out, as clients do.
    pub fn decode(body: &[u8], version: ProtocolVersion) -> Result<Self> {
        let mut r = Reader::new(body);
        let files = if version.zstd_definitions() {
            let names = names(r.str32()?)?;
            let mut files = Vec::with_capacity(names.len());
            for name in names {
                files.push((name, hash(r.take(20, "media hash")?)?));
            }
            files
        } else {
            let count = r.u16()?;
            let mut files = Vec::new();
            for _ in 0..count {
                let name = checked(r.str16()?)?;
                let digest = BASE64.decode(r.str16()?).unwrap_or_default();
                if let Ok(digest) = hash(&digest) {
                    files.push((name, digest));
                }
            }
            files
        };
        let remote = lossy(r.str16()?);
        Ok(Self { files, remote })
    }

    /// With command. Fails over [`MEDIA_FILES_MAX`] or [`MEDIA_NAME_MAX`].
    pub fn encode(&self, version: ProtocolVersion) -> Result<Bytes> {
        if self.files.len() > MEDIA_FILES_MAX {
            return Err(WireError::TooLarge { what: "media files", limit: MEDIA_FILES_MAX });
        }
        if self.files.iter().any(|(name, _)| name.len() > MEDIA_NAME_MAX) {
            return Err(WireError::TooLarge { what: "media name", limit: MEDIA_NAME_MAX });
        }
        let mut w = Writer::command(to_client::ANNOUNCE_MEDIA);
        if version.zstd_definitions() {
            let mut names = Writer::new();
            names.u32(self.files.len() as u32);
            for (name, _) in &self.files {
                names.u16(name.len() as u16);
            }
            for (name, _) in &self.files {
                names.raw(name.as_bytes());
            }
            w.str32(&zstd_compress(&names.into_vec())?);
            for (_, digest) in &self.files {
                w.raw(digest);
            }
        } else {
            w.u16(self.files.len() as u16);
            for (name, digest) in &self.files {
                w.str16(name.as_bytes()).str16(BASE64.encode(digest).as_bytes());
            }
        }
        w.str16(self.remote.as_bytes());
        Ok(w.finish())
    }
}

fn names(frame: &[u8]) -> Result<Vec<String>> {
    let limit = 4 + MEDIA_FILES_MAX * (2 + MEDIA_NAME_MAX);
    let inner = zstd_decompress(frame, limit)?;
    let mut r = Reader::new(&inner);
    let count = r.u32()? as usize;
    if count > MEDIA_FILES_MAX {
        return Err(WireError::TooLarge { what: "media files", limit: MEDIA_FILES_MAX });
    }
    let lengths = r.take(count * 2, "media name lengths")?;
    let mut names = Vec::with_capacity(count);
    for length in lengths.chunks_exact(2) {
        let length = u16::from_be_bytes([length[0], length[1]]);
        names.push(checked(r.take(length.into(), "media name")?)?);
    }
    Ok(names)
}

fn checked(name: &[u8]) -> Result<String> {
    if name.len() > MEDIA_NAME_MAX {
        return Err(WireError::TooLarge { what: "media name", limit: MEDIA_NAME_MAX });
    }
    Ok(lossy(name))
}

fn hash(bytes: &[u8]) -> Result<[u8; 20]> {
    bytes.try_into().map_err(|_| WireError::Invalid { what: "media hash", offset: 0 })
}
