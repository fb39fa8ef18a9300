//! The background task of one server.
//!
//! It does one thing at a time, so that a server has at most one visitor of the library: a name can
//! be on it only once (`serverpackethandler.cpp`, SERVER_ACCESSDENIED_ALREADY_CONNECTED).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mesegate_backend::{EnterError, hello};
use mesegate_protocol::ProtocolVersion;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use super::config::ServerSpec;
use super::fetch::{FetchError, Fetched, dial, fetch, is_complete};
use super::server::Server;
use crate::store::{Manifest, Pair};

/// Pause between two visits for the same content, whatever is reported about it.
const REVISIT: Duration = Duration::from_secs(5);

/// Runs until it is aborted or the server is no longer in the library.
pub(super) async fn run(shared: Arc<Shared>, serial: u64, wake: Arc<Notify>) {
    let mut fetcher = Fetcher {
        shared,
        serial,
        was_up: false,
        ever_up: false,
        fetch_failed: false,
        asked: None,
        visited: HashMap::new(),
        damaged: 0,
        retry: Duration::ZERO,
        failures: 0,
        answers: 0,
        doubted: false,
    };
    if fetcher.load().await.is_none() {
        return;
    }
    let mut pruned = fetcher.shared.pruned.subscribe();
    if pruned.wait_for(|pruned| *pruned).await.is_err() {
        return;
    }
    while let Some(pause) = fetcher.round().await {
        // A server that is down is not asked more than once a second, whoever wants it.
        let least = if fetcher.was_up { Duration::ZERO } else { Duration::from_secs(1).min(pause) };
        sleep(least).await;
        let _ = timeout(pause.saturating_sub(least), wake.notified()).await;
    }
}

struct Fetcher {
    shared: Arc<Shared>,
    serial: u64,
    was_up: bool,
    /// True if it was up before.
    ever_up: bool,
    /// True if it answered when it was last asked, but could not be fetched from.
    fetch_failed: bool,
    /// When it was last asked whether it is up.
    asked: Option<Instant>,
    /// When each pair was last fetched or compared.
    visited: HashMap<Pair, Instant>,
    /// The store's count of damages at the last look.
    damaged: u64,
    /// Last pause after a failure.
    retry: Duration,
    /// Looks without success since the last one with it.
    failures: u32,
    /// Answers in a row since it was down.
    answers: u32,
    /// True if players lost it since then.
    doubted: bool,
}

/// What has to be looked at now.
struct Work {
    spec: ServerSpec,
    pairs: Vec<(Pair, Option<Arc<Manifest>>)>,
}

impl Fetcher {
    /// Reads what the disk has. `None` if the server is gone.
    async fn load(&self) -> Option<()> {
        let (name, pairs) = {
            let state = self.shared.lock();
            let server = state.servers.iter().find(|server| server.serial == self.serial)?;
            (server.spec.source(), state.pairs.by_use())
        };
        let store = self.shared.store.clone();
        let read = tokio::task::spawn_blocking(move || {
            let manifests = pairs.iter().filter_map(|pair| store.load_manifest(&name, pair));
            manifests.collect::<Vec<Manifest>>()
        });
        let manifests = read.await.unwrap_or_default();
        self.shared.update(self.serial, |server| {
            let latest = manifests.iter().max_by_key(|manifest| manifest.fetched_at);
            if let Some(latest) = latest {
                server.set_newest(ProtocolVersion(latest.newest));
            }
            for manifest in manifests {
                server.set_content(Arc::new(manifest));
            }
            server.loaded = true;
            server.edits += 1;
        })
    }

    /// One look at the server. Returns the pause until the next; `None` if the server is gone.
    async fn round(&mut self) -> Option<Duration> {
        match self.visit().await? {
            Ok(pause) if !self.risen()? => {
                self.retry = Duration::ZERO;
                self.failures = 0;
                Some(pause)
            }
            Ok(pause) => {
                self.retry = Duration::ZERO;
                self.failures = 0;
                self.doubted = false;
                self.was_up = true;
                self.ever_up = true;
                self.fetch_failed = false;
                self.shared.update(self.serial, Server::set_up)?;
                Some(pause)
            }
            Err(error) if self.forgives(&error)? => {
                self.failures += 1;
                self.asked = None;
                let (reason, failures) = (error.reason(), self.failures);
                tracing::debug!(
                    serial = self.serial,
                    reason,
                    failures,
                    "a look was in vain: {error}"
                );
                Some(self.back_off())
            }
            Err(error) => {
                self.failures += 1;
                self.answers = 0;
                self.was_up = false;
                self.fetch_failed = self.asked.take().is_some();
                let (reason, text) = (error.reason(), error.to_string());
                self.shared.update(self.serial, |server| match error {
                    FetchError::Enter(EnterError::VersionRefused { .. }) => {
                        server.set_refused(text);
                    }
                    _ => server.set_down(reason, text),
                })?;
                Some(self.back_off())
            }
        }
    }

