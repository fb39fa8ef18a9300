//! `ServerService`.

use std::sync::Arc;

use mesegate_proto::admin::v1 as pb;
use mesegate_proto::admin::v1::server_service_server::ServerService;
use tonic::{Request, Response, Status};

use crate::call::Call;
use crate::failure::Failure;
use crate::serve::Api;
use crate::verb::Verb;
use crate::{page, watch};

pub(crate) struct Service(pub(crate) Arc<Api>);

#[tonic::async_trait]
impl ServerService for Service {
    async fn list_servers(
        &self,
        request: Request<pb::ListServersRequest>,
    ) -> Result<Response<pb::ListServersResponse>, Status> {
        let list = async |api: Arc<Api>, call: Call, message: pb::ListServersRequest| {
            let all = api.servers(call.actor.sees_addresses().await?);
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
            let server = api.server(&message.name, call.actor.sees_addresses().await?)?;
            Ok(pb::GetServerResponse { server: Some(server) })
        };
        self.0.look(Verb::GET_SERVER, request, get).await
    }

    type WatchServersStream = watch::Events<pb::WatchServersResponse>;

    async fn watch_servers(
        &self,
        request: Request<pb::WatchServersRequest>,
    ) -> Result<Response<Self::WatchServersStream>, Status> {
        let begin = async |api: Arc<Api>, call: Call, _: pb::WatchServersRequest| {
            watch::servers(api, call).await
        };
        self.0.look(Verb::WATCH_SERVERS, request, begin).await
    }

    async fn set_server_state(
        &self,
        request: Request<pb::SetServerStateRequest>,
    ) -> Result<Response<pb::SetServerStateResponse>, Status> {
        let set = async |api: Arc<Api>, call: Call, message: pb::SetServerStateRequest| {
            if message.state() == pb::ServerState::Unspecified {
                return Err(Failure::field("state", "must be ACTIVE, DRAIN or DISABLED"));
            }
            let (state, by) = (message.state(), &call.actor.name);
            api.network.set_state(&message.name, state, by, call.deadline).await?;
            let server = api.server(&message.name, call.actor.sees_addresses().await?)?;
            Ok(pb::SetServerStateResponse { server: Some(server) })
        };
        self.0.change(Verb::SET_SERVER_STATE, request, set).await
    }
}

impl Api {
    fn server(&self, name: &str, addresses: bool) -> Result<pb::Server, Failure> {
        let found = self.servers(addresses).into_iter().find(|server| server.name == name);
        found.ok_or_else(|| Failure::no_such_server(name))
    }

    /// All servers by name, as somebody sees them who may see addresses, or may not.
    pub(crate) fn servers(&self, addresses: bool) -> Vec<pb::Server> {
        let mut servers = self.network.servers();
        if !addresses {
            for server in &mut servers {
                server.endpoint.clear();
            }
        }
        servers
    }
}
