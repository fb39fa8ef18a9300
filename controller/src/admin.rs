//! The admin interface over all proxies of the namespace.
//!
//! What there is comes from what proxies report and from the cluster's objects. Players' orders are
//! commands to the proxy that holds them; states of servers and bans are written into objects,
//! from which all proxies get them.

mod accounts;
mod bans;
mod servers;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use kube::Client;
use mesegate_admin::{
    self as admin, BanKey, Changes, Ended, Failure, Kick, Move, Moved, Network, NewBan, Page,
    Selection, Signal, server_of,
};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::control::v1::command::Op;
use mesegate_proto::control::v1::command_result::Result as Outcome;
use mesegate_proto::control::v1::{
    DataCommand, DrainCommand, InspectCommand, KickCommand, MoveCommand, TellCommand,
};
use mesegate_resource::{GroupSpec, Kind, ProxySpec, ServerSpec};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::compile::Compiled;
use crate::events::{Events, Happening};
use crate::fleet::{Change, Fleet, Key};
pub use accounts::Accounts;

/// Who writes, as the API server records it.
const MANAGER: &str = "mesegate-admin";

/// How long what was written may take to be in force before the caller is answered anyway.
const IN_FORCE: Duration = Duration::from_secs(2);

/// How often it is looked whether it is.
const LOOK: Duration = Duration::from_millis(20);

/// Proxies that are asked at a time.
const AT_A_TIME: usize = 64;

