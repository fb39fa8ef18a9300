//! What a catalogue is made of, for people and metrics.

use serde::Serialize;

use super::build::LeftOut;
use super::part::Source;
use crate::union::renamed::{Conflict, Subject};
use crate::union::{Joined, Union, Use};

/// Renamed things that a report lists by name, per source.
const LISTED: usize = 100;

/// What every server or pool brings into a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContentReport {
    /// Protocol version of the clients.
    pub version: u16,
    /// Language of the clients, `""` for none.
    pub language: String,
    /// What is in it, the one that keeps its ids first.
    pub parts: Vec<PartReport>,
    /// Servers that clients have to reconnect for, or that cannot be used.
    pub left_out: Vec<LeftOut>,
    /// Nodes that clients are told.
    pub nodes: usize,
    /// Items that clients are told.
    pub items: usize,
    /// Files that clients are told.
    pub media: usize,
    /// Size of these files in bytes.
    pub media_bytes: u64,
}

/// What one server or pool brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartReport {
    /// Name of the server or pool.
    pub name: String,
    /// Servers with this content.
    pub servers: Vec<String>,
    /// Newest protocol version it speaks.
    pub newest: u16,
    /// Its nodes.
    pub nodes: Share,
    /// Its items.
    pub items: Share,
    /// Its files.
    pub media: Share,
    /// Sounds, aliases and the hand that have another name.
    pub other_renamed: usize,
    /// Nodes with the same id for clients as on the server.
    pub ids_kept: usize,
    /// Nodes with another one.
    pub ids_moved: usize,
    /// True if all names and ids are the server's: nothing is rewritten.
    pub identity: bool,
    /// Files that no client would accept, by their names.
    pub illegal_files: usize,
    /// Files that are announced but were not delivered, or are too large for the transport.
    pub undelivered_files: usize,
    /// Files that clients do not get because another server's go by a name that cannot be changed.
    pub dropped_files: usize,
    /// The first of what clients know under another name.
    pub renamed: Vec<Renamed>,
    /// How many there are in all.
    pub renamed_total: usize,
}

/// How much there is of one kind of thing. `shared` and `own` add up to `total`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// How many.
    pub total: usize,
    /// Those that other servers have as well.
    pub shared: usize,
    /// Those that nobody else has.
    pub own: usize,
    /// Those that clients know under another name.
    pub renamed: usize,
    /// Size of all in bytes, before compression.
    pub bytes: u64,
    /// Size of those that nobody else has.
    pub own_bytes: u64,
}

impl Share {
    fn new(used: Use, renamed: usize) -> Self {
        Self {
            total: used.total,
            shared: used.shared,
            own: used.total - used.shared,
            renamed,
            bytes: used.bytes,
            own_bytes: used.bytes - used.shared_bytes,
        }
    }
}

/// One thing that clients know under another name, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// What it is.
    pub kind: Subject,
    /// Its name on the server; empty for the hand.
    pub name: String,
    /// Its name for clients; `None` if they do not get it.
    pub client_name: Option<String>,
    /// Why, in words.
    pub reason: String,
}

impl std::fmt::Display for Renamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, name, client_name, reason } = self;
        write!(f, "{} `{name}`", kind.as_str())?;
        match client_name {
            Some(new) => write!(f, " is `{new}` for clients: {reason}"),
            None => write!(f, " is not sent: {reason}"),
        }
    }
}

impl ContentReport {
    pub(super) fn new(
        sources: &[Source],
        union: &Union,
        left_out: &[LeftOut],
        language: &str,
        version: u16,
    ) -> Self {
        let parts = sources.iter().zip(&union.parts).enumerate();
        let (nodes, items, media, media_bytes) = union.totals();
        Self {
            version,
            language: language.to_owned(),
            parts: parts
                .map(|(at, (source, part))| PartReport::new(at, source, part, union))
                .collect(),
            left_out: left_out.to_vec(),
            nodes,
            items,
            media,
            media_bytes,
        }
    }

    /// Nothing can be given to clients.
    pub(crate) fn empty(language: &str, version: u16, left_out: Vec<LeftOut>) -> Self {
        Self {
            version,
            language: language.to_owned(),
            parts: Vec::new(),
            left_out,
            nodes: 0,
            items: 0,
            media: 0,
            media_bytes: 0,
        }
    }

    /// The part that a server's content is in.
    pub fn part_of(&self, server: &str) -> Option<&PartReport> {
        self.parts.iter().find(|part| part.servers.iter().any(|member| member == server))
    }
}

impl PartReport {
    fn new(at: usize, source: &Source, part: &Joined, union: &Union) -> Self {
        let name_of = |conflict: &Conflict| {
            conflict.other.and_then(|other| union.parts.get(other)).map_or("", |p| &p.name)
        };
        let count = |subject: Subject| {
            let renamed = part.conflicts.iter().filter(|c| c.new.is_some());
            renamed.filter(|conflict| conflict.subject == subject).count()
        };
        let with_item = |c: &&Conflict| {
            c.subject == Subject::Item
                || c.subject == Subject::Node && part.items.contains(c.name.as_bytes())
        };
        let renamed = part.conflicts.iter().take(LISTED).map(|conflict| Renamed {
            kind: conflict.subject,
            name: conflict.name.clone(),
            client_name: conflict.new.clone(),
            reason: conflict.reason(name_of(conflict)),
        });
        let kept = part.ids.iter().filter(|(id, new)| id == new).count();
        Self {
            name: source.name.clone(),
            servers: source.members.clone(),
            newest: source.manifest.newest,
            nodes: Share::new(union.node_use(at), count(Subject::Node)),
            items: Share::new(union.item_use(at), part.conflicts.iter().filter(with_item).count()),
            media: Share::new(union.media_use(at), count(Subject::Media)),
            other_renamed: count(Subject::Sound) + count(Subject::Alias) + count(Subject::Hand),
            ids_kept: kept,
            ids_moved: part.ids.len() - kept,
            identity: part.translation.is_identity(),
            illegal_files: part.illegal_files,
            undelivered_files: part.undelivered_files,
            dropped_files: part.conflicts.iter().filter(|c| c.new.is_none()).count(),
            renamed: renamed.collect(),
            renamed_total: part.conflicts.len(),
        }
    }
}
