//! Finding out what of a part is equal to what is there already.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use mesegate_protocol::{NameMap, ProtocolVersion};

use super::super::ids::is_builtin;
use super::super::shape::{self, Unusable};
use super::{BUILTIN, Definition, Definitions};
use crate::union::Alias;

/// Rounds of moving on one step at a time. Honest servers need a handful; after this many,
/// everything that depends on what moved last gets a new name at once, which is always right.
const ROUNDS: usize = 64;

/// One name of a part: its node, its item or both.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) name: Bytes,
    /// The part's id and the definition.
    pub(super) node: Option<(u16, Bytes)>,
    pub(super) item: Option<Bytes>,
    connects: Vec<u16>,
    references: Vec<Bytes>,
    /// Client's name if it equals nothing that is there.
    pub(super) fresh: Bytes,
    /// What it is tried against, in order; positions in the list of definitions.
    candidates: Vec<usize>,
    /// Which of them it is thought to be; one past the end is none of them.
    at: usize,
}

impl Own {
    pub(super) fn new(
        name: Bytes,
        node: Option<(u16, Bytes)>,
        item: Option<Bytes>,
        version: ProtocolVersion,
    ) -> Self {
        let features = node.as_ref().map(|(_, features)| features);
        let connects = features.map(shape::connects_of).unwrap_or_default();
        let references = shape::references(features, item.as_ref(), version);
        let (fresh, candidates) = (name.clone(), Vec::new());
        Self { name, node, item, connects, references, fresh, candidates, at: 0 }
    }

    /// The part's ids of nodes that it connects to.
    pub(super) fn connects(&self) -> &[u16] {
        &self.connects
    }

    /// What it was found to be; `None` if it is new.
    pub(super) fn choice(&self) -> Option<usize> {
        self.candidates.get(self.at).copied()
    }

    /// What goes by its name and is something else.
    pub(super) fn rival(&self) -> Option<usize> {
        self.candidates.first().copied()
    }
}