/// The network of a namespace. Cloning shares it.
#[derive(Clone)]
pub struct Whole {
    /// The API server.
    pub client: Client,
    /// Where the objects are.
    pub namespace: String,
    /// What the API server says.
    pub cluster: Cluster,
    /// What was made of that.
    pub compiled: watch::Receiver<Arc<Compiled>>,
    /// What proxies say.
    pub fleet: Fleet,
    /// Where it is told what was done.
    pub events: Events,
    /// True from the moment the process was asked to stop.
    pub stopping: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Network for Whole {
    fn players(&self, after: Option<&str>, limit: usize, wanted: &Selection) -> Page {
        let everybody = wanted.selector() == pb::PlayerSelector::default();
        let means = |player: &pb::Player| wanted.means(&player.name, server_of(player));
        self.fleet.players(after, limit, (!everybody).then_some(means))
    }

    fn player(&self, name: &str) -> Option<pb::Player> {
        self.fleet.player(name).map(|player| (*player).clone())
    }

    fn follow(&self) -> (Vec<pb::Player>, Box<dyn Changes>) {
        let (now, changes) = self.fleet.follow();
        (now.iter().map(|player| (**player).clone()).collect(), Box::new(Followed(changes)))
    }

    fn servers(&self) -> Vec<pb::Server> {
        servers::all(self)
    }

    fn server_changes(&self) -> Box<dyn Signal> {
        let changes =
            ServerChanges { players: self.fleet.follow().1, objects: self.cluster.revision() };
        Box::new(changes)
    }

    fn proxies(&self) -> Vec<pb::Proxy> {
        self.fleet.reports()
    }

    fn check_target(&self, target: &pb::Target) -> Result<(), Failure> {
        use pb::target::Kind::{Group, Server};
        let compiled = self.compiled.borrow();
        let known =
            |kind, name: &str| compiled.sets.values().any(|it| it.get(kind, name).is_some());
        match &target.kind {
            Some(Server(name)) if known(ServerSpec::KIND, name) => Ok(()),
            Some(Group(name)) if known(GroupSpec::KIND, name) => Ok(()),
            Some(Server(name)) => Err(Failure::no_such_server(name)),
            Some(Group(name)) => Err(Failure::no_such_group(name)),
            None => Err(Failure::field("target", "give a server or a group")),
        }
    }

    async fn go(&self, name: &str, order: &Move, deadline: Instant) -> Result<Moved, Failure> {
        let op = Op::Move(MoveCommand {
            name: name.to_owned(),
            target: Some(order.target.clone()),
            allow_reconnect: order.allow_reconnect,
            dry_run: order.dry_run,
        });
        match self.fleet.command_holder(name, op, deadline).await? {
            Outcome::Moved(moved) => Ok(Moved { outcome: moved.outcome(), server: moved.server }),
            _ => Err(odd()),
        }
    }

    async fn kick(&self, name: &str, kick: Kick, deadline: Instant) -> Result<(), Failure> {
        let Kick { text, reconnect, ban } = kick;
        let op = Op::Kick(KickCommand { name: name.to_owned(), text, reconnect, ban });
        let holder = self.fleet.holder(name);
        match self.fleet.command_holder(name, op, deadline).await? {
            Outcome::Done(_) => {}
            _ => return Err(odd()),
        }
        // Those whom a ban concerns are in what is told about the ban.
        if let Some(holder) = holder.filter(|_| !ban) {
            let note = format!("an operator has sent player {name} away from {}", holder.1);
            self.tell_of_fleet(&holder, "Kicked", "Kick", note);
        }
        Ok(())
    }

    async fn tell(
        &self,
        wanted: &Selection,
        text: &str,
        from: Option<&str>,
        deadline: Instant,
    ) -> Result<u32, Failure> {
        let from = from.unwrap_or_default();
        let told = self.fleet.proxies().into_iter().map(|proxy| {
            let selector = Some(wanted.selector());
            let command = TellCommand { selector, text: text.to_owned(), from: from.to_owned() };
            async move { self.fleet.command(&proxy, Op::Tell(command), deadline).await }
        });
        let answers: Vec<_> = stream::iter(told).buffer_unordered(AT_A_TIME).collect().await;
        let mut players = 0;
        for answer in answers {
            match answer {
                Ok(Outcome::Told(count)) => players += count,
                Ok(_) => return Err(odd()),
                // Who left with their proxy does not read it.
                Err(failure) if failure.reason == Reason::ProxyGone => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(players)
    }

    async fn inspect(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<pb::InspectPlayerResponse, Failure> {
        let op = Op::Inspect(InspectCommand { name: name.to_owned() });
        match self.fleet.command_holder(name, op, deadline).await? {
            Outcome::Inspected(found) => Ok(found),
            _ => Err(odd()),
        }
    }

    async fn carry(&self, data: DataCommand, deadline: Instant) -> Result<u32, Failure> {
        // Always in the same order, so that what was sent first comes first.
        for proxy in self.fleet.on_server(&data.server, &data.proxy) {
            let op = Op::Data(data.clone());
            match self.fleet.command(&proxy, op, deadline).await {
                Ok(Outcome::Taken(0)) => {}
                Ok(Outcome::Taken(parcels)) => return Ok(parcels),
                Ok(_) => return Err(odd()),
                // An older one, or one whose players have left meanwhile.
                Err(failure)
                    if matches!(failure.reason, Reason::InvalidField | Reason::ProxyGone) => {}
                // It may have been taken, and must not come twice.
                Err(failure) => return Err(failure),
            }
        }
        Ok(0)
    }

    async fn set_state(
        &self,
        server: &str,
        state: pb::ServerState,
        by: &str,
        deadline: Instant,
    ) -> Result<(), Failure> {
        servers::set_state(self, server, state, by, deadline).await
    }

    async fn drain(&self, proxy: &str, cancel: bool, deadline: Instant) -> Result<(), Failure> {
        let key = self.fleet.proxies().into_iter().find(|(_, name)| name == proxy);
        let key = key.ok_or_else(|| Failure::no_such_proxy(proxy))?;
        match self.fleet.command(&key, Op::Drain(DrainCommand { cancel }), deadline).await? {
            Outcome::Done(_) => {}
            _ => return Err(odd()),
        }
        let drains = |it: &pb::Proxy| it.state() == pb::ProxyState::Draining;
        self.in_force(deadline, || {
            self.fleet.reports().iter().any(|it| it.name == proxy && drains(it) != cancel)
        })
        .await;
        let (reason, does) =
            if cancel { ("DrainEnded", "again lets") } else { ("Draining", "no longer lets") };
        let note = format!("an operator has asked for it: {proxy} {does} players in");
        self.tell_of_fleet(&key, reason, "Drain", note);
        Ok(())
    }

    async fn create_ban(
        &self,
        ban: NewBan,
        deadline: Instant,
    ) -> Result<(pb::Ban, Vec<String>), Failure> {
        bans::create(self, ban, deadline).await
    }

    async fn delete_ban(&self, key: BanKey, deadline: Instant) -> Result<pb::Ban, Failure> {
        bans::delete(self, key, deadline).await
    }

    async fn bans(
        &self,
        after: Option<&str>,
        limit: usize,
        include_expired: bool,
    ) -> Result<Vec<(String, pb::Ban)>, Failure> {
        bans::list(self, after, limit, include_expired)
    }

    async fn banned(
        &self,
        name: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Option<pb::Ban>, Failure> {
        Ok(bans::check(self, name, address))
    }

    async fn stopped(&self) {
        // It can only fail when the process is ending.
        let _ = self.stopping.clone().wait_for(|stop| *stop).await;
    }
}

impl Whole {
    /// Tells what was done to a proxy, at the document of its fleet.
    fn tell_of_fleet(&self, proxy: &Key, reason: &str, action: &'static str, note: String) {
        let uid = self.cluster.uid(ProxySpec::KIND, &proxy.0, &self.namespace);
        let it = Happening::done(ProxySpec::KIND, &proxy.0, uid, reason, action, note);
        self.events.record(it);
    }

    /// Waits until `done` holds, the deadline, or a while.
    async fn in_force(&self, deadline: Instant, done: impl Fn() -> bool) {
        let end = deadline.min(Instant::now() + IN_FORCE);
        while !done() && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks the API server, until the deadline.
    async fn ask<T>(
        &self,
        deadline: Instant,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, AskError> {
        match tokio::time::timeout_at(deadline.into(), request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(AskError::Refused(Box::new(error))),
            Err(_) => Err(AskError::Late),
        }
    }
}

/// Why the API server did not do something.
enum AskError {
    Refused(Box<kube::Error>),
    Late,
}

impl AskError {
    /// The status that the API server answered with, if it did.
    fn status(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Refused(error) => match &**error {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            Self::Late => None,
        }
    }
}

impl From<AskError> for Failure {
    fn from(why: AskError) -> Self {
        let error = match why {
            AskError::Late => return Self::timeout(),
            AskError::Refused(error) => error,
        };
        if let kube::Error::Api(status) = &*error
            && status.is_invalid()
        {
            return Self::new(Reason::InvalidField, status.message.clone());
        }
        tracing::error!(%error, "the API server did not do what an operator asked for");
        Self::new(Reason::Store, "the API server did not do it; the log has the cause")
    }
}

/// An answer that does not belong to the command.
fn odd() -> Failure {
    Failure::new(Reason::Unspecified, "the proxy answered something else")
}

struct Followed(broadcast::Receiver<Change>);

#[tonic::async_trait]
impl Changes for Followed {
    async fn next(&mut self) -> Result<admin::Change, Ended> {
        match self.0.recv().await {
            Ok(Change::Present(player)) => Ok(admin::Change::Present((*player).clone())),
            Ok(Change::Gone { name, .. }) => Ok(admin::Change::Gone(name)),
            Err(RecvError::Lagged(missed)) => Err(Ended::Behind(missed)),
            Err(RecvError::Closed) => Err(Ended::Stopping),
        }
    }
}

struct ServerChanges {
    players: broadcast::Receiver<Change>,
    objects: watch::Receiver<u64>,
}

#[tonic::async_trait]
impl Signal for ServerChanges {
    async fn happened(&mut self) {
        tokio::select! {
            // Whatever was missed, all of it is looked at.
            _ = self.players.recv() => self.players = self.players.resubscribe(),
            Ok(()) = self.objects.changed() => {}
        }
    }
}
