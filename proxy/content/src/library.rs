//! The library: what all backends have, fetched in the background and joined for clients.

mod builder;
mod config;
mod digests;
mod fetch;
mod fetcher;
mod offline;
mod pairs;
mod server;
mod status;
mod targets;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use mesegate_backend::Definitions;
use mesegate_protocol::ProtocolVersion;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

pub use config::{LibraryConfig, Probe, ServerSpec};
pub use offline::offline_report;
pub use status::{ContentMemory, ServerState, ServerStatus};

use crate::catalogue::{self, Catalogue, Roster, Source, Workshop};
use crate::frames::FrameCache;
use crate::remote::RemoteMedia;
use crate::store::{ContentStore, Manifest, Pair};
use digests::Digests;
use pairs::{Pairs, normalise};
use server::Server;
use targets::Targets;

/// Contents of servers in no use for this long are removed from disk at the next start.
const FORGET_AFTER: Duration = Duration::from_hours(30 * 24);

/// Answers that are remembered for whoever counts them, every second: more than servers can give.
const LOOKS: usize = 4096;

/// Knows what every backend has. Cloning gives another handle; when the last one is dropped, all
/// background work ends.
#[derive(Debug, Clone)]
pub struct Library {
    shared: Arc<Shared>,
    tasks: Arc<Tasks>,
}

type Catalogues = HashMap<Pair, Arc<Catalogue>>;

/// What handles and background tasks have in common.
#[derive(Debug)]
struct Shared {
    config: LibraryConfig,
    store: Arc<ContentStore>,
    workshop: Workshop,
    state: Mutex<State>,
    catalogues: ArcSwap<Catalogues>,
    /// Catalogues of those who go where the common ones do not lead.
    targets: Targets,
    digests: Arc<Digests>,
    statuses: ArcSwap<Vec<ServerStatus>>,
    /// Counts publications, of catalogues as well as of statuses.
    revision: watch::Sender<u64>,
    /// Asks for a look whether catalogues have to be made anew.
    rebuild: Notify,
    /// How many servers are fetched from at the same time.
    slots: Semaphore,
    /// True once what nobody needs any more was removed from disk: before, a fetch could count on
    /// a content that is about to go.
    pruned: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    /// In order of precedence.
    servers: Vec<Server>,
    pairs: Pairs,
    /// Answers to the question whether servers are up, and how long they took, until they are
    /// taken.
    looks: VecDeque<(String, Duration)>,
}

/// Background tasks, stopped on drop.
#[derive(Debug)]
struct Tasks {
    builder: JoinHandle<()>,
    pruner: JoinHandle<()>,
    fetchers: Mutex<HashMap<u64, JoinHandle<()>>>,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.builder.abort();
        self.pruner.abort();
        let fetchers = self.fetchers.get_mut().unwrap_or_else(PoisonError::into_inner);
        fetchers.values().for_each(JoinHandle::abort);
    }
}

impl Library {
    /// Starts the background work. Must be called inside a tokio runtime. Nothing is fetched
    /// before [`set_servers`](Self::set_servers).
    pub fn new(store: ContentStore, config: LibraryConfig) -> Self {
        let store = Arc::new(store);
        let remembered = store.load_pairs();
        let pairs = Pairs::new(remembered.clone(), config.max_pairs);
        let workshop = Workshop {
            store: store.clone(),
            frames: Arc::new(FrameCache::new(store.clone(), config.frame_cache_bytes)),
            roster: Arc::new(Roster::default()),
            media_url: config.media_url.clone(),
        };
        let shared = Arc::new(Shared {
            workshop,
            targets: Targets::default(),
            digests: Arc::default(),
            slots: Semaphore::new(config.parallel_fetches.max(1)),
            config,
            store: store.clone(),
            state: Mutex::new(State { servers: Vec::new(), pairs, looks: VecDeque::new() }),
            catalogues: ArcSwap::default(),
            statuses: ArcSwap::default(),
            revision: watch::Sender::new(0),
            rebuild: Notify::new(),
            pruned: watch::Sender::new(false),
        });
        let builder = tokio::spawn(builder::run(shared.clone()));
        let pruned = shared.clone();
        let pruner = tokio::spawn(async move {
            let task = tokio::task::spawn_blocking(move || {
                let now = fetch::unix_now();
                store.prune(|manifest| {
                    let age = now.saturating_sub(manifest.fetched_at);
                    let in_use = remembered.is_empty() || remembered.contains(&manifest.pair);
                    in_use && age < FORGET_AFTER.as_secs()
                })
            });
            if let Ok(result) = task.await {
                tracing::debug!(?result, "content store tidied");
            }
            pruned.pruned.send_replace(true);
        });
        let tasks = Arc::new(Tasks { builder, pruner, fetchers: Mutex::default() });
        Self { shared, tasks }
    }

