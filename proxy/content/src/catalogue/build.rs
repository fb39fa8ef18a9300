//! Making a catalogue from what the store holds about each server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesegate_protocol::{ProtocolVersion, to_client};

use super::part::{Part, Source};
use super::report::ContentReport;
use super::roster::Roster;
use super::{Admissions, Catalogue};
use crate::codec;
use crate::frames::FrameCache;
use crate::hash::{Hash, sha1_of_parts};
use crate::store::{BLOB_MAX, ContentStore, Manifest, Pair};
use crate::union::{self, Limits, Union, sound_group};

/// A server whose content is not in a catalogue though it was there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// Name of the server.
    pub server: String,
    /// Why, for people.
    pub reason: String,
    /// True if there is no room for it beside the others: a client that is given its content
    /// first can enter it.
    pub for_want_of_room: bool,
}

/// What a catalogue is built with.
#[derive(Debug, Clone)]
pub(crate) struct Workshop {
    pub(crate) store: Arc<ContentStore>,
    pub(crate) frames: Arc<FrameCache>,
    pub(crate) roster: Arc<Roster>,
    /// The first of the remote media servers that are announced.
    pub(crate) media_url: Option<String>,
}

/// Equal for equal results of [`build`].
pub(crate) fn key(pair: &Pair, sources: &[Source]) -> Hash {
    let version = pair.version.to_be_bytes();
    let mut parts: Vec<Vec<u8>> = vec![version.to_vec(), pair.language.clone().into_bytes()];
    for source in sources {
        let manifest = &source.manifest;
        parts.push(source.name.clone().into_bytes());
        parts.push(vec![source.pooled.into()]);
        // Who is in a pool is looked up when it is asked for.
        parts.push(if source.pooled { Vec::new() } else { source.members.concat().into_bytes() });
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

/// Joins the content of `sources`, the first of which keeps its ids and is never left out for want
/// of room. Reads, decompresses and compresses: for the blocking pool.
///
/// # Errors
/// Nothing can be used; why not.
pub(crate) fn build(
    workshop: &Workshop,
    pair: &Pair,
    sources: &[Source],
) -> Result<Catalogue, Vec<LeftOut>> {
    let began = Instant::now();
    let version = ProtocolVersion(pair.version);
    let key = key(pair, sources);
    let mut sources = sources.to_vec();
    let mut left_out = Vec::new();
    let mut limits = Limits::default();
    loop {
        if sources.is_empty() {
            return Err(left_out);
        }
        let (union, bodies) = match join(&workshop.store, version, &sources) {
            Ok(joined) => joined,
            Err(unusable) => {
                for (at, reason) in unusable.into_iter().rev() {
                    leave_out(&mut left_out, sources.remove(at), &reason, false);
                }
                continue;
            }
        };
        if let Some(overflow) = union.overflow(&limits) {
            let reason = overflow.to_string();
            if overflow.leave_out.is_empty() {
                leave_out(&mut left_out, sources.remove(0), &reason, false);
            }
            for at in overflow.leave_out.iter().rev() {
                leave_out(&mut left_out, sources.remove(*at), &reason, true);
            }
            continue;
        }
        match encode(&union, &bodies, workshop.media_url.as_deref(), version) {
            Ok(messages) => {
                let report =
                    ContentReport::new(&sources, &union, &left_out, &pair.language, pair.version);
                let made = finish(workshop, pair, key, &sources, union, messages, left_out, report);
                return Ok(Catalogue { build_time: began.elapsed(), ..made });
            }
            Err(Failure::TooLong(long)) if sources.len() > 1 => long.shrink(&union, &mut limits),
            Err(failure) => {
                leave_out(&mut left_out, sources.remove(0), &failure.to_string(), false);
            }
        }
    }
}

fn leave_out(list: &mut Vec<LeftOut>, source: Source, reason: &str, for_want_of_room: bool) {
    list.extend(source.members.into_iter().map(|server| LeftOut {
        server,
        reason: reason.to_owned(),
        for_want_of_room,
    }));
}

#[allow(clippy::too_many_arguments, reason = "everything that was made, once")]
fn finish(
    workshop: &Workshop,
    pair: &Pair,
    key: Hash,
    sources: &[Source],
    union: Union,
    messages: Messages,
    left_out: Vec<LeftOut>,
    report: ContentReport,
) -> Catalogue {
    let media = union.files();
    let owners = union.file_owners();
    let mut sound_owners: HashMap<String, Option<usize>> = HashMap::new();
    for (file, owner) in media.iter().zip(&owners) {
        if let Some((group, _)) = sound_group(&file.name) {
            sound_owners.insert(group.to_owned(), *owner);
        }
    }
    let parts = sources.iter().zip(union.parts);
    let parts: Vec<Part> = parts.map(|(source, joined)| Part::new(source, joined)).collect();
    Catalogue {
        pair: pair.clone(),
        build_time: Duration::ZERO,
        key,
        servers: sources.iter().flat_map(|source| source.members.clone()).collect(),
        left_out,
        item_def: messages.item_def,
        node_def: messages.node_def,
        announce: messages.announce,
        media_index: media.iter().zip(0..).map(|(file, at)| (file.name.clone(), at)).collect(),
        media,
        owners,
        sound_owners,
        parts,
        report,
        roster: workshop.roster.clone(),
        frames: workshop.frames.clone(),
        admissions: Admissions::new(),
    }
}

/// ITEMDEF and NODEDEF of the first source. They are sent as they are if no other source adds to
/// them.
type Bodies = (Bytes, Bytes);

/// Joins everything, or says what cannot be used and why.
fn join(
    store: &ContentStore,
    version: ProtocolVersion,
    sources: &[Source],
) -> Result<(Union, Bodies), Vec<(usize, String)>> {
    let mut union = Union::new(version, sources.iter().map(|s| s.manifest.media.as_slice()));
    let mut bodies = None;
    let mut unusable = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let added = load(store, version, source).and_then(|(part, raw)| {
            bodies.get_or_insert(raw);
            union.add(part).map_err(|error| error.to_string())
        });
        if let Err(reason) = added {
            unusable.push((at, reason));
        }
    }
    // What was added beside something unusable is not what it would be without.
    match bodies {
        Some(bodies) if unusable.is_empty() => Ok((union, bodies)),
        _ => Err(unusable),
    }
}

fn load(
    store: &ContentStore,
    version: ProtocolVersion,
    source: &Source,
) -> Result<(union::Part, Bodies), String> {
    let manifest: &Manifest = &source.manifest;
    let lost = || "its stored definitions are damaged and are fetched again".to_owned();
    let item_def = store.read_blob(&manifest.item_def).ok_or_else(lost)?;
    let node_def = store.read_blob(&manifest.node_def).ok_or_else(lost)?;
    let (items, aliases) = codec::items(&item_def, version)
        .map_err(|error| format!("its item definitions cannot be read: {error}"))?;
    let nodes = codec::nodes(&node_def, version)
        .map_err(|error| format!("its node definitions cannot be read: {error}"))?;
    let part = union::Part {
        name: source.name.clone(),
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

/// A message that cannot be sent.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the joined definitions cannot be written: {0}")]
    Wire(#[from] mesegate_protocol::wire::WireError),
    #[error("{0}")]
    TooLong(TooLong),
}

#[derive(Debug, thiserror::Error)]
#[error("the joined {what} are {len} bytes, more than one message can carry")]
struct TooLong {
    what: &'static str,
    len: usize,
}

impl TooLong {
    /// Lets less through. How much a list shrinks when it is compressed is a guess.
    fn shrink(&self, union: &Union, limits: &mut Limits) {
        const MARGIN: f64 = 0.98;
        let share = BLOB_MAX as f64 / self.len as f64 * MARGIN;
        let part = |whole: usize| (whole as f64 * share) as usize;
        match self.what {
            NODES => limits.set_bytes(true, part(union.node_bytes())),
            ITEMS => limits.set_bytes(false, part(union.item_bytes())),
            _ => limits.set_files(part(union.totals().2)),
        }
    }
}

const NODES: &str = "nodes";
const ITEMS: &str = "items";
const MEDIA: &str = "media names";

fn encode(
    union: &Union,
    (item_body, node_body): &Bodies,
    media_url: Option<&str>,
    version: ProtocolVersion,
) -> Result<Messages, Failure> {
    let item_def = if union.items_of_first {
        codec::message(to_client::ITEMDEF, item_body)
    } else {
        codec::item_def(&union.items(), &union.aliases(), version)?
    };
    let node_def = if union.nodes_of_first {
        codec::message(to_client::NODEDEF, node_body)
    } else {
        codec::node_def(&union.nodes(), version)?
    };
    let urls = media_url.into_iter().chain(union.remotes.iter().map(String::as_str));
    let announce = codec::announce_media(&union.files(), &remotes(urls), version)?;
    for (what, message) in [(ITEMS, &item_def), (NODES, &node_def), (MEDIA, &announce)] {
        let len = message.len();
        if len > BLOB_MAX {
            return Err(Failure::TooLong(TooLong { what, len }));
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
