//! `ServerService`.

use std::collections::HashMap;
use std::sync::Arc;

use mesegate_content as content;
use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::FailureReason as Reason;
use mesegate_proto::admin::v1::server_service_server::ServerService;
use mesegate_resource::ServerState;
use tonic::{Request, Response, Status};

use super::call::Call;
use super::failure::Failure;
use super::verb::{Role, Verb};
use super::{Api, page, watch};

pub(super) struct Service(pub(super) Arc<Api>);

#[tonic::async_trait]
impl ServerService for Service {
    async fn list_servers(
        &self,
        request: Request<pb::ListServersRequest>,
    ) -> Result<Response<pb::ListServersResponse>, Status> {
        let list = async |api: Arc<Api>, call: Call, message: pb::ListServersRequest| {
            let all = api.servers(call.actor.role);
            let (servers, next_page_token) =
                page::cut(all, message.page_size, &message.page_token, |server| &server.name)?;
            Ok(pb::ListServersResponse { servers, next_page_token })
        };
        self.0.look(Verb::LIST_SERVERS, request, list).await
    }

    async fn get_server(
        &self,
        request: Request<pb::GetServerRequest>,
    ) -> Result<Response<pb::GetServerResponse>, Status> {
        let get = async |api: Arc<Api>, call: Call, message: pb::GetServerRequest| {
            let server = api.server(&message.name, call.actor.role)?;
            Ok(pb::GetServerResponse { server: Some(server) })
        };
        self.0.look(Verb::GET_SERVER, request, get).await
    }

    type WatchServersStream = watch::Events<pb::WatchServersResponse>;

    async fn watch_servers(
        &self,
        request: Request<pb::WatchServersRequest>,
    ) -> Result<Response<Self::WatchServersStream>, Status> {
        let begin =
            async |api: Arc<Api>, call: Call, _: pb::WatchServersRequest| watch::servers(api, call);
        self.0.look(Verb::WATCH_SERVERS, request, begin).await
    }

    async fn set_server_state(
        &self,
        request: Request<pb::SetServerStateRequest>,
    ) -> Result<Response<pb::SetServerStateResponse>, Status> {
        let set = async |api: Arc<Api>, call: Call, message: pb::SetServerStateRequest| {
            let state = match message.state() {
                pb::ServerState::Active => ServerState::Active,
                pb::ServerState::Drain => ServerState::Drain,
                pb::ServerState::Disabled => ServerState::Disabled,
                pb::ServerState::Unspecified => {
                    return Err(Failure::field("state", "must be ACTIVE, DRAIN or DISABLED"));
                }
            };
            let network = api.shared.network.load_full();
            let server = network.server(&message.name).ok_or_else(|| missing(&message.name))?;
            api.shared.selector.set_state(&server.name, state);
            let server = api.server(&message.name, call.actor.role)?;
            Ok(pb::SetServerStateResponse { server: Some(server) })
        };
        self.0.change(Verb::SET_SERVER_STATE, request, set).await
    }
}

impl Api {
    fn server(&self, name: &str, role: Role) -> Result<pb::Server, Failure> {
        let found = self.servers(role).into_iter().find(|server| server.name == name);
        found.ok_or_else(|| missing(name))
    }

    /// All servers by name, as callers of that role see them.
    pub(super) fn servers(&self, role: Role) -> Vec<pb::Server> {
        let shared = &self.shared;
        let network = shared.network.load();
        let players = shared.players.by_server();
        let statuses = shared.library.server_status();
        let statuses: HashMap<&str, &content::ServerStatus> =
            statuses.iter().map(|status| (status.name.as_str(), status)).collect();
        let mut servers: Vec<pb::Server> = network
            .servers()
            .map(|server| {
                let name = server.name.as_str();
                let status = statuses.get(name);
                let (reachability, problem) = reachability(status.map(|status| &status.state));
                pb::Server {
                    name: name.to_owned(),
                    title: server.title().to_owned(),
                    endpoint: match role {
                        Role::Viewer => String::new(),
                        Role::Moderator | Role::Admin => server.endpoint.to_string(),
                    },
                    state: shown(shared.selector.state(server)).into(),
                    reachability: reachability.into(),
                    problem,
                    players: players.get(name).copied().unwrap_or_default(),
                    protocol: status.and_then(|s| s.newest).map_or(0, |version| version.0.into()),
                    checked: status.and_then(|s| s.last_fetch).map(Into::into),
                }
            })
            .collect();
        servers.sort_by(|a, b| a.name.cmp(&b.name));
        servers
    }
}

fn missing(name: &str) -> Failure {
    Failure::new(Reason::NoSuchTarget, format!("there is no server {name:?}"))
}

fn shown(state: ServerState) -> pb::ServerState {
    match state {
        ServerState::Active => pb::ServerState::Active,
        ServerState::Drain => pb::ServerState::Drain,
        ServerState::Disabled => pb::ServerState::Disabled,
    }
}

fn reachability(state: Option<&content::ServerState>) -> (pb::Reachability, String) {
    use content::ServerState::{Down, Unknown, Up, VersionRefused};
    match state {
        None | Some(Unknown) => (pb::Reachability::Unknown, String::new()),
        Some(Up) => (pb::Reachability::Up, String::new()),
        Some(Down { text, .. }) => (pb::Reachability::Down, text.clone()),
        Some(VersionRefused { text }) => (pb::Reachability::VersionRefused, text.clone()),
    }
}
