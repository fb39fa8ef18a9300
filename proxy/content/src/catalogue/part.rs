//! One server's, or one pool's, share of a catalogue.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use mesegate_protocol::Translation;

use crate::hash::Hash;
use crate::library::ServerSpec;
use crate::store::{Manifest, MediaFile};
use crate::union::Joined;

/// Where content comes from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Name of the server or pool.
    pub(crate) name: String,
    /// True if it is a pool.
    pub(crate) pooled: bool,
    /// Servers with this content.
    pub(crate) members: Vec<String>,
    pub(crate) manifest: Arc<Manifest>,
}

impl Source {
    /// Puts servers of one pool together, at the place of the first of them.
    pub(crate) fn list<'a>(
        contents: impl Iterator<Item = (&'a ServerSpec, &'a Arc<Manifest>)>,
    ) -> Vec<Self> {
        let mut sources: Vec<Self> = Vec::new();
        for (spec, manifest) in contents {
            let pooled = spec.pool.is_some();
            let name = spec.pool.as_ref().unwrap_or(&spec.name);
            let mut known = sources.iter_mut();
            match known.find(|source| pooled && source.pooled && source.name == *name) {
                Some(source) => source.members.push(spec.name.clone()),
                None => sources.push(Self {
                    name: name.clone(),
                    pooled,
                    members: vec![spec.name.clone()],
                    manifest: manifest.clone(),
                }),
            }
        }
        sources
    }

    /// True if it is the content of the server.
    pub(crate) fn is_of(&self, server: &str) -> bool {
        self.members.iter().any(|member| member == server)
    }
}

/// What clients know a source's content as.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) pooled: bool,
    pub(super) members: Vec<String>,
    /// Of its translations.
    pub(super) language: String,
    pub(super) prefix: String,
    /// Of all that the source sends.
    pub(super) digest: Hash,
    pub(super) item_def: Hash,
    pub(super) node_def: Hash,
    pub(super) translation: Arc<Translation>,
    /// Its nodes, with clients' ids.
    pub(super) nodes: HashMap<Bytes, u16>,
    pub(super) items: HashSet<Bytes>,
    /// Its files, with clients' names for them.
    pub(super) media: HashMap<String, MediaFile>,
}

impl Part {
    pub(super) fn new(source: &Source, joined: Joined) -> Self {
        Self {
            name: source.name.clone(),
            pooled: source.pooled,
            members: source.members.clone(),
            language: source.manifest.pair.language.clone(),
            prefix: joined.prefix,
            digest: source.manifest.digest,
            item_def: source.manifest.item_def,
            node_def: source.manifest.node_def,
            translation: Arc::new(joined.translation),
            nodes: joined.nodes,
            items: joined.items,
            media: joined.media,
        }
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        /// A table's entry beside the text in it.
        const ENTRY: usize = 64;
        let nodes: usize = self.nodes.keys().map(|name| name.len() + ENTRY).sum();
        let items: usize = self.items.iter().map(|name| name.len() + ENTRY).sum();
        let media = self.media.iter();
        let media: usize = media.map(|(name, file)| name.len() + file.name.len() + 2 * ENTRY).sum();
        let names = self.translation.names();
        let renamed = names.renamed_media().chain(names.renamed_sounds());
        let renamed = renamed.chain(names.renamed_items());
        let renamed: usize = renamed.map(|(old, new)| old.len() + new.len() + 2 * ENTRY).sum();
        nodes + items + media + renamed + 2 * self.translation.ids().pairs().count()
    }
}
