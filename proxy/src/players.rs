//! Who is in the game: one session a name, where it is, and the way to its task.
//!
//! The list is what the admin interface shows; a session lives in its own task, which keeps its
//! entry true through its [`Place`] and takes [`Order`]s from there.

mod order;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::{broadcast, mpsc, oneshot};

use crate::claims::Claim;
pub use order::{Kick, Move, Moved, NotMoved, Order};

/// Orders that may wait for a player's task, which takes them within milliseconds.
const ORDERS: usize = 16;

/// Changes that a watcher may be behind: a moment in which all players of a large proxy move.
const CHANGES: usize = 8192;

/// Everybody who is in the game. Cloning shares the list.
#[derive(Debug, Clone)]
pub struct Players {
    list: Arc<Mutex<List>>,
}

#[derive(Debug)]
struct List {
    /// Letter case counts, as it does for accounts.
    entries: BTreeMap<String, Entry>,
    changes: broadcast::Sender<Change>,
}

#[derive(Debug)]
struct Entry {
    presence: Arc<Presence>,
    orders: mpsc::Sender<Order>,
    /// Who wrote to them last.
    correspondent: Option<String>,
}

/// What is known of somebody in the game.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The name.
    pub name: String,
    /// The client's address; IPv4 addresses as such. Not for logs at `info`, nor for metrics.
    pub address: IpAddr,
    /// Version of the network protocol.
    pub protocol: u16,
    /// When the password was found right.
    pub joined: SystemTime,
    /// Where they are.
    pub whereabouts: Whereabouts,
    /// Since when they are there.
    pub since: SystemTime,
}

/// Where somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// Loading content, or entering the first server.
    Joining,
    /// On the server of that name.
    On(String),
    /// The server was lost and another one is being entered.
    Between,
}

impl Whereabouts {
    /// The server, if it is one.
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::On(server) => Some(server),
            Self::Joining | Self::Between => None,
        }
    }
}

/// What has changed in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Somebody came, or is somewhere else now.
    Present(Arc<Presence>),
    /// Somebody of that name left.
    Gone(String),
}

/// Why a name cannot enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A player of that name is in the game.
    Name,
    /// As many players as the limit allows are in the game.
    Full,
}

/// Why an order did not get to a player's task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// No such player.
    Missing,
    /// Too many orders wait for the player already.
    Busy,
}

/// A place in the game, given back when dropped.
#[derive(Debug)]
pub struct Place {
    name: String,
    players: Players,
    orders: mpsc::Receiver<Order>,
    /// Released after the place was given back.
    claim: Option<Claim>,
}

/// A part of the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// By name.
    pub players: Vec<Arc<Presence>>,
    /// Whether more follow.
    pub more: bool,
    /// How many there are of them in all.
    pub total: usize,
}

impl Default for Players {
    fn default() -> Self {
        let list = List { entries: BTreeMap::new(), changes: broadcast::Sender::new(CHANGES) };
        Self { list: Arc::new(Mutex::new(list)) }
    }
}

