//! Joining the content of several servers by name.
//!
//! The first server that has a name decides what it means, nothing is renamed, and the first
//! server of all keeps its own node ids: its map blocks need no rewriting. Nodes of the others get
//! ids that are free, the lowest first, because a client's memory grows with the highest id and
//! not with their number (`nodedef.cpp`, NodeDefManager::deSerialize).

mod ids;

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use crate::store::MediaFile;
use ids::{FreeIds, is_builtin};

/// Nodes a client can hold: all ids but the three it defines itself (`mapnode.h`).
const NODES_MAX: usize = 65_533;
/// Items, aliases and media files are counted in 16 bits (`itemdef.cpp`, `server.cpp`).
const COUNT_MAX: usize = 65_535;
/// Longest list of definitions before compression (`util/serialize.h`, LONG_STRING_MAX_LEN).
const LIST_MAX: usize = 64 * 1024 * 1024;

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

/// What one server brings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    pub(crate) server: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) items: Vec<Item>,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) media: Vec<MediaFile>,
    pub(crate) remote: String,
}

/// Why a server's content does not fit in beside that of the servers before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} of all servers together are more than {limit}")]
pub(crate) struct Overflow {
    what: &'static str,
    limit: usize,
}

impl Overflow {
    fn check(what: &'static str, value: usize, limit: usize) -> Result<(), Self> {
        if value > limit { Err(Self { what, limit }) } else { Ok(()) }
    }
}

/// Writes other ids into the `connects_to` of a node definition.
pub(crate) type RemapConnects<'a> = dyn Fn(&Bytes, &dyn Fn(u16) -> u16) -> Option<Bytes> + 'a;

/// The content of all servers that were added.
#[derive(Debug, Default)]
pub(crate) struct Union {
    pub(crate) servers: Vec<String>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) items: Vec<Item>,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) media: Vec<MediaFile>,
    pub(crate) remotes: Vec<String>,
    /// True while all nodes are those of the first server.
    pub(crate) nodes_of_first: bool,
    /// True while all items and aliases are those of the first server.
    pub(crate) items_of_first: bool,
    node_ids: HashMap<Bytes, u16>,
    item_names: HashSet<Bytes>,
    alias_names: HashSet<Bytes>,
    media_names: HashSet<String>,
    node_bytes: usize,
    item_bytes: usize,
    free: FreeIds,
}

impl Union {
    pub(crate) fn new() -> Self {
        Self { nodes_of_first: true, items_of_first: true, ..Self::default() }
    }

    /// The client's id for every node name.
    pub(crate) fn node_ids(&self) -> &HashMap<Bytes, u16> {
        &self.node_ids
    }

