//! Between the messages of the protocol and what is joined here.

use bytes::Bytes;
use mesegate_backend::Definitions;
use mesegate_protocol::ProtocolVersion;
use mesegate_protocol::content::{
    AnnounceMedia, FeaturesView, ItemDef, ItemDefs, ItemView, Media, NodeDef, NodeDefs,
    remap_connects_to,
};
use mesegate_protocol::wire::{WireError, Writer};

use crate::hash::{Hash, sha1_of_parts};
use crate::store::MediaFile;
use crate::union::{Alias, Item, Node};

type Result<T> = std::result::Result<T, WireError>;

/// A complete message.
pub(crate) fn message(command: u16, body: &[u8]) -> Bytes {
    let mut writer = Writer::command(command);
    writer.raw(body);
    writer.finish()
}

/// Reads the body of a NODEDEF.
pub(crate) fn nodes(body: &[u8], version: ProtocolVersion) -> Result<Vec<Node>> {
    let list = NodeDefs::decode(body, version)?.nodes.into_iter();
    Ok(list.map(|n| Node { id: n.id, name: n.name.into(), features: n.features }).collect())
}

/// Reads the body of an ITEMDEF: items and aliases.
pub(crate) fn items(body: &[u8], version: ProtocolVersion) -> Result<(Vec<Item>, Vec<Alias>)> {
    let defs = ItemDefs::decode(body, version)?;
    let items = defs.items.into_iter().map(|i| Item { name: i.name.into(), raw: i.raw });
    let aliases = defs.aliases.into_iter().map(|(alias, target)| (alias.into(), target.into()));
    Ok((items.collect(), aliases.collect()))
}

/// Whether definitions can be read down to their last field, or why not, in words. What is newer
/// than any known layout passes: it can be forwarded as long as nothing in it has to be changed.
pub(crate) fn check(
    definitions: &Definitions,
    version: ProtocolVersion,
) -> std::result::Result<(), String> {
    let list = |what: &'static str| move |error| format!("its {what} cannot be read: {error}");
    let nodes = nodes(&definitions.node_def, version).map_err(list("node definitions"))?;
    let (items, _) = items(&definitions.item_def, version).map_err(list("item definitions"))?;
    let one = |name: &Bytes, read: Result<()>| match read {
        Ok(()) | Err(WireError::Newer { .. }) => Ok(()),
        Err(error) => Err(format!("its definition of `{}` cannot be read: {error}", text(name))),
    };
    for node in &nodes {
        one(&node.name, FeaturesView::parse(&node.features).map(drop))?;
    }
    for item in &items {
        one(&item.name, ItemView::parse(&item.raw, version).map(drop))?;
    }
    Ok(())
}

/// Reads the body of an ANNOUNCE_MEDIA.
pub(crate) fn announce(body: &[u8], version: ProtocolVersion) -> Result<AnnounceMedia> {
    AnnounceMedia::decode(body, version)
}

/// A complete NODEDEF.
pub(crate) fn node_def(nodes: &[Node], version: ProtocolVersion) -> Result<Bytes> {
    let nodes = nodes.iter().map(|node| NodeDef {
        id: node.id,
        name: String::new(), // the name inside the features counts
        features: node.features.clone(),
    });
    NodeDefs { nodes: nodes.collect() }.encode(version)
}

/// A complete ITEMDEF.
pub(crate) fn item_def(
    items: &[Item],
    aliases: &[Alias],
    version: ProtocolVersion,
) -> Result<Bytes> {
    let items = items.iter().map(|item| ItemDef { name: String::new(), raw: item.raw.clone() });
    let aliases = aliases.iter().map(|(alias, target)| (text(alias), text(target)));
    ItemDefs { items: items.collect(), aliases: aliases.collect() }.encode(version)
}

/// A complete ANNOUNCE_MEDIA.
pub(crate) fn announce_media(
    media: &[MediaFile],
    remote: &str,
    version: ProtocolVersion,
) -> Result<Bytes> {
    let files = media.iter().map(|file| (file.name.clone(), file.hash)).collect();
    AnnounceMedia { files, remote: remote.to_owned() }.encode(version)
}

