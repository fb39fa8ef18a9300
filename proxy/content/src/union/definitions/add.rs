//! Adding what was compared.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use mesegate_protocol::{NameMap, ProtocolVersion};

use super::candidates::{Comparison, Own};
use super::{BUILTIN, Definition, Definitions, SharedAlias, SharedNode, distinct};
use crate::union::ids::is_builtin;
use crate::union::renamed::{Conflict, Subject, Why};
use crate::union::shape::Unusable;
use crate::union::users::Users;
use crate::union::{Alias, Item, Node, effective_nodes, prefix, shape};

/// Names that are longer get shorter ones instead of a prefix.
const NAME_MAX: usize = 1024;
/// Renamed definitions of a part of which it is found out in what they differ.
const EXPLAINED: usize = 200;

/// A part's definitions.
pub(crate) struct Input<'a> {
    pub(crate) part: usize,
    pub(crate) prefix: &'a str,
    pub(crate) nodes: Vec<Node>,
    pub(crate) items: Vec<Item>,
    pub(crate) aliases: Vec<Alias>,
    /// Files that were renamed.
    pub(crate) media: &'a [(Bytes, Bytes)],
    /// Sounds that were renamed.
    pub(crate) sounds: &'a [(Bytes, Bytes)],
    pub(crate) version: ProtocolVersion,
}

/// What clients know the definitions of a part as.
#[derive(Debug)]
pub(crate) struct Added {
    pub(crate) names: NameMap,
    /// The part's ids and those of clients.
    pub(crate) ids: Vec<(u16, u16)>,
    /// The part's nodes with clients' ids, and the names of its items.
    pub(crate) nodes: HashMap<Bytes, u16>,
    pub(crate) items: HashSet<Bytes>,
    pub(crate) conflicts: Vec<Conflict>,
    /// True if clients get anything that they would not get without the part.
    pub(crate) adds_nodes: bool,
    /// The same for items and aliases.
    pub(crate) adds_items: bool,
}

/// A node's and an item's definition, as far as they are news.
type Shapes = (Option<Bytes>, Option<Bytes>);

/// An alias, its target for clients, and its name for them.
struct NewAlias {
    name: Bytes,
    target: Bytes,
    client: Bytes,
    defined: bool,
}

impl Definitions {
    /// Adds the definitions of a part. The first one keeps its ids.
    ///
    /// # Errors
    /// A definition cannot be edited where that is needed. Nothing is added then.
    pub(crate) fn add(&mut self, input: Input<'_>) -> Result<Added, Unusable> {
        let first = input.part == 0;
        let (part, version) = (input.part, input.version);
        let items = distinct(input.items, |item| item.name.clone());
        let item_names: HashSet<Bytes> = items.iter().map(|item| item.name.clone()).collect();
        let (own, hand, builtin) = split(input.nodes, items, version);
        let names: HashSet<Bytes> = own.iter().map(|own| own.name.clone()).collect();
        let aliases: Vec<Alias> = distinct(input.aliases, |(name, _)| name.clone())
            .into_iter()
            .filter(|(name, _)| !item_names.contains(name) && !names.contains(name))
            .filter(|(name, _)| !name.is_empty() && !BUILTIN.contains(&&name[..]))
            .collect();

        let mut compared = Comparison::new(self, own, aliases, input.media, input.sounds, version);
        compared.name_new(input.prefix);
        compared.settle()?;
        let plain = compared.names(None);
        let hand = hand.map(|hand| self.find_hand(&hand, &plain, &compared, input.prefix));
        let hand = hand.transpose()?;
        let client_hand = hand.as_ref().map(|hand| hand.name.clone()).filter(|n| !n.is_empty());
        let names = compared.names(client_hand);
        let shapes = compared.shapes(&names)?;
        let conflicts = self.explain(&compared, &names, hand.as_ref());
        let aliases = compared.new_aliases();
        let own = compared.own;

        let before = (self.list.len(), self.aliases.len());
        let (ids, mut adds_nodes, adds_shared) = self.add_own(part, first, &own, shapes, &names);
        adds_nodes |= self.connect(part, &own, &ids);
        for item in builtin {
            self.add_builtin(part, item);
        }
        if let Some(hand) = hand {
            self.add_hand(part, hand);
        }
        self.add_aliases(part, aliases);
        let adds_items = adds_shared || before != (self.list.len(), self.aliases.len());
        let nodes = own.iter().filter_map(|own| {
            let (id, _) = own.node.as_ref()?;
            Some((own.name.clone(), *ids.get(id)?))
        });
        let nodes = nodes.collect();
        let mut ids: Vec<(u16, u16)> = ids.into_iter().collect();
        ids.sort_unstable();
        Ok(Added { names, ids, nodes, items: item_names, conflicts, adds_nodes, adds_items })
    }

