//! The proxies that are connected, and what they report.

mod gathering;
mod roster;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesegate_admin::{Errander, Errands, Failure, Page};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_proto::control::v1::{Command, CommandResult, PlayerReport, Probe};
use tokio::sync::{Notify, broadcast};

use crate::set::Set;
pub use gathering::Gathering;
pub(crate) use roster::Change;
use roster::Roster;

/// How long a proxy whose stream ended still counts: long enough to come back.
const GRACE: Duration = Duration::from_secs(15);

/// Players that one proxy can report.
pub const MAX_PLAYERS: usize = 100_000;

/// Class and name.
pub type Key = (String, String);

/// One proxy.
#[derive(Debug)]
struct Member {
    /// Which of its streams counts.
    serial: u64,
    /// Its release.
    release: String,
    /// When its stream ended, if it has.
    gone: Option<Instant>,
    /// What it has in force.
    acked: Option<Arc<Set>>,
    /// Why it refused what it was sent last, if it did.
    refused: Option<String>,
    /// Its players, by name.
    players: HashMap<String, Arc<pb::Player>>,
    /// Names in a full report that is not complete yet.
    seen: Option<HashSet<String>>,
    /// What it found out about servers, by name.
    probes: Arc<BTreeMap<String, Probe>>,
    /// What it says about itself; its count of players is not true.
    proxy: Option<pb::Proxy>,
    commands: Errander,
}

/// What is known of a proxy that is connected.
#[derive(Debug, Clone)]
pub struct Connected {
    /// Its class.
    pub class: String,
    /// Its name.
    pub name: String,
    /// Its release.
    pub release: String,
    /// What it has in force.
    pub acked: Option<Arc<Set>>,
    /// Why it refused what it was sent last, if it did.
    pub refused: Option<String>,
    /// How many players it has.
    pub players: u32,
    /// What it found out about servers, by name.
    pub probes: Arc<BTreeMap<String, Probe>>,
    /// Whether it lets nobody in any more.
    pub draining: bool,
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
    roster: Roster,
}

/// The stream of a proxy. Dropping it ends the stream.
#[derive(Debug)]
pub struct Seat {
    fleet: Fleet,
    key: Key,
    serial: u64,
    errands: Errands,
}

impl Fleet {
    /// A proxy has connected. An older stream under the same name does not count any more.
    pub fn enter(&self, key: Key, release: String) -> Seat {
        let mut state = self.lock();
        state.serial += 1;
        let serial = state.serial;
        let before = state.members.remove(&key);
        let (players, probes, proxy) =
            before.map(|it| (it.players, it.probes, it.proxy)).unwrap_or_default();
        let (commands, errands) = Errander::new(&format!("proxy {:?}", key.1));
        let member = Member {
            serial,
            release,
            gone: None,
            acked: None,
            refused: None,
            players,
            seen: None,
            probes,
            proxy,
            commands,
        };
        state.members.insert(key.clone(), member);
        drop(state);
        self.shared.changed.notify_one();
        Seat { fleet: self.clone(), key, serial, errands }
    }

    /// Proxies that are connected, by class and name, and how many players each server has, those
    /// of proxies that may come back included.
    pub fn view(&self) -> (Vec<Connected>, HashMap<String, u32>) {
        let mut state = self.lock();
        state.sweep();
        let connected = state.members.iter().filter(|(_, it)| it.gone.is_none());
        let connected = connected.map(|((class, name), it)| Connected {
            class: class.clone(),
            name: name.clone(),
            release: it.release.clone(),
            acked: it.acked.clone(),
            refused: it.refused.clone(),
            players: it.players.len() as u32,
            probes: Arc::clone(&it.probes),
            draining: it.proxy.as_ref().is_some_and(|it| it.state() == pb::ProxyState::Draining),
        });
        (connected.collect(), state.roster.by_server().clone())
    }

    /// How many streams there are.
    pub fn connected(&self) -> usize {
        self.lock().members.values().filter(|it| it.gone.is_none()).count()
    }

    /// Forgets proxies that have been gone for long, with their players.
    pub fn sweep(&self) {
        self.lock().sweep();
    }

    /// The player of that name.
    pub fn player(&self, name: &str) -> Option<Arc<pb::Player>> {
        self.lock().roster.get(name).map(|(_, player)| Arc::clone(player))
    }

