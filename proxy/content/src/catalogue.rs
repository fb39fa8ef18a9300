//! What a client is given: the joined content of several servers for one version and language.

mod admit;
mod build;
mod media;
mod part;
mod pushed;
mod report;
mod roster;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mesegate_protocol::ProtocolVersion;

pub use admit::{AdmitError, Missing, Names};
pub use build::LeftOut;
pub(crate) use build::{Workshop, build, key};
pub use media::MediaMessages;
pub(crate) use part::Source;
pub use report::{ContentReport, PartReport, Renamed, Share};
pub(crate) use roster::Roster;

use crate::frames::{Encoding, FrameCache};
use crate::hash::Hash;
use crate::store::{MediaFile, Pair};
use admit::Admissions;
use part::Part;

/// An immutable set of definitions and media. A client keeps the one it got at its login.
#[derive(Debug)]
pub struct Catalogue {
    pair: Pair,
    build_time: Duration,
    servers: Vec<String>,
    left_out: Vec<LeftOut>,
    /// Tells catalogues with equal input apart from others without comparing contents.
    key: Hash,
    item_def: Bytes,
    node_def: Bytes,
    announce: Bytes,
    media: Vec<MediaFile>,
    /// Where in `media` a name is.
    media_index: HashMap<String, u32>,
    /// For each of `media` the only part that has it, if there is only one.
    owners: Vec<Option<usize>>,
    /// The same for sounds, by their names.
    sound_owners: HashMap<String, Option<usize>>,
    parts: Vec<Part>,
    report: ContentReport,
    roster: Arc<Roster>,
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

    /// How long it took to make.
    pub fn build_time(&self) -> Duration {
        self.build_time
    }

    /// Servers whose content is in it, the one that keeps its node ids first; of pools, those that
    /// were members when it was made.
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
        (self.report.nodes, self.report.items, self.media.len())
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

    /// What it is made of.
    pub fn report(&self) -> &ContentReport {
        &self.report
    }

    /// True if a server's content is in it; for a member of a pool, that of the pool.
    pub fn has(&self, server: &str) -> bool {
        self.part_of(server).is_some()
    }

    /// True if the first content in it, which keeps its ids, is that of the server.
    pub(crate) fn is_based_on(&self, server: &str) -> bool {
        self.part_of(server) == Some(0)
    }

    /// Why a server's content was left out, if it was.
    pub fn why_left_out(&self, server: &str) -> Option<&LeftOut> {
        self.left_out.iter().find(|out| out.server == server)
    }

    /// About how much memory it takes, in bytes. Media itself is not in it.
    pub fn bytes(&self) -> usize {
        let messages = self.item_def.len() + self.node_def.len() + self.announce.len();
        let media: usize = self.media.iter().map(|file| 2 * file.name.len() + 160).sum();
        messages + media + self.parts.iter().map(Part::bytes).sum::<usize>()
    }

    /// Position of the part that a server's content is.
    fn part_of(&self, server: &str) -> Option<usize> {
        let member = |part: &Part| part.members.iter().any(|member| member == server);
        if let Some(at) = self.parts.iter().position(member) {
            return Some(at);
        }
        let pool = self.roster.pool_of(server)?;
        self.parts.iter().position(|part| part.pooled && part.name == pool)
    }

    pub(crate) fn key(&self) -> &Hash {
        &self.key
    }

    /// True if a server's translations in it are those of the catalogue's own language; without
    /// a language, if the server's content is in it at all.
    pub(crate) fn has_language_of(&self, server: &str) -> bool {
        let part = self.part_of(server).and_then(|at| self.parts.get(at));
        part.is_some_and(|part| part.language == self.pair.language)
    }

    fn encoding(&self) -> Encoding {
        if self.version().zstd_definitions() { Encoding::Zstd } else { Encoding::Raw }
    }
}

#[cfg(test)]
mod tests;