    /// Sets which servers there are. The first is the base: it keeps its own node ids in every
    /// catalogue. The order of the others decides whose names stay as they are. Servers that are new get a background task, those that are gone lose theirs, and
    /// catalogues are made anew where that changes them. Must be called inside a tokio runtime.
    pub fn set_servers(&self, specs: Vec<ServerSpec>) {
        let mut fetchers = self.tasks.fetchers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.shared.lock();
        let mut old: Vec<Server> = std::mem::take(&mut state.servers);
        for spec in specs {
            if state.servers.iter().any(|known| known.spec.name == spec.name) {
                tracing::warn!(server = spec.name, "named twice, the second one is ignored");
                continue;
            }
            let server = match old.iter().position(|known| known.spec == spec) {
                Some(at) => old.swap_remove(at),
                None => {
                    let mut server = Server::new(spec);
                    let mates = state.servers.iter().chain(&old);
                    if let Some(mate) = mates.into_iter().find(|mate| mate.is_mate_of(&server)) {
                        server.join(mate);
                    }
                    if let Some(at) = old.iter().position(|k| k.spec.name == server.spec.name) {
                        let known = old.swap_remove(at);
                        if let Some(task) = fetchers.remove(&known.serial) {
                            task.abort();
                        }
                        server.inherit(known);
                    }
                    let task =
                        fetcher::run(self.shared.clone(), server.serial, server.wake.clone());
                    fetchers.insert(server.serial, tokio::spawn(task));
                    server
                }
            };
            state.servers.push(server);
        }
        for gone in old {
            if let Some(task) = fetchers.remove(&gone.serial) {
                task.abort();
            }
        }
        let pools = state
            .servers
            .iter()
            .filter_map(|server| Some((server.spec.name.clone(), server.spec.pool.clone()?)));
        self.shared.workshop.roster.set(pools.collect());
        self.shared.republish(&mut state);
        drop(state);
        self.shared.rebuild.notify_one();
    }

    /// The catalogue for clients of a version and language, as it is now.
    ///
    /// If the pair was not in use yet, it is fetched. Waits at most `wait` until the content of the
    /// base server and of all servers that are up is in it, but not for a base that is known to be
    /// down. If the time is over: what
    /// there is, else the catalogue of the same version without a language, else `None`.
    ///
    /// If somebody saw that the server `target` has other content than what is known, that is waited
    /// for as well. If there was no room for its content, the catalogue is one that begins with it: in
    /// return, others may be left out.
    pub async fn catalogue(
        &self,
        version: ProtocolVersion,
        language: &str,
        target: Option<&str>,
        wait: Duration,
    ) -> Option<Arc<Catalogue>> {
        let deadline = Instant::now() + wait;
        let found = self.common_catalogue(version, language, target, deadline).await?;
        let Some(target) = target else { return Some(found) };
        if !found.why_left_out(target).is_some_and(|out| out.for_want_of_room) {
            return Some(found);
        }
        let pair = Pair::new(version.0, found.language());
        let special = timeout_at(deadline, self.shared.catalogue_to(&pair, target));
        special.await.ok().flatten().or(Some(found))
    }

    async fn common_catalogue(
        &self,
        version: ProtocolVersion,
        language: &str,
        target: Option<&str>,
        deadline: Instant,
    ) -> Option<Arc<Catalogue>> {
        let mut revision = self.shared.revision.subscribe();
        let pair = self.shared.take_into_use(&Pair::new(version.0, normalise(language)));
        loop {
            revision.borrow_and_update();
            let (found, complete) = self.shared.look_up(&pair);
            if complete && target.is_none_or(|target| self.shared.is_fresh(&pair, target)) {
                return found;
            }
            match timeout_at(deadline, revision.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => {
                    let plain = || self.shared.catalogues.load().get(&pair.plain()).cloned();
                    return found.or_else(plain);
                }
            }
        }
    }

    /// The catalogue of those who speak no particular language and the highest version that every
    /// server speaks, if there is one.
    pub fn network_catalogue(&self) -> Option<Arc<Catalogue>> {
        let pair = Pair::new(self.network_version().0, "");
        self.shared.catalogues.load().get(&pair).cloned()
    }