    /// Gives ids to new nodes and adds them and new items. Returns the client's ids by the part's,
    /// whether there are new nodes, and whether there are items for shared names.
    fn add_own(
        &mut self,
        part: usize,
        first: bool,
        own: &[Own],
        shapes: Vec<Shapes>,
        names: &NameMap,
    ) -> (HashMap<u16, u16>, bool, bool) {
        let keep = first || self.keeps_ids(own);
        let mut ids = HashMap::with_capacity(own.len());
        let (mut new_nodes, mut new_items) = (false, false);
        for (own, (node, item)) in own.iter().zip(shapes) {
            let own_id = own.node.as_ref().map(|(id, _)| *id);
            let id = match own.choice() {
                Some(at) => {
                    let shared = &mut self.list[at];
                    shared.users.insert(part);
                    if shared.item.is_none() && item.is_some() {
                        shared.item = item;
                        new_items = true;
                    }
                    shared.node.as_ref().map(|node| node.id)
                }
                None => {
                    let id = own_id.map(|own| if keep { own } else { self.take_id() });
                    let node = id.zip(node).map(|(id, shape)| {
                        self.free.mark(id);
                        new_nodes = true;
                        SharedNode { id, shape, connects: Vec::new() }
                    });
                    let name = names.item(&own.name).unwrap_or(&own.name).clone();
                    let users = Users::only(part);
                    self.push(&own.name, Definition { name, node, item, users });
                    id
                }
            };
            ids.extend(own_id.zip(id));
        }
        (ids, new_nodes, new_items)
    }

    /// True if a part's map is the identity if its new nodes keep their ids: its blocks then need
    /// no rewriting.
    fn keeps_ids(&self, own: &[Own]) -> bool {
        own.iter().all(|own| {
            let Some((id, _)) = &own.node else { return true };
            match own.choice() {
                Some(at) => self.list[at].node.as_ref().is_some_and(|node| node.id == *id),
                None => self.free.is_free(*id),
            }
        })
    }

    /// Notes what a part's nodes connect to. Returns whether that is news for shared ones.
    fn connect(&mut self, part: usize, own: &[Own], ids: &HashMap<u16, u16>) -> bool {
        let mut news = false;
        for own in own.iter().filter(|own| !own.connects().is_empty()) {
            let at = own.choice().or_else(|| {
                let id = ids.get(&own.node.as_ref()?.0)?;
                let at = *self.by_id.get(id)?;
                self.list[at].users.contains(part).then_some(at)
            });
            let Some(node) = at.and_then(|at| self.list[at].node.as_mut()) else { continue };
            let map = |id: &u16| if is_builtin(*id) { Some(*id) } else { ids.get(id).copied() };
            let before = node.connects.len();
            node.connects.extend(own.connects().iter().filter_map(map));
            node.connects.sort_unstable();
            node.connects.dedup();
            news |= node.connects.len() != before;
        }
        news
    }

