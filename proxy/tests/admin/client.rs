//! A proxy with the interface, and its client.

use std::time::Duration;

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::ban_service_client::BanServiceClient;
use mesegate_proto::admin::v1::player_service_client::PlayerServiceClient;
use mesegate_proto::admin::v1::proxy_service_client::ProxyServiceClient;
use mesegate_proto::admin::v1::server_service_client::ServerServiceClient;
use mesegate_testkit::{FakeServer, FakeServerOptions};
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use crate::support::{Documents, Launch, Proxy, arena, lobby};

/// Two servers and a proxy with the interface.
pub struct Net {
    pub lobby: FakeServer,
    pub arena: FakeServer,
    pub proxy: Proxy,
    pub admin: Admin,
}

impl Net {
    pub async fn start() -> Self {
        let lobby = FakeServer::of(lobby()).unwrap();
        Self::with(lobby, FakeServerOptions::new(arena())).await
    }

    pub async fn with(lobby: FakeServer, arena: FakeServerOptions) -> Self {
        let arena = FakeServer::start(arena).unwrap();
        let documents =
            Documents::new().server("lobby", lobby.addr()).server("arena", arena.addr());
        let proxy = launch(documents).start().await;
        let admin = Admin::of(&proxy).await;
        Self { lobby, arena, proxy, admin }
    }
}

/// A proxy whose interface is open to this machine.
pub fn launch(documents: Documents) -> Launch {
    Launch::new(documents).arg("--admin", "127.0.0.1:0").arg("--name", "edge-1")
}

/// Where the interface is.
pub async fn address(proxy: &Proxy) -> String {
    let line = proxy.logged("operators can connect").await;
    line.split("admin=").nth(1).unwrap().split(' ').next().unwrap().to_owned()
}

/// A client.
#[derive(Clone)]
pub struct Admin {
    pub channel: Channel,
    token: Option<String>,
}

impl Admin {
    pub async fn of(proxy: &Proxy) -> Self {
        let url = format!("http://{}", address(proxy).await);
        Self::over(Channel::from_shared(url).unwrap().connect().await.unwrap())
    }

    pub fn over(channel: Channel) -> Self {
        Self { channel, token: None }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub fn players(&self) -> PlayerServiceClient<Channel> {
        PlayerServiceClient::new(self.channel.clone())
    }

    pub fn bans(&self) -> BanServiceClient<Channel> {
        BanServiceClient::new(self.channel.clone())
    }

    pub fn servers(&self) -> ServerServiceClient<Channel> {
        ServerServiceClient::new(self.channel.clone())
    }

    pub fn proxies(&self) -> ProxyServiceClient<Channel> {
        ProxyServiceClient::new(self.channel.clone())
    }

    /// A request as this client makes it.
    pub fn ask<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    pub async fn list(&self) -> Vec<pb::Player> {
        let request = self.ask(pb::ListPlayersRequest::default());
        self.players().list_players(request).await.unwrap().into_inner().players
    }

    pub async fn go(&self, player: &str, server: &str) -> Result<pb::MovePlayerResponse, Status> {
        self.go_within(player, server, Duration::from_secs(20)).await
    }

    pub async fn go_within(
        &self,
        player: &str,
        server: &str,
        limit: Duration,
    ) -> Result<pb::MovePlayerResponse, Status> {
        let mut request = self.ask(pb::MovePlayerRequest {
            name: player.into(),
            target: target(server),
            ..Default::default()
        });
        request.set_timeout(limit);
        self.players().move_player(request).await.map(tonic::Response::into_inner)
    }

    pub async fn state(&self, server: &str, state: pb::ServerState) -> Result<pb::Server, Status> {
        let request = self.ask(pb::SetServerStateRequest {
            name: server.into(),
            state: state.into(),
            request_id: String::new(),
        });
        let done = self.servers().set_server_state(request).await?;
        Ok(done.into_inner().server.unwrap())
    }

    pub async fn kick(&self, player: &str, reason: &str) -> Result<(), Status> {
        let request = self.ask(pb::KickPlayerRequest {
            name: player.into(),
            reason: reason.into(),
            ..Default::default()
        });
        self.players().kick_player(request).await.map(|_| ())
    }
}

#[allow(clippy::unnecessary_wraps)] // as requests take it
pub fn target(server: &str) -> Option<pb::Target> {
    Some(pb::Target { kind: Some(pb::target::Kind::Server(server.into())) })
}

/// The reason's name, whose domain must be ours.
pub fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "mesegate.dev");
    info.reason
}

/// Fails unless a call failed for that reason.
#[track_caller]
pub fn assert_reason<T: std::fmt::Debug>(result: Result<T, Status>, code: tonic::Code, name: &str) {
    let status = result.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (code, name), "{status:?}");
    assert!(!status.message().is_empty());
}
