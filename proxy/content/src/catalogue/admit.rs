//! Whether a client that has a catalogue can enter a backend, and what it knows it as.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use mesegate_backend::Definitions;
use mesegate_protocol::Translation;
use mesegate_protocol::map::IdMap;
use mesegate_protocol::wire::WireError;

use super::Catalogue;
use super::part::Part;
use crate::codec;
use crate::hash::{Hash, sha1};
use crate::union::{Kind, Node, effective_nodes};

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
    /// The backend's content is not in the catalogue at all.
    #[error("the client was not given the content of this server{}", because(.reason.as_deref()))]
    NotIncluded {
        /// Why it was left out, if it was there.
        reason: Option<String>,
    },
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

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

/// Answers that were given, by the hash of the server's part and the body that they are about.
#[derive(Debug)]
pub(super) struct Admissions {
    nodes: Memo<Result<Arc<Translation>, Names>>,
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
    /// What a client with this catalogue knows the names and ids of a backend connection to
    /// `server` as, which sent `definitions`; or what the client lacks.
    ///
    /// Ids come from the connection, because a server that was restarted may number its nodes
    /// anew. Of names only those are known that the server, or its pool, had when the catalogue
    /// was made: another server's things are never taken for them. Only a server that was not there
    /// then may have sent the very same as one that was. Translations are not asked for: texts then
    /// stay in their original language, which is no reason to keep a player out.
    ///
    /// Definitions that were seen before are recognised by their hash, which takes about a
    /// millisecond; reading new ones takes some milliseconds per thousand nodes.
    pub fn admit(
        &self,
        server: &str,
        definitions: &Definitions,
    ) -> Result<Arc<Translation>, AdmitError> {
        let number = self.part_of(server).or_else(|| self.part_that_sends(definitions));
        let Some((number, part)) = number.and_then(|n| Some((n, self.parts.get(n)?))) else {
            let reason = self.why_left_out(server).map(|out| out.reason.clone());
            return Err(AdmitError::NotIncluded { reason });
        };
        let nodes = self.known_nodes(number, part, &definitions.node_def)?;
        let items = self.missing_items(number, part, &definitions.item_def)?;
        let media = self.missing_media(number, part, &definitions.announce)?;
        let (translation, nodes) = match nodes {
            Ok(translation) => (Some(translation), Names::default()),
            Err(names) => (None, names),
        };
        let missing = Missing { nodes, items, media };
        match translation {
            Some(translation) if missing.is_empty() => Ok(translation),
            _ => Err(AdmitError::Missing(missing)),
        }
    }

    fn part_that_sends(&self, definitions: &Definitions) -> Option<usize> {
        let digest = codec::digest(definitions, self.version()).ok()?;
        self.parts.iter().position(|part| part.digest == digest)
    }

    fn known_nodes(
        &self,
        number: usize,
        part: &Part,
        body: &Bytes,
    ) -> Result<Result<Arc<Translation>, Names>, AdmitError> {
        let hash = sha1(body);
        if hash == part.node_def {
            return Ok(Ok(part.translation.clone()));
        }
        self.admissions.nodes.get((number, hash), || {
            let nodes = codec::nodes(body, self.version()).map_err(unreadable("NODEDEF"))?;
            Ok(part.map_nodes(nodes))
        })
    }

    fn missing_items(&self, number: usize, part: &Part, body: &Bytes) -> Result<Names, AdmitError> {
        let hash = sha1(body);
        if hash == part.item_def {
            return Ok(Names::default());
        }
        self.admissions.items.get((number, hash), || {
            let (items, _) = codec::items(body, self.version()).map_err(unreadable("ITEMDEF"))?;
            let mut names = Names::default();
            for item in items.iter().filter(|item| !part.items.contains(&item.name)) {
                names.push(&item.name);
            }
            Ok(names)
        })
    }

    fn missing_media(&self, number: usize, part: &Part, body: &Bytes) -> Result<Names, AdmitError> {
        self.admissions.media.get((number, sha1(body)), || {
            let announce =
                codec::announce(body, self.version()).map_err(unreadable("ANNOUNCE_MEDIA"))?;
            let mut names = Names::default();
            for (name, _) in &announce.files {
                let ignored = Kind::of(name) == Kind::Illegal || is_translation(name);
                if !ignored && !part.media.contains_key(name) {
                    names.push(name.as_bytes());
                }
            }
            Ok(names)
        })
    }
}

impl Part {
    fn map_nodes(&self, nodes: Vec<Node>) -> Result<Arc<Translation>, Names> {
        let mut names = Names::default();
        let mut pairs = Vec::with_capacity(nodes.len());
        for node in effective_nodes(nodes) {
            match self.nodes.get(&node.name) {
                Some(id) => pairs.push((node.id, *id)),
                None => names.push(&node.name),
            }
        }
        if names.count > 0 {
            return Err(names);
        }
        let translation = Translation::new(IdMap::new(pairs), self.translation.names().clone());
        Ok(Arc::new(translation))
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
struct Memo<T>(Mutex<VecDeque<(Subject, T)>>);

/// Number of a part, and the hash of what it is asked about.
type Subject = (usize, Hash);

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
        subject: Subject,
        make: impl FnOnce() -> Result<T, AdmitError>,
    ) -> Result<T, AdmitError> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, answer)) = lock().iter().find(|(known, _)| *known == subject) {
            return Ok(answer.clone());
        }
        let answer = make()?;
        let mut answers = lock();
        if answers.len() >= REMEMBERED {
            answers.pop_front();
        }
        answers.push_back((subject, answer.clone()));
        Ok(answer)
    }
}
