//! Nodes, items and aliases of several servers under names that do not meet.
//!
//! A name that is free is taken. One that is not is tried against what goes by it already, in
//! their order, and gets a new name if it equals none of them. What a definition equals depends on
//! what the names in it stand for, so all names of a part begin as the first candidate, and those
//! that do not fit move on to their next one until nothing changes any more. That ends, because
//! nothing ever moves back, and what is shared in the end is equal under the names of the end.

mod add;
mod candidates;

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use mesegate_protocol::map::UNKNOWN;

use super::ids::FreeIds;
use super::users::Users;

pub(crate) use add::Input;

/// Names that every client defines itself (`itemdef.cpp`, clear; `nodedef.cpp`, clear).
pub(crate) const BUILTIN: [&[u8]; 3] = [b"air", b"ignore", b"unknown"];

/// A node as clients know it.
#[derive(Debug, Clone)]
pub(crate) struct SharedNode {
    pub(crate) id: u16,
    /// The definition without the ids it connects to.
    pub(crate) shape: Bytes,
    /// Those ids, ascending. Each part only has an opinion about its own nodes: an id of others
    /// among them changes nothing in its world.
    pub(crate) connects: Vec<u16>,
}

/// What clients know by one name.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) name: Bytes,
    pub(crate) node: Option<SharedNode>,
    /// The item's definition.
    pub(crate) item: Option<Bytes>,
    pub(crate) users: Users,
}

/// Another name of an item.
#[derive(Debug, Clone)]
pub(crate) struct SharedAlias {
    pub(crate) name: Bytes,
    pub(crate) target: Bytes,
    pub(crate) users: Users,
}

/// All nodes, items and aliases.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    pub(crate) list: Vec<Definition>,
    pub(crate) aliases: Vec<SharedAlias>,
    /// By the name that their servers use, in the order in which they came.
    variants: HashMap<Bytes, Vec<usize>>,
    /// By the client's name.
    by_name: HashMap<Bytes, usize>,
    by_id: HashMap<u16, usize>,
    alias_index: HashMap<Bytes, usize>,
    free: FreeIds,
    /// True once a node did not get an id.
    pub(crate) ids_ran_out: bool,
}

impl Definitions {
    /// True if clients know anything by this name.
    fn is_taken(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name) || self.alias_index.contains_key(name)
    }

    fn push(&mut self, original: &Bytes, definition: Definition) -> usize {
        let at = self.list.len();
        self.variants.entry(original.clone()).or_default().push(at);
        self.by_name.insert(definition.name.clone(), at);
        if let Some(node) = &definition.node {
            self.index_id(node.id, at);
        }
        self.list.push(definition);
        at
    }

    fn index_id(&mut self, id: u16, at: usize) {
        if id != UNKNOWN {
            self.by_id.insert(id, at);
        }
    }

    fn take_id(&mut self) -> u16 {
        self.free.take_lowest().unwrap_or_else(|| {
            self.ids_ran_out = true;
            UNKNOWN
        })
    }

    /// Nodes, in no order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&Definition, &SharedNode)> {
        self.list.iter().filter_map(|d| d.node.as_ref().map(|node| (d, node)))
    }

    /// Items, in the order in which they came.
    pub(crate) fn items(&self) -> impl Iterator<Item = (&Definition, &Bytes)> {
        self.list.iter().filter_map(|d| d.item.as_ref().map(|item| (d, item)))
    }

    /// The nodes that have an opinion about what a definition connects to.
    fn share_a_world(&self, users: &Users, id: u16) -> bool {
        self.by_id.get(&id).is_some_and(|at| self.list[*at].users.intersects(users))
    }
}

/// Names in a set, without repeats, in their first order.
fn distinct<T, K: std::hash::Hash + Eq>(list: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = HashSet::with_capacity(list.len());
    list.into_iter().filter(|entry| seen.insert(key(entry))).collect()
}
