//! What a player gets to know of the other players of the network.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use mesegate_protocol::play::{ModRestrictions, PlayerList, PlayerListChange};
use mesegate_protocol::wire::WireError;
use mesegate_resource::PlayerList as Listed;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::play::{End, Player};
use crate::attendance::{Attendance, Event};

/// Names in one message: some hundred kilobytes.
const NAMES: usize = 10_000;

/// Where news come from.
pub(super) struct Company(Receiver<Event>);

/// What was heard.
pub(super) enum News {
    /// Somebody came or left.
    Event(Event),
    /// Some of that was missed.
    Missed,
}

impl Company {
    pub(super) fn of(attendance: &Attendance) -> Self {
        Self(attendance.events())
    }

    /// Waits for the next. None is lost if it is not waited for to the end.
    pub(super) async fn next(&mut self) -> News {
        match self.0.recv().await {
            Ok(event) => News::Event(event),
            Err(RecvError::Lagged(_)) => News::Missed,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Player {
    /// Shows what has happened as the documents want it.
    pub(super) fn heard(&mut self, news: News) -> Result<(), End> {
        let (name, came) = match news {
            News::Event(Event::Came(name)) => (name, true),
            News::Event(Event::Left(name)) => (name, false),
            News::Event(Event::Changed) | News::Missed if self.state.keeps_players() => {
                return self.list_network();
            }
            News::Event(Event::Changed) | News::Missed => return Ok(()),
        };
        if self.state.keeps_players() && self.state.lists_player(&name) != came {
            let change = if came { PlayerListChange::Add } else { PlayerListChange::Remove };
            self.tell_names(change, &[name.as_bytes()])?;
        }
        if *name == *self.who.name {
            return Ok(());
        }
        let network = self.shared.network.load_full();
        let messages = &network.proxy.messages;
        let text = if came { &messages.joined } else { &messages.left };
        if text.is_empty() { Ok(()) } else { self.tell(&text.replace("{player}", &name)) }
    }

    /// Whether the list of players is the network's on the server that is being entered. Called
    /// before the reset, which takes a server's names back.
    pub(super) fn lists_network(&mut self) -> bool {
        let lists = self.shared.network.load().proxy.player_list == Listed::Network;
        if !lists {
            self.state.keep_players(false);
        }
        lists
    }

    /// Tells the client what its list lacks, and what is in it by mistake.
    pub(super) fn list_network(&mut self) -> Result<(), End> {
        self.state.keep_players(true);
        let (there, events) = self.shared.attendance.follow();
        self.company = Company(events);
        let names: HashSet<&[u8]> = there.iter().map(|name| name.as_bytes()).collect();
        let listed = self.state.player_names();
        let gone: Vec<Vec<u8>> =
            listed.filter(|name| !names.contains(name)).map(<[u8]>::to_vec).collect();
        let gone: Vec<&[u8]> = gone.iter().map(Vec::as_slice).collect();
        self.tell_names(PlayerListChange::Remove, &gone)?;
        let new: Vec<Arc<str>> =
            there.into_iter().filter(|name| !self.state.lists_player(name)).collect();
        let new: Vec<&[u8]> = new.iter().map(|name| name.as_bytes()).collect();
        // To clients it is the same as "add" (`clientpackethandler.cpp`), but every server begins
        // with it.
        self.tell_names(PlayerListChange::Init, &new)
    }

    fn tell_names(&mut self, change: PlayerListChange, names: &[&[u8]]) -> Result<(), End> {
        for names in names.chunks(NAMES) {
            let list = PlayerList { change, names: names.to_vec() };
            self.send_client(0, true, list.encode())?;
        }
        Ok(())
    }

    /// What a server forbids mods of the client, with what the network forbids them.
    pub(super) fn restrict(&self, message: &[u8]) -> Result<Bytes, WireError> {
        let theirs = ModRestrictions::decode(message.get(2..).unwrap_or_default())?;
        let network = self.shared.network.load();
        let ours = &network.proxy.csm_restrictions;
        let ours = ModRestrictions { flags: ours.flags(), range: ours.lookup_range };
        Ok(theirs.and(ours).encode())
    }
}