    fn add_builtin(&mut self, part: usize, item: Item) {
        if let Some(at) = self.by_name.get(&item.name) {
            self.list[*at].users.insert(part);
        } else {
            let (name, users) = (item.name.clone(), Users::only(part));
            let definition = Definition { name, node: None, item: Some(item.raw), users };
            self.push(&item.name, definition);
        }
    }

    fn add_hand(&mut self, part: usize, hand: Hand) {
        match hand.known {
            Some(at) => self.list[at].users.insert(part),
            None => {
                let users = Users::only(part);
                let definition =
                    Definition { name: hand.name, node: None, item: Some(hand.raw), users };
                self.push(&Bytes::new(), definition);
            }
        }
    }

    fn add_aliases(&mut self, part: usize, aliases: Vec<NewAlias>) {
        for alias in aliases.into_iter().filter(|alias| alias.client == alias.name) {
            if let Some(at) = self.alias_index.get(&alias.name) {
                let shared = &mut self.aliases[*at];
                if shared.target == alias.target {
                    shared.users.insert(part);
                }
            } else if !self.is_taken(&alias.name) && (alias.defined || part == 0) {
                self.alias_index.insert(alias.name.clone(), self.aliases.len());
                let NewAlias { name, target, .. } = alias;
                self.aliases.push(SharedAlias { name, target, users: Users::only(part) });
            }
        }
    }
}

/// What a part's players use with nothing in their hand.
struct Hand {
    name: Bytes,
    raw: Bytes,
    /// Position of an equal one.
    known: Option<usize>,
}

impl Definitions {
    fn find_hand(
        &self,
        raw: &Bytes,
        names: &NameMap,
        compared: &Comparison<'_>,
        prefix: &str,
    ) -> Result<Hand, Unusable> {
        let version = compared.version;
        let raw = shape::of_item(&Bytes::new(), raw, names, version)?;
        let hands = self.variants.get(&b""[..]).map_or(&[][..], Vec::as_slice);
        for at in hands {
            let shared = &self.list[*at];
            let Some(item) = &shared.item else { continue };
            let bare = if shared.name.is_empty() {
                item.clone()
            } else {
                shape::item_called(item, &Bytes::new(), version)?
            };
            if bare == raw {
                return Ok(Hand { name: shared.name.clone(), raw, known: Some(*at) });
            }
        }
        if !self.is_taken(b"") {
            return Ok(Hand { name: Bytes::new(), raw, known: None });
        }
        let taken = |name: &str| compared.is_taken(name.as_bytes());
        let name: Bytes = prefix::unique(prefix, "hand", 0, NAME_MAX, taken).into();
        let raw = shape::item_called(&raw, &name, version)?;
        Ok(Hand { name, raw, known: None })
    }

    fn explain(
        &self,
        compared: &Comparison<'_>,
        names: &NameMap,
        hand: Option<&Hand>,
    ) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        let owner = |name: &[u8]| {
            let definition = self.by_name.get(name).map(|at| &self.list[*at].users);
            let alias = self.alias_index.get(name).map(|at| &self.aliases[*at].users);
            definition.or(alias).and_then(Users::first)
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for own in &compared.own {
            let Some(new) = names.item(&own.name) else { continue };
            let subject = if own.node.is_some() { Subject::Node } else { Subject::Item };
            let rival = own.rival().and_then(|at| self.list[at].users.first());
            let field =
                if conflicts.len() < EXPLAINED { compared.difference(own, names) } else { None };
            let why = field.map_or(Why::Taken, Why::Field);
            let (name, new) = (text(&own.name), Some(text(new)));
            let other = rival.or_else(|| owner(&own.name));
            conflicts.push(Conflict { subject, name, new, why, other });
        }
        for (alias, _) in &compared.aliases {
            let Some(new) = names.item(alias) else { continue };
            let (name, new) = (text(alias), Some(text(new)));
            let (subject, why) = (Subject::Alias, Why::Field("target"));
            conflicts.push(Conflict { subject, name, new, why, other: owner(alias) });
        }
        if let Some(hand) = hand.filter(|hand| !hand.name.is_empty()) {
            let base = self.by_name.get(&b""[..]).and_then(|at| self.list[*at].item.as_ref());
            let field =
                base.and_then(|base| shape::item_difference(&hand.raw, base, compared.version));
            let why = field.map_or(Why::Taken, Why::Field);
            let (name, new) = (String::new(), Some(text(&hand.name)));
            conflicts.push(Conflict { subject: Subject::Hand, name, new, why, other: owner(b"") });
        }
        conflicts
    }
}

