//! Who has which name: a state machine without I/O.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use mesegate_proto::control::v1::connect_response::Message;
use mesegate_proto::control::v1::{
    ClaimAnswer, ClaimFailure, ClaimRelease, ClaimReport, ClaimRequest, ClaimRevoked,
};
use tokio::time::Instant;

use crate::fleet::Key;

/// How long the names of a proxy whose stream ended stay its own, and how long a new leader waits
/// for what proxies hold.
const GRACE: Duration = Duration::from_secs(15);

/// How long somebody waits for another to be sent away.
const EVICTION: Duration = Duration::from_secs(2);

/// Names that are held at once: ten times what a network is made for.
const MOST: usize = 1_000_000;

/// Bytes of a name. Engines allow 19 (`player.h`, PLAYERNAME_SIZE).
const LONGEST: usize = 64;

/// Messages, and whom they are for.
pub(super) type Letters = Vec<(Key, Message)>;

/// All names.
#[derive(Debug, Default)]
pub(super) struct Table {
    term: Option<Term>,
    proxies: BTreeMap<Key, Proxy>,
    names: HashMap<String, Held>,
    waiting: HashMap<String, Waiter>,
}

#[derive(Debug)]
struct Term {
    began: Instant,
    /// Proxies that there were before.
    expected: usize,
    ready: bool,
}

#[derive(Debug)]
struct Proxy {
    entered: Instant,
    gone: Option<Instant>,
    reported: bool,
    /// Names in the parts of a report that is not complete.
    seen: HashSet<String>,
}

#[derive(Debug, Clone)]
struct Held {
    proxy: Key,
    id: u64,
    since: Instant,
}

#[derive(Debug)]
struct Waiter {
    proxy: Key,
    id: u64,
    until: Instant,
}