    /// The highest protocol version that every server speaks, as far as servers were ever seen.
    pub fn network_version(&self) -> ProtocolVersion {
        self.shared.lock().network_version()
    }

    /// One entry per server, in their order.
    pub fn server_status(&self) -> Arc<Vec<ServerStatus>> {
        self.shared.statuses.load_full()
    }

    /// Servers that have answered since the last call when they were asked whether they are up, and
    /// how long they took. Of answers that nobody takes, the oldest are forgotten.
    pub fn take_looks(&self) -> Vec<(String, Duration)> {
        self.shared.lock().looks.drain(..).collect()
    }

    /// A number that changes whenever catalogues or statuses do.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
    }

    /// Tells what a server sent to a player who just entered it. If that is not what is known of
    /// the server, it is fetched again.
    pub fn report_definitions(
        &self,
        server: &str,
        version: ProtocolVersion,
        language: &str,
        definitions: &Definitions,
    ) {
        let pair = Pair::new(version.0, normalise(language));
        let Ok(digest) = self.shared.digests.of(definitions, version) else {
            return;
        };
        let mut state = self.shared.lock();
        let Some(server) = state.servers.iter_mut().find(|s| s.spec.name == server) else {
            return;
        };
        let known = server.content.get(&pair).map(|manifest| manifest.digest);
        if known == Some(digest) {
            server.reported.remove(&pair);
        } else {
            server.reported.insert(pair, digest);
        }
        if known.is_some_and(|known| known != digest) {
            tracing::info!(server = server.spec.name, "content has changed, fetching it again");
            server.recheck_all();
        } else if !server.state.is_up() {
            // It is up, whatever the last look said.
            server.wake.notify_one();
        }
    }

    /// Tells that players lost a server: it is looked at now, not at the next regular time.
    pub fn report_lost(&self, server: &str) {
        let mut state = self.shared.lock();
        if let Some(server) = state.servers.iter_mut().find(|s| s.spec.name == server) {
            server.doubted = true;
            server.wake.notify_one();
        }
    }

    /// True once clients of the network's version can be served.
    pub fn ready(&self) -> bool {
        let pair = Pair::new(self.network_version().0, "");
        self.shared.catalogues.load().contains_key(&pair)
    }

    /// The media of all catalogues as they are now, for serving it over HTTP. Takes milliseconds;
    /// to be made anew when [`changes`](Self::changes) says so.
    pub fn remote_media(&self) -> RemoteMedia {
        let catalogues = self.shared.catalogues.load();
        let targets = self.shared.targets.all();
        let all = catalogues.values().chain(&targets);
        let files = all.flat_map(|catalogue| catalogue.media());
        RemoteMedia::new(self.shared.store.clone(), files)
    }

    /// Memory that content takes now. Catalogues that only players still hold are not counted.
    pub fn memory(&self) -> ContentMemory {
        let catalogues = self.shared.catalogues.load();
        let targets = self.shared.targets.all();
        let all = catalogues.values().chain(&targets);
        ContentMemory {
            catalogue_bytes: all.map(|catalogue| catalogue.bytes()).sum(),
            frame_cache_bytes: self.shared.workshop.frames.bytes(),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a pair as used now. Returns the pair that will be kept: without the language if there
    /// are too many in use.
    fn take_into_use(&self, pair: &Pair) -> Pair {
        let mut state = self.lock();
        let network = Pair::new(state.network_version().0, "");
        let (kept, changed) = state.pairs.touch(pair, &network, Instant::now());
        if changed {
            state.wake_all();
            self.save_pairs(&state);
            self.rebuild.notify_one();
        }
        kept
    }

    fn save_pairs(&self, state: &State) {
        if let Err(error) = self.store.save_pairs(&state.pairs.by_use()) {
            tracing::warn!(%error, "versions in use cannot be remembered");
        }
    }

    /// The catalogue of a pair, and whether waiting cannot make it better.
    fn look_up(&self, pair: &Pair) -> (Option<Arc<Catalogue>>, bool) {
        let found = self.catalogues.load().get(pair).cloned();
        let state = self.lock();
        let base = state.servers.iter().find(|s| s.may_speak(pair.version) || s.newest.is_none());
        let complete = match (&found, base) {
            // Nobody speaks that version, as is known of all: no use to wait.
            (_, None) => !state.servers.is_empty(),
            (Some(catalogue), Some(base)) => {
                let has = |name: &str| {
                    catalogue.has_language_of(name) || catalogue.why_left_out(name).is_some()
                };
                let name = &base.spec.name;
                let is_base = catalogue.is_based_on(name) || catalogue.why_left_out(name).is_some();
                // A player cannot hop to what is not in the catalogue they were given, nor read
                // texts in their language that are not, so what will be there in a moment is
                // waited for.
                let has_others = state.servers.iter().all(|server| {
                    !server.state.is_up()
                        || !server.may_speak(pair.version)
                        || has(&server.spec.name)
                });
                ((is_base && has(name)) || base.state.is_known_down()) && has_others
            }
            (None, Some(_)) => false,
        };
        (found, complete)
    }

    /// True if the catalogue of a pair has what was last seen of a server.
    fn is_fresh(&self, pair: &Pair, server: &str) -> bool {
        let found = self.catalogues.load().get(pair).cloned();
        let state = self.lock();
        let Some(server) = state.servers.iter().find(|s| s.spec.name == server) else {
            return true;
        };
        let Some(reported) = server.reported.get(pair) else { return true };
        let fetched = server.content.get(pair).is_some_and(|m| m.digest == *reported);
        fetched && found.is_some_and(|c| *c.key() == catalogue::key(pair, &state.sources(pair)))
    }

    /// Publishes the statuses and follows a change of the network's version.
    fn republish(&self, state: &mut State) {
        let version = state.network_version().0;
        // Not before all were read from disk: half of them could speak of another version.
        let known = state.servers.iter().all(|server| server.loaded)
            && state.servers.iter().any(|server| server.newest.is_some());
        if known {
            let network = Pair::new(version, "");
            let (_, changed) = state.pairs.touch(&network, &network, Instant::now());
            if changed {
                state.wake_all();
                self.save_pairs(state);
                self.rebuild.notify_one();
            }
        }
        let statuses: Vec<_> = state.servers.iter().map(|s| s.status(version)).collect();
        if **self.statuses.load() == statuses {
            return;
        }
        self.statuses.store(Arc::new(statuses));
        self.revision.send_modify(|revision| *revision += 1);
    }

    /// Notes what a server and all others of its pool have. `None` if the server is gone.
    fn keep(&self, serial: u64, content: &Arc<Manifest>) -> Option<()> {
        let mut state = self.lock();
        let source = state.servers.iter().find(|server| server.serial == serial)?.spec.source();
        let now = SystemTime::now();
        for server in &mut state.servers {
            if server.spec.source() == source {
                server.set_content(content.clone());
                server.last_fetch = Some(now);
            }
        }
        self.republish(&mut state);
        drop(state);
        self.rebuild.notify_one();
        Some(())
    }

    /// A server could not be asked for these: others of its pool have to do it.
    fn unverified(&self, serial: u64, pairs: impl Iterator<Item = Pair>) {
        let mut state = self.lock();
        let Some(at) = state.servers.iter().position(|server| server.serial == serial) else {
            return;
        };
        for pair in pairs {
            state.servers[at].verified.remove(&pair);
        }
        for mate in state.servers.iter().filter(|mate| mate.is_mate_of(&state.servers[at])) {
            mate.wake.notify_one();
        }
    }

    /// Changes one server's entry and publishes the result. `None` if the server is gone.
    fn update<T>(&self, serial: u64, change: impl FnOnce(&mut Server) -> T) -> Option<T> {
        let mut state = self.lock();
        let server = state.servers.iter_mut().find(|server| server.serial == serial)?;
        let edits = server.edits;
        let result = change(server);
        let edited = server.edits != edits;
        self.republish(&mut state);
        drop(state);
        if edited {
            self.rebuild.notify_one();
        }
        Some(result)
    }
}

impl State {
    /// A server has answered after this time.
    fn looked(&mut self, server: String, taken: Duration) {
        if self.looks.len() >= LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((server, taken));
    }

    fn network_version(&self) -> ProtocolVersion {
        let newest = self.servers.iter().filter_map(|server| server.newest).min();
        newest.map_or(ProtocolVersion::MAX, |newest| newest.min(ProtocolVersion::MAX))
    }

    /// What a catalogue is made of, in order of precedence. All servers of a pool are one.
    fn sources(&self, pair: &Pair) -> Vec<Source> {
        let contents = self.servers.iter().filter_map(|s| Some((&s.spec, s.content_for(pair)?)));
        Source::list(contents)
    }

    fn wake_all(&self) {
        for server in &self.servers {
            server.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
