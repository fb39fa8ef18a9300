//! Joining the content of several servers.
//!
//! What is equal is shared under its own name; what is not gets another name for the later server.
//! The first server keeps its own node ids, so that its map blocks need no rewriting. Nodes of the
//! others get ids that are free, the lowest first, because a client's memory grows with the highest
//! id and not with their number (`nodedef.cpp`, NodeDefManager::deSerialize).

mod definitions;
mod ids;
mod media;
mod overflow;
mod prefix;
pub(crate) mod renamed;
pub(crate) mod shape;
mod special;
mod users;

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use mesegate_protocol::map::IdMap;
use mesegate_protocol::{ProtocolVersion, Translation};

use crate::store::MediaFile;
pub(crate) use definitions::BUILTIN;
use definitions::{Definitions, Input};
use ids::is_builtin;
use media::Media;
pub(crate) use overflow::{Limits, Overflow};
pub(crate) use prefix::{of as prefix_of, unique as unique_name};
use renamed::Conflict;
use shape::Unusable;
pub use special::sound_group;
pub(crate) use special::{Kind, NAME_MAX};

/// Nodes a client can hold: all ids but the three it defines itself (`mapnode.h`).
pub(crate) const NODES_MAX: usize = 65_533;

/// One node of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: u16,
    pub(crate) name: Bytes,
    /// The definition as it is sent, without its length.
    pub(crate) features: Bytes,
}

/// One item of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) name: Bytes,
    /// The definition as it is sent, without its length.
    pub(crate) raw: Bytes,
}

/// Another name of an item, and that item's name.
pub(crate) type Alias = (Bytes, Bytes);

/// What one server, or all servers of a pool, bring.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    /// Name of the server or pool.
    pub(crate) name: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) items: Vec<Item>,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) media: Vec<MediaFile>,
    pub(crate) remote: String,
}

/// What clients know a part's content as.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) name: String,
    pub(crate) prefix: String,
    pub(crate) translation: Translation,
    /// The part's nodes, with clients' ids.
    pub(crate) nodes: HashMap<Bytes, u16>,
    pub(crate) items: HashSet<Bytes>,
    /// The part's files, with clients' names and whether these are others.
    pub(crate) media: HashMap<String, MediaFile>,
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) illegal_files: usize,
    pub(crate) undelivered_files: usize,
    pub(crate) ids: Vec<(u16, u16)>,
}

/// Used and own things of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) total: usize,
    /// Also used by others.
    pub(crate) shared: usize,
    pub(crate) bytes: u64,
    pub(crate) shared_bytes: u64,
}

/// The content of all parts that were added.
#[derive(Debug)]
pub(crate) struct Union {
    version: ProtocolVersion,
    pub(crate) parts: Vec<Joined>,
    definitions: Definitions,
    media: Media,
    pub(crate) remotes: Vec<String>,
    /// True while all nodes are those of the first part, under its names.
    pub(crate) nodes_of_first: bool,
    /// The same for items and aliases.
    pub(crate) items_of_first: bool,
}