    /// Whether a failure is not enough yet for the server to count as down. `None` if it is gone.
    fn forgives(&self, error: &FetchError) -> Option<bool> {
        let threshold = self.spec()?.probe.map_or(1, |probe| probe.threshold);
        // A server that refuses a version has answered.
        let answered = matches!(error, FetchError::Enter(EnterError::VersionRefused { .. }));
        Some(self.was_up && !self.doubted && !answered && self.failures + 1 < threshold)
    }

    /// Whether a server that answers has done so often enough to count as up. `None` if it is gone.
    fn risen(&self) -> Option<bool> {
        let rise = self.spec()?.probe.map_or(1, |probe| probe.rise);
        Some(self.was_up || !self.ever_up || self.answers >= rise)
    }

    /// Doubles the pause, and moves it by up to a quarter, so that servers that went down together
    /// are not asked together for ever.
    fn back_off(&mut self) -> Duration {
        let config = &self.shared.config;
        self.retry =
            (self.retry * 2).clamp(config.retry_min, config.retry_max.max(config.retry_min));
        self.retry.mul_f64(rand::random_range(0.75..=1.25))
    }

    async fn visit(&mut self) -> Option<Result<Duration, FetchError>> {
        let probe = self.spec()?.probe;
        let interval = probe.map_or(self.shared.config.check_interval, |probe| probe.interval);
        // Woken for another reason: no need to ask again.
        if self.take_doubt()? {
            self.asked = None;
            self.doubted = true;
        }
        let fresh = self.asked.is_some_and(|asked| asked.elapsed() < interval.mul_f64(0.9));
        if !fresh && let Err(error) = self.ask().await? {
            return Some(Err(error));
        }
        let mut pause = interval;
        let work = self.work(&mut pause)?;
        let mut pairs = work.pairs.into_iter();
        while let Some((pair, known)) = pairs.next() {
            if let Err(error) = self.fetch(&work.spec, pair.clone(), known).await? {
                let rest = pairs.map(|(pair, _)| pair);
                self.shared.unverified(self.serial, std::iter::once(pair).chain(rest));
                return Some(Err(error));
            }
        }
        Some(Ok(pause))
    }

    fn take_doubt(&self) -> Option<bool> {
        let mut state = self.shared.lock();
        let server = state.servers.iter_mut().find(|server| server.serial == self.serial)?;
        Some(std::mem::take(&mut server.doubted))
    }

    /// Asks for the newest version.
    async fn ask(&mut self) -> Option<Result<(), FetchError>> {
        let spec = self.spec()?;
        self.asked = None;
        let mut dial = dial(&self.shared, &spec);
        if let Some(probe) = spec.probe {
            dial.deadline = probe.timeout;
        }
        let began = Instant::now();
        let newest = match hello(&dial).await {
            Ok(newest) => newest,
            Err(error) => return Some(Err(error.into())),
        };
        let now = Instant::now();
        self.shared.lock().looked(spec.name, now.duration_since(began));
        self.asked = Some(now);
        self.answers = self.answers.saturating_add(1);
        let risen = self.risen()?;
        if !self.was_up {
            // It may have been restarted with other content.
            self.visited.clear();
        }
        let restarted = !self.was_up && self.ever_up;
        self.shared.update(self.serial, |server| {
            server.set_newest(newest);
            if restarted && server.spec.pool.is_some() {
                // What others of its pool have says nothing about it now.
                server.recheck_all();
            }
            // That it answers is not enough if the last visit failed later than that.
            if risen && !self.fetch_failed {
                server.set_up();
            }
        })?;
        Some(Ok(()))
    }

    fn spec(&self) -> Option<ServerSpec> {
        let state = self.shared.lock();
        let server = state.servers.iter().find(|server| server.serial == self.serial)?;
        Some(server.spec.clone())
    }

