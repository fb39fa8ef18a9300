//! Whether a client that has a catalogue can enter a backend, and under which ids.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use mesegate_backend::Definitions;
use mesegate_protocol::map::IdMap;
use mesegate_protocol::wire::WireError;

use super::Catalogue;
use crate::codec;
use crate::hash::{Hash, sha1};
use crate::union::{Node, effective_nodes};

/// How many different answers per kind of definitions are remembered: more than the servers that
/// one catalogue has to do with.
const REMEMBERED: usize = 64;
/// Names that are kept for a message to the player.
const NAMES_SHOWN: usize = 3;

/// Names that a client does not know: the first few and their number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The first few.
    pub first: Vec<String>,
    /// How many there are in all.
    pub count: usize,
}

impl Names {
    fn push(&mut self, name: &[u8]) {
        self.count += 1;
        if self.first.len() < NAMES_SHOWN {
            self.first.push(String::from_utf8_lossy(name).into_owned());
        }
    }
}

/// What a backend has and a client's catalogue has not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// Nodes.
    pub nodes: Names,
    /// Items.
    pub items: Names,
    /// Media files other than translations.
    pub media: Names,
}

impl Missing {
    fn is_empty(&self) -> bool {
        self.nodes.count + self.items.count + self.media.count == 0
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [("node", &self.nodes), ("item", &self.items), ("media file", &self.media)];
        let mut first = true;
        for (kind, names) in kinds.into_iter().filter(|(_, names)| names.count > 0) {
            if !first {
                f.write_str("; ")?;
            }
            first = false;
            let plural = if names.count == 1 { "" } else { "s" };
            write!(f, "{} {kind}{plural} ({}", names.count, names.first.join(", "))?;
            f.write_str(if names.count > names.first.len() { ", …)" } else { ")" })?;
        }
        if first { f.write_str("nothing") } else { Ok(()) }
    }
}

/// Why a client cannot enter a backend with the catalogue it has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// The backend has content that the client was not given.
    #[error("the client does not have {0}")]
    Missing(Missing),
    /// The backend's definitions cannot be read.
    #[error("its {what} cannot be read: {error}")]
    Unreadable {
        /// Which of the messages.
        what: &'static str,
        /// What is wrong with it.
        error: WireError,
    },
}

/// Answers that were given, by the hash of the body that they are about.
#[derive(Debug)]
pub(super) struct Admissions {
    nodes: Memo<Result<Arc<IdMap>, Names>>,
    items: Memo<Names>,
    media: Memo<Names>,
}

impl Admissions {
    pub(super) fn new() -> Self {
        Self { nodes: Memo::new(), items: Memo::new(), media: Memo::new() }
    }
}

#[cfg(test)]
impl Admissions {
    pub(super) fn remembered(&self) -> usize {
        self.nodes.len() + self.items.len() + self.media.len()
    }
}

impl Catalogue {
    /// The ids under which a client with this catalogue knows the nodes of a backend connection
    /// that sent `definitions`, or what the client lacks.
    ///
    /// Only names are compared. Translations are not asked for: texts then stay in their original
    /// language, which is no reason to keep a player out.
    ///
    /// Definitions that were seen before are recognised by their hash, which takes about a
    /// millisecond; reading new ones takes some milliseconds per thousand nodes.
    pub fn admit(&self, definitions: &Definitions) -> Result<Arc<IdMap>, AdmitError> {
        let nodes = self.known_nodes(&definitions.node_def)?;
        let items = self.missing_items(&definitions.item_def)?;
        let media = self.missing_media(&definitions.announce)?;
        let (map, nodes) = match nodes {
            Ok(map) => (Some(map), Names::default()),
            Err(names) => (None, names),
        };
        let missing = Missing { nodes, items, media };
        match map {
            Some(map) if missing.is_empty() => Ok(map),
            _ => Err(AdmitError::Missing(missing)),
        }
    }

    /// Answers for definitions that are likely to come, so that the first player who enters such a
    /// server does not have to wait for them to be read.
    pub(super) fn prepare(&self, node_def: &Bytes, item_def: &Bytes) {
        // Failures come again when they matter.
        let _ = self.known_nodes(node_def);
        let _ = self.missing_items(item_def);
    }

    fn known_nodes(&self, body: &Bytes) -> Result<Result<Arc<IdMap>, Names>, AdmitError> {
        self.admissions.nodes.get(body, |body| {
            let nodes = codec::nodes(body, self.version()).map_err(unreadable("NODEDEF"))?;
            Ok(self.map_nodes(nodes))
        })
    }

    fn missing_items(&self, body: &Bytes) -> Result<Names, AdmitError> {
        self.admissions.items.get(body, |body| {
            let (items, _) = codec::items(body, self.version()).map_err(unreadable("ITEMDEF"))?;
            let mut names = Names::default();
            for item in items.iter().filter(|item| !self.item_names.contains(&item.name)) {
                names.push(&item.name);
            }
            Ok(names)
        })
    }

    fn missing_media(&self, body: &Bytes) -> Result<Names, AdmitError> {
        self.admissions.media.get(body, |body| {
            let announce =
                codec::announce(body, self.version()).map_err(unreadable("ANNOUNCE_MEDIA"))?;
            let mut names = Names::default();
            for (name, _) in &announce.files {
                if !self.media_index.contains_key(name) && !is_translation(name) {
                    names.push(name.as_bytes());
                }
            }
            Ok(names)
        })
    }

    fn map_nodes(&self, nodes: Vec<Node>) -> Result<Arc<IdMap>, Names> {
        let mut names = Names::default();
        let mut pairs = Vec::with_capacity(nodes.len());
        for node in effective_nodes(nodes) {
            match self.node_ids.get(&node.name) {
                Some(id) => pairs.push((node.id, *id)),
                None => names.push(&node.name),
            }
        }
        if names.count > 0 { Err(names) } else { Ok(Arc::new(IdMap::new(pairs))) }
    }
}

fn unreadable(what: &'static str) -> impl Fn(WireError) -> AdmitError {
    move |error| AdmitError::Unreadable { what, error }
}

/// Translations depend on the language of the login; see `translation.cpp`, getFileLanguage.
fn is_translation(name: &str) -> bool {
    [".tr", ".po", ".mo"].iter().any(|ending| name.ends_with(ending))
}

/// Remembers the last answers.
#[derive(Debug)]
struct Memo<T>(Mutex<VecDeque<(Hash, T)>>);

impl<T: Clone> Memo<T> {
    fn new() -> Self {
        Self(Mutex::default())
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn get(
        &self,
        body: &Bytes,
        make: impl FnOnce(&Bytes) -> Result<T, AdmitError>,
    ) -> Result<T, AdmitError> {
        let hash = sha1(body);
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, answer)) = lock().iter().find(|(known, _)| *known == hash) {
            return Ok(answer.clone());
        }
        let answer = make(body)?;
        let mut answers = lock();
        if answers.len() >= REMEMBERED {
            answers.pop_front();
        }
        answers.push_back((hash, answer.clone()));
        Ok(answer)
    }
}
