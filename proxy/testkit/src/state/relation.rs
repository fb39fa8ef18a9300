//! Which of a proxy's definitions are those of one server, by what they are like.
//!
//! Aliases are followed on both sides: a proxy may send an alias's target instead, because other
//! servers may have a definition of the alias's name.

use std::collections::{BTreeMap, BTreeSet};

use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::wire::WireError;

use super::content::Content;
use super::definition::{self, Definition};
use super::names::Names;

/// Everything that goes by one name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thing {
    node: Option<Definition>,
    item: Option<Definition>,
}

type Things = BTreeMap<String, Thing>;

/// For every name of the server, the names that can stand for it.
type Candidates<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// What a client has one of, whatever servers think that it looks like (`itemdef.cpp` clear): the
/// hand, which is compared with the inventories, and what stands for things that are not defined.
const ONE_OF_A_KIND: [&str; 4] = ["", "unknown", "air", "ignore"];

fn things(content: &Content, version: ProtocolVersion) -> Result<Things, WireError> {
    let names = Names::files(content);
    let mut things = Things::new();
    let nodes: BTreeMap<&str, &[u8]> =
        content.nodes.iter().map(|(_, name, bytes)| (name.as_str(), &bytes[..])).collect();
    let resolved = |mut definition: Definition| {
        for name in &mut definition.refs {
            *name = content.resolve(name).to_owned();
        }
        definition
    };
    for name in content.defined() {
        let node = nodes.get(name).map(|it| definition::node(it, &names)).transpose()?;
        let item = content.items.get(name);
        let item = item.map(|it| definition::item(it, &names, version)).transpose()?;
        let thing = Thing { node: node.map(resolved), item: item.map(resolved) };
        things.insert(name.to_owned(), thing);
    }
    Ok(things)
}

/// For every name that a client has: the name that the server itself uses.
///
/// # Errors
/// A line for every file or definition of the server that is missing or different.
pub(super) fn relate(
    direct: &Content,
    through: &Content,
    version: ProtocolVersion,
) -> Result<BTreeMap<String, String>, Vec<String>> {
    let mut wrong = Vec::new();
    let hashes: BTreeSet<&[u8; 20]> = through.files.values().collect();
    for (name, hash) in &direct.files {
        if !hashes.contains(hash) {
            wrong.push(format!("the content of {name} is not announced"));
        }
    }
    let read = |content, what: &str| {
        things(content, version).map_err(|error| vec![format!("definitions of {what}: {error}")])
    };
    let own = read(direct, "the server")?;
    let merged = read(through, "the proxy")?;
    let mut candidates = similar(&own, &merged);
    let own_ids = ids(direct);
    let merged_ids = ids(through);
    loop {
        let relation = Relation { candidates: &candidates, own_ids: &own_ids, ids: &merged_ids };
        let backwards = backwards(&candidates);
        let mut next = Candidates::new();
        for (name, found) in &candidates {
            let thing = &own[*name];
            let fits = |other: &&&str| relation.agrees(thing, &merged[**other], &backwards);
            next.insert(name, found.iter().filter(fits).copied().collect());
        }
        if next == candidates {
            break;
        }
        candidates = next;
    }
    for (name, found) in &candidates {
        if found.is_empty() && !ONE_OF_A_KIND.contains(name) {
            wrong.push(explain(name, &own[*name], &merged));
        }
    }
    if wrong.is_empty() { Ok(choose(&candidates)) } else { Err(wrong) }
}

fn ids(content: &Content) -> BTreeMap<u16, &str> {
    let builtin = [(125, "unknown"), (126, "air"), (127, "ignore")];
    let nodes = content.nodes.iter().map(|(id, name, _)| (*id, name.as_str()));
    nodes.chain(builtin).collect()
}

/// `name` itself and everything that ends in `_name`, if it is like it but for references.
fn similar<'a>(own: &'a Things, merged: &'a Things) -> Candidates<'a> {
    let mut candidates: Candidates<'a> =
        own.keys().map(|name| (name.as_str(), BTreeSet::new())).collect();
    for (other, theirs) in merged {
        let cuts = other.match_indices('_').map(|(at, _)| &other[at + 1..]);
        for name in std::iter::once(other.as_str()).chain(cuts) {
            if let Some(found) = candidates.get_mut(name)
                && alike(&own[name], theirs)
            {
                found.insert(other.as_str());
            }
        }
    }
    candidates
}