impl Players {
    /// Whether a player of that name could enter now.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, name: &str, limit: u32) -> Result<(), Taken> {
        self.lock().admit(name, limit)
    }

    /// Takes the name and a place. Called after the password was right, so that strangers hold
    /// neither.
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub fn enter(
        &self,
        name: &str,
        address: IpAddr,
        protocol: u16,
        limit: u32,
    ) -> Result<Place, Taken> {
        let (sender, orders) = mpsc::channel(ORDERS);
        let now = SystemTime::now();
        let presence = Arc::new(Presence {
            name: name.to_owned(),
            address: address.to_canonical(),
            protocol,
            joined: now,
            whereabouts: Whereabouts::Joining,
            since: now,
        });
        let mut list = self.lock();
        list.admit(name, limit)?;
        let entry = Entry { presence: Arc::clone(&presence), orders: sender, correspondent: None };
        list.entries.insert(name.to_owned(), entry);
        list.tell(Change::Present(presence));
        Ok(Place { name: name.to_owned(), players: self.clone(), orders, claim: None })
    }

    /// The player of that name.
    pub fn get(&self, name: &str) -> Option<Arc<Presence>> {
        self.lock().entries.get(name).map(|entry| Arc::clone(&entry.presence))
    }

    /// Players that are wanted, by name: at most `limit` that come after `after`.
    pub fn page(
        &self,
        after: Option<&str>,
        limit: usize,
        wanted: impl Fn(&Presence) -> bool,
    ) -> Page {
        let list = self.lock();
        let mut page = Page::default();
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let is_after = |name: &str| match begin {
            Bound::Excluded(after) => name > after,
            _ => true,
        };
        for (name, entry) in &list.entries {
            if !wanted(&entry.presence) {
                continue;
            }
            page.total += 1;
            if !is_after(name) {
                continue;
            }
            if page.players.len() < limit {
                page.players.push(Arc::clone(&entry.presence));
            } else {
                page.more = true;
            }
        }
        page
    }

    /// How many of them are wanted.
    pub fn count(&self, wanted: impl Fn(&Presence) -> bool) -> usize {
        self.lock().entries.values().filter(|entry| wanted(&entry.presence)).count()
    }

    /// Everybody who is wanted, by name.
    pub fn select(&self, wanted: impl Fn(&Presence) -> bool) -> Vec<Arc<Presence>> {
        self.page(None, usize::MAX, wanted).players
    }

    /// Everybody, and all changes from that very moment on. A receiver that is more than
    /// some thousand changes behind misses some and is told so.
    pub fn follow(&self) -> (Vec<Arc<Presence>>, broadcast::Receiver<Change>) {
        let list = self.lock();
        let players = list.entries.values().map(|entry| Arc::clone(&entry.presence)).collect();
        (players, list.changes.subscribe())
    }

    /// Changes from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.lock().changes.subscribe()
    }

    /// How many players each server has; servers without any are not in it.
    pub fn by_server(&self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for entry in self.lock().entries.values() {
            if let Some(server) = entry.presence.whereabouts.server() {
                match counts.get_mut(server) {
                    Some(count) => *count += 1,
                    None => {
                        counts.insert(server.to_owned(), 1);
                    }
                }
            }
        }
        counts
    }

    /// Remembers that `from` wrote to `to`.
    pub(crate) fn wrote(&self, from: &str, to: &str) {
        if let Some(entry) = self.lock().entries.get_mut(to) {
            entry.correspondent = Some(from.to_owned());
        }
    }

    /// Who wrote to a player last.
    pub(crate) fn correspondent(&self, name: &str) -> Option<String> {
        self.lock().entries.get(name).and_then(|entry| entry.correspondent.clone())
    }

    /// Gives an order to a player's task.
    ///
    /// # Errors
    /// Why it did not get there.
    pub fn order(&self, name: &str, order: Order) -> Result<(), Undelivered> {
        let sender = {
            let list = self.lock();
            list.entries.get(name).map(|entry| entry.orders.clone())
        };
        let sender = sender.ok_or(Undelivered::Missing)?;
        sender.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Undelivered::Busy,
            mpsc::error::TrySendError::Closed(_) => Undelivered::Missing,
        })
    }

    /// Ends the visit of a player whose name somebody else gets.
    pub(crate) fn send_away(&self, name: &str) {
        let text = "Somebody has joined with your name.".to_owned();
        // Nobody waits for the answer.
        let (done, _) = oneshot::channel();
        let kick = Kick { source: "duplicate", text, reconnect: false, done };
        match self.order(name, Order::Kick(kick)) {
            Ok(()) => tracing::info!(player = name, "the name was given to somebody else"),
            // Who has just left has done what was wanted.
            Err(Undelivered::Missing) => {}
            Err(Undelivered::Busy) => {
                tracing::warn!(player = name, "somebody whose name was taken could not be told");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are in the game.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// True when nobody is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl List {
    fn admit(&self, name: &str, limit: u32) -> Result<(), Taken> {
        if self.entries.contains_key(name) {
            Err(Taken::Name)
        } else if self.entries.len() >= limit as usize {
            Err(Taken::Full)
        } else {
            Ok(())
        }
    }

    /// Under the lock, so that watchers see changes in the order in which they were made.
    fn tell(&self, change: Change) {
        // Nobody may be listening.
        let _ = self.changes.send(change);
    }
}

impl Place {
    /// The player is on a server now.
    pub fn on(&self, server: &str) {
        self.moved(Whereabouts::On(server.to_owned()));
    }

    /// The player's server was lost.
    pub fn between(&self) {
        self.moved(Whereabouts::Between);
    }

    fn moved(&self, whereabouts: Whereabouts) {
        let mut list = self.players.lock();
        let Some(entry) = list.entries.get_mut(&self.name) else { return };
        let since = SystemTime::now();
        let presence = Presence { whereabouts, since, ..(*entry.presence).clone() };
        entry.presence = Arc::new(presence);
        let change = Change::Present(Arc::clone(&entry.presence));
        list.tell(change);
    }

    /// The name is the player's over all proxies, for as long as the place is held.
    pub(crate) fn hold(&mut self, claim: Claim) {
        self.claim = Some(claim);
    }

    /// The next order, once there is one.
    pub async fn next_order(&mut self) -> Order {
        match self.orders.recv().await {
            Some(order) => order,
            // The list holds a sender for as long as the place exists.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut list = self.players.lock();
        list.entries.remove(&self.name);
        list.tell(Change::Gone(std::mem::take(&mut self.name)));
        drop(list);
        drop(self.claim.take());
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn enter(players: &Players, name: &str, limit: u32) -> Result<Place, Taken> {
        players.enter(name, Ipv4Addr::LOCALHOST.into(), 52, limit)
    }

    #[test]
    fn a_name_is_in_the_game_once_and_leaves_with_its_place() {
        let players = Players::default();
        let place = enter(&players, "alice", 2).unwrap();
        assert_eq!(enter(&players, "alice", 2).unwrap_err(), Taken::Name);
        let _bob = enter(&players, "Alice", 2).unwrap();
        assert_eq!(players.check("carol", 2).unwrap_err(), Taken::Full);
        drop(place);
        assert!(enter(&players, "alice", 2).is_ok());
    }

    #[test]
    fn pages_hold_everybody_once() {
        let players = Players::default();
        let names: Vec<String> = (0..25).map(|i| format!("p{i:02}")).collect();
        let places: Vec<Place> = names.iter().map(|n| enter(&players, n, 99).unwrap()).collect();
        for place in places.iter().skip(5) {
            place.on("lobby");
        }
        let on_lobby = |p: &Presence| p.whereabouts.server() == Some("lobby");
        let mut seen = Vec::new();
        loop {
            let after = seen.last().cloned();
            let page = players.page(after.as_deref(), 7, on_lobby);
            assert_eq!(page.total, 20);
            seen.extend(page.players.iter().map(|p| p.name.clone()));
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, names[5..]);
        assert_eq!(players.by_server(), BTreeMap::from([("lobby".to_owned(), 20)]));
    }

    #[test]
    fn watchers_see_every_change_after_their_snapshot() {
        let players = Players::default();
        let alice = enter(&players, "alice", 9).unwrap();
        let (now, mut changes) = players.follow();
        assert_eq!(now[0].whereabouts, Whereabouts::Joining);
        alice.on("lobby");
        drop(alice);
        let Change::Present(presence) = changes.try_recv().unwrap() else { panic!() };
        assert_eq!(presence.whereabouts.server(), Some("lobby"));
        assert_eq!(changes.try_recv().unwrap(), Change::Gone("alice".into()));
        assert!(changes.try_recv().is_err());
    }

    #[tokio::test]
    async fn orders_reach_the_task_and_are_bounded() {
        let players = Players::default();
        let mut alice = enter(&players, "alice", 9).unwrap();
        assert_eq!(players.order("bob", Order::Tell("x".into())), Err(Undelivered::Missing));
        for _ in 0..ORDERS {
            players.order("alice", Order::Tell("x".into())).unwrap();
        }
        assert_eq!(players.order("alice", Order::Tell("x".into())), Err(Undelivered::Busy));
        assert!(matches!(alice.next_order().await, Order::Tell(_)));
        players.order("alice", Order::Tell("x".into())).unwrap();
    }
}
