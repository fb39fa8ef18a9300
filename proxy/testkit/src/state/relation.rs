//! Which of a proxy's definitions are those of one server, by what they are like.

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
    alias: Option<String>,
}

type Things = BTreeMap<String, Thing>;

/// For every name of the server, the names that can stand for it.
type Candidates<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn things(content: &Content, version: ProtocolVersion) -> Result<Things, WireError> {
    let names = Names::files(content);
    let mut things = Things::new();
    let nodes: BTreeMap<&str, &[u8]> =
        content.nodes.iter().map(|(_, name, bytes)| (name.as_str(), &bytes[..])).collect();
    for name in content.names() {
        let node = nodes.get(name.as_str()).map(|it| definition::node(it, &names)).transpose()?;
        let item =
            content.items.get(&name).map(|it| definition::item(it, &names, version)).transpose()?;
        let alias = content.aliases.get(&name).cloned();
        things.insert(name, Thing { node, item, alias });
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
        let mut next = Candidates::new();
        for (name, found) in &candidates {
            let thing = &own[*name];
            let fits = |other: &&&str| {
                refers_alike(thing, &merged[**other], &candidates, (&own_ids, &merged_ids))
            };
            next.insert(name, found.iter().filter(fits).copied().collect());
        }
        if next == candidates {
            break;
        }
        candidates = next;
    }
    for (name, found) in &candidates {
        if found.is_empty() && !name.is_empty() {
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
    shape(&a.node) == shape(&b.node)
        && shape(&a.item) == shape(&b.item)
        && a.alias.is_some() == b.alias.is_some()
}

/// Whether everything that `a` refers to is what `b` refers to.
fn refers_alike(
    a: &Thing,
    b: &Thing,
    candidates: &Candidates<'_>,
    (own_ids, merged_ids): (&BTreeMap<u16, &str>, &BTreeMap<u16, &str>),
) -> bool {
    let same = |own: &str, other: &str| match candidates.get(own) {
        Some(found) => found.contains(other) || own.is_empty() && other.is_empty(),
        // Nothing of this name on the server: it must stay as it is.
        None => own == other,
    };
    let pairs = [(&a.node, &b.node), (&a.item, &b.item)];
    for (one, two) in pairs.into_iter().filter_map(|(a, b)| a.as_ref().zip(b.as_ref())) {
        if one.refs.len() != two.refs.len() || one.connects.len() != two.connects.len() {
            return false;
        }
        if !one.refs.iter().zip(&two.refs).all(|(own, other)| same(own, other)) {
            return false;
        }
        let others: BTreeSet<&str> =
            two.connects.iter().filter_map(|id| merged_ids.get(id).copied()).collect();
        let connected = |id: &u16| {
            own_ids.get(id).is_some_and(|own| others.iter().any(|other| same(own, other)))
        };
        // "air" has no definition of a node in the list, but an item's.
        if !one.connects.iter().all(connected) {
            return false;
        }
    }
    match (&a.alias, &b.alias) {
        (Some(own), Some(other)) => same(own, other),
        _ => true,
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
        text = format!("{text}; alias {:?}, not {:?}", theirs.alias, thing.alias);
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
    let mut map: BTreeMap<String, String> = BTreeMap::new();
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
