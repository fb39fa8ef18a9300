//! What a client is given: the joined content of several servers for one version and language.

mod admit;
mod build;
mod media;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;

pub use admit::{AdmitError, Missing, Names};
pub use build::LeftOut;
pub(crate) use build::{build, key};
pub use media::MediaMessages;

use crate::frames::{Encoding, FrameCache};
use crate::hash::Hash;
use crate::store::{MediaFile, Pair};
use admit::Admissions;

/// An immutable set of definitions and media. A client keeps the one it got at its login.
#[derive(Debug)]
pub struct Catalogue {
    pair: Pair,
    servers: Vec<String>,
    left_out: Vec<LeftOut>,
    /// Language for which the first server's content was fetched: `""` until that of the
    /// catalogue's own language is there.
    base_language: String,
    /// Tells catalogues with equal input apart from others without comparing contents.
    key: Hash,
    item_def: Bytes,
    node_def: Bytes,
    announce: Bytes,
    media: Vec<MediaFile>,
    /// Where in `media` a name is.
    media_index: HashMap<String, u32>,
    node_ids: HashMap<Bytes, u16>,
    item_names: HashSet<Bytes>,
    frames: Arc<FrameCache>,
    admissions: Admissions,
}

impl Catalogue {
    /// Protocol version of the clients it is for.
    pub fn version(&self) -> ProtocolVersion {
        ProtocolVersion(self.pair.version)
    }

    /// Language of the clients it is for, `""` for none.
    pub fn language(&self) -> &str {
        &self.pair.language
    }

    /// Servers whose content is in it, the one that keeps its node ids first.
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// Servers whose content was there but could not be joined, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The ITEMDEF message, complete.
    pub fn item_def(&self) -> Bytes {
        self.item_def.clone()
    }

    /// The NODEDEF message, complete.
    pub fn node_def(&self) -> Bytes {
        self.node_def.clone()
    }

    /// The ANNOUNCE_MEDIA message, complete.
    pub fn announce(&self) -> Bytes {
        self.announce.clone()
    }

    /// Number of nodes, items and media files, for logs and metrics.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.node_ids.len(), self.item_names.len(), self.media.len())
    }

    /// Sum of the sizes of all media files in bytes.
    pub fn media_bytes(&self) -> u64 {
        self.media.iter().map(|file| u64::from(file.size.unwrap_or(0))).sum()
    }

    /// All announced files, in the order of the announcement.
    pub fn media(&self) -> &[MediaFile] {
        &self.media
    }

    /// The content announced under `name`.
    pub fn media_file(&self, name: &str) -> Option<&MediaFile> {
        let index = *self.media_index.get(name)?;
        self.media.get(index as usize)
    }

    pub(crate) fn key(&self) -> &Hash {
        &self.key
    }

    pub(crate) fn base_language(&self) -> &str {
        &self.base_language
    }

    fn encoding(&self) -> Encoding {
        if self.version().zstd_definitions() { Encoding::Zstd } else { Encoding::Raw }
    }
}

#[cfg(test)]
mod tests;