    /// The proxy that holds the player of that name.
    pub fn holder(&self, name: &str) -> Option<Key> {
        self.lock().roster.get(name).map(|(key, _)| key.clone())
    }

    /// Players who are wanted, by name: at most `limit` that come after `after`. Without `wanted`,
    /// everybody.
    pub fn players(
        &self,
        after: Option<&str>,
        limit: usize,
        wanted: Option<impl Fn(&pb::Player) -> bool>,
    ) -> Page {
        self.lock().roster.page(after, limit, wanted)
    }

    /// Everybody, and all changes from that very moment on.
    pub(crate) fn follow(&self) -> (Vec<Arc<pb::Player>>, broadcast::Receiver<Change>) {
        let state = self.lock();
        (state.roster.iter().cloned().collect(), state.roster.changes())
    }

    /// How many players each server has; servers without any are not in it.
    pub fn by_server(&self) -> HashMap<String, u32> {
        self.lock().roster.by_server().clone()
    }

    /// Proxies that are connected and have somebody on a server, other than the one of that name.
    pub fn on_server(&self, server: &str, but: &str) -> Vec<Key> {
        let state = self.lock();
        let there = |(key, it): &(&Key, &Member)| {
            it.gone.is_none() && key.1 != but && it.players.values().any(|it| it.server == server)
        };
        state.members.iter().filter(there).map(|(key, _)| key.clone()).collect()
    }

    /// Proxies that are connected.
    pub fn proxies(&self) -> Vec<Key> {
        let state = self.lock();
        let connected = state.members.iter().filter(|(_, it)| it.gone.is_none());
        connected.map(|(key, _)| key.clone()).collect()
    }

    /// What connected proxies say about themselves, by name.
    pub fn reports(&self) -> Vec<pb::Proxy> {
        let state = self.lock();
        let connected = state.members.iter().filter(|(_, it)| it.gone.is_none());
        let report = |((_, name), member): (&Key, &Member)| pb::Proxy {
            name: name.clone(),
            version: member.release.clone(),
            players: member.players.len() as u32,
            ..member.proxy.clone().unwrap_or_default()
        };
        let mut reports: Vec<pb::Proxy> = connected.map(report).collect();
        reports.sort_by(|a, b| a.name.cmp(&b.name));
        reports
    }

    /// What connected proxies found out about servers, by name.
    pub fn probes(&self) -> Vec<Arc<BTreeMap<String, Probe>>> {
        let state = self.lock();
        let connected = state.members.values().filter(|it| it.gone.is_none());
        connected.map(|it| Arc::clone(&it.probes)).collect()
    }

    /// Whether all proxies that get their documents from here have what `wanted` holds for.
    pub fn all_have(&self, wanted: impl Fn(&Set) -> bool) -> bool {
        let state = self.lock();
        let mut connected = state.members.values().filter(|it| it.gone.is_none());
        connected.all(|it| it.acked.as_ref().is_none_or(|set| wanted(set)))
    }

    /// Has the proxy that holds a player do something.
    ///
    /// # Errors
    /// `NO_SUCH_PLAYER`, and those of [`Fleet::command`].
    pub async fn command_holder(
        &self,
        player: &str,
        op: Op,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        let holder = self.holder(player).ok_or_else(|| Failure::no_such_player(player))?;
        self.command(&holder, op, deadline).await
    }

    /// Has a proxy do something.
    ///
    /// # Errors
    /// `PROXY_GONE` if it is not connected any more by the time that it has done it,
    /// `TOO_MANY_REQUESTS` if it has too much to do, `TIMEOUT`, and what the proxy says.
    pub async fn command(
        &self,
        proxy: &Key,
        op: Op,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        let commands = {
            let state = self.lock();
            let member = state.members.get(proxy).filter(|it| it.gone.is_none());
            member.map(|it| it.commands.clone())
        };
        let commands = commands.ok_or_else(|| gone(&proxy.1))?;
        commands.send(op, "", deadline).await
    }

    /// Waits for the next change.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gone(proxy: &str) -> Failure {
    Failure::new(Reason::ProxyGone, format!("proxy {proxy:?} is not connected"))
}

