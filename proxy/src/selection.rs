//! Which server takes a player: the strategies of groups, and what keeps players out of servers.
//!
//! Every player on a server, and every one on the way to it, holds a [`Seat`] there. So players
//! who come at the same moment are spread, and a full server stays at its limit.

mod candidates;
mod queue;
mod route;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesegate_resource::{Name, ServerState};
use tokio::sync::watch;

use crate::network::{Group, Network, Server};
use candidates::Candidates;
use queue::QueueTurn;
pub(crate) use route::{Route, Step};

/// Why a server or group lets a player not even try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Closed {
    /// It is drained: its document says so, or an operator.
    #[error("nobody is let in there any more")]
    Draining,
    /// It is disabled, likewise.
    #[error("it is out of service")]
    Disabled,
    /// As many players as `maxPlayers` says are there or on the way.
    #[error("the server is full")]
    Full,
    /// The player's account lacks the privilege.
    #[error("you may not go there")]
    Forbidden,
    /// No server of the group can take the player.
    #[error("none of its servers can take you now")]
    NoMember,
    /// More players than the group's `joinRate` can take soon are before this one.
    #[error("too many players are on the way there")]
    Crowded,
    /// It has gone from the documents.
    #[error("there is no such server any more")]
    Gone,
}

impl Closed {
    /// One name for logs, metrics and the admin interface.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Disabled => "disabled",
            Self::Full => "full",
            Self::Forbidden => "forbidden",
            Self::NoMember => "no_member",
            Self::Crowded => "crowded",
            Self::Gone => "unknown_server",
        }
    }
}

/// Seats of all servers and turns of all groups. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    state: Arc<Mutex<State>>,
    changes: Arc<watch::Sender<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// Seats taken on each server; those without any are not in it.
    seats: HashMap<Name, u32>,
    turns: HashMap<Name, Turns>,
    /// Who waits for which group, in their order; groups for which nobody waits are not in it.
    queues: HashMap<Name, VecDeque<u64>>,
    /// The number of the next one who waits.
    next: u64,
    /// What operators have set instead of what the documents say. Forgotten when the process ends.
    set: HashMap<Name, ServerState>,
}

/// What a group remembers.
#[derive(Debug, Default)]
struct Turns {
    /// When the next player may be let in.
    next: Option<Instant>,
    /// The member that was chosen last, for RoundRobin.
    last: Option<Name>,
}

/// A place on a server, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    server: Name,
    selector: Selector,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.selector.lock();
        if let Some(seats) = state.seats.get_mut(&self.server) {
            *seats -= 1;
            if *seats == 0 {
                state.seats.remove(&self.server);
            }
        }
    }
}

impl Selector {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat on one server.
    fn seat(&self, server: &Server) -> Result<Seat, Closed> {
        let mut state = self.lock();
        state.open(server)?;
        Ok(self.take(&mut state, server))
    }

    /// A seat on a member of a group, chosen by its strategy among those that `wanted` holds for.
    fn seat_in<'a>(
        &self,
        network: &'a Network,
        group: &Group,
        wanted: impl Fn(&Server) -> bool,
    ) -> Option<(&'a Server, Seat)> {
        let mut state = self.lock();
        let last = state.turns.get(&group.name).and_then(|turns| turns.last.clone());
        let mut candidates = Candidates::default();
        let mut passed = false;
        for server in network.members(group) {
            if state.open(server).is_ok() && wanted(server) {
                if passed && candidates.next.is_none() {
                    candidates.next = Some(candidates.servers.len());
                }
                candidates.servers.push(server);
                candidates.players.push(state.count(server));
            }
            passed |= last.as_ref() == Some(&server.name);
        }
        let server = candidates.pick(group.spec.strategy)?;
        state.turns.entry(group.name.clone()).or_default().last = Some(server.name.clone());
        let seat = self.take(&mut state, server);
        Some((server, seat))
    }

    /// Whether a group has a member that `wanted` holds for and that lets anybody in.
    fn has_member(
        &self,
        network: &Network,
        group: &Group,
        wanted: impl Fn(&Server) -> bool,
    ) -> bool {
        let state = self.lock();
        network.members(group).any(|server| state.open(server).is_ok() && wanted(server))
    }

    /// Seats that are free in a group, on members that `wanted` holds for.
    fn room(&self, network: &Network, group: &Group, wanted: impl Fn(&Server) -> bool) -> usize {
        let state = self.lock();
        let open = network.members(group).filter(|it| state.open(it).is_ok() && wanted(it));
        let free = open.map(|server| match server.spec.max_players {
            Some(most) => most.saturating_sub(state.count(server)) as usize,
            None => usize::MAX,
        });
        free.fold(0, usize::saturating_add)
    }

    fn take(&self, state: &mut State, server: &Server) -> Seat {
        *state.seats.entry(server.name.clone()).or_default() += 1;
        Seat { server: server.name.clone(), selector: self.clone() }
    }

    /// A turn in a group with a join rate: how long the player has to wait for it. `None` if that
    /// is longer than `most`; then no turn is taken.
    fn turn(&self, group: &Group, now: Instant, most: Duration) -> Option<Duration> {
        let Some(rate) = group.spec.join_rate else { return Some(Duration::ZERO) };
        let mut state = self.lock();
        let turns = state.turns.entry(group.name.clone()).or_default();
        let turn = turns.next.map_or(now, |next| next.max(now));
        let wait = turn.duration_since(now);
        if wait > most {
            return None;
        }
        turns.next = Some(turn + Duration::from_secs(1) / rate.max(1));
        Some(wait)
    }

    /// Forgets groups and servers that are no more.
    pub(crate) fn retain(&self, network: &Network) {
        let mut state = self.lock();
        state.turns.retain(|name, _| network.group(name.as_str()).is_some());
        state.set.retain(|name, _| network.server(name.as_str()).is_some());
        drop(state);
        self.changes.send_replace(());
    }

    /// An operator sets a server's state, whatever its document says.
    pub(crate) fn set_state(&self, server: &Name, to: ServerState) {
        self.lock().set.insert(server.clone(), to);
        self.changes.send_replace(());
    }

    /// What an operator has set does not count any more.
    pub(crate) fn unset_state(&self, server: &str) {
        if self.lock().set.remove(server).is_some() {
            self.changes.send_replace(());
        }
    }

    /// The state of a server that is in force.
    pub(crate) fn state(&self, server: &Server) -> ServerState {
        self.lock().state(server)
    }

    /// Why a server lets nobody in now, if so.
    pub(crate) fn closed(&self, server: &Server) -> Option<Closed> {
        self.lock().open(server).err()
    }

    /// Tells that operators have set something, or documents were read.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

impl State {
    fn count(&self, server: &Server) -> u32 {
        self.seats.get(&server.name).copied().unwrap_or(0)
    }

    fn state(&self, server: &Server) -> ServerState {
        self.set.get(&server.name).copied().unwrap_or(server.spec.state)
    }

    /// Whether a server lets anybody in.
    fn open(&self, server: &Server) -> Result<(), Closed> {
        match self.state(server) {
            ServerState::Drain => Err(Closed::Draining),
            ServerState::Disabled => Err(Closed::Disabled),
            ServerState::Active => match server.spec.max_players {
                Some(most) if self.count(server) >= most => Err(Closed::Full),
                _ => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests;
