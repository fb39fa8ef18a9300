//! Making a catalogue from what the store holds about each server.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use mesegate_protocol::{ProtocolVersion, to_client};

use super::{Admissions, Catalogue};
use crate::codec;
use crate::frames::FrameCache;
use crate::hash::{Hash, sha1_of_parts};
use crate::store::{BLOB_MAX, ContentStore, Manifest, Pair};
use crate::union::{Part, Union};

/// A server whose content could not be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Name of the server.
    pub server: String,
    /// Why, for people.
    pub reason: String,
}

/// Equal for equal results of [`build`].
pub(crate) fn key(pair: &Pair, manifests: &[Arc<Manifest>]) -> Hash {
    let version = pair.version.to_be_bytes();
    let mut parts: Vec<Vec<u8>> = vec![version.to_vec(), pair.language.clone().into_bytes()];
    for manifest in manifests {
        parts.push(manifest.server.clone().into_bytes());
        parts.push(manifest.pair.language.clone().into_bytes());
        parts.push(manifest.item_def.to_vec());
        parts.push(manifest.node_def.to_vec());
        parts.push(manifest.remote.clone().into_bytes());
        // The announcement alone is not enough: a file that was not delivered may be there now.
        let media = manifest.media.iter().flat_map(|file| {
            let size = file.size.map_or([0xff; 4], u32::to_be_bytes);
            [file.name.as_bytes().to_vec(), file.hash.to_vec(), size.to_vec()].concat()
        });
        parts.push(media.collect());
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    sha1_of_parts(&parts)
}

/// Joins the content of `manifests`, the first of which keeps its ids. `None` if not even the
/// first can be used. `media_url` is the first of the remote media servers that are announced.
/// Reads, decompresses and compresses: for the blocking pool.
pub(crate) fn build(
    store: &ContentStore,
    frames: &Arc<FrameCache>,
    pair: &Pair,
    manifests: &[Arc<Manifest>],
    media_url: Option<&str>,
) -> Option<Catalogue> {
    let version = ProtocolVersion(pair.version);
    let mut take = manifests.len();
    let mut too_large = Vec::new();
    loop {
        let (union, bodies, mut left_out) = join(store, version, manifests.get(..take)?);
        let last = union.servers.last()?.clone();
        match encode(&union, &bodies, media_url, version) {
            Ok(messages) => {
                left_out.append(&mut too_large);
                let base = manifests.iter().find(|m| Some(&m.server) == union.servers.first())?;
                let catalogue = Catalogue {
                    pair: pair.clone(),
                    base_language: base.pair.language.clone(),
                    key: key(pair, manifests),
                    left_out,
                    item_def: messages.item_def,
                    node_def: messages.node_def,
                    announce: messages.announce,
                    media_index: media_index(&union),
                    node_ids: union.node_ids().clone(),
                    item_names: union.items.iter().map(|item| item.name.clone()).collect(),
                    servers: union.servers,
                    media: union.media,
                    frames: frames.clone(),
                    admissions: Admissions::new(),
                };
                for (item_def, node_def) in &bodies {
                    catalogue.prepare(node_def, item_def);
                }
                return Some(catalogue);
            }
            Err(reason) => {
                take = manifests.iter().position(|m| m.server == last)?;
                too_large.insert(0, LeftOut { server: last, reason });
            }
        }
    }
}

/// ITEMDEF and NODEDEF of the servers that were joined. Those of the first are sent as they are if
/// no other server adds to them.
type Bodies = Vec<(Bytes, Bytes)>;

fn join(
    store: &ContentStore,
    version: ProtocolVersion,
    manifests: &[Arc<Manifest>],
) -> (Union, Bodies, Vec<LeftOut>) {
    let mut union = Union::new();
    let mut bodies = Vec::new();
    let mut left_out = Vec::new();
    for manifest in manifests {
        let added = load(store, version, manifest).and_then(|(part, raw)| {
            union.add(part, &codec::remap_connects).map_err(|overflow| overflow.to_string())?;
            bodies.push(raw);
            Ok(())
        });
        if let Err(reason) = added {
            left_out.push(LeftOut { server: manifest.server.clone(), reason });
        }
    }
    union.finish();
    (union, bodies, left_out)
}

fn load(
    store: &ContentStore,
    version: ProtocolVersion,
    manifest: &Manifest,
) -> Result<(Part, (Bytes, Bytes)), String> {
    let lost = || "its stored definitions are damaged and are fetched again".to_owned();
    let item_def = store.read_blob(&manifest.item_def).ok_or_else(lost)?;
    let node_def = store.read_blob(&manifest.node_def).ok_or_else(lost)?;
    let (items, aliases) = codec::items(&item_def, version)
        .map_err(|error| format!("its item definitions cannot be read: {error}"))?;
    let nodes = codec::nodes(&node_def, version)
        .map_err(|error| format!("its node definitions cannot be read: {error}"))?;
    let part = Part {
        server: manifest.server.clone(),
        nodes,
        items,
        aliases,
        media: manifest.media.clone(),
        remote: manifest.remote.clone(),
    };
    Ok((part, (item_def, node_def)))
}

struct Messages {
    item_def: Bytes,
    node_def: Bytes,
    announce: Bytes,
}

fn encode(
    union: &Union,
    bodies: &[(Bytes, Bytes)],
    media_url: Option<&str>,
    version: ProtocolVersion,
) -> Result<Messages, String> {
    let failed = |error| format!("the joined definitions cannot be written: {error}");
    let (item_body, node_body) = bodies.first().cloned().unwrap_or_default();
    let item_def = if union.items_of_first {
        codec::message(to_client::ITEMDEF, &item_body)
    } else {
        codec::item_def(&union.items, &union.aliases, version).map_err(failed)?
    };
    let node_def = if union.nodes_of_first {
        codec::message(to_client::NODEDEF, &node_body)
    } else {
        codec::node_def(&union.nodes, version).map_err(failed)?
    };
    let urls = media_url.into_iter().chain(union.remotes.iter().map(String::as_str));
    let announce = codec::announce_media(&union.media, &remotes(urls), version).map_err(failed)?;
    for (what, message) in [("items", &item_def), ("nodes", &node_def), ("media", &announce)] {
        if message.len() > BLOB_MAX {
            return Err(format!("the joined {what} are more than one message can carry"));
        }
    }
    Ok(Messages { item_def, node_def, announce })
}

/// As many base URLs as fit into the field.
fn remotes<'a>(urls: impl Iterator<Item = &'a str>) -> String {
    let mut joined = String::new();
    for url in urls {
        if joined.len() + url.len() < usize::from(u16::MAX) {
            if !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(url);
        }
    }
    joined
}

fn media_index(union: &Union) -> HashMap<String, u32> {
    union.media.iter().zip(0..).map(|(file, index)| (file.name.clone(), index)).collect()
}
