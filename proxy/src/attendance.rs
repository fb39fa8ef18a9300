//! Who comes to the network and who leaves it, by this proxy and others, for those who are in it.
//!
//! [`Players`] tells of every move and of people who still load their game; most of that is nobody
//! else's concern. Here somebody comes when they have entered their first server, and leaves when
//! they are gone for good: who was asked to connect anew has not left before a while is over.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::broadcast::{self, error::RecvError};

use crate::abroad::{self, Abroad};
use crate::players::{Change, Players, Presence, Whereabouts};

/// How long those who were asked to connect anew may take to log in again.
const ABSENCE: Duration = Duration::from_secs(20);

/// Events that a player's task may be behind.
const EVENTS: usize = 1024;

/// How often it is looked whose absence is over.
const LOOK: Duration = Duration::from_secs(1);

/// Something that others may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The player of that name is in the game.
    Came(Arc<str>),
    /// The player of that name is not in the game any more.
    Left(Arc<str>),
    /// Others are there than before, though they have not just come or left.
    Changed,
}

/// Who is there. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Attendance {
    register: Arc<Mutex<Register>>,
}

#[derive(Debug)]
struct Register {
    present: BTreeSet<Arc<str>>,
    /// Who is in the list of players, those who still load their game included.
    here: HashSet<String>,
    /// The same of other proxies.
    away: HashSet<String>,
    /// Who will be gone in a moment and is to come back. Only names in the list of players.
    expected: HashSet<String>,
    /// Who is gone, still counts as present, and until when.
    absent: HashMap<Arc<str>, Instant>,
    /// While set, events are not told, but whether there were any.
    silence: Option<bool>,
    events: broadcast::Sender<Event>,
}

impl Default for Attendance {
    fn default() -> Self {
        let register = Register {
            present: BTreeSet::new(),
            here: HashSet::new(),
            away: HashSet::new(),
            expected: HashSet::new(),
            absent: HashMap::new(),
            silence: None,
            events: broadcast::Sender::new(EVENTS),
        };
        Self { register: Arc::new(Mutex::new(register)) }
    }
}

impl Attendance {
    /// Everybody, and all events from that very moment on.
    pub(crate) fn follow(&self) -> (Vec<Arc<str>>, broadcast::Receiver<Event>) {
        let register = self.lock();
        (register.present.iter().cloned().collect(), register.events.subscribe())
    }