impl Comparison<'_> {
    fn is_taken(&self, name: &[u8]) -> bool {
        self.known.is_taken(name) || self.uses(name) || self.own.iter().any(|o| o.fresh == name)
    }

    /// Finds names for what may turn out to be new.
    fn name_new(&mut self, prefix: &str) {
        let mut fresh: HashSet<String> = HashSet::new();
        let mut names = Vec::with_capacity(self.own.len());
        for own in &self.own {
            if !self.known.is_taken(&own.name) {
                names.push(own.name.clone());
                continue;
            }
            let taken = |name: &str| {
                self.known.is_taken(name.as_bytes())
                    || self.uses(name.as_bytes())
                    || fresh.contains(name)
            };
            let old = String::from_utf8_lossy(&own.name);
            let new = prefix::unique(prefix, &old, 0, NAME_MAX, taken);
            fresh.insert(new.clone());
            names.push(new.into());
        }
        for (own, name) in self.own.iter_mut().zip(names) {
            own.fresh = name;
        }
    }

    /// Node and item of every definition with clients' names, as far as they are needed.
    fn shapes(&self, names: &NameMap) -> Result<Vec<Shapes>, Unusable> {
        let shapes = self.own.iter().map(|own| {
            let shared = own.choice().map(|at| &self.known.list[at]);
            let node = own.node.as_ref().filter(|_| shared.is_none());
            let node =
                node.map(|(_, features)| shape::of_node(&own.name, features, names)).transpose()?;
            let item = own.item.as_ref().filter(|_| shared.is_none_or(|s| s.item.is_none()));
            let item =
                item.map(|raw| shape::of_item(&own.name, raw, names, self.version)).transpose()?;
            Ok((node, item))
        });
        shapes.collect()
    }

    fn new_aliases(&self) -> Vec<NewAlias> {
        let aliases = self.aliases.iter().map(|(name, target)| NewAlias {
            name: name.clone(),
            target: self.target_of(target),
            client: self.alias_name(name, target),
            defined: self.defines(target),
        });
        aliases.collect()
    }
}

/// Nodes with their items and items without a node, the hand, and items that clients define
/// themselves.
fn split(
    nodes: Vec<Node>,
    items: Vec<Item>,
    version: ProtocolVersion,
) -> (Vec<Own>, Option<Bytes>, Vec<Item>) {
    let nodes = effective_nodes(nodes);
    let node_names: HashSet<Bytes> = nodes.iter().map(|node| node.name.clone()).collect();
    let (mut hand, mut builtin, mut alone) = (None, Vec::new(), Vec::new());
    let mut with_node = HashMap::new();
    for item in items {
        if item.name.is_empty() {
            hand = Some(item.raw);
        } else if BUILTIN.contains(&&item.name[..]) {
            builtin.push(item);
        } else if node_names.contains(&item.name) {
            with_node.insert(item.name, item.raw);
        } else {
            alone.push(item);
        }
    }
    let mut own: Vec<Own> = Vec::with_capacity(nodes.len() + alone.len());
    for node in nodes {
        let item = with_node.remove(&node.name);
        own.push(Own::new(node.name, Some((node.id, node.features)), item, version));
    }
    own.extend(alone.into_iter().map(|item| Own::new(item.name, None, Some(item.raw), version)));
    (own, hand, builtin)
}
