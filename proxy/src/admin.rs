//! What the admin interface shows of this proxy, and has it do. A controller's commands take the
//! same way.

mod bans;
mod orders;
mod servers;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mesegate_admin::{
    BanKey, Change, Changes, Ended, Failure, Kick, Move, Moved, Network, NewBan, Page, Selection,
    Signal,
};
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::control::v1::DataCommand;
use mesegate_protocol::ProtocolVersion;
use mesegate_transport::Stats;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;

use crate::http::Readiness;
use crate::mod_api::{Data, forward};
use crate::players::{self, Order, Presence, Whereabouts};
use crate::shared::Shared;

/// What the process knows about itself.
#[derive(Clone)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) started: SystemTime,
    pub(crate) ready: Readiness,
}

/// The network as this proxy has it.
pub(crate) struct Local {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("name", &self.shared.about.name).finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl Network for Local {
    fn players(&self, after: Option<&str>, limit: usize, wanted: &Selection) -> Page {
        let page = self.shared.players.page(after, limit, |it| means(wanted, it));
        let players = page.players.iter().map(|player| self.shown(player)).collect();
        Page { players, more: page.more, total: page.total }
    }

    fn player(&self, name: &str) -> Option<pb::Player> {
        self.shared.players.get(name).map(|player| self.shown(&player))
    }

    fn follow(&self) -> (Vec<pb::Player>, Box<dyn Changes>) {
        let (now, changes) = self.shared.players.follow();
        let now = now.iter().map(|player| self.shown(player)).collect();
        (now, Box::new(Followed { proxy: self.shared.about.name.clone(), changes }))
    }

    fn servers(&self) -> Vec<pb::Server> {
        servers::all(&self.shared)
    }

    fn server_changes(&self) -> Box<dyn Signal> {
        Box::new(ServerChanges {
            players: self.shared.players.changes(),
            library: self.shared.library.changes(),
            states: self.shared.selector.changes(),
        })
    }

    fn proxies(&self) -> Vec<pb::Proxy> {
        vec![self.proxy()]
    }

    fn check_target(&self, target: &pb::Target) -> Result<(), Failure> {
        orders::target(&self.shared, target).map(|_| ())
    }

    async fn go(&self, name: &str, order: &Move, deadline: Instant) -> Result<Moved, Failure> {
        orders::go(&self.shared, name, order, deadline).await
    }

    async fn kick(&self, name: &str, kick: Kick, deadline: Instant) -> Result<(), Failure> {
        orders::kick(&self.shared, name, kick, deadline).await
    }

    async fn tell(
        &self,
        wanted: &Selection,
        text: &str,
        from: Option<&str>,
        _: Instant,
    ) -> Result<u32, Failure> {
        let players = &self.shared.players;
        let on_server = |p: &Presence| p.whereabouts.server().is_some() && means(wanted, p);
        let mut told = 0;
        for player in players.select(on_server) {
            // Who has left meanwhile, or is busy, does not read it.
            if players.order(&player.name, Order::Tell(text.into())).is_ok() {
                told += 1;
                if let Some(from) = from {
                    players.wrote(from, &player.name);
                }
            }
        }
        Ok(told)
    }