    /// Events from now on.
    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.lock().events.subscribe()
    }

    /// The player is asked to connect anew. Called before they give their place back.
    pub(crate) fn expect_back(&self, name: &str) {
        self.lock().expected.insert(name.to_owned());
    }

    /// Whether somebody who is gone, or will be in a moment, was asked to connect anew.
    pub(crate) fn expects(&self, name: &str) -> bool {
        let register = self.lock();
        register.expected.contains(name) || register.absent.contains_key(name)
    }

    /// Something has changed at other proxies.
    pub(crate) fn elsewhere(&self, news: abroad::News) {
        if !news.changes.is_empty() {
            self.lock().elsewhere(news, Instant::now());
        }
    }

    /// Follows the list of players for as long as the process runs, and forgets those at other
    /// proxies of whom nobody tells any more.
    pub(crate) async fn keep(self, players: Players, abroad: Abroad) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            let (now, mut changes) = players.follow();
            self.lock().replace(&now, Instant::now());
            loop {
                tokio::select! {
                    change = changes.recv() => match change {
                        Ok(Change::Present(player)) => self.lock().seen(&player),
                        Ok(Change::Gone(name)) => self.lock().gone(&name, Instant::now()),
                        Err(RecvError::Lagged(_)) => break,
                        Err(RecvError::Closed) => return,
                    },
                    _ = look.tick() => {
                        self.elsewhere(abroad.expire(Instant::now()));
                        self.lock().expire(Instant::now());
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Register {
    fn seen(&mut self, player: &Presence) {
        self.here.insert(player.name.clone());
        self.arrived(&player.name, player.whereabouts != Whereabouts::Joining);
    }

    fn arrived(&mut self, name: &str, in_game: bool) {
        self.absent.remove(name);
        if in_game && !self.present.contains(name) {
            let name: Arc<str> = name.into();
            self.present.insert(Arc::clone(&name));
            self.tell(Event::Came(name));
        }
    }

    fn gone(&mut self, name: &str, now: Instant) {
        self.here.remove(name);
        let expected = self.expected.remove(name);
        self.departed(name, expected, now);
    }

    fn departed(&mut self, name: &str, expected: bool, now: Instant) {
        if self.here.contains(name) || self.away.contains(name) {
            return;
        }
        match self.present.get(name).cloned() {
            Some(name) if expected => {
                self.absent.insert(name, now + ABSENCE);
            }
            Some(name) => self.left(name),
            None => {}
        }
    }

    fn elsewhere(&mut self, news: abroad::News, now: Instant) {
        self.silence = news.silent.then_some(false);
        for change in news.changes {
            match change {
                abroad::Change::There { name, in_game } => {
                    self.arrived(&name, in_game);
                    self.away.insert(name);
                }
                abroad::Change::Gone { name, returning } => {
                    self.away.remove(&name);
                    self.departed(&name, returning, now);
                }
            }
        }
        if self.silence.take() == Some(true) {
            self.tell(Event::Changed);
        }
    }

    fn expire(&mut self, now: Instant) {
        let over: Vec<Arc<str>> =
            self.absent.extract_if(|_, until| *until <= now).map(|(name, _)| name).collect();
        for name in over {
            self.left(name);
        }
    }

    /// Takes over the whole list, after changes were missed.
    fn replace(&mut self, players: &[Arc<Presence>], now: Instant) {
        let names: HashSet<&str> = players.iter().map(|it| it.name.as_str()).collect();
        let missing = |name: &&String| !names.contains(name.as_str());
        let missing: Vec<String> = self.here.iter().filter(missing).cloned().collect();
        for name in missing {
            self.gone(&name, now);
        }
        self.expected.retain(|name| names.contains(name.as_str()));
        for player in players {
            self.seen(player);
        }
    }

    fn left(&mut self, name: Arc<str>) {
        self.present.remove(&name);
        self.tell(Event::Left(name));
    }

    fn tell(&mut self, event: Event) {
        if let Some(silenced) = &mut self.silence {
            *silenced = true;
            return;
        }
        // Nobody may be listening.
        let _ = self.events.send(event);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::SystemTime;

    use super::*;

    fn at(name: &str, whereabouts: Whereabouts) -> Arc<Presence> {
        let (joined, since) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
        let address = Ipv4Addr::LOCALHOST.into();
        let name = name.into();
        Arc::new(Presence { name, address, protocol: 52, joined, whereabouts, since })
    }

    fn on(name: &str) -> Arc<Presence> {
        at(name, Whereabouts::On("lobby".into()))
    }

    fn told(events: &mut broadcast::Receiver<Event>) -> Vec<String> {
        let text = |event| match event {
            Event::Came(name) => format!("+{name}"),
            Event::Left(name) => format!("-{name}"),
            Event::Changed => "changed".to_owned(),
        };
        std::iter::from_fn(|| events.try_recv().ok()).map(text).collect()
    }

    #[test]
    fn only_coming_and_leaving_is_told() {
        let attendance = Attendance::default();
        let mut events = attendance.events();
        let now = Instant::now();
        let mut register = attendance.lock();
        register.seen(&at("a", Whereabouts::Joining));
        register.gone("a", now);
        assert_eq!(told(&mut events), [""; 0]);
        register.seen(&at("a", Whereabouts::Joining));
        register.seen(&on("a"));
        register.seen(&at("a", Whereabouts::Between));
        register.seen(&on("a"));
        assert_eq!(told(&mut events), ["+a"]);
        register.gone("a", now);
        assert_eq!(told(&mut events), ["-a"]);
    }

    #[test]
    fn who_connects_anew_has_not_left() {
        let attendance = Attendance::default();
        let mut events = attendance.events();
        let now = Instant::now();
        let leave = |register: &mut Register, name: &str| {
            register.expected.insert(name.into());
            register.gone(name, now);
        };
        let mut register = attendance.lock();
        for name in ["back", "late", "dead"] {
            register.seen(&on(name));
            leave(&mut register, name);
        }
        assert_eq!(told(&mut events), ["+back", "+late", "+dead"]);
        // Loading may take as long as it wants.
        register.seen(&at("back", Whereabouts::Joining));
        register.seen(&at("dead", Whereabouts::Joining));
        register.gone("dead", now);
        register.expire(now + ABSENCE / 2);
        assert_eq!(told(&mut events), ["-dead"]);
        register.expire(now + ABSENCE);
        assert_eq!(told(&mut events), ["-late"]);
        register.seen(&on("back"));
        register.seen(&on("late"));
        assert_eq!(told(&mut events), ["+late"]);
        // The next time they leave as everybody does.
        register.gone("back", now);
        assert_eq!(told(&mut events), ["-back"]);
        assert!(register.expected.is_empty() && register.absent.is_empty());
    }

    #[test]
    fn who_changes_proxies_neither_comes_nor_leaves() {
        let attendance = Attendance::default();
        let mut events = attendance.events();
        let there = |name: &str| abroad::Change::There { name: name.into(), in_game: true };
        let gone = |name: &str, returning| abroad::Change::Gone { name: name.into(), returning };
        let tell = |change, silent| {
            attendance.elsewhere(abroad::News { changes: vec![change], silent });
        };
        let now = Instant::now();
        tell(there("a"), true);
        assert_eq!(told(&mut events), ["changed"]);
        tell(abroad::Change::There { name: "b".into(), in_game: false }, false);
        assert_eq!(told(&mut events), [""; 0], "they load the game");
        tell(there("b"), false);
        assert_eq!(told(&mut events), ["+b"]);
        // From there to here, and back again; asked to connect anew or not.
        attendance.lock().seen(&on("b"));
        tell(gone("b", false), false);
        tell(there("b"), false);
        attendance.lock().gone("b", now);
        tell(gone("a", true), false);
        attendance.lock().seen(&at("a", Whereabouts::Joining));
        attendance.lock().seen(&on("a"));
        assert_eq!(told(&mut events), [""; 0]);
        tell(gone("b", false), false);
        attendance.lock().gone("a", now);
        assert_eq!(told(&mut events), ["-b", "-a"]);
        tell(there("c"), false);
        attendance.expect_back("d");
        assert!(attendance.expects("d") && !attendance.expects("c"));
        tell(gone("c", false), true);
        assert_eq!(told(&mut events), ["+c", "changed"]);
        assert_eq!(attendance.follow().0.len(), 0);
    }

    #[test]
    fn a_difference_brings_it_right() {
        let attendance = Attendance::default();
        let now = Instant::now();
        let mut register = attendance.lock();
        for name in ["a", "b", "c"] {
            register.seen(&on(name));
        }
        register.expected.insert("c".into());
        let mut events = register.events.subscribe();
        register.replace(&[on("b"), on("d"), at("e", Whereabouts::Joining)], now);
        assert_eq!(told(&mut events), ["-a", "+d"]);
        register.replace(&[on("b"), on("d")], now + ABSENCE / 2);
        register.expire(now + ABSENCE);
        assert_eq!(told(&mut events), ["-c"]);
        let names: Vec<&str> = register.present.iter().map(|it| &**it).collect();
        assert_eq!(names, ["b", "d"]);
    }
}
