//! The proxies that are connected, and what they report.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesegate_proto::control::v1::{PlayerReport, Probe};
use tokio::sync::Notify;

use crate::set::Set;

/// How long a proxy whose stream ended still counts: long enough to come back.
const GRACE: Duration = Duration::from_secs(15);

/// Players that one proxy can report.
pub const MAX_PLAYERS: usize = 100_000;

/// Class and name.
pub type Key = (String, String);

/// One proxy.
#[derive(Debug, Clone)]
pub struct Member {
    /// Which of its streams counts.
    serial: u64,
    /// Its release.
    pub release: String,
    /// When its stream ended, if it has.
    pub gone: Option<Instant>,
    /// What it has in force.
    pub acked: Option<Arc<Set>>,
    /// Why it refused what it was sent last, if it did.
    pub refused: Option<String>,
    /// Servers by players.
    pub players: HashMap<String, String>,
    /// What it found out about servers, by name.
    pub probes: BTreeMap<String, Probe>,
}

/// All proxies. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    serial: u64,
    members: BTreeMap<Key, Member>,
}

/// The stream of a proxy. Dropping it ends the stream.
#[derive(Debug)]
pub struct Seat {
    fleet: Fleet,
    key: Key,
    serial: u64,
}

impl Fleet {
    /// A proxy has connected. An older stream under the same name does not count any more.
    pub fn enter(&self, key: Key, release: String) -> Seat {
        let mut state = self.lock();
        state.serial += 1;
        let serial = state.serial;
        let before = state.members.remove(&key);
        let (players, probes) = before.map(|it| (it.players, it.probes)).unwrap_or_default();
        let member =
            Member { serial, release, gone: None, acked: None, refused: None, players, probes };
        state.members.insert(key.clone(), member);
        drop(state);
        self.shared.changed.notify_one();
        Seat { fleet: self.clone(), key, serial }
    }

    /// All proxies, by class and name, without those that have been gone for long.
    pub fn members(&self) -> BTreeMap<Key, Member> {
        let mut state = self.lock();
        state.members.retain(|_, it| it.gone.is_none_or(|gone| gone.elapsed() < GRACE));
        state.members.clone()
    }

    /// How many streams there are.
    pub fn connected(&self) -> usize {
        self.lock().members.values().filter(|it| it.gone.is_none()).count()
    }

    /// Waits for the next change.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Whether a newer stream took its place.
    pub fn replaced(&self) -> bool {
        let state = self.fleet.lock();
        state.members.get(&self.key).is_none_or(|it| it.serial != self.serial)
    }

    fn update(&self, change: impl FnOnce(&mut Member)) {
        let mut state = self.fleet.lock();
        if let Some(member) = state.members.get_mut(&self.key)
            && member.serial == self.serial
        {
            change(member);
        }
        drop(state);
        self.fleet.shared.changed.notify_one();
    }

    /// The proxy has these documents in force.
    pub fn acked(&self, set: Arc<Set>) {
        self.update(|member| {
            member.acked = Some(set);
            member.refused = None;
        });
    }

    /// The proxy refused what it was sent.
    pub fn refused(&self, reason: String) {
        self.update(|member| member.refused = Some(reason));
    }

    /// Who is in the game.
    pub fn players(&self, report: PlayerReport) {
        self.update(|member| {
            if report.full {
                member.players.clear();
            }
            for name in report.left {
                member.players.remove(&name);
            }
            for player in report.present {
                if member.players.len() < MAX_PLAYERS || member.players.contains_key(&player.name) {
                    member.players.insert(player.name, player.server);
                }
            }
        });
    }

    /// What it found out about servers.
    pub fn probes(&self, probes: Vec<Probe>) {
        let probes = probes.into_iter().map(|it| (it.server.clone(), it)).collect();
        self.update(|member| member.probes = probes);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.update(|member| member.gone = Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use mesegate_proto::control::v1::Player;

    use super::*;

    #[test]
    fn reports_are_added_up_and_a_newer_stream_counts() {
        let fleet = Fleet::default();
        let key: Key = ("default".into(), "pod".into());
        let old = fleet.enter(key.clone(), "1".into());
        let player = |name: &str, server: &str| Player { name: name.into(), server: server.into() };
        let present = vec![player("a", "x"), player("b", "x")];
        old.players(PlayerReport { full: true, present, left: vec![] });
        let present = vec![player("b", "y")];
        old.players(PlayerReport { full: false, present, left: vec!["a".into()] });
        assert_eq!(fleet.members()[&key].players, [("b".into(), "y".into())].into());
        let new = fleet.enter(key.clone(), "2".into());
        assert!(old.replaced() && !new.replaced());
        old.players(PlayerReport { full: true, ..PlayerReport::default() });
        drop(old);
        let member = &fleet.members()[&key];
        assert_eq!((member.players.len(), member.gone, &*member.release), (1, None, "2"));
        drop(new);
        assert!(fleet.members()[&key].gone.is_some() && fleet.connected() == 0);
    }
}