    /// What to look at now. Shortens `pause` if something has to wait a little.
    fn work(&mut self, pause: &mut Duration) -> Option<Work> {
        let damaged = self.shared.store.damaged();
        let look_at_disk = damaged != self.damaged;
        self.damaged = damaged;
        let verify = self.shared.config.verify_interval;
        let mut state = self.shared.lock();
        let network = state.network_version().0;
        let mut wanted = state.pairs.by_use();
        wanted.sort_by_key(|pair| (pair.version != network, !pair.language.is_empty()));
        let at = state.servers.iter().position(|server| server.serial == self.serial)?;
        let mut by_mates: HashMap<Pair, Duration> = HashMap::new();
        for mate in state.servers.iter().filter(|mate| mate.is_mate_of(&state.servers[at])) {
            for (pair, verified) in &mate.verified {
                let age = by_mates.entry(pair.clone()).or_insert(Duration::MAX);
                *age = (*age).min(verified.elapsed());
            }
        }
        let server = &mut state.servers[at];
        self.visited.retain(|pair, _| wanted.contains(pair));
        server.recheck.retain(|pair| wanted.contains(pair));
        let newest = server.newest.map_or(0, |newest| newest.0);
        let mut pairs = Vec::new();
        for pair in wanted.into_iter().filter(|pair| pair.version <= newest) {
            let known = server.content.get(&pair).cloned();
            let age = self.visited.get(&pair).map(Instant::elapsed);
            let recheck = server.recheck.contains(&pair);
            let lost =
                look_at_disk && known.as_ref().is_some_and(|m| !is_complete(&self.shared, m));
            let by_mates = by_mates.get(&pair).is_some_and(|age| *age < verify);
            let old = age.is_none_or(|age| age >= verify) && !by_mates;
            let due = recheck || lost || old;
            match age {
                _ if !due => {}
                Some(age) if age < REVISIT => {
                    *pause = (*pause).min(REVISIT.saturating_sub(age));
                    if lost {
                        server.recheck.insert(pair);
                    }
                }
                _ => {
                    server.recheck.remove(&pair);
                    server.verified.insert(pair.clone(), Instant::now());
                    pairs.push((pair, known));
                }
            }
        }
        Some(Work { spec: server.spec.clone(), pairs })
    }

    async fn fetch(
        &mut self,
        spec: &ServerSpec,
        pair: Pair,
        known: Option<Arc<Manifest>>,
    ) -> Option<Result<(), FetchError>> {
        let permit = self.shared.slots.acquire().await.ok()?;
        let result = fetch(&self.shared, spec, &pair, known.clone()).await;
        drop(permit);
        match result {
            Ok(Fetched::Content(content)) => {
                self.visited.insert(pair, Instant::now());
                self.keep(content, known).await
            }
            Ok(Fetched::Older(newest)) => {
                self.shared.update(self.serial, |server| server.set_newest(newest))?;
                Some(Ok(()))
            }
            Err(FetchError::Enter(error @ EnterError::VersionRefused { .. })) => {
                self.visited.insert(pair.clone(), Instant::now());
                let text = error.to_string();
                self.shared.update(self.serial, |server| {
                    server.set_version_refused(pair.version, text);
                })?;
                Some(Ok(()))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Writes down what was found and tells everybody.
    async fn keep(
        &self,
        content: Arc<Manifest>,
        known: Option<Arc<Manifest>>,
    ) -> Option<Result<(), FetchError>> {
        let newest = {
            let state = self.shared.lock();
            let server = state.servers.iter().find(|server| server.serial == self.serial)?;
            server.newest.map_or(content.pair.version, |newest| newest.0)
        };
        let mut content = content;
        if known.is_none_or(|known| !Arc::ptr_eq(&known, &content)) || content.newest != newest {
            let manifest = Manifest { newest, ..content.as_ref().clone() };
            content = Arc::new(manifest);
            let (store, saved) = (self.shared.store.clone(), content.clone());
            let task = tokio::task::spawn_blocking(move || store.save_manifest(&saved));
            match task.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Some(Err(error.into())),
                Err(_) => return Some(Err(EnterError::Interrupted.into())),
            }
        }
        self.shared.keep(self.serial, &content)?;
        Some(Ok(()))
    }
}