/// A part in the middle of being compared.
pub(super) struct Comparison<'a> {
    pub(super) known: &'a Definitions,
    pub(super) own: Vec<Own>,
    pub(super) aliases: Vec<Alias>,
    pub(super) media: &'a [(Bytes, Bytes)],
    pub(super) sounds: &'a [(Bytes, Bytes)],
    pub(super) version: ProtocolVersion,
    by_name: HashMap<Bytes, usize>,
    by_id: HashMap<u16, usize>,
    alias_targets: HashMap<Bytes, Bytes>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(
        known: &'a Definitions,
        mut own: Vec<Own>,
        aliases: Vec<Alias>,
        media: &'a [(Bytes, Bytes)],
        sounds: &'a [(Bytes, Bytes)],
        version: ProtocolVersion,
    ) -> Self {
        let mut by_name = HashMap::with_capacity(own.len());
        let mut by_id = HashMap::new();
        for (at, entry) in own.iter_mut().enumerate() {
            entry.candidates = known.variants.get(&entry.name).cloned().unwrap_or_default();
            by_name.insert(entry.name.clone(), at);
            if let Some((id, _)) = &entry.node {
                by_id.insert(*id, at);
            }
        }
        let alias_targets = aliases.iter().cloned().collect();
        Self { known, own, aliases, media, sounds, version, by_name, by_id, alias_targets }
    }

    /// True if the part itself uses the name.
    pub(super) fn uses(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name) || self.alias_targets.contains_key(name)
    }

    /// True if clients know what the part means by the name.
    pub(super) fn defines(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name) || name.is_empty() || BUILTIN.contains(&name)
    }

    /// The client's name of one of the part's definitions, as far as is known now.
    pub(super) fn name_of(&self, own: &Own) -> Bytes {
        own.choice().map_or_else(|| own.fresh.clone(), |at| self.known.list[at].name.clone())
    }

    /// What the client calls an alias's target.
    pub(super) fn target_of(&self, target: &Bytes) -> Bytes {
        let own = self.by_name.get(target).map(|at| &self.own[*at]);
        own.map_or_else(|| target.clone(), |own| self.name_of(own))
    }

    /// What the client calls an alias: its own name if it means the same to others, else the
    /// target's.
    pub(super) fn alias_name(&self, alias: &Bytes, target: &Bytes) -> Bytes {
        let new = self.target_of(target);
        let shared = self.known.alias_index.get(alias).map(|at| &self.known.aliases[*at]);
        match shared {
            Some(shared) if shared.target == new => alias.clone(),
            None if !self.known.is_taken(alias) => alias.clone(),
            // Nothing of the part goes by the target's name.
            _ if !self.defines(target) => alias.clone(),
            _ => new,
        }
    }

    /// The names as they are thought to be now.
    pub(super) fn names(&self, hand: Option<Bytes>) -> NameMap {
        let own = self.own.iter().map(|own| (own.name.clone(), self.name_of(own)));
        let aliases = self.aliases.iter().map(|(a, t)| (a.clone(), self.alias_name(a, t)));
        let pairs = |list: &[(Bytes, Bytes)]| list.to_vec();
        NameMap::new(pairs(self.media), pairs(self.sounds), own.chain(aliases), hand)
    }

    /// The client's id for one of the part's; `None` for a node that has none yet, and for an id
    /// that means nothing to the part.
    fn id_of(&self, id: u16) -> Option<u16> {
        if is_builtin(id) {
            return Some(id);
        }
        self.by_id.get(&id).and_then(|at| self.node_of(&self.own[*at]))
    }

    fn node_of(&self, own: &Own) -> Option<u16> {
        let node = self.known.list[own.choice()?].node.as_ref();
        node.map(|node| node.id)
    }

    /// Moves names on until nothing changes any more.
    pub(super) fn settle(&mut self) -> Result<(), Unusable> {
        let dependents = self.dependents();
        let mut dirty: Vec<usize> = (0..self.own.len()).collect();
        let mut round = 0;
        while !dirty.is_empty() {
            dirty.retain(|at| self.own[*at].choice().is_some());
            let names = self.names(None);
            let mine: HashSet<u16> = self.own.iter().filter_map(|o| self.node_of(o)).collect();
            let mut moved = Vec::new();
            for at in dirty {
                if !self.fits(&self.own[at], &names, &mine)? {
                    moved.push(at);
                }
            }
            round += 1;
            if round >= ROUNDS && !moved.is_empty() {
                self.give_up(moved, &dependents);
                // Nothing that is left refers to what moved.
                moved = Vec::new();
            }
            for at in &moved {
                self.own[*at].at += 1;
            }
            dirty = self.touched(&moved, &dependents);
        }
        Ok(())
    }

    /// Who refers to what, aliases followed.
    fn dependents(&self) -> Vec<Vec<usize>> {
        let mut dependents = vec![Vec::new(); self.own.len()];
        for (at, own) in self.own.iter().enumerate() {
            let names = own.references.iter().filter_map(|name| {
                let name = self.alias_targets.get(name).unwrap_or(name);
                self.by_name.get(name)
            });
            let ids = own.connects.iter().filter_map(|id| self.by_id.get(id));
            for on in names.chain(ids) {
                dependents[*on].push(at);
            }
        }
        dependents
    }

    /// What has to be compared again after these have moved.
    fn touched(&self, moved: &[usize], dependents: &[Vec<usize>]) -> Vec<usize> {
        let mut touched: HashSet<usize> = moved.iter().copied().collect();
        touched.extend(moved.iter().flat_map(|at| dependents[*at].iter().copied()));
        if moved.iter().any(|at| self.own[*at].node.is_some()) {
            // Which of the shared nodes are the part's own counts for what connects to others.
            touched.extend((0..self.own.len()).filter(|at| {
                let shared = self.own[*at].choice().and_then(|c| self.known.list[c].node.as_ref());
                shared.is_some_and(|shared| !shared.connects.is_empty())
            }));
        }
        let mut touched: Vec<usize> = touched.into_iter().collect();
        touched.sort_unstable();
        touched
    }

    /// Makes these, all that depends on them and all that connects to anything new.
    fn give_up(&mut self, mut open: Vec<usize>, dependents: &[Vec<usize>]) {
        open.extend((0..self.own.len()).filter(|at| {
            let own = &self.own[*at];
            let shared = own.choice().and_then(|c| self.known.list[c].node.as_ref());
            !own.connects.is_empty() || shared.is_some_and(|shared| !shared.connects.is_empty())
        }));
        while let Some(at) = open.pop() {
            let own = &mut self.own[at];
            if own.at < own.candidates.len() {
                own.at = own.candidates.len();
                open.extend(dependents[at].iter().copied());
            }
        }
    }

    /// True if a definition is what its present candidate is.
    fn fits(&self, own: &Own, names: &NameMap, mine: &HashSet<u16>) -> Result<bool, Unusable> {
        let Some(shared) = own.choice().map(|at| &self.known.list[at]) else {
            return Ok(true);
        };
        match (&own.node, &shared.node) {
            (Some((_, features)), Some(node)) => {
                if shape::of_node(&own.name, features, names)? != node.shape
                    || !self.connects_alike(own, shared, mine)
                {
                    return Ok(false);
                }
            }
            (None, None) if own.item.is_some() && shared.item.is_some() => {}
            _ => return Ok(false),
        }
        match (&own.item, &shared.item) {
            (Some(item), Some(shared)) => {
                Ok(shape::of_item(&own.name, item, names, self.version)? == *shared)
            }
            _ => Ok(true),
        }
    }

    /// True if both connect to the same of those nodes that are in the world of both.
    fn connects_alike(&self, own: &Own, shared: &Definition, mine: &HashSet<u16>) -> bool {
        let theirs = shared.node.as_ref().map_or(&[][..], |node| &node.connects[..]);
        let ids: HashSet<u16> = own.connects.iter().filter_map(|id| self.id_of(*id)).collect();
        let more = ids.iter().filter(|id| theirs.binary_search(id).is_err());
        let less = theirs.iter().filter(|id| !ids.contains(*id));
        !more.into_iter().any(|id| is_builtin(*id) || self.known.share_a_world(&shared.users, *id))
            && !less.into_iter().any(|id| is_builtin(*id) || mine.contains(id))
    }

    /// The property in which a definition differs from what goes by its name.
    pub(super) fn difference(&self, own: &Own, names: &NameMap) -> Option<&'static str> {
        let rival = &self.known.list[own.rival()?];
        let (Some((_, features)), Some(node)) = (&own.node, &rival.node) else {
            return self.item_difference(own, rival, names);
        };
        let shape = shape::of_node(&own.name, features, names).ok()?;
        shape::node_difference(&shape, &node.shape)
            .or_else(|| self.item_difference(own, rival, names))
            .or(Some("connects_to"))
    }

    fn item_difference(
        &self,
        own: &Own,
        rival: &Definition,
        names: &NameMap,
    ) -> Option<&'static str> {
        let own = shape::of_item(&own.name, own.item.as_ref()?, names, self.version).ok()?;
        shape::item_difference(&own, rival.item.as_ref()?, self.version)
    }
}