fn alike(a: &Thing, b: &Thing) -> bool {
    let shape = |it: &Option<Definition>| it.as_ref().map(|it| it.shape.clone());
    // A node whose name is another item's alias has no item of its own on this server; another
    // server may have one.
    shape(&a.node) == shape(&b.node) && (a.item.is_none() || shape(&a.item) == shape(&b.item))
}

/// For every name of the proxy, the server's names that it can stand for.
fn backwards<'a>(candidates: &Candidates<'a>) -> Candidates<'a> {
    let mut backwards = Candidates::new();
    for (name, found) in candidates {
        for other in found {
            backwards.entry(*other).or_default().insert(*name);
        }
    }
    backwards
}

struct Relation<'a> {
    candidates: &'a Candidates<'a>,
    own_ids: &'a BTreeMap<u16, &'a str>,
    ids: &'a BTreeMap<u16, &'a str>,
}

impl Relation<'_> {
    fn same(&self, own: &str, other: &str) -> bool {
        match self.candidates.get(own) {
            Some(found) => found.contains(other) || own.is_empty() && other.is_empty(),
            // Nothing of this name on the server: it must stay as it is.
            None => own == other,
        }
    }

    /// Whether everything that `a` refers to is what `b` refers to.
    fn agrees(&self, a: &Thing, b: &Thing, backwards: &Candidates<'_>) -> bool {
        let pairs = [(&a.node, &b.node), (&a.item, &b.item)];
        pairs.into_iter().filter_map(|(a, b)| a.as_ref().zip(b.as_ref())).all(|(one, two)| {
            one.refs.len() == two.refs.len()
                && one.refs.iter().zip(&two.refs).all(|(own, other)| self.same(own, other))
                && self.connects_alike(one, two, backwards)
        })
    }

    /// Connects to the same nodes of this server, whatever other servers' nodes besides.
    fn connects_alike(&self, a: &Definition, b: &Definition, backwards: &Candidates<'_>) -> bool {
        let names = |ids: &[u16], of: &BTreeMap<u16, &str>| {
            let known = ids.iter().filter_map(|id| of.get(id).map(|it| (*it).to_owned()));
            known.collect::<BTreeSet<String>>()
        };
        let (own, others) = (names(&a.connects, self.own_ids), names(&b.connects, self.ids));
        let missing = own.iter().any(|own| !others.iter().any(|other| self.same(own, other)));
        let too_many = others.iter().any(|other| match backwards.get(other.as_str()) {
            Some(stands_for) => !stands_for.iter().any(|name| own.contains(*name)),
            None => false,
        });
        !missing && !too_many
    }
}

fn explain(name: &str, thing: &Thing, merged: &Things) -> String {
    let suffix = format!("_{name}");
    let near = merged.iter().filter(|(other, _)| *other == name || other.ends_with(&suffix));
    let mut text = format!("{name} has no counterpart");
    for (other, theirs) in near {
        for (what, a, b) in
            [("node", &thing.node, &theirs.node), ("item", &thing.item, &theirs.item)]
        {
            let reason = match (a, b) {
                (Some(a), Some(b)) if a.shape != b.shape => first_difference(&a.shape, &b.shape),
                (Some(a), Some(b)) if a.refs != b.refs => {
                    format!("refers to {:?}, not {:?}", b.refs, a.refs)
                }
                (Some(a), Some(b)) => {
                    format!("connects to {} nodes, not {}", b.connects.len(), a.connects.len())
                }
                (None, None) => continue,
                (a, b) => format!("is defined: {}, not {}", b.is_some(), a.is_some()),
            };
            text = format!("{text}; the {what} {other} {reason}");
        }
    }
    text
}

/// Where two texts part.
pub(super) fn first_difference(a: &str, b: &str) -> String {
    let at = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let part = |text: &str| {
        let bytes = text.as_bytes();
        let from = at.saturating_sub(60);
        let to = (at + 120).min(bytes.len());
        String::from_utf8_lossy(bytes.get(from..to).unwrap_or_default()).into_owned()
    };
    format!("differs at byte {at}: {:?}, not {:?}", part(b), part(a))
}

fn choose(candidates: &Candidates<'_>) -> BTreeMap<String, String> {
    let mut map: BTreeMap<String, String> =
        ONE_OF_A_KIND.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect();
    for (name, found) in candidates {
        for other in found {
            let entry = map.entry((*other).to_owned()).or_default();
            // The longest name that it can stand for has the shortest prefix.
            if entry.len() < name.len() {
                (*name).clone_into(entry);
            }
        }
    }
    map
}