/// A complete MEDIA; files are encoded already.
pub(crate) fn media(index: u16, count: u16, files: &[(&str, Bytes)]) -> Bytes {
    Media::encode_files(count, index, files.iter().map(|(name, data)| (*name, &data[..])))
}

/// A hash over everything a server sends before CLIENT_READY. What an engine writes in the order of
/// a hash table, which differs from start to start, is put into order first: announced files
/// (`server.cpp`, sendMediaAnnouncement), aliases (`itemdef.cpp`), and groups and other sets in the
/// definitions.
pub fn digest(definitions: &Definitions, version: ProtocolVersion) -> Result<Hash> {
    let mut announce = announce(&definitions.announce, version)?;
    announce.files.sort_unstable();
    let mut files = Vec::with_capacity(announce.files.len() * 48);
    for (name, hash) in &announce.files {
        put(&mut files, name.as_bytes());
        files.extend_from_slice(hash);
    }
    let mut nodes = Vec::new();
    for node in self::nodes(&definitions.node_def, version)? {
        nodes.extend_from_slice(&node.id.to_be_bytes());
        let sorted = remap_connects_to(&node.features, &|id| id);
        let features = sorted.unwrap_or(node.features);
        let ordered = FeaturesView::parse(&features).ok().and_then(|view| view.ordered());
        put(&mut nodes, &ordered.unwrap_or(features));
    }
    let (mut items, mut aliases) = self::items(&definitions.item_def, version)?;
    items.sort_by(|a, b| a.name.cmp(&b.name));
    aliases.sort_by(|a, b| a.0.cmp(&b.0));
    let mut named = Vec::new();
    for item in items {
        let ordered = ItemView::parse(&item.raw, version).ok().and_then(|view| view.ordered());
        put(&mut named, &ordered.unwrap_or(item.raw));
    }
    let mut others = Vec::new();
    for (alias, target) in aliases {
        put(&mut others, &alias);
        put(&mut others, &target);
    }
    Ok(sha1_of_parts(&[&named, &others, &nodes, &files, announce.remote.as_bytes()]))
}

/// Adds a text and how long it is.
fn put(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u64).to_be_bytes());
    out.extend_from_slice(text);
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Look, tool};

    #[test]
    fn a_digest_is_of_what_is_said_not_of_its_order() {
        let version = ProtocolVersion(53);
        let definitions = |groups: &[&str], reverse: bool| {
            let look = Look { groups, ..Look::new("n") };
            let connects: &[u16] = if reverse { &[7, 3] } else { &[3, 7] };
            let name = Bytes::from_static(b"n");
            let nodes = [Node { id: 3, name, features: look.features(connects) }];
            let mut items = ["a", "b"].map(|name| {
                let raw = tool(name, "x.png", groups, version);
                Item { name: Bytes::from_static(name.as_bytes()), raw }
            });
            let mut aliases = ["x", "y"]
                .map(|alias| (Bytes::from_static(alias.as_bytes()), Bytes::from_static(b"a")));
            let mut files = ["x.png", "y.png"].map(|name| (name.to_owned(), [1; 20]));
            if reverse {
                items.reverse();
                aliases.reverse();
                files.reverse();
            }
            let files = AnnounceMedia { files: files.to_vec(), remote: String::new() };
            Definitions {
                item_def: item_def(&items, &aliases, version).unwrap().slice(2..),
                node_def: node_def(&nodes, version).unwrap().slice(2..),
                announce: files.encode(version).unwrap().slice(2..),
            }
        };
        let of = |groups: &[&str], reverse| digest(&definitions(groups, reverse), version).unwrap();
        let first = of(&["g", "fg", "efg"], false);
        assert_eq!(first, of(&["efg", "g", "fg"], false));
        assert_eq!(first, of(&["fg", "efg", "g"], true));
        assert_ne!(first, of(&["g", "fg"], false));
        assert_ne!(first, of(&["g", "fg", "efh"], false));
    }
}