    async fn inspect(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<pb::InspectPlayerResponse, Failure> {
        let (client, server) = orders::inspect(&self.shared, name, deadline).await?;
        let player = self.player(name).ok_or_else(|| Failure::left(name))?;
        Ok(pb::InspectPlayerResponse {
            player: Some(player),
            client: Some(connection(&client)),
            server: server.as_ref().map(connection),
        })
    }

    async fn carry(&self, data: DataCommand, _: Instant) -> Result<u32, Failure> {
        let parcels = data.parcels.into_iter();
        let all = parcels.map(|it| Data { from: it.from, topic: it.topic, text: it.text });
        let taken = self.shared.mods.take(&data.server, all.collect());
        // Whoever was to carry it may have left already.
        forward(&self.shared, &data.server);
        Ok(taken as u32)
    }

    async fn set_state(
        &self,
        server: &str,
        state: pb::ServerState,
        _by: &str,
        _deadline: Instant,
    ) -> Result<(), Failure> {
        servers::set_state(&self.shared, server, state)
    }

    async fn drain(&self, proxy: &str, cancel: bool, _: Instant) -> Result<(), Failure> {
        if proxy != self.shared.about.name {
            return Err(Failure::no_such_proxy(proxy));
        }
        if !cancel {
            self.shared.life.drain();
        } else if !self.shared.life.resume() {
            return Err(Failure::stopping());
        }
        Ok(())
    }

    async fn create_ban(&self, ban: NewBan, _: Instant) -> Result<(pb::Ban, Vec<String>), Failure> {
        bans::create(&self.shared, ban).await
    }

    async fn delete_ban(&self, key: BanKey, _: Instant) -> Result<pb::Ban, Failure> {
        bans::delete(&self.shared, key).await
    }

    async fn bans(
        &self,
        after: Option<&str>,
        limit: usize,
        include_expired: bool,
    ) -> Result<Vec<(String, pb::Ban)>, Failure> {
        bans::list(&self.shared, after, limit, include_expired).await
    }

    async fn banned(
        &self,
        name: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Option<pb::Ban>, Failure> {
        bans::check(&self.shared, name, address).await
    }

    async fn stopped(&self) {
        self.shared.stopped().await;
    }
}

impl Local {
    fn shown(&self, player: &Presence) -> pb::Player {
        shown(player, &self.shared.about.name)
    }

    /// This proxy.
    pub(crate) fn proxy(&self) -> pb::Proxy {
        let shared = &self.shared;
        let state = if shared.life.is_draining() {
            pb::ProxyState::Draining
        } else if (shared.about.ready)().is_err() {
            pb::ProxyState::Starting
        } else {
            pb::ProxyState::Serving
        };
        let library = &shared.library;
        let versions = library.ready().then(|| [ProtocolVersion::MIN, library.network_version()]);
        let [protocol_min, protocol_max] = versions.map_or([0; 2], |it| it.map(|it| it.0.into()));
        let configured = shared.metrics.config_loaded_timestamp.get().max(0).unsigned_abs();
        pb::Proxy {
            name: shared.about.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: state.into(),
            players: shared.players.len() as u32,
            max_players: shared.network.load().proxy.limits.players,
            started: Some(shared.about.started.into()),
            configured: Some((UNIX_EPOCH + Duration::from_secs(configured)).into()),
            protocol_min,
            protocol_max,
        }
    }
}

/// A player of the proxy of that name, as the interface and controllers are told.
pub(crate) fn shown(player: &Presence, proxy: &str) -> pb::Player {
    let state = match player.whereabouts {
        Whereabouts::Joining => pb::PlayerState::Joining,
        Whereabouts::On(_) => pb::PlayerState::Playing,
        Whereabouts::Between => pb::PlayerState::Between,
    };
    pb::Player {
        name: player.name.clone(),
        server: player.whereabouts.server().unwrap_or_default().to_owned(),
        state: state.into(),
        proxy: proxy.to_owned(),
        protocol: player.protocol.into(),
        joined: Some(player.joined.into()),
        since: Some(player.since.into()),
        address: player.address.to_string(),
    }
}

/// A connection, as the interface tells of it.
fn connection(stats: &Stats) -> pb::Connection {
    // Round trips are far below what a protobuf's Duration can be.
    let time = |it: Option<Duration>| it.and_then(|it| it.try_into().ok());
    pb::Connection {
        rtt: time(stats.smoothed_rtt),
        min_rtt: time(stats.min_rtt),
        congestion_window: stats.congestion_window,
        in_flight: stats.in_flight,
        datagrams_in: stats.datagrams_in,
        bytes_in: stats.bytes_in,
        datagrams_out: stats.datagrams_out,
        bytes_out: stats.bytes_out,
        reliables_out: stats.reliables_out,
        retransmits: stats.retransmits,
        spurious_retransmits: stats.spurious_retransmits,
        malformed: stats.malformed,
        over_limit: stats.over_limit,
        receive_high_water: stats.receive_high_water as u64,
        send_high_water: stats.send_high_water as u64,
    }
}

fn means(wanted: &Selection, player: &Presence) -> bool {
    wanted.means(&player.name, player.whereabouts.server())
}

struct Followed {
    proxy: String,
    changes: broadcast::Receiver<players::Change>,
}

#[tonic::async_trait]
impl Changes for Followed {
    async fn next(&mut self) -> Result<Change, Ended> {
        match self.changes.recv().await {
            Ok(players::Change::Present(player)) => {
                Ok(Change::Present(shown(&player, &self.proxy)))
            }
            Ok(players::Change::Gone(name)) => Ok(Change::Gone(name)),
            Err(RecvError::Lagged(missed)) => Err(Ended::Behind(missed)),
            Err(RecvError::Closed) => Err(Ended::Stopping),
        }
    }
}

struct ServerChanges {
    players: broadcast::Receiver<players::Change>,
    library: watch::Receiver<u64>,
    states: watch::Receiver<()>,
}

#[tonic::async_trait]
impl Signal for ServerChanges {
    async fn happened(&mut self) {
        tokio::select! {
            // Whatever was missed, all of it is looked at.
            _ = self.players.recv() => self.players = self.players.resubscribe(),
            _ = self.library.changed() => {}
            _ = self.states.changed() => {}
        }
    }
}
