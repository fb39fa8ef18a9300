//! Players at other proxies, as the controller tells of them, and the way to have something done
//! wherever they are.
//!
//! One of the control streams counts, that of the controller whose documents do. Without one, what
//! is known is forgotten after a while, and the proxy is alone.

mod everywhere;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesegate_admin::{Errander, Failure, Network, Page, Selection, server_of};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::control::v1::PlayerReport;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;

use crate::admin::Local;
use crate::shared::Shared;
use everywhere::Everywhere;

/// How long players stay of whom nobody tells any more: as long as controllers keep those of a proxy
/// that is lost.
const GRACE: Duration = Duration::from_secs(15);

/// Players that are remembered.
const MOST: usize = 1_000_000;

/// Bytes of a name, and of a server's. Longer ones are no names.
const NAME: usize = 63;

/// Comings and goings at once that are told one by one. More are no news but another state, such as
/// that after the loss of a whole proxy.
const NEWS: usize = 100;

/// Those at other proxies. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Abroad {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    others: BTreeMap<String, Other>,
    by_server: HashMap<String, u32>,
    /// Whether it is known who there is.
    known: bool,
    /// Whether a report of everybody is under way that changes that.
    learning: bool,
    desk: Option<Desk>,
}

#[derive(Debug)]
struct Other {
    player: Arc<pb::Player>,
    /// Until when they count, as nobody has told of them since.
    until: Option<Instant>,
}

/// The stream that counts.
#[derive(Debug)]
struct Desk {
    serial: u64,
    errander: Errander,
    states: bool,
}

/// What has become of somebody at another proxy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// They are there, and in the game unless they still load it.
    There { name: String, in_game: bool },
    /// They are not there any more; `returning` if they were asked to connect anew.
    Gone { name: String, returning: bool },
}

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) changes: Vec<Change>,
    /// Whether it is not that somebody has come or left: too much has changed, or it was not known
    /// before.
    pub(crate) silent: bool,
}

impl Abroad {
    /// A stream counts from now on, by way of which the controller does things; servers' states
    /// included if it says so.
    pub(crate) fn up(&self, serial: u64, errander: Errander, states: bool) {
        self.lock().desk = Some(Desk { serial, errander, states });
    }

    /// A stream does not count any more.
    pub(crate) fn down(&self, serial: u64) {
        let mut state = self.lock();
        if state.desk.as_ref().is_some_and(|desk| desk.serial == serial) {
            state.desk = None;
            state.doubt(Instant::now());
        }
    }

    /// Whether other proxies can be reached.
    pub(crate) fn is_up(&self) -> bool {
        self.lock().desk.is_some()
    }

    /// Whether servers' states can be set for all proxies.
    pub(crate) fn sets_states(&self) -> bool {
        self.lock().desk.as_ref().is_some_and(|desk| desk.states)
    }

    /// Takes what a controller tells by way of a stream.
    pub(crate) fn report(&self, serial: u64, report: PlayerReport) -> News {
        let mut state = self.lock();
        if state.desk.as_ref().is_none_or(|desk| desk.serial != serial) {
            return News::default();
        }
        state.take(report, Instant::now())
    }

    /// Forgets those of whom nobody has told for long.
    pub(crate) fn expire(&self, now: Instant) -> News {
        self.lock().expire(now)
    }

    /// The player of that name, without the address.
    pub(crate) fn player(&self, name: &str) -> Option<Arc<pb::Player>> {
        self.lock().others.get(name).map(|other| Arc::clone(&other.player))
    }

    /// Whether anybody is on a server.
    pub(crate) fn is_on(&self, server: &str) -> bool {
        self.lock().by_server.contains_key(server)
    }

    /// How many players each server has; servers without any are not in it.
    fn by_server(&self) -> HashMap<String, u32> {
        self.lock().by_server.clone()
    }

    /// Players that are wanted, by name: at most `limit` that come after `after`; without those who
    /// are `here`, which is newer.
    fn page(
        &self,
        after: Option<&str>,
        limit: usize,
        wanted: &Selection,
        here: impl Fn(&str) -> bool,
    ) -> Page {
        let state = self.lock();
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let is_wanted = |other: &&Other| {
            let player = &other.player;
            wanted.means(&player.name, server_of(player)) && !here(&player.name)
        };
        let mut rest = state.others.range::<str, _>((begin, Bound::Unbounded));
        let mut rest = rest.by_ref().map(|(_, other)| other).filter(is_wanted);
        let players = rest.by_ref().take(limit).map(|other| (*other.player).clone()).collect();
        let more = rest.next().is_some();
        Page { players, more, total: state.others.values().filter(is_wanted).count() }
    }