impl Proxy {
    fn lost(&self, now: Instant) -> bool {
        self.gone.is_some_and(|gone| now - gone >= GRACE)
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Begins or ends to lead. Nothing of an earlier term counts in a new one.
    pub(super) fn lead(&mut self, leads: bool, expected: usize, now: Instant) {
        if leads == self.term.is_some() {
            return;
        }
        self.names.clear();
        self.waiting.clear();
        self.term = leads.then_some(Term { began: now, expected, ready: false });
        self.proxies.retain(|_, proxy| !proxy.lost(now));
        for proxy in self.proxies.values_mut() {
            proxy.reported = false;
            proxy.seen.clear();
        }
    }

    /// A proxy's stream begins. Its names stay its own until it has said which they are.
    pub(super) fn enter(&mut self, key: Key, now: Instant) {
        let proxy = Proxy { entered: now, gone: None, reported: false, seen: HashSet::new() };
        self.proxies.insert(key, proxy);
    }

    /// A proxy's stream has ended.
    pub(super) fn leave(&mut self, key: &Key, now: Instant) {
        if let Some(proxy) = self.proxies.get_mut(key) {
            proxy.gone = Some(now);
        }
        self.forget(now);
    }

    /// Drops what belongs to proxies that did not come back.
    fn forget(&mut self, now: Instant) {
        let before = self.proxies.len();
        self.proxies.retain(|_, proxy| !proxy.lost(now));
        if self.proxies.len() < before {
            self.names.retain(|_, held| self.proxies.contains_key(&held.proxy));
        }
    }

    /// Whether it is known who has which name.
    fn ready(&mut self, now: Instant) -> bool {
        let Some(term) = &mut self.term else { return false };
        if !term.ready {
            let long_ago = |at: Instant| now - at >= GRACE;
            let all = self.proxies.values().all(|proxy| {
                proxy.reported || proxy.lost(now) || long_ago(proxy.entered.max(term.began))
            });
            let connected = self.proxies.values().filter(|it| it.gone.is_none()).count();
            term.ready = all && (connected >= term.expected || long_ago(term.began));
        }
        term.ready
    }

    /// A proxy asks for a name.
    pub(super) fn claim(&mut self, key: &Key, request: ClaimRequest, now: Instant) -> Letters {
        let ClaimRequest { id, name, kick_old } = request;
        let fails = |failure: ClaimFailure| {
            let failure = failure.into();
            let answer = ClaimAnswer { id, name: name.clone(), failure, ..ClaimAnswer::default() };
            vec![(key.clone(), Message::Claim(answer))]
        };
        if self.term.is_none() {
            return fails(ClaimFailure::NotLeader);
        }
        if !self.ready(now) || self.names.len() >= MOST || name.len() > LONGEST {
            return fails(ClaimFailure::NotReady);
        }
        let holder = self.names.get(&name).filter(|held| held.proxy != *key).cloned();
        let Some(holder) = holder else {
            return vec![self.grant(key.clone(), id, name, now)];
        };
        match self.proxies.get(&holder.proxy) {
            None => vec![self.grant(key.clone(), id, name, now)],
            Some(proxy) if proxy.lost(now) => vec![self.grant(key.clone(), id, name, now)],
            Some(proxy) if kick_old && proxy.gone.is_none() => {
                let revoked = ClaimRevoked { id: holder.id, name: name.clone() };
                let mut letters = vec![(holder.proxy.clone(), Message::Revoked(revoked))];
                let waiter = Waiter { proxy: key.clone(), id, until: now + EVICTION };
                // Of several who wait the last one came back last.
                if let Some(earlier) = self.waiting.insert(name.clone(), waiter) {
                    letters.push(refusal(earlier.proxy, earlier.id, name, &holder));
                }
                letters
            }
            Some(_) => vec![refusal(key.clone(), id, name, &holder)],
        }
    }

    fn grant(&mut self, proxy: Key, id: u64, name: String, now: Instant) -> (Key, Message) {
        self.names.insert(name.clone(), Held { proxy: proxy.clone(), id, since: now });
        (proxy, Message::Claim(ClaimAnswer { id, name, granted: true, ..ClaimAnswer::default() }))
    }

    /// A proxy gives a name back.
    pub(super) fn release(&mut self, key: &Key, release: &ClaimRelease, now: Instant) -> Letters {
        let own = |held: &Held| held.proxy == *key && held.id == release.id;
        if !self.names.get(&release.name).is_some_and(own) {
            return Letters::new();
        }
        self.names.remove(&release.name);
        match self.waiting.remove(&release.name) {
            Some(it) if it.until > now && self.proxies.contains_key(&it.proxy) => {
                vec![self.grant(it.proxy, it.id, release.name.clone(), now)]
            }
            _ => Letters::new(),
        }
    }

    /// A proxy says what it holds. Of two that hold the same name the older one keeps it.
    pub(super) fn report(&mut self, key: &Key, report: ClaimReport, now: Instant) -> Letters {
        let mut letters = Letters::new();
        let Some(proxy) = self.proxies.get_mut(key) else { return letters };
        if self.term.is_none() {
            return letters;
        }
        for held in report.held {
            if self.names.len() >= MOST || held.name.len() > LONGEST {
                continue;
            }
            let since = now.checked_sub(Duration::from_millis(held.age_ms)).unwrap_or(now);
            let new = Held { proxy: key.clone(), id: held.id, since };
            if !proxy.reported {
                proxy.seen.insert(held.name.clone());
            }
            let loser = match self.names.get(&held.name) {
                Some(known) if known.proxy != *key && known.since <= since => Some(new),
                _ => self.names.insert(held.name.clone(), new).filter(|old| old.proxy != *key),
            };
            if let Some(Held { proxy, id, .. }) = loser {
                letters.push((proxy, Message::Revoked(ClaimRevoked { id, name: held.name })));
            }
        }
        if report.complete && !proxy.reported {
            proxy.reported = true;
            let seen = std::mem::take(&mut proxy.seen);
            self.names.retain(|name, held| held.proxy != *key || seen.contains(name));
        }
        letters
    }
}

fn refusal(to: Key, id: u64, name: String, holder: &Held) -> (Key, Message) {
    let holder = holder.proxy.1.clone();
    (to, Message::Claim(ClaimAnswer { id, name, holder, ..ClaimAnswer::default() }))
}

#[cfg(test)]
mod tests;