impl State {
    fn sweep(&mut self) {
        let roster = &mut self.roster;
        self.members.retain(|key, member| {
            let stays = member.gone.is_none_or(|gone| gone.elapsed() < GRACE);
            if !stays {
                member.players.keys().for_each(|name| roster.remove(key, name, false));
            }
            stays
        });
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
        let mut state = self.fleet.lock();
        let State { members, roster, .. } = &mut *state;
        let Some(member) = members.get_mut(&self.key).filter(|it| it.serial == self.serial) else {
            return;
        };
        if report.full {
            member.seen = Some(HashSet::new());
        }
        let returning: HashSet<String> = report.returning.into_iter().collect();
        for name in report.left {
            if member.players.remove(&name).is_some() {
                roster.remove(&self.key, &name, returning.contains(&name));
            }
        }
        for player in report.present {
            let Some(player) = roster::checked(player, &self.key.1) else { continue };
            if member.players.len() >= MAX_PLAYERS && !member.players.contains_key(&player.name) {
                continue;
            }
            if let Some(seen) = &mut member.seen {
                seen.insert(player.name.clone());
            }
            roster.put(&self.key, &player);
            member.players.insert(player.name.clone(), player);
        }
        if !report.more
            && let Some(seen) = member.seen.take()
        {
            member.players.retain(|name, _| {
                let stays = seen.contains(name);
                if !stays {
                    roster.remove(&self.key, name, false);
                }
                stays
            });
        }
        drop(state);
        self.fleet.shared.changed.notify_one();
    }

    /// What it says about itself.
    pub fn proxy(&self, proxy: pb::Proxy) {
        self.update(|member| member.proxy = Some(proxy));
    }

    /// The next command for the proxy. None is lost if it is not waited for to the end.
    pub async fn next_command(&mut self) -> Command {
        self.errands.next().await.0
    }

    /// The proxy has answered a command.
    pub fn answered(&mut self, result: CommandResult) {
        self.errands.answered(result);
    }

    /// What it found out about servers.
    pub fn probes(&self, probes: Vec<Probe>) {
        let probes = probes.into_iter().map(|it| (it.server.clone(), it)).collect();
        self.update(|member| member.probes = Arc::new(probes));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.update(|member| member.gone = Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_added_up_and_a_newer_stream_counts() {
        let fleet = Fleet::default();
        let key: Key = ("default".into(), "pod".into());
        let old = fleet.enter(key.clone(), "1".into());
        let player = |name: &str, server: &str| {
            let (name, server) = (name.into(), server.into());
            pb::Player { name, server, ..pb::Player::default() }
        };
        let present = vec![player("a", "x"), player("b", "x")];
        old.players(PlayerReport { full: true, present, left: vec![], ..PlayerReport::default() });
        let present = vec![player("b", "y")];
        let left = vec!["a".into()];
        old.players(PlayerReport { full: false, present, left, ..PlayerReport::default() });
        let players = |fleet: &Fleet| {
            let state = fleet.lock();
            let players = state.members[&key].players.values();
            let mut all: Vec<_> = players.map(|it| format!("{} {}", it.name, it.server)).collect();
            all.sort();
            all
        };
        assert_eq!(players(&fleet), ["b y"]);
        // A full report in parts takes nobody away who is in a later one.
        let mut changes = fleet.follow().1;
        let present = vec![player("c", "x")];
        old.players(PlayerReport { full: true, present, more: true, ..PlayerReport::default() });
        let present = vec![player("b", "y")];
        old.players(PlayerReport { full: false, present, left: vec![], ..PlayerReport::default() });
        assert_eq!(players(&fleet), ["b y", "c x"]);
        assert!(matches!(changes.try_recv(), Ok(Change::Present(it)) if it.name == "c"));
        assert!(changes.try_recv().is_err());
        old.players(PlayerReport {
            full: true,
            present: vec![player("b", "y")],
            ..PlayerReport::default()
        });
        assert_eq!(players(&fleet), ["b y"]);
        assert_eq!(fleet.by_server(), [("y".into(), 1)].into());
        let new = fleet.enter(key.clone(), "2".into());
        assert!(old.replaced() && !new.replaced());
        old.players(PlayerReport { full: true, ..PlayerReport::default() });
        drop(old);
        let (connected, players) = fleet.view();
        let [it] = &connected[..] else { unreachable!("{connected:?}") };
        assert_eq!((it.players, &*it.release, players["y"]), (1, "2", 1));
        drop(new);
        assert!(fleet.lock().members[&key].gone.is_some() && fleet.connected() == 0);
        assert_eq!(fleet.view().1["y"], 1);
    }
}