    /// Has the controller do something wherever the players are; `by` is who wants it, for its
    /// audit record.
    ///
    /// # Errors
    /// `PROXY_GONE` without a controller, and those of [`Errander::send`].
    pub(crate) async fn ask(
        &self,
        op: Op,
        by: &str,
        deadline: Instant,
    ) -> Result<Outcome, Failure> {
        let errander = self.lock().desk.as_ref().map(|desk| desk.errander.clone());
        let alone = || Failure::new(Reason::ProxyGone, "no controller is connected");
        errander.ok_or_else(alone)?.send(op, by, deadline).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The network of all proxies as long as there is a controller, otherwise that of this one. `by` is
/// whom audit records name.
pub(crate) fn network(shared: &Arc<Shared>, by: String) -> Arc<dyn Network> {
    let local = Local { shared: Arc::clone(shared) };
    if shared.abroad.is_up() { Arc::new(Everywhere { local, by }) } else { Arc::new(local) }
}

impl State {
    fn take(&mut self, report: PlayerReport, now: Instant) -> News {
        let PlayerReport { full, present, left, more, returning } = report;
        if full {
            // A controller that has only just begun may not know everybody.
            self.doubt(now);
            self.learning = !self.known;
        }
        let mut news = News { silent: self.learning, ..News::default() };
        let returning: HashSet<String> = returning.into_iter().collect();
        for name in left {
            if self.remove(&name) {
                let returning = returning.contains(&name);
                news.changes.push(Change::Gone { name, returning });
            }
        }
        for player in present {
            let (name, in_game) = (player.name.clone(), is_in_game(&player));
            if self.put(player) {
                news.changes.push(Change::There { name, in_game });
            }
        }
        if !more {
            self.known |= self.learning;
            self.learning = false;
        }
        news.silent |= news.changes.len() > NEWS;
        news
    }

    /// Gives whether they have come, not only gone elsewhere.
    fn put(&mut self, player: pb::Player) -> bool {
        let fits = |name: &str| name.len() <= NAME;
        let name = player.name.clone();
        if name.is_empty() || !fits(&name) || !fits(&player.server) {
            return false;
        }
        if let Some(other) = self.others.get_mut(&name)
            && *other.player == player
        {
            other.until = None;
            return false;
        }
        let before = self.others.get(&name).map(|other| is_in_game(&other.player));
        let come = before != Some(is_in_game(&player));
        self.remove(&name);
        if self.others.len() >= MOST {
            return false;
        }
        if let Some(server) = server_of(&player) {
            *self.by_server.entry(server.to_owned()).or_default() += 1;
        }
        self.others.insert(name, Other { player: Arc::new(player), until: None });
        come
    }

    fn remove(&mut self, name: &str) -> bool {
        let Some(other) = self.others.remove(name) else { return false };
        if let Some(server) = server_of(&other.player)
            && let Some(count) = self.by_server.get_mut(server)
        {
            *count -= 1;
            if *count == 0 {
                self.by_server.remove(server);
            }
        }
        true
    }

    /// Nobody is sure to be there any more.
    fn doubt(&mut self, now: Instant) {
        for other in self.others.values_mut() {
            other.until = Some(now + GRACE);
        }
    }

    fn expire(&mut self, now: Instant) -> News {
        let over = self.others.iter().filter(|(_, it)| it.until.is_some_and(|until| until <= now));
        let over: Vec<String> = over.map(|(name, _)| name.clone()).collect();
        for name in &over {
            self.remove(name);
        }
        let alone = self.desk.is_none();
        if alone && self.others.is_empty() {
            self.known = false;
        }
        let silent = alone || over.len() > NEWS;
        let gone = over.into_iter().map(|name| Change::Gone { name, returning: false });
        News { changes: gone.collect(), silent }
    }
}

fn is_in_game(player: &pb::Player) -> bool {
    player.state() != pb::PlayerState::Joining
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(full: bool, present: &[(&str, &str)], left: &[&str]) -> PlayerReport {
        let player = |(name, server): &(&str, &str)| pb::Player {
            name: (*name).into(),
            server: (*server).into(),
            state: pb::PlayerState::Playing.into(),
            ..pb::Player::default()
        };
        let left = left.iter().map(|it| (*it).to_owned()).collect();
        let present = present.iter().map(player).collect();
        PlayerReport { full, present, left, ..PlayerReport::default() }
    }

    fn told(news: &News) -> String {
        let text = |change: &Change| match change {
            Change::There { name, .. } => format!("+{name}"),
            Change::Gone { name, .. } => format!("-{name}"),
        };
        let all: Vec<String> = news.changes.iter().map(text).collect();
        format!("{}{}", if news.silent { "silently " } else { "" }, all.join(" "))
    }

    fn up(abroad: &Abroad, serial: u64) {
        abroad.up(serial, Errander::new("the controller").0, false);
    }

    #[test]
    fn what_was_not_known_is_no_news_and_then_only_differences_are() {
        let abroad = Abroad::default();
        assert_eq!(told(&abroad.report(1, report(true, &[("a", "x")], &[]))), "");
        up(&abroad, 1);
        let first = PlayerReport { more: true, ..report(true, &[("a", "x")], &[]) };
        assert_eq!(told(&abroad.report(1, first)), "silently +a");
        assert_eq!(told(&abroad.report(1, report(false, &[("b", "x")], &[]))), "silently +b");
        assert!(abroad.is_on("x") && !abroad.is_on("y"));
        let next = report(false, &[("b", "y"), ("c", "x")], &["a", "nobody"]);
        assert_eq!(told(&abroad.report(1, next)), "-a +c");
        assert_eq!(abroad.by_server(), [("x".into(), 1), ("y".into(), 1)].into());
        assert_eq!(told(&abroad.report(2, report(false, &[], &["b"]))), "");
        let crowd: Vec<String> = (0..=NEWS).map(|n| format!("p{n}")).collect();
        let crowd: Vec<(&str, &str)> = crowd.iter().map(|it| (it.as_str(), "z")).collect();
        assert!(abroad.report(1, report(false, &crowd, &[])).silent);
    }

    #[test]
    fn who_is_not_told_of_any_more_stays_for_a_while() {
        let abroad = Abroad::default();
        up(&abroad, 1);
        abroad.report(1, report(true, &[("a", "x"), ("b", "x")], &[]));
        // The next controller knows only one of them as yet.
        up(&abroad, 2);
        abroad.down(1);
        assert!(abroad.is_up());
        assert_eq!(told(&abroad.report(2, report(true, &[("a", "x")], &[]))), "");
        let now = Instant::now();
        assert_eq!(told(&abroad.expire(now)), "");
        assert!(abroad.player("b").is_some());
        assert_eq!(told(&abroad.expire(now + GRACE)), "-b");
        // Without any, nobody has left; it is not known any more.
        abroad.down(2);
        assert_eq!(told(&abroad.expire(now)), "silently ");
        assert_eq!(told(&abroad.expire(now + GRACE * 2)), "silently -a");
        up(&abroad, 3);
        assert_eq!(told(&abroad.report(3, report(true, &[("a", "x")], &[]))), "silently +a");
    }

    #[test]
    fn pages_are_without_those_who_are_here() {
        let abroad = Abroad::default();
        up(&abroad, 1);
        let all = [("a", "x"), ("b", "x"), ("c", "y"), ("d", "x")];
        abroad.report(1, report(true, &all, &[]));
        let selector = pb::PlayerSelector { servers: vec!["x".into()], ..Default::default() };
        let on_x = Selection::new(Some(selector)).unwrap();
        let page = abroad.page(None, 1, &on_x, |name| name == "a");
        let names: Vec<&str> = page.players.iter().map(|it| it.name.as_str()).collect();
        assert_eq!((names, page.more, page.total), (vec!["b"], true, 2));
        let page = abroad.page(Some("b"), 9, &on_x, |_| false);
        assert_eq!((page.players.len(), page.more, page.total), (1, false, 3));
        // What cannot be a player is none.
        assert!(abroad.report(1, report(false, &[("", "x")], &[])).changes.is_empty());
    }
}