    /// Adds all of a server, or nothing if it does not fit in.
    pub(crate) fn add(
        &mut self,
        part: Part,
        remap_connects: &RemapConnects<'_>,
    ) -> Result<(), Overflow> {
        let first = self.servers.is_empty();
        let nodes = effective_nodes(part.nodes);
        let mut seen = HashSet::new();
        let items: Vec<Item> = part
            .items
            .into_iter()
            .filter(|i| !self.item_names.contains(&i.name) && seen.insert(i.name.clone()))
            .collect();
        let mut seen = HashSet::new();
        let aliases: Vec<Alias> = part
            .aliases
            .into_iter()
            .filter(|(name, _)| !self.alias_names.contains(name) && seen.insert(name.clone()))
            .collect();
        let mut seen = HashSet::new();
        let media: Vec<MediaFile> = part
            .media
            .into_iter()
            .filter(|f| !self.media_names.contains(&f.name) && seen.insert(f.name.clone()))
            .collect();
        let new_nodes = || nodes.iter().filter(|n| first || !self.node_ids.contains_key(&n.name));

        let node_bytes = self.node_bytes + new_nodes().map(|n| n.features.len() + 4).sum::<usize>();
        let alias_bytes: usize = aliases.iter().map(|(a, b)| a.len() + b.len() + 4).sum();
        let item_bytes =
            self.item_bytes + alias_bytes + items.iter().map(|i| i.raw.len() + 2).sum::<usize>();
        Overflow::check("nodes", self.nodes.len() + new_nodes().count(), NODES_MAX)?;
        Overflow::check("bytes of node definitions", node_bytes, LIST_MAX)?;
        Overflow::check("items", self.items.len() + items.len(), COUNT_MAX)?;
        Overflow::check("item aliases", self.aliases.len() + aliases.len(), COUNT_MAX)?;
        Overflow::check("bytes of item definitions", item_bytes, LIST_MAX)?;
        Overflow::check("media files", self.media.len() + media.len(), COUNT_MAX)?;

        self.node_bytes = node_bytes;
        self.item_bytes = item_bytes;
        self.add_nodes(first, nodes, remap_connects);
        self.items_of_first &= first || (items.is_empty() && aliases.is_empty());
        self.item_names.extend(items.iter().map(|i| i.name.clone()));
        self.items.extend(items);
        self.alias_names.extend(aliases.iter().map(|(name, _)| name.clone()));
        self.aliases.extend(aliases);
        self.media_names.extend(media.iter().map(|f| f.name.clone()));
        self.media.extend(media);
        for url in part.remote.split(',').map(str::trim).filter(|url| !url.is_empty()) {
            if !self.remotes.iter().any(|known| known == url) {
                self.remotes.push(url.to_owned());
            }
        }
        self.servers.push(part.server);
        Ok(())
    }

    fn add_nodes(&mut self, first: bool, nodes: Vec<Node>, remap_connects: &RemapConnects<'_>) {
        let mut ids: HashMap<u16, u16> = HashMap::with_capacity(nodes.len());
        let mut new = Vec::new();
        let mut moved = false;
        for node in nodes {
            let id = match self.node_ids.get(&node.name) {
                Some(id) => *id,
                // The check above leaves an id for every node; without one it stays unknown.
                None => match if first { Some(node.id) } else { self.free.take_lowest() } {
                    Some(id) => {
                        self.free.mark(id);
                        self.node_ids.insert(node.name.clone(), id);
                        new.push((id, node.clone()));
                        id
                    }
                    None => continue,
                },
            };
            moved |= id != node.id;
            ids.insert(node.id, id);
        }
        let unknown = mesegate_protocol::map::UNKNOWN;
        let map = |id| {
            if is_builtin(id) { id } else { ids.get(&id).copied().unwrap_or(unknown) }
        };
        self.nodes_of_first &= first || new.is_empty();
        for (id, node) in new {
            // A definition that cannot be read is kept: wrong connections are only a matter of
            // looks.
            let remapped = if moved { remap_connects(&node.features, &map) } else { None };
            let features = remapped.unwrap_or(node.features);
            self.nodes.push(Node { id, name: node.name, features });
        }
    }

    /// Brings nodes and aliases into the form in which they are sent: nodes by ascending id, and
    /// no alias that a definition of the same name overrules (`itemdef.cpp`, registerItem).
    pub(crate) fn finish(&mut self) {
        self.nodes.sort_by_key(|node| node.id);
        if !self.items_of_first {
            let items = &self.item_names;
            self.aliases.retain(|(name, _)| !items.contains(name));
        }
    }
}

/// What remains of a list of nodes in a client: entries without a name and for builtin ids are
/// skipped, of two entries with one name the second is dropped, of two with one id the first.
pub(crate) fn effective_nodes(nodes: Vec<Node>) -> Vec<Node> {
    let mut names = HashSet::with_capacity(nodes.len());
    let mut kept: Vec<Node> = Vec::with_capacity(nodes.len());
    let mut at: HashMap<u16, usize> = HashMap::with_capacity(nodes.len());
    for node in nodes {
        if node.name.is_empty() || is_builtin(node.id) || !names.insert(node.name.clone()) {
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
mod tests;
