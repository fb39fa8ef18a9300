//! The network of all proxies, for those who order from within the game.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Instant;

use mesegate_admin::{
    BanKey, Changes, Failure, Kick, Move, Moved, Network, NewBan, Page, Selection, Signal,
};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_proto::control::v1::{
    DataCommand, FindCommand, KickCommand, MoveCommand, SetStateCommand, TellCommand,
};

use crate::admin::Local;

/// Players of all proxies, and what can be done to them. Who is here is seen and moved here; the rest
/// the controller has done. Watches, the proxy's own state and bans are those of this proxy.
pub(super) struct Everywhere {
    pub(super) local: Local,
    /// Whom audit records name.
    pub(super) by: String,
}

impl Everywhere {
    async fn ask(&self, op: Op, deadline: Instant) -> Result<Outcome, Failure> {
        self.local.shared.abroad.ask(op, &self.by, deadline).await
    }

    fn is_here(&self, name: &str) -> bool {
        self.local.shared.players.get(name).is_some()
    }
}

/// An answer that does not belong to the question.
fn odd() -> Failure {
    Failure::new(Reason::Unspecified, "the controller answered something else")
}

#[tonic::async_trait]
impl Network for Everywhere {
    fn players(&self, after: Option<&str>, limit: usize, wanted: &Selection) -> Page {
        let here = self.local.shared.players.select(|_| true);
        let here: HashSet<&str> = here.iter().map(|it| it.name.as_str()).collect();
        let own = self.local.players(after, limit, wanted);
        let others =
            self.local.shared.abroad.page(after, limit, wanted, |name| here.contains(name));
        let mut players = own.players;
        players.extend(others.players);
        players.sort_by(|a, b| a.name.cmp(&b.name));
        let more = own.more || others.more || players.len() > limit;
        players.truncate(limit);
        Page { players, more, total: own.total + others.total }
    }

    fn player(&self, name: &str) -> Option<pb::Player> {
        let other = || self.local.shared.abroad.player(name).map(|it| (*it).clone());
        self.local.player(name).or_else(other)
    }

    fn follow(&self) -> (Vec<pb::Player>, Box<dyn Changes>) {
        self.local.follow()
    }

    fn servers(&self) -> Vec<pb::Server> {
        let others = self.local.shared.abroad.by_server();
        let mut servers = self.local.servers();
        for server in &mut servers {
            server.players += others.get(&server.name).copied().unwrap_or_default();
        }
        servers
    }

    fn server_changes(&self) -> Box<dyn Signal> {
        self.local.server_changes()
    }

    fn proxies(&self) -> Vec<pb::Proxy> {
        self.local.proxies()
    }

    fn check_target(&self, target: &pb::Target) -> Result<(), Failure> {
        self.local.check_target(target)
    }

    async fn go(&self, name: &str, order: &Move, deadline: Instant) -> Result<Moved, Failure> {
        if self.is_here(name) {
            return self.local.go(name, order, deadline).await;
        }
        let Move { target, allow_reconnect, dry_run } = order.clone();
        let (name, target) = (name.to_owned(), Some(target));
        let op = Op::Move(MoveCommand { name, target, allow_reconnect, dry_run });
        match self.ask(op, deadline).await? {
            Outcome::Moved(moved) => Ok(Moved { outcome: moved.outcome(), server: moved.server }),
            _ => Err(odd()),
        }
    }

    async fn kick(&self, name: &str, kick: Kick, deadline: Instant) -> Result<(), Failure> {
        if self.is_here(name) {
            return self.local.kick(name, kick, deadline).await;
        }
        let Kick { text, reconnect, ban } = kick;
        let op = Op::Kick(KickCommand { name: name.to_owned(), text, reconnect, ban });
        match self.ask(op, deadline).await? {
            Outcome::Done(_) => Ok(()),
            _ => Err(odd()),
        }
    }

    async fn tell(
        &self,
        wanted: &Selection,
        text: &str,
        from: Option<&str>,
        deadline: Instant,
    ) -> Result<u32, Failure> {
        let selector = wanted.selector();
        if !selector.names.is_empty() && selector.names.iter().all(|name| self.is_here(name)) {
            return self.local.tell(wanted, text, from, deadline).await;
        }
        let (text, from) = (text.to_owned(), from.unwrap_or_default().to_owned());
        let op = Op::Tell(TellCommand { selector: Some(selector), text, from });
        match self.ask(op, deadline).await? {
            Outcome::Told(players) => Ok(players),
            _ => Err(odd()),
        }
    }

    async fn find(&self, name: &str, deadline: Instant) -> Result<pb::Player, Failure> {
        if let Some(player) = self.local.player(name) {
            return Ok(player);
        }
        match self.ask(Op::Find(FindCommand { name: name.to_owned() }), deadline).await? {
            Outcome::Player(player) => Ok(player),
            _ => Err(odd()),
        }
    }

    async fn inspect(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<pb::InspectPlayerResponse, Failure> {
        self.local.inspect(name, deadline).await
    }

    async fn carry(&self, data: DataCommand, deadline: Instant) -> Result<u32, Failure> {
        self.local.carry(data, deadline).await
    }

    async fn set_state(
        &self,
        server: &str,
        state: pb::ServerState,
        by: &str,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let shared = &self.local.shared;
        if !shared.abroad.sets_states() {
            return self.local.set_state(server, state, by, deadline).await;
        }
        let op = Op::State(SetStateCommand { server: server.to_owned(), state: state.into() });
        match self.ask(op, deadline).await? {
            Outcome::Done(_) => {}
            _ => return Err(odd()),
        }
        // What was set here without a controller does not stand in the way of its documents.
        shared.selector.unset_state(server);
        Ok(())
    }

    async fn drain(&self, proxy: &str, cancel: bool, deadline: Instant) -> Result<(), Failure> {
        self.local.drain(proxy, cancel, deadline).await
    }

    async fn create_ban(
        &self,
        ban: NewBan,
        deadline: Instant,
    ) -> Result<(pb::Ban, Vec<String>), Failure> {
        self.local.create_ban(ban, deadline).await
    }

    async fn delete_ban(&self, key: BanKey, deadline: Instant) -> Result<pb::Ban, Failure> {
        self.local.delete_ban(key, deadline).await
    }

    async fn bans(
        &self,
        after: Option<&str>,
        limit: usize,
        include_expired: bool,
    ) -> Result<Vec<(String, pb::Ban)>, Failure> {
        self.local.bans(after, limit, include_expired).await
    }

    async fn banned(
        &self,
        name: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Option<pb::Ban>, Failure> {
        self.local.banned(name, address).await
    }

    async fn stopped(&self) {
        self.local.stopped().await;
    }
}