impl Union {
    /// Nothing yet. `all` is what files every part that will be added has.
    pub(crate) fn new<'a>(
        version: ProtocolVersion,
        all: impl Iterator<Item = &'a [MediaFile]>,
    ) -> Self {
        Self {
            version,
            parts: Vec::new(),
            definitions: Definitions::default(),
            media: Media::new(all),
            remotes: Vec::new(),
            nodes_of_first: true,
            items_of_first: true,
        }
    }

    /// Adds all of a part. The union is of no use after an error.
    ///
    /// # Errors
    /// A definition cannot be edited where that is needed.
    pub(crate) fn add(&mut self, part: Part) -> Result<(), Unusable> {
        let number = self.parts.len();
        let prefix = prefix_of(&part.name);
        let media = self.media.add(number, &prefix, &part.media);
        let added = self.definitions.add(Input {
            part: number,
            prefix: &prefix,
            nodes: part.nodes,
            items: part.items,
            aliases: part.aliases,
            media: &media.media,
            sounds: &media.sounds,
            version: self.version,
        })?;
        let renamed = !added.names.is_identity();
        self.nodes_of_first &= if number == 0 { !renamed } else { !added.adds_nodes };
        self.items_of_first &= if number == 0 { !renamed } else { !added.adds_items };
        for url in part.remote.split(',').map(str::trim).filter(|url| !url.is_empty()) {
            if !self.remotes.iter().any(|known| known == url) {
                self.remotes.push(url.to_owned());
            }
        }
        let mut conflicts = added.conflicts;
        conflicts.extend(media.conflicts);
        let undelivered = part.media.iter().filter(|f| Kind::of(&f.name) != Kind::Illegal);
        let undelivered_files = undelivered.filter(|file| file.size.is_none()).count();
        self.parts.push(Joined {
            name: part.name,
            prefix,
            translation: Translation::new(IdMap::new(added.ids.iter().copied()), added.names),
            nodes: added.nodes,
            items: added.items,
            media: media.names,
            conflicts,
            illegal_files: media.illegal,
            undelivered_files,
            ids: added.ids,
        });
        Ok(())
    }

    /// All nodes by ascending id, as they are sent.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> = self
            .definitions
            .nodes()
            .map(|(definition, node)| Node {
                id: node.id,
                name: definition.name.clone(),
                features: shape::with_connects(&node.shape, &node.connects),
            })
            .collect();
        nodes.sort_by_key(|node| node.id);
        nodes
    }

    /// All items by name, as engines send them.
    pub(crate) fn items(&self) -> Vec<Item> {
        let items = self.definitions.items();
        let mut items: Vec<Item> =
            items.map(|(d, raw)| Item { name: d.name.clone(), raw: raw.clone() }).collect();
        items.sort_by(|a, b| a.name.cmp(&b.name));
        items
    }

    /// All aliases by name.
    pub(crate) fn aliases(&self) -> Vec<Alias> {
        let aliases = self.definitions.aliases.iter();
        let mut aliases: Vec<Alias> =
            aliases.map(|alias| (alias.name.clone(), alias.target.clone())).collect();
        aliases.sort();
        aliases
    }

    /// All files.
    pub(crate) fn files(&self) -> Vec<MediaFile> {
        self.media.files.iter().map(|file| file.file.clone()).collect()
    }

    /// Nodes that a part uses.
    pub(crate) fn node_use(&self, part: usize) -> Use {
        let nodes = self.definitions.nodes();
        Use::of(part, nodes.map(|(d, node)| (&d.users, node.shape.len() as u64)))
    }

    /// Items that a part uses.
    pub(crate) fn item_use(&self, part: usize) -> Use {
        Use::of(part, self.definitions.items().map(|(d, raw)| (&d.users, raw.len() as u64)))
    }

    /// Files that a part uses.
    pub(crate) fn media_use(&self, part: usize) -> Use {
        let files = self.media.files.iter();
        Use::of(part, files.map(|f| (&f.users, f.file.size.unwrap_or(0).into())))
    }

    /// Nodes, items, files, and the size of the files in bytes.
    pub(crate) fn totals(&self) -> (usize, usize, usize, u64) {
        let files = &self.media.files;
        let bytes = files.iter().map(|file| u64::from(file.file.size.unwrap_or(0))).sum();
        let (nodes, items) = (self.definitions.nodes().count(), self.definitions.items().count());
        (nodes, items, files.len(), bytes)
    }

    /// For every file the only part that has it, if there is only one.
    pub(crate) fn file_owners(&self) -> Vec<Option<usize>> {
        let users = self.media.files.iter().map(|file| &file.users);
        users.map(|users| users.first().filter(|_| users.count() == 1)).collect()
    }

    /// Bytes of all node definitions, uncompressed.
    pub(crate) fn node_bytes(&self) -> usize {
        overflow::amounts(&self.definitions, &self.media)[1]
    }

    /// Bytes of all item definitions and aliases, uncompressed.
    pub(crate) fn item_bytes(&self) -> usize {
        overflow::amounts(&self.definitions, &self.media)[4]
    }

    /// Numbers of the parts that have to go so that the rest fits, or `None` if all fits.
    pub(crate) fn overflow(&self, limits: &Limits) -> Option<Overflow> {
        overflow::find(&self.definitions, &self.media, self.parts.len(), limits)
    }
}

impl Use {
    fn of<'a>(part: usize, all: impl Iterator<Item = (&'a users::Users, u64)>) -> Self {
        let mut sum = Self::default();
        for (users, bytes) in all.filter(|(users, _)| users.contains(part)) {
            sum.total += 1;
            sum.bytes += bytes;
            if users.count() > 1 {
                sum.shared += 1;
                sum.shared_bytes += bytes;
            }
        }
        sum
    }
}

/// What remains of a list of nodes in a client: entries without a name, of builtin names and for
/// builtin ids are skipped, of two entries with one name the second is dropped, of two with one id
/// the first.
pub(crate) fn effective_nodes(nodes: Vec<Node>) -> Vec<Node> {
    let mut names = HashSet::with_capacity(nodes.len());
    let mut kept: Vec<Node> = Vec::with_capacity(nodes.len());
    let mut at: HashMap<u16, usize> = HashMap::with_capacity(nodes.len());
    for node in nodes {
        let builtin = is_builtin(node.id) || BUILTIN.contains(&&node.name[..]);
        if node.name.is_empty() || builtin || !names.insert(node.name.clone()) {
            continue;
        }
        match at.get(&node.id) {
            Some(index) => kept[*index] = node,
            None => {
                at.insert(node.id, kept.len());
                kept.push(node);
            }
        }
    }
    kept
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
