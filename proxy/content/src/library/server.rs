//! One server's entry in the library.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use mesegate_protocol::ProtocolVersion;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::config::ServerSpec;
use super::status::{ServerState, ServerStatus};
use crate::hash::Hash;
use crate::store::{Manifest, Pair};

#[derive(Debug)]
pub(super) struct Server {
    /// Tells this entry from an earlier one of the same name.
    pub(super) serial: u64,
    pub(super) spec: ServerSpec,
    pub(super) state: ServerState,
    pub(super) newest: Option<ProtocolVersion>,
    /// What it sends, as far as known.
    pub(super) content: HashMap<Pair, Arc<Manifest>>,
    /// Versions it refused, with its reason.
    pub(super) refused: HashMap<u16, String>,
    /// Pairs of which the content has to be looked at again.
    pub(super) recheck: HashSet<Pair>,
    /// Digests of what players were sent, where that was not what is known.
    pub(super) reported: HashMap<Pair, Hash>,
    /// True once what the disk has was read.
    pub(super) loaded: bool,
    /// Counts changes that can change a catalogue.
    pub(super) edits: u64,
    pub(super) last_fetch: Option<SystemTime>,
    /// When each pair was last fetched or compared here, or when that was begun: servers of a pool
    /// rely on each other.
    pub(super) verified: HashMap<Pair, Instant>,
    /// Why the catalogue for the network's version does not have its content.
    pub(super) left_out: Option<String>,
    /// Players lost it: that it answered a moment ago does not count.
    pub(super) doubted: bool,
    /// When it was last found to answer after it had not.
    pub(super) up_since: Option<Instant>,
    /// Ends the pause of its task.
    pub(super) wake: Arc<Notify>,
}

impl Server {
    pub(super) fn new(spec: ServerSpec) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            spec,
            state: ServerState::Unknown,
            newest: None,
            content: HashMap::new(),
            refused: HashMap::new(),
            recheck: HashSet::new(),
            reported: HashMap::new(),
            loaded: false,
            edits: 0,
            last_fetch: None,
            verified: HashMap::new(),
            left_out: None,
            doubted: false,
            up_since: None,
            wake: Arc::default(),
        }
    }

    /// Keeps what is known of a server whose address or password has changed: it is looked at anew,
    /// but until then it is the best there is.
    pub(super) fn inherit(&mut self, old: Self) {
        self.state = old.state;
        self.up_since = old.up_since;
        self.newest = old.newest;
        if self.spec.source() == old.spec.source() {
            self.content = old.content;
        }
        self.loaded = old.loaded;
        self.last_fetch = old.last_fetch;
        self.left_out = old.left_out;
    }

    /// True if the other one is a server of the same pool.
    pub(super) fn is_mate_of(&self, other: &Self) -> bool {
        self.serial != other.serial && self.spec.pool.is_some() && self.spec.pool == other.spec.pool
    }

    /// Takes over what is known of the content of its pool.
    pub(super) fn join(&mut self, mate: &Self) {
        self.content.clone_from(&mate.content);
        self.last_fetch = mate.last_fetch;
    }

    /// True if clients of this version could enter it, as far as known.
    pub(super) fn may_speak(&self, version: u16) -> bool {
        self.newest.is_some_and(|newest| newest.0 >= version)
            && !self.refused.contains_key(&version)
    }

    /// What it brings into the catalogue of a pair: without translations if those of the language
    /// were never fetched.
    pub(super) fn content_for(&self, pair: &Pair) -> Option<&Arc<Manifest>> {
        let usable = self.may_speak(pair.version);
        usable.then(|| self.content.get(pair).or_else(|| self.content.get(&pair.plain())))?
    }

    pub(super) fn set_newest(&mut self, newest: ProtocolVersion) {
        if self.newest.replace(newest) != Some(newest) {
            self.edits += 1;
        }
    }

    pub(super) fn set_content(&mut self, content: Arc<Manifest>) {
        let pair = content.pair.clone();
        let accepted = self.refused.remove(&pair.version).is_some();
        let old = self.content.insert(pair, content.clone());
        if accepted || old.is_none_or(|old| !Arc::ptr_eq(&old, &content)) {
            self.edits += 1;
        }
    }

    pub(super) fn set_version_refused(&mut self, version: u16, text: String) {
        if self.refused.insert(version, text.clone()).is_none() {
            tracing::warn!(server = self.spec.name, version, "{text}");
            self.edits += 1;
        }
    }

    pub(super) fn recheck_all(&mut self) {
        self.recheck.extend(self.content.keys().cloned());
        self.wake.notify_one();
    }

    pub(super) fn set_up(&mut self) {
        if !self.state.is_up() {
            tracing::info!(server = self.spec.name, "server is up");
            self.state = ServerState::Up;
            self.up_since = Some(Instant::now());
        }
    }

    pub(super) fn set_down(&mut self, reason: &'static str, text: String) {
        match &mut self.state {
            ServerState::Down { reason: old, text: old_text, .. } if *old == reason => {
                *old_text = text;
            }
            _ => {
                tracing::warn!(server = self.spec.name, reason, "server is down: {text}");
                self.state = ServerState::Down { reason, text, since: SystemTime::now() };
            }
        }
    }

    /// The server answers but refuses every version: it brings nothing into any catalogue.
    pub(super) fn set_refused(&mut self, text: String) {
        if self.newest.take().is_some() {
            self.edits += 1;
        }
        if !matches!(&self.state, ServerState::VersionRefused { text: old } if *old == text) {
            tracing::warn!(server = self.spec.name, "server is left out: {text}");
            self.state = ServerState::VersionRefused { text };
        }
    }

    pub(super) fn status(&self, network: u16) -> ServerStatus {
        let state = match (&self.state, self.refused.get(&network)) {
            (ServerState::Up, Some(text)) => ServerState::VersionRefused { text: text.clone() },
            (state, _) => state.clone(),
        };
        let plain = self.content.get(&Pair::new(network, ""));
        ServerStatus {
            name: self.spec.name.clone(),
            newest: self.newest,
            state,
            up_since: self.up_since.map(Instant::into_std),
            last_fetch: self.last_fetch.or_else(|| {
                plain.map(|m| SystemTime::UNIX_EPOCH + Duration::from_secs(m.fetched_at))
            }),
            digest: plain.map(|manifest| manifest.digest),
            left_out: self.left_out.clone(),
        }
    }
}
